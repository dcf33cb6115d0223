"""Hello world or echo by a subclass of Request, or hello world by a resource of a Site."""

# mypy: ignore-errors

from __future__ import annotations

import sys

from reactorlib import reactor
from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.protocols.http.request import Request
from reactorlib.protocols.http.resource import Resource
from reactorlib.protocols.http.server import Site


class Hello(Request):
    def process(self) -> None:
        self.setResponseHeader(b"Content-Type", b"text/plain")
        self.write(b"Hello, World!\n")
        self.finish()


class Echo(Request):
    def process(self) -> None:
        self.setResponseHeader(b"Content-Type", b"text/plain")
        self.setResponseHeader(b"Content-Length", self.getRequestHeader(b"Content-Length"))

    def handleContentChunk(self, data: bytes) -> None:
        self.write(data)

    def handleContentComplete(self) -> None:
        self.finish()


class Page(Resource):
    isLeaf = True

    def render_GET(self, request) -> bytes:
        request.setHeader(b"content-type", b"text/plain")
        return b"Hello, World!\n"


if sys.argv[1] == "site":
    factory = Site(Page(), maxRequests=5000)
else:
    factory = HTTPFactory({"hello": Hello, "echo": Echo}[sys.argv[1]], maxRequests=5000)
port = reactor.listenTCP(0, factory, backlog=1024, interface="127.0.0.1")
print(port.getHost().port, flush=True)
reactor.run()
