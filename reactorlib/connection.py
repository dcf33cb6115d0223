"""The transport of a TCP connection, which may change to TLS on the way.

Addresses are worked out when they are asked for.
"""

from __future__ import annotations

import socket
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from zope.interface import implementer
from zope.interface.declarations import Provides

from reactorlib import error
from reactorlib.address import IPv4Address, from_sockaddr
from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.interfaces import (
    INegotiated,
    IProxiedTransport,
    ISendfileTransport,
    ITLSTransport,
)
from reactorlib.sendfile import FileQueue
from reactorlib.sockets import LentSocket, borrowed_socket
from reactorlib.stream import Stream

if TYPE_CHECKING:
    from reactorlib.certificate import Certificate
    from reactorlib.tlslayer import TLSLayer


def local_address(descriptor: int) -> Any:
    """The address a socket is bound to."""
    with borrowed_socket(descriptor) as borrowed:
        return from_sockaddr(borrowed.family, borrowed.getsockname())


@lru_cache
def _provided(kind: Any, besides: Any) -> Any:
    """What the instances of a class provide, with one interface more."""
    return Provides(kind, besides)


@implementer(ITLSTransport, IProxiedTransport)
class Connection(Stream):
    """One TCP connection, accepted or made."""

    __slots__ = ("_keeper", "_peer", "_tls")

    is_client = False

    def __init__(self, reactor: Any, handle: int, peer: Any, keeper: Any = None) -> None:
        super().__init__(reactor, handle)
        self._tls: TLSLayer | None = None
        self._peer = peer  # an address, or one packed by the engine
        self._keeper = keeper  # a connector or a budget: its connection_lost is called last

    @property
    def connector(self) -> Any:
        """What made this connection, if it was not accepted."""
        return self._keeper if self.is_client else None

    def tell_lost(self, protocol: Any, reason: Failure) -> None:
        try:
            super().tell_lost(protocol, reason)
        finally:
            if self._keeper is not None:
                self._keeper.connection_lost(reason)

    def getPeer(self) -> Any:
        if isinstance(self._peer, int):
            return IPv4Address.from_packed(self._peer)
        return self._peer

    def getHost(self) -> Any:
        """This side's address. Raises ConnectionClosed after the end."""
        if self._extra is not None and self._extra.host is not None:
            return self._extra.host
        return local_address(self._descriptor())

    def passFor(self, peer: Any, host: Any) -> None:
        """See IProxiedTransport."""
        self._peer = peer
        self._more().host = host

    def sendFile(self, file: Any, offset: int, count: int) -> Deferred[int]:
        """See ISendfileTransport, which this is until it changes to TLS."""
        if self._tls is not None:
            raise RuntimeError("the kernel does not encrypt: read the file, and write it")
        extra = self._more()
        if extra.files is None:
            extra.files = FileQueue()
        return extra.files.send(self._engine, self._handle, file, offset, count)

    def _descriptor(self) -> int:
        descriptor: int = self._engine.descriptor(self._handle)
        if descriptor < 0:
            raise error.ConnectionClosed("its socket is gone")
        return descriptor

    def getHandle(self) -> socket.socket:
        descriptor, extra = self._descriptor(), self._more()
        if extra.socket is None:
            extra.socket = LentSocket(fileno=descriptor)
        lent: socket.socket = extra.socket
        return lent

    def getTcpNoDelay(self) -> bool:
        return self._option(socket.IPPROTO_TCP, socket.TCP_NODELAY)

    def setTcpNoDelay(self, enabled: bool) -> None:
        self._set_option(socket.IPPROTO_TCP, socket.TCP_NODELAY, enabled)

    def getTcpKeepAlive(self) -> bool:
        return self._option(socket.SOL_SOCKET, socket.SO_KEEPALIVE)

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self._set_option(socket.SOL_SOCKET, socket.SO_KEEPALIVE, enabled)

    # TLS

    def startTLS(self, contextFactory: Any, normal: bool = True) -> None:
        if self._tls is not None:
            raise RuntimeError(f"{self!r} speaks TLS already")
        if not self.connected or self.disconnecting:
            return
        self.uncork()
        engine = self._engine.engine if self._monitored else self._engine
        layer = self.reactor.tls.layer(self, engine, contextFactory, self.is_client == normal)
        self._replace_engine(engine, layer)
        self._tls = self.reactor.sinks[self._handle] = layer
        extra = self._more()
        held, extra.held = extra.held, []
        layer.notify(self._handle, extra.notify)
        layer.set_limits(self._handle, *extra.limits)
        if extra.paused:
            layer.pause(self._handle)
        layer.begin(held, bool(extra.ended))

    def end_tls(self) -> None:
        """The connection is lost and all is told: let go of the session."""
        layer, self._tls = self._tls, None
        if layer is not None:
            self._replace_engine(layer, layer.engine)

    def _replace_engine(self, old: Any, new: Any) -> None:
        """Below what counts or gathers, if anything does."""
        if self._engine is old:
            self._engine = new
        else:
            self._engine.engine = new

    @property
    def __providedBy__(self) -> Any:
        """What it provides is another when it has changed to TLS."""
        kind: Any = type(self)
        return _provided(kind, ISendfileTransport if self._tls is None else INegotiated)

    @property
    def peer_name(self) -> str | None:
        """What the other side is called, if that is known."""
        return None

    @property
    def TLS(self) -> bool:
        """Whether this connection speaks TLS."""
        return self._tls is not None

    def getPeerCertificate(self) -> Certificate | None:
        return self._tls.session.peer_certificate() if self._tls else None

    @property
    def negotiatedProtocol(self) -> bytes | None:
        return self._tls.session.negotiated_protocol() if self._tls else None

    def end(self, reason: Failure) -> None:
        """Flush what there is and close, for that reason."""
        self._more().failure = reason
        self.leave()

    def _option(self, level: int, option: int) -> bool:
        with borrowed_socket(self._descriptor()) as sock:
            return bool(sock.getsockopt(level, option))

    def _set_option(self, level: int, option: int, enabled: bool) -> None:
        with borrowed_socket(self._descriptor()) as sock:
            sock.setsockopt(level, option, bool(enabled))

    def __repr__(self) -> str:
        return f"<connection of {self.logPrefix()} with {self.getPeer()}>"
