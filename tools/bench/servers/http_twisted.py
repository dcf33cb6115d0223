"""Hello world and echo by a resource of twisted.web, on Twisted's epoll reactor, without a log."""

# mypy: ignore-errors
# ruff: noqa: E402

from __future__ import annotations

from twisted.internet import epollreactor

epollreactor.install()

from twisted.internet import reactor
from twisted.web.resource import Resource
from twisted.web.server import Site

HELLO = b"Hello, World!\n"


class Page(Resource):
    isLeaf = True

    def render_GET(self, request) -> bytes:
        request.setHeader(b"content-type", b"text/plain")
        return HELLO

    def render_POST(self, request) -> bytes:
        request.setHeader(b"content-type", b"text/plain")
        return request.content.read()


class UnloggedSite(Site):
    def log(self, request) -> None:
        pass


port = reactor.listenTCP(0, UnloggedSite(Page()), backlog=1024, interface="127.0.0.1")
print(port.getHost().port, flush=True)
reactor.run()
