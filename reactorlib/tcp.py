"""TCP: the transport of a connection, and the listening port.

Addresses are worked out when they are asked for. Sockets are made here and
handed to the engine, which owns their descriptors from then on.
"""

from __future__ import annotations

import contextlib
import logging
import socket
import struct
from collections.abc import Iterator
from errno import EMFILE, ENFILE
from typing import Any

from zope.interface import implementer

from reactorlib import error, rlimit
from reactorlib.address import IPv4Address, IPv6Address, from_sockaddr
from reactorlib.backends.events import ACCEPTED, LISTENER, LOST, OVERLOAD
from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.interfaces import IListeningPort, ITCPTransport
from reactorlib.stream import Stream

logger = logging.getLogger("reactorlib")

BACKLOG = 2048

# Out of descriptors, a port waits this long, in seconds, doubled each time.
FIRST_BACKOFF = 0.05
LAST_BACKOFF = 0.5
LOG_INTERVAL = 1.0

_IPV6_PEER = struct.Struct("=16sIII")


@contextlib.contextmanager
def borrowed_socket(descriptor: int) -> Iterator[socket.socket]:
    """A socket object on a descriptor that stays its owner's."""
    borrowed = socket.socket(fileno=descriptor)
    try:
        yield borrowed
    finally:
        borrowed.detach()


class LentSocket(socket.socket):
    """A socket on a descriptor that only the engine closes, not even the collector does."""

    __slots__ = ()

    def __del__(self) -> None:
        self.detach()


def local_address(descriptor: int) -> Any:
    """The address a socket is bound to."""
    with borrowed_socket(descriptor) as borrowed:
        return from_sockaddr(borrowed.family, borrowed.getsockname())


def set_common_options(sock: socket.socket) -> None:
    """Non-blocking, small segments sent at once, no SIGPIPE."""
    sock.setblocking(False)
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    no_sigpipe = getattr(socket, "SO_NOSIGPIPE", None)
    if no_sigpipe is not None:
        sock.setsockopt(socket.SOL_SOCKET, no_sigpipe, 1)


@implementer(ITCPTransport)
class Connection(Stream):
    """One TCP connection, accepted or made."""

    __slots__ = ("_peer",)

    def __init__(self, reactor: Any, handle: int, peer: Any) -> None:
        super().__init__(reactor, handle)
        self._peer = peer  # an address, or one packed by the engine

    def getPeer(self) -> Any:
        if isinstance(self._peer, int):
            return IPv4Address.from_packed(self._peer)
        return self._peer

    def getHost(self) -> Any:
        """This side's address. Raises ConnectionClosed after the end."""
        return local_address(self._descriptor())

    def _descriptor(self) -> int:
        descriptor: int = self._engine.descriptor(self._handle)
        if descriptor < 0:
            raise error.ConnectionClosed("its socket is gone")
        return descriptor

    def getHandle(self) -> socket.socket:
        descriptor, extra = self._descriptor(), self._more()
        if extra.socket is None:
            extra.socket = LentSocket(fileno=descriptor)
        return extra.socket

    def getTcpNoDelay(self) -> bool:
        return self._option(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    def setTcpNoDelay(self, enabled: bool) -> None:
        self._set_option(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)

    def getTcpKeepAlive(self) -> bool:
        return self._option(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self._set_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)

    def _option(self, level: int, option: int) -> bool:
        with borrowed_socket(self._descriptor()) as sock:
            return bool(sock.getsockopt(level, option))

    def _set_option(self, level: int, option: int, enabled: bool) -> None:
        with borrowed_socket(self._descriptor()) as sock:
            sock.setsockopt(level, option, bool(enabled))

    def __repr__(self) -> str:
        return f"<connection of {self.logPrefix()} with {self.getPeer()}>"


@implementer(IListeningPort)
class Port:
    """A listening TCP socket that feeds a factory.

    When no descriptor is left, or the backend can hold no more, it waits and
    tries again, ever longer up to half a second; the factory's `overloaded` is
    told why, and the log once a second.
    """

    receiving = False
    protocol = None

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
        self._stopped: Deferred[None] | None = None
        self._overload = Overload(self)

    @classmethod
    def adopt(cls, sock: socket.socket, factory: Any, reactor: Any) -> Port:
        """A port on a socket that is bound and listening already."""
        self = cls(0, factory, reactor=reactor)
        self._adopted = sock
        return self

    def startListening(self) -> None:
        sock = self._adopted or self._bound_socket()
        self._adopted = None
        try:
            set_common_options(sock)  # accepted sockets inherit TCP_NODELAY
            host = from_sockaddr(sock.family, sock.getsockname())
            self.port = getattr(host, "port", self.port)
            self._handle = self._add(sock)
        except BaseException:
            sock.close()
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
        return handle

    def _bound_socket(self) -> socket.socket:
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

    def stopListening(self) -> Deferred[None] | None:
        if not self.connected:
            return None
        if self._stopped is None:
            self._stopped = Deferred()
            self.reactor.engine.lose(self._handle)
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
        reactor, budget = self.reactor, self.reactor.budget
        refusal = budget and budget.exhausted()
        if refusal:
            reactor.engine.lose(handle)
            self._overload.turned_away(refusal)
            return
        address = self._address(peer)
        try:
            protocol = self.factory.buildProtocol(address)
        except BaseException:
            reactor.engine.abort(handle)
            raise
        if protocol is None:
            reactor.engine.lose(handle)
            return
        make = budget.connection if budget else Connection
        connection = make(reactor, handle, peer if peer >= 0 else address)
        try:
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


class Overload:
    """A port's answer to connections that cannot be accepted: say so, wait, try again."""

    def __init__(self, port: Port) -> None:
        self._port = port
        self._backoff = 0.0
        self._retry: Any = None
        self._logged = float("-inf")
        self._shed = 0

    def happened(self, number: int, shed: int) -> None:
        """The engine has paused the listener."""
        reactor = self._port.reactor
        self._backoff = min(self._backoff * 2, LAST_BACKOFF) or FIRST_BACKOFF
        self._retry = reactor.callLater(self._backoff, self._try_again)
        self.turned_away(_overload_reason(number, reactor), shed)

    def turned_away(self, reason: Exception, count: int = 1) -> None:
        """So many connections were closed, or none could be taken, for that reason."""
        reactor = self._port.reactor
        self._shed += count
        if reactor.seconds() - self._logged >= LOG_INTERVAL:
            self._logged = reactor.seconds()
            logger.warning(
                "%r cannot accept connections (%d turned away): %s", self._port, self._shed, reason
            )
            self._shed = 0
        overloaded = getattr(self._port.factory, "overloaded", None)
        if overloaded is not None:
            overloaded(reason)

    def _try_again(self) -> None:
        self._retry = None
        self._port.reactor.engine.resume(self._port._handle)

    def over(self) -> None:
        """A connection was accepted, or the port is gone."""
        self._backoff = 0.0
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None


def _overload_reason(number: int, reactor: Any) -> Exception:
    of_the_backend: Exception | None = reactor.engine.explain_refusal(number)
    if of_the_backend is not None:
        return of_the_backend
    if number in (EMFILE, ENFILE):
        return error.FileDescriptorLimit(number, rlimit.read().soft)
    return OSError(number, error.describe_errno(number))
