"""What tests of servlets stand on: one that does what the test says, and its client."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactorlib.address import IPv4Address
from reactorlib.protocols.http import servlet as netsvc
from reactorlib.testing import StringTransport
from tests.webserver import Visitor


class Calls(netsvc.HttpServlet):
    """Keeps what it is told, and does what the test says."""

    def __init__(self, session: Any, on_request: Callable[[Any], object]) -> None:
        super().__init__(session)
        self.on_request = on_request
        self.content = b""
        self.destroyed = 0

    def processRequest(self) -> None:
        self.on_request(self)

    def processContent(self, content: bytes) -> None:
        self.content += content

    def destroyServlet(self) -> None:
        super().destroyServlet()
        self.destroyed += 1


class Server(netsvc.HttpServer):
    """Makes servlets by calling `make`, and keeps them."""

    def __init__(self, make: Callable[[Any], Any]) -> None:
        super().__init__()
        self.make = make
        self.made: list[Any] = []

    def servlet(self, session: Any) -> Any:
        self.made.append(self.make(session))
        return self.made[-1]


class Client(Visitor):
    """A connection to a daemon that has one server, at a path."""

    def __init__(self, make: Callable[[Any], Any], path: str = "/", **settings: Any) -> None:
        self.server = Server(make)
        self.daemon = netsvc.HttpDaemon(80, **settings)
        self.daemon.attach(path, self.server)
        self.connect()

    def connect(self, **addresses: Any) -> None:
        peer = IPv4Address("TCP", "192.0.2.1", 5)
        self.visit(self.daemon.factory, StringTransport(**addresses), peer)

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.channel.dataReceived(piece)

    def get(self, uri: bytes = b"/", *fields: bytes, method: bytes = b"GET") -> Any:
        lines = [b"%b %b HTTP/1.1" % (method, uri), b"Host: www.example:8000", *fields, b"", b""]
        self.send(b"\r\n".join(lines))
        found = self.answers()
        return found[0] if found else None

    @property
    def servlet(self) -> Any:
        return self.server.made[-1]


def calls(on_request: Callable[[Any], object]) -> Callable[[Any], Calls]:
    return lambda session: Calls(session, on_request)


def hello(servlet: Any) -> None:
    servlet.sendResponse(200)
    servlet.sendHeader("Content-Type", "text/plain")
    servlet.sendHeader("Content-Length", 9)
    servlet.endHeaders()
    servlet.sendContent("Hi there.")
    servlet.endContent()


def nothing(servlet: Any) -> None:
    pass
