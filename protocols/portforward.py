"""Forwards TCP connections to another address, both ways.

Each side feeds the other: where one is slow to take, the other is not read,
and the end of one direction is passed on while the other goes on.
"""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from reactorlib.failure import Failure
from reactorlib.interfaces import IHalfCloseableProtocol
from reactorlib.protocol import ClientFactory, Protocol, ServerFactory, connectionDone


@implementer(IHalfCloseableProtocol)
class Proxy(Protocol):
    """One side; `peer` is the other one, or None."""

    noisy = True
    peer: Any = None

    def setPeer(self, peer: Any) -> None:
        """Join this side to the other."""
        self.peer = peer

    def dataReceived(self, data: bytes) -> None:
        self.peer.transport.write(data)

    def readConnectionLost(self) -> None:
        """The end of this side's data is the end of what the other is sent."""
        if self.peer is not None:
            self.peer.transport.loseWriteConnection()

    def writeConnectionLost(self) -> None:
        """Nothing more to do: the other direction may go on."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        peer, self.peer = self.peer, None
        if peer is not None:
            peer.peer = None
            peer.transport.unregisterProducer()
            peer.transport.loseConnection()


class ProxyClient(Proxy):
    """The side towards the target."""

    def connectionMade(self) -> None:
        server = self.factory.server
        self.setPeer(server)
        server.setPeer(self)
        self.transport.registerProducer(server.transport, True)
        server.transport.registerProducer(self.transport, True)
        server.transport.resumeProducing()


class ProxyClientFactory(ClientFactory):
    """Connects one ProxyServer to its target."""

    protocol = ProxyClient
    noisy = False
    server: Any = None

    def setServer(self, server: Any) -> None:
        """The side that waits for this connection."""
        self.server = server

    def buildProtocol(self, addr: Any) -> Any:
        # The client may be gone before the target answers.
        return super().buildProtocol(addr) if self.server.transport.connected else None

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.server.transport.loseConnection()


class ProxyServer(Proxy):
    """The side towards the client; its data waits until the target is there."""

    clientProtocolFactory = ProxyClientFactory
    reactor: Any = None
    connector: Any = None

    def connectionMade(self) -> None:
        self.transport.pauseProducing()
        client = self.clientProtocolFactory()
        client.setServer(self)
        reactor = self.reactor or self.transport.reactor
        self.connector = reactor.connectTCP(self.factory.host, self.factory.port, client)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        super().connectionLost(reason)
        self.connector.disconnect()


class ProxyFactory(ServerFactory):
    """Forwards each connection to `host` and `port`."""

    protocol = ProxyServer

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
