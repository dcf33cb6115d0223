"""Connections that are kept for the next request to the same server."""

from __future__ import annotations

from typing import Any

from reactorlib.defer import Deferred, DeferredList, succeed
from reactorlib.protocol import Factory
from reactorlib.protocols.http.clientconnection import (
    Answer,
    ClientConnection,
    Question,
    ResponseNeverReceived,
)

IDEMPOTENT = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE", b"PUT", b"DELETE"))


class _Connections(Factory):
    protocol = ClientConnection
    noisy = False


class HTTPConnectionPool:
    """Idle connections by key, and new ones where there is none.

    `maxPersistentPerHost`: how many are kept for one key; more are closed.
    `cachedConnectionTimeout`: seconds that one is kept. Only the last used is taken: those
    that are not needed end by themselves. Without `persistent` none is kept.
    `retryAutomatically`: whether `ask` may try twice.
    """

    retryAutomatically = True

    maxPersistentPerHost = 2
    cachedConnectionTimeout = 240.0

    def __init__(self, reactor: Any, persistent: bool = True) -> None:
        self._reactor = reactor
        self.persistent = persistent
        self._idle: dict[Any, list[ClientConnection]] = {}
        self._timers: dict[ClientConnection, Any] = {}
        self._closed: dict[ClientConnection, Deferred[None]] = {}

    async def ask(self, key: Any, endpoint: Any, question: Question) -> Answer:
        """Send a request on one of the connections. Raises what getConnection and ask do.

        A kept connection may have ended meanwhile. A request that is idempotent and has no
        body is then sent once more, on a new one (RFC 9110, 9.2.2).
        """
        again = self.retryAutomatically and question.body is None
        connection = await self.getConnection(key, endpoint)
        try:
            return await self._sent(connection, question)
        except ResponseNeverReceived:
            if not again or connection.used == 0 or question.method not in IDEMPOTENT:
                raise
        return await self._sent(await self.getConnection(key, endpoint, fresh=True), question)

    def _sent(self, connection: ClientConnection, question: Question) -> Deferred[Answer]:
        try:
            return connection.ask(question)
        except ValueError:
            connection.transport.loseConnection()
            raise

    def getConnection(
        self, key: Any, endpoint: Any, fresh: bool = False
    ) -> Deferred[ClientConnection]:
        """A connection for a request; `endpoint` makes one if none is idle, or it must be fresh."""
        idle = self._idle.get(key)
        if idle and not fresh:
            connection = idle[-1]
            self._forget(key, connection)
            return succeed(connection)
        connecting: Deferred[ClientConnection] = endpoint.connect(_Connections())
        return connecting.addCallback(self._connected, key)

    def _connected(self, connection: ClientConnection, key: Any) -> ClientConnection:
        connection.idle = lambda connection: self._keep(key, connection)
        connection.gone = lambda connection: self._gone(key, connection)
        return connection

    def _keep(self, key: Any, connection: ClientConnection) -> None:
        """It may be used again."""
        idle = self._idle.setdefault(key, [])
        if not self.persistent or len(idle) >= self.maxPersistentPerHost:
            connection.transport.loseConnection()
            return
        idle.append(connection)
        timeout = self.cachedConnectionTimeout
        self._timers[connection] = self._reactor.callLater(timeout, self._expire, key, connection)

    def _expire(self, key: Any, connection: ClientConnection) -> None:
        self._forget(key, connection)
        connection.transport.loseConnection()

    def _gone(self, key: Any, connection: ClientConnection) -> None:
        if connection in self._timers:
            self._forget(key, connection)
        closed = self._closed.pop(connection, None)
        if closed is not None:
            closed.callback(None)

    def _forget(self, key: Any, connection: ClientConnection) -> None:
        """It is idle no more."""
        timer = self._timers.pop(connection)
        if timer.active():
            timer.cancel()
        idle = self._idle[key]
        idle.remove(connection)
        if not idle:
            del self._idle[key]

    def closeCachedConnections(self) -> Deferred[None]:
        """Close the idle ones; fires when they are."""
        for key, idle in list(self._idle.items()):
            for connection in list(idle):
                self._closed[connection] = Deferred()
                self._expire(key, connection)
        closed = DeferredList(list(self._closed.values()))
        return closed.addCallback(lambda results: None)
