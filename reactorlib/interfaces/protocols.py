"""What users write, protocols and their factories; and ports and connectors, which call them."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import Interface

if TYPE_CHECKING:
    from reactorlib.defer import Deferred
    from reactorlib.failure import Failure
    from reactorlib.interfaces.transports import IAddress


class IListeningPort(Interface):
    """A listening socket that feeds a factory."""

    def startListening() -> None:
        """Bind and listen. Raises CannotListenError."""

    def stopListening() -> Deferred[None] | None:
        """Close. The Deferred fires when the descriptor is gone; None if it was."""

    def getHost() -> IAddress:
        """The address it is bound to."""


class IConnector(Interface):
    """One attempt after another to connect somewhere."""

    def stopConnecting() -> None:
        """Give up the attempt. Raises NotConnectingError if there is none."""

    def disconnect() -> None:
        """Give up the attempt, or lose the connection."""

    def connect() -> None:
        """Start the next attempt. Raises RuntimeError if one is under way."""

    def getDestination() -> IAddress:
        """Where to."""


class IProtocolFactory(Interface):
    """Makes a protocol for each connection."""

    def buildProtocol(addr: Any) -> Any:
        """The protocol for a connection from or to `addr`; None refuses it."""

    def doStart() -> None:
        """Called each time a port or connector begins to use the factory."""

    def doStop() -> None:
        """Called each time one has ended."""


class IProtocol(Interface):
    """What a user writes: the behaviour of one connection."""

    def makeConnection(transport: Any) -> None:
        """Called once, with the transport; calls connectionMade."""

    def connectionMade() -> None:
        """The connection is there; the transport is `self.transport`."""

    def dataReceived(data: bytes) -> None:
        """Some bytes came. Their division says nothing about the sender's writes."""

    def connectionLost(reason: Failure) -> None:
        """The connection is gone; the last call, and it comes exactly once.

        `reason` holds ConnectionDone after a clean end, ConnectionAborted
        after abortConnection, ConnectionLost otherwise.
        """


class IHalfCloseableProtocol(Interface):
    """A protocol that is told of each direction's end by itself."""

    def readConnectionLost() -> None:
        """The peer will send no more."""

    def writeConnectionLost() -> None:
        """What was written has left, and so has the end of writing."""


class ILoggingContext(Interface):
    """Something that says by what name the log shall know it."""

    def logPrefix() -> str:
        """A short name."""
