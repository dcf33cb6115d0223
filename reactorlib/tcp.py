"""TCP: the listening port.

Its socket is made here and handed to the engine, which owns the descriptor from then on.
"""

from __future__ import annotations

import logging
import socket
import struct
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.address import IPv4Address, IPv6Address, from_sockaddr
from reactorlib.backends.events import ACCEPTED, LISTENER, LOST, OVERLOAD
from reactorlib.connection import Connection, local_address
from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.interfaces import IListeningPort
from reactorlib.overload import Overload
from reactorlib.sockets import set_common_options
from reactorlib.stream import HIGH_WATER, NO_CAP

if TYPE_CHECKING:
    from reactorlib.budget import ConnectionBudget

__all__ = ["BACKLOG", "Connection", "Port"]

logger = logging.getLogger("reactorlib")

BACKLOG = 2048

_IPV6_PEER = struct.Struct("=16sIII")


@implementer(IListeningPort)
class Port:
    """A listening TCP socket that feeds a factory.

    When no descriptor is left, or the backend can hold no more, it waits and
    tries again, ever longer up to half a second; the factory's `overloaded` is
    told why, and the log once a second.

    `counted`: whether its connections count for the reactor's bound on connections.
    """

    receiving = False
    protocol = None
    counted = True
    _connection: type[Connection] = Connection  # what is made of an accepted one

    def __init__(
        self,
        port: int,
        factory: Any,
        backlog: int = BACKLOG,
        interface: str = "",
        reactor: Any = None,
        reusePort: bool = False,
    ) -> None:
        self.port = port
        self.factory = factory
        self.backlog = backlog
        self.interface = interface
        self.reactor = reactor
        self.connected = False
        self._reuse_port = reusePort
        self._handle = 0
        self._adopted: socket.socket | None = None
        self.contextFactory: Any = None  # of connections over TLS
        self._stopped: Deferred[None] | None = None
        self._overload = Overload(self)

    @classmethod
    def adopt(cls, sock: socket.socket, factory: Any, reactor: Any) -> Port:
        """A port on a socket that is bound and listening already."""
        self = cls(0, factory, reactor=reactor)
        self._adopted = sock
        return self

    @property
    def place(self) -> tuple[Any, ...]:
        """Where it is to listen, as a process tells another that opens sockets for it."""
        return ("tcp", self.interface, self.port)

    def startListening(self) -> None:
        sock = self._adopted or self.reactor.take_inherited(self.place) or self.bound_socket()
        self._adopted = None
        try:
            set_common_options(sock)  # accepted sockets inherit TCP_NODELAY
            host = from_sockaddr(sock.family, sock.getsockname())
            self.port = getattr(host, "port", self.port)
            self._handle = self._add(sock)
        except BaseException:
            sock.close()
            self.unbound()
            raise
        sock.detach()
        self.reactor.sinks[self._handle] = self
        self.connected = True
        logger.debug("%r starts", self)

    def _add(self, sock: socket.socket) -> int:
        """Start the factory and give the socket to the engine: both, or neither."""
        self.factory.doStart()
        try:
            handle: int = self.reactor.engine.add(sock.fileno(), LISTENER)
        except (OSError, error.SelectLimitError) as cause:
            self.factory.doStop()
            raise error.CannotListenError(self.interface, self.port, cause) from cause
        except BaseException:
            self.factory.doStop()
            raise
        return handle

    def bound_socket(self) -> socket.socket:
        family = socket.AF_INET6 if ":" in self.interface else socket.AF_INET
        try:
            sock = socket.socket(family, socket.SOCK_STREAM)
        except OSError as cause:
            raise error.CannotListenError(self.interface, self.port, cause) from cause
        try:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if self._reuse_port:
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            if family == socket.AF_INET6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            sock.bind((self.interface, self.port))
            sock.listen(self.backlog)
        except (OSError, OverflowError, ValueError, TypeError) as cause:  # TypeError: no such name
            sock.close()
            raise error.CannotListenError(self.interface, self.port, cause) from cause
        return sock

    def unbound(self) -> None:
        """What the socket was bound to is free again."""

    def stopListening(self) -> Deferred[None] | None:
        if not self.connected:
            return None
        if self._stopped is None:
            self.reactor.engine.lose(self._handle)
            self._stopped = Deferred()
        return self._stopped

    loseConnection = stopListening

    def getHost(self) -> Any:
        """The address it is bound to. Raises NotListeningError when it is not."""
        descriptor = self.reactor.engine.descriptor(self._handle)
        if descriptor < 0:
            raise error.NotListeningError("this port is not listening")
        return local_address(descriptor)

    def fileno(self) -> int:
        """The listening descriptor, or -1."""
        return int(self.reactor.engine.descriptor(self._handle))

    # Sink

    def event(self, kind: int, first: int, second: int) -> None:
        if kind == ACCEPTED:
            self._overload.over()
            self._accepted(first, second)
        elif kind == OVERLOAD:
            self._overload.happened(first, second)
        elif kind == LOST:
            self._lost(first)

    def raised(self, failure: Failure) -> None:
        """Logged already; a port outlives its factory's faults."""

    def leave(self) -> None:
        self.reactor.engine.lose(self._handle)

    abandon = leave

    def hold(self, data: bytes) -> None:
        raise AssertionError("a listening socket has no data")

    def _accepted(self, handle: int, peer: int) -> None:
        budget = self.reactor.budget if self.counted else None
        if budget is None or not (refusal := budget.exhausted()):
            self._begin(handle, peer, self.factory.buildProtocol, budget)
            return
        try:
            self._refuse(handle, peer, budget.refusals)
        finally:
            self._overload.turned_away(refusal)

    def _refuse(self, handle: int, peer: int, budget: ConnectionBudget | None) -> None:
        """Close one that is too many, in the factory's words if it has any."""
        build = getattr(self.factory, "buildRefusal", None)
        if build is None or budget is None or budget.exhausted():
            self.reactor.engine.lose(handle)
        else:
            self._begin(handle, peer, build, budget)

    def _begin(
        self,
        handle: int,
        peer: int,
        build: Callable[[Any], Any],
        budget: ConnectionBudget | None,
    ) -> None:
        reactor = self.reactor
        address = self._address(peer)
        try:
            protocol = build(address)
        except BaseException:
            reactor.engine.abort(handle)
            raise
        if protocol is None:
            reactor.engine.lose(handle)
            return
        keeper = budget.take() if budget else None
        connection = self._connection(reactor, handle, peer if peer >= 0 else address, keeper)
        try:
            if reactor.maxWriteBuffer is not None:
                most = min(reactor.maxWriteBuffer, NO_CAP)
                connection.setWriteBufferLimits(high=min(HIGH_WATER, most), cap=most)
            if self.contextFactory is not None:
                connection.startTLS(self.contextFactory)
            connection.connect_to(protocol)
        except Exception:
            reactor.report(connection)

    def _address(self, peer: int) -> Any:
        if peer >= 0:
            return IPv4Address.from_packed(peer)
        if peer == -1:
            return None
        start = -2 - peer
        raw = self.reactor.engine.arena[start : start + _IPV6_PEER.size]
        host, port, flow, scope = _IPV6_PEER.unpack(raw)
        return IPv6Address("TCP", socket.inet_ntop(socket.AF_INET6, host), port, flow, scope)

    def _lost(self, number: int) -> None:
        self.reactor.sinks.pop(self._handle, None)
        self._overload.over()
        self.unbound()
        self.connected = False
        self._handle = 0
        if number:
            logger.error("%r ended: %s", self, error.ConnectionLost(number))
        stopped, self._stopped = self._stopped, None
        try:
            self.factory.doStop()
        finally:
            if stopped is not None:
                stopped.callback(None)

    def __repr__(self) -> str:
        kind = type(self.factory)
        state = f"on port {self.port}" if self.connected else "not listening"
        return f"<{kind.__module__}.{kind.__qualname__} {state}>"
