"""The small services of the early internet, each a protocol of a few lines."""

from __future__ import annotations

from reactorlib.protocol import Protocol


class Echo(Protocol):
    """Sends back what it gets (RFC 862).

    A peer that sends and does not read is not read from either: the connection
    feeds itself, so it pauses itself.
    """

    def connectionMade(self) -> None:
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


class Discard(Protocol):
    """Drops what it gets (RFC 863)."""

    def dataReceived(self, data: bytes) -> None:
        pass
