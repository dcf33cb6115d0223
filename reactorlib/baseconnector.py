"""What the connectors of all streams share: one attempt after another, told to a factory.

Every attempt has one outcome, told once, and never from inside the call that
begins it. A factory may connect again from wherever it is told.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.address import from_sockaddr
from reactorlib.connection import Connection
from reactorlib.failure import Failure
from reactorlib.interfaces import IConnector
from reactorlib.race import Race, Target

logger = logging.getLogger("reactorlib")


@implementer(IConnector)
class BaseConnector:
    """Connects a ClientFactory to one destination, as often as it is told to.

    A subclass says where to (`getDestination`, `where`), how (`_begin`, which sets
    `_race`), and with what transport (`_client`).
    """

    def __init__(self, factory: Any, timeout: float | None, reactor: Any) -> None:
        self.factory = factory
        self.timeout = timeout
        self.reactor = reactor
        self.state = "disconnected"
        self.transport: Connection | None = None
        self.contextFactory: Any = None  # of connections over TLS
        self._started = False
        self._race: Race | None = None
        self._timer: Any = None

    def getDestination(self) -> Any:
        raise NotImplementedError

    @property
    def where(self) -> str:
        """The destination, for people."""
        raise NotImplementedError

    def _begin(self) -> None:
        raise NotImplementedError

    def _client(self, handle: int, peer: Any) -> Connection:
        raise NotImplementedError

    def connect(self) -> None:
        if self.state != "disconnected":
            raise RuntimeError(f"{self!r} cannot connect: it is {self.state}")
        if not self._started:
            self.factory.doStart()
            self._started = True
        self.state = "connecting"
        if self.timeout is not None:
            self._timer = self.reactor.callLater(self.timeout, self._timed_out)
        try:
            self.factory.startedConnecting(self)
        except BaseException:
            self._attempt_over("disconnected")
            self._stop_factory_if_idle()
            raise
        if self.state == "connecting" and self._race is None:
            self._begin()

    def _timed_out(self) -> None:
        self._timer = None
        self._give_up(error.TimeoutError(string=f"{self.where}, {self.timeout} seconds"))

    def stopConnecting(self) -> None:
        if self.state != "connecting":
            raise error.NotConnectingError(f"{self!r} is not connecting")
        self._give_up(error.UserError())

    def disconnect(self) -> None:
        if self.state == "connecting":
            self.stopConnecting()
        elif self.transport is not None:
            self.transport.loseConnection()

    def _give_up(self, failure: error.ConnectError) -> None:
        if self._race is not None:
            self._race.stop(failure)
        else:
            self._not_connected(failure)

    def _not_connected(self, failure: Exception) -> None:
        self._attempt_over("disconnected")
        self._tell(self.factory.clientConnectionFailed, Failure(failure))

    def _attempt_over(self, state: str) -> None:
        self.state = state
        self._race = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _connected(self, handle: int, target: Target) -> None:
        self._attempt_over("connected")
        peer = from_sockaddr(*target)
        transport = self.transport = self._client(handle, peer)
        try:
            protocol = self.factory.buildProtocol(peer)
            if protocol is None:
                transport.loseConnection()
                return
            if self.contextFactory is not None:
                transport.startTLS(self.contextFactory)
            transport.connect_to(protocol)
        except Exception:
            self.reactor.report(transport)

    def connection_lost(self, reason: Failure) -> None:
        """The connection was made, and is gone."""
        self.state = "disconnected"
        self.transport = None
        self._tell(self.factory.clientConnectionLost, reason)

    def _tell(self, callback: Callable[[Any, Failure], object], reason: Failure) -> None:
        """Tell the factory, which may connect again from there."""
        try:
            callback(self, reason)
        except Exception:
            logger.exception("Unhandled error in %r", self)
        self._stop_factory_if_idle()

    def _stop_factory_if_idle(self) -> None:
        if self.state == "disconnected" and self._started:
            self._started = False
            self.factory.doStop()

    def __repr__(self) -> str:
        return f"<connector to {self.where}, {self.state}>"
