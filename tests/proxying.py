"""A client, a site with a proxy, and back ends: connections in memory, and one clock for all."""

from __future__ import annotations

from typing import Any

from reactorlib import error
from reactorlib.address import IPv4Address
from reactorlib.failure import Failure
from reactorlib.protocols.http.proxy import ReverseProxyResource
from reactorlib.protocols.http.server import Site
from reactorlib.testing import MemoryReactorClock, StringTransport
from tests.webserver import Visitor

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"

DONE = error.ConnectionDone()
LOST = error.ConnectionLost()


class BackEnd:
    """A server's side of a connection that the proxy has made."""

    def __init__(self, factory: Any, clock: Any) -> None:
        self.protocol = factory.buildProtocol(None)
        self.transport = StringTransport(reactor=clock)
        self.protocol.makeConnection(self.transport)

    def asked(self) -> bytes:
        """What it was sent since the last time."""
        value: bytes = self.transport.value()
        self.transport.clear()
        return value

    def say(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.protocol.dataReceived(piece)

    def end(self, reason: Exception = DONE) -> None:
        self.transport.connected = False
        self.protocol.connectionLost(Failure(reason))


class Proxied(Visitor):
    """A client of a site that is a proxy, or has `resource`, and the back ends it connects to."""

    def __init__(self, proxy: Any = None, resource: Any = None, peer: str = "192.0.2.7") -> None:
        self.clock = MemoryReactorClock()
        self.proxy = proxy or ReverseProxyResource("back.example", 80, b"")
        self.proxy.reactor = self.clock
        self.site = Site(resource or self.proxy)
        self.peer = IPv4Address("TCP", peer, 50000)
        self.connect()

    def connect(self) -> None:
        """Another client."""
        self.visit(self.site, StringTransport(peerAddress=self.peer, reactor=self.clock))

    def send(self, *lines: bytes, body: bytes = b"") -> None:
        self.channel.dataReceived(b"\r\n".join([*lines, b"", b""]) + body)

    def get(self, target: bytes = b"/", *fields: bytes, method: bytes = b"GET") -> None:
        self.send(b"%b %b HTTP/1.1" % (method, target), b"Host: front.example", *fields)

    def back_end(self) -> BackEnd:
        """Accept the connection that is being made."""
        (client,) = self.clock.tcpClients
        self.clock.tcpClients.clear()
        return BackEnd(client[2], self.clock)

    def refuse(self, reason: Exception) -> None:
        (client,) = self.clock.tcpClients
        self.clock.tcpClients.clear()
        client[2].clientConnectionFailed(None, Failure(reason))

    def answer(self) -> Any:
        (only,) = self.answers()
        return only

    def leave(self) -> None:
        """The client goes away."""
        self.transport.connected = False
        self.lose(LOST)


def fields_of(head: bytes) -> dict[bytes, bytes]:
    """The fields of a head, each of which stands once."""
    lines = head.partition(b"\r\n\r\n")[0].split(b"\r\n")[1:]
    pairs = [line.split(b": ", 1) for line in lines]
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return {name.lower(): value for name, value in pairs}
