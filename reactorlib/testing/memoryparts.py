"""What the reactors in memory give out: ports, connectors, a resolver."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zope.interface import implementer

from reactorlib.address import IPv4Address
from reactorlib.defer import Deferred, succeed
from reactorlib.interfaces import (
    IConnector,
    IHostnameResolver,
    IHostResolution,
    IListeningPort,
    IReactorPluggableNameResolver,
)


@implementer(IListeningPort)
class MemoryPort:
    """The port of a MemoryReactor; `listening` until stopListening."""

    def __init__(self, address: Any) -> None:
        self._address = address
        self.listening = True

    def startListening(self) -> None:
        self.listening = True

    def stopListening(self) -> Deferred[None] | None:
        """Return a Deferred that has fired; None if it was not listening."""
        if not self.listening:
            return None
        self.listening = False
        return succeed(None)

    def getHost(self) -> Any:
        return self._address


@implementer(IConnector)
class MemoryConnector:
    """The connector of a MemoryReactor: counts what it was told.

    `stoppedConnecting` and `disconnected` are true after stopConnecting and
    disconnect; `connects` is how often it was told to connect again.
    """

    def __init__(self, reactor: Any, address: Any, factory: Any) -> None:
        self.reactor = reactor
        self.factory = factory
        self.stoppedConnecting = False
        self.disconnected = False
        self.connects = 0
        self._address = address

    def connect(self) -> None:
        self.connects += 1

    def stopConnecting(self) -> None:
        self.stoppedConnecting = True

    def disconnect(self) -> None:
        self.disconnected = True

    def getDestination(self) -> Any:
        return self._address


@implementer(IHostResolution)
class MemoryResolution:
    """The search of a SynchronousResolver: it is over when one gets it."""

    reason: str | None = None
    ttl: float | None = None

    def __init__(self, name: str) -> None:
        self.name = name

    def cancel(self) -> None:
        """There is nothing left to cancel."""


@implementer(IHostnameResolver)
class SynchronousResolver:
    """A resolver by which every name is 127.0.0.1, told before resolveHostName returns."""

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type] | None = None,
        transportSemantics: str = "TCP",
    ) -> MemoryResolution:
        resolution = MemoryResolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        resolutionReceiver.addressResolved(IPv4Address("TCP", "127.0.0.1", portNumber))
        resolutionReceiver.resolutionComplete()
        return resolution


@implementer(IReactorPluggableNameResolver)
class PluggableNames:
    """A reactor's `nameResolver`: a SynchronousResolver, until another is installed."""

    def __init__(self) -> None:
        self.nameResolver: Any = SynchronousResolver()

    def installNameResolver(self, resolver: Any) -> Any:
        """Replace it; returns the one before."""
        before, self.nameResolver = self.nameResolver, resolver
        return before
