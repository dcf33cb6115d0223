"""A protocol and its transport with something in between.

A ProtocolWrapper stands between the two: to the transport it is the protocol,
to the protocol it is the transport. What it does not override passes
through, in both directions: it provides each interface of the transport, and
those that the transport asks its protocol for.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from zope.interface import directlyProvides, implementer, providedBy

from reactorlib.failure import Failure
from reactorlib.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
    ILoggingContext,
    IProtocol,
)
from reactorlib.protocol import ClientFactory, connectionDone

# What a protocol may provide to be told more by its transport.
TOLD_MORE = (IHalfCloseableProtocol, IHandshakeListener)


@implementer(IProtocol, ILoggingContext)
class ProtocolWrapper:
    """Wraps `wrappedProtocol`, made by `factory`; `transport` is the real one.

    A subclass may override connectionMade, which comes before the wrapped
    protocol's, and whatever a transport or a protocol has.
    """

    transport: Any = None

    def __init__(self, factory: Any, wrappedProtocol: Any) -> None:
        self.factory = factory
        self.wrappedProtocol = wrappedProtocol
        self._provide()

    def _provide(self) -> None:
        told = [interface for interface in TOLD_MORE if interface.providedBy(self.wrappedProtocol)]
        if told or self.transport is not None:
            directlyProvides(self, *told, providedBy(self.transport))

    def logPrefix(self) -> str:
        """The wrapped protocol's prefix, and this class's name."""
        return log_prefix(self, self.wrappedProtocol)

    # To the transport, this is a protocol

    def makeConnection(self, transport: Any) -> None:
        if self.transport is None:
            self.transport = transport
            self._provide()
            self.factory.registerProtocol(self)
            self.connectionMade()
        self.wrappedProtocol.makeConnection(self)

    def connectionMade(self) -> None:
        """The connection is there."""

    def dataReceived(self, data: bytes) -> None:
        self.wrappedProtocol.dataReceived(data)

    def readConnectionLost(self) -> None:
        self.wrappedProtocol.readConnectionLost()

    def writeConnectionLost(self) -> None:
        self.wrappedProtocol.writeConnectionLost()

    def handshakeCompleted(self) -> None:
        self.wrappedProtocol.handshakeCompleted()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.factory.unregisterProtocol(self)
        protocol, self.wrappedProtocol = self.wrappedProtocol, None
        protocol.connectionLost(reason)

    # To the protocol, this is a transport

    @property
    def connected(self) -> bool:
        return self.transport is not None and bool(self.transport.connected)

    @property
    def disconnecting(self) -> bool:
        return bool(self.transport.disconnecting)

    def write(self, data: bytes) -> None:
        self.transport.write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.transport.writeSequence(data)

    def loseConnection(self) -> None:
        self.transport.loseConnection()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self.transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self.transport.unregisterProducer()

    def handOver(self, protocol: Any, data: bytes = b"") -> None:
        """See IHandOver: the new protocol is wrapped as the one before it was."""
        self.wrappedProtocol = protocol
        self._provide()
        self.transport.handOver(self, data)

    def cork(self, gatherer: object) -> bool:
        """False: every write passes through here by itself."""
        return False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.transport, name)


class WrappingFactory(ClientFactory):
    """Wraps a factory, and each of its protocols with `protocol`.

    `protocols` has, as keys, those that are connected. `reactor` gives the time
    to policies that need it: by default it is that of the first connection.
    """

    protocol: Callable[..., Any] = ProtocolWrapper
    reactor: Any = None

    def __init__(self, wrappedFactory: Any) -> None:
        self.wrappedFactory = wrappedFactory
        self.protocols: dict[Any, int] = {}

    def logPrefix(self) -> str:
        """The wrapped factory's prefix, and this class's name."""
        return log_prefix(self, self.wrappedFactory)

    def doStart(self) -> None:
        self.wrappedFactory.doStart()
        super().doStart()

    def doStop(self) -> None:
        self.wrappedFactory.doStop()
        super().doStop()

    def overloaded(self, reason: Exception) -> None:
        """Passed on to a factory that has this method."""
        overloaded = getattr(self.wrappedFactory, "overloaded", None)
        if overloaded is not None:
            overloaded(reason)

    def startedConnecting(self, connector: Any) -> None:
        self.wrappedFactory.startedConnecting(connector)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.wrappedFactory.clientConnectionFailed(connector, reason)

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        self.wrappedFactory.clientConnectionLost(connector, reason)

    def buildProtocol(self, addr: Any) -> Any:
        """The wrapped factory's protocol, wrapped; None if there is none."""
        protocol = self.wrappedFactory.buildProtocol(addr)
        return None if protocol is None else self.wrap(protocol)

    def buildRefusal(self, addr: Any) -> Any:
        """The wrapped factory's refusal, if it has any, and not wrapped: no policy counts it.

        A wrapper that changes the bytes of a connection has to override this.
        """
        build = getattr(self.wrappedFactory, "buildRefusal", None)
        return build(addr) if build is not None else None

    def wrap(self, protocol: Any) -> Any:
        """A wrapper around a protocol."""
        return self.protocol(self, protocol)

    def registerProtocol(self, p: Any) -> None:
        """Called by a wrapper that is connected."""
        self.protocols[p] = 1
        if self.reactor is None:
            self.reactor = getattr(p.transport, "reactor", None)

    def unregisterProtocol(self, p: Any) -> None:
        """Called by a wrapper that has lost its connection."""
        del self.protocols[p]

    def callLater(self, period: float, func: Callable[[], object]) -> Any:
        """Call a function in `period` seconds."""
        return self.reactor.callLater(period, func)


def log_prefix(wrapper: object, wrapped: Any) -> str:
    """The name of something wrapped, with that of what it is wrapped in."""
    prefix = wrapped.logPrefix() if ILoggingContext.providedBy(wrapped) else type(wrapped).__name__
    return f"{prefix} ({type(wrapper).__name__})"
