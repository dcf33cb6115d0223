"""What client endpoints share: one connection, and a Deferred of its protocol.

It holds that the Deferred fires once: with the protocol after its makeConnection
has returned, or with why there is none. A factory used through an endpoint is
told neither of connectors nor of their failures: the Deferred tells.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import alsoProvides, implementer, providedBy

from reactorlib import error
from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.interfaces import IProtocol, IProtocolFactory
from reactorlib.protocol import Factory


def connect_once(
    start: Callable[[Any], object], protocol_factory: Any, destination: Any = None
) -> Deferred[Any]:
    """Have `start(factory)` connect; the Deferred that IStreamClientEndpoint.connect returns.

    `destination` is what a cancelled attempt names; by default the connector's.
    """
    attempt = OneConnection(protocol_factory, destination)
    try:
        start(attempt)
    except Exception:
        attempt.fail(Failure())
    return attempt.deferred


@implementer(IProtocolFactory)
class OneConnection:
    """A client factory that has one connection's protocol made by another factory."""

    def __init__(self, wrapped_factory: Any, destination: Any) -> None:
        self.wrappedFactory = wrapped_factory
        self.deferred: Deferred[Any] = Deferred(self._cancel)
        self._destination = destination
        self._connector: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrappedFactory, name)

    def startedConnecting(self, connector: Any) -> None:
        """Keep the connector: cancelling needs it."""
        self._connector = connector

    def buildProtocol(self, addr: Any) -> Announced | None:
        """The wrapped factory's protocol, announced."""
        try:
            protocol = self.wrappedFactory.buildProtocol(addr)
        except Exception:
            self.fail(Failure())
            return None
        if protocol is None:
            self.fail(Failure(error.NoProtocol(f"{self.wrappedFactory!r} made no protocol")))
            return None
        return Announced(protocol, self)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """There will be no connection."""
        self.fail(reason)

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        """The protocol was told."""

    def succeed(self, protocol: Any) -> None:
        if not self.deferred.called:
            self.deferred.callback(protocol)

    def fail(self, reason: Failure) -> None:
        if not self.deferred.called:
            self.deferred.errback(reason)

    def _cancel(self, deferred: Deferred[Any]) -> None:
        destination = self._destination or self._connector.getDestination()
        deferred.errback(error.ConnectingCancelledError(destination))
        self._connector.stopConnecting()


@implementer(IProtocol)
class Announced:
    """Stands before a protocol, to see its makeConnection return.

    It has what the protocol has, and provides what that provides.
    """

    def __init__(self, protocol: Any, attempt: OneConnection) -> None:
        self.protocol = protocol
        self._attempt = attempt
        alsoProvides(self, *providedBy(protocol))

    def makeConnection(self, transport: Any) -> None:
        try:
            self.protocol.makeConnection(transport)
        except Exception:
            self._attempt.fail(Failure())
            raise
        self._attempt.succeed(self.protocol)

    def dataReceived(self, data: bytes) -> None:
        self.protocol.dataReceived(data)

    def connectionLost(self, reason: Failure) -> None:
        self.protocol.connectionLost(reason)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.protocol, name)


class _GivenProtocol(Factory):
    """Gives one protocol that is there already."""

    noisy = False

    def __init__(self, protocol: Any) -> None:
        self._given = protocol

    def buildProtocol(self, addr: Any) -> Any:
        return self._given


def connectProtocol(endpoint: Any, protocol: Any) -> Deferred[Any]:
    """Connect one protocol, without a factory; the Deferred of it."""
    connected: Deferred[Any] = endpoint.connect(_GivenProtocol(protocol))
    return connected
