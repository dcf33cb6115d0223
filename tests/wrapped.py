"""Protocols, producers and connections for tests of what wraps them."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from reactorlib.address import IPv4Address
from reactorlib.error import ConnectionDone
from reactorlib.failure import Failure
from reactorlib.interfaces import (
    IHalfCloseableProtocol,
    IHandshakeListener,
)
from reactorlib.protocol import Factory
from reactorlib.testing import AccumulatingProtocol, StringTransport

DONE = Failure(ConnectionDone())


def address(host: str = "10.0.0.1", port: int = 1234) -> IPv4Address:
    return IPv4Address("TCP", host, port)


class Accumulating(Factory):
    protocol = AccumulatingProtocol
    noisy = False


class Events(AccumulatingProtocol):
    """Writes down what it is told besides data."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def readConnectionLost(self) -> None:
        self.events.append("read")

    def writeConnectionLost(self) -> None:
        self.events.append("write")

    def handshakeCompleted(self) -> None:
        self.events.append("handshake")


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Events):
    pass


@implementer(IHandshakeListener)
class Listener(Events):
    pass


class Producer:
    """Writes down what it is told."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def pauseProducing(self) -> None:
        self.events.append("pause")

    def resumeProducing(self) -> None:
        self.events.append("resume")

    def stopProducing(self) -> None:
        self.events.append("stop")


def connect(factory: Any, peer: Any = None, **options: Any) -> tuple[Any, Any]:
    """A connection of a wrapping factory: the wrapper and the real transport."""
    wrapper = factory.buildProtocol(peer or address())
    transport = StringTransport(peerAddress=peer, **options)
    wrapper.makeConnection(transport)
    return wrapper, transport
