"""The status of a running server over HTTP: for people, for Prometheus, for health checks.

`/` is a page that brings itself up to date from `/figures`; without a script it is a table.
`/metrics` is for Prometheus. `/livez` is 200 while the loop turns, `/readyz` while the
program takes connections, and 503 before and after. Every place is to be read (GET, HEAD)
and nothing else. Nothing is kept, by us or by caches, and nothing comes from elsewhere.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from html import escape
from importlib.resources import files
from string import Template
from typing import Any

from reactorlib._version import __version__
from reactorlib.app.draining import READY
from reactorlib.app.status import metrics, tables
from reactorlib.app.status.look import Look, as_json
from reactorlib.app.status.sources import Looks, View
from reactorlib.protocols.http.resource import Resource, UnsupportedMethod
from reactorlib.protocols.http.server import Request, Site
from reactorlib.protocols.http.status import OK, SERVICE_UNAVAILABLE

METHODS = (b"GET", b"HEAD")
CONNECTIONS = 64  # at once
FIELDS = {
    b"Content-Security-Policy": b"default-src 'none'; script-src 'self'; style-src 'self'; "
    b"img-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; "
    b"frame-ancestors 'none'; require-trusted-types-for 'script'; trusted-types 'none'",
    b"Cross-Origin-Resource-Policy": b"same-origin",
    b"X-Content-Type-Options": b"nosniff",
    b"Referrer-Policy": b"no-referrer",
    b"Cache-Control": b"no-store",
}
TEXT = b"text/plain; charset=utf-8"
SCRIPTS = ("page.js", "figures.js", "plot.js", "table.js", "units.js")
FILES = {
    "page.css": b"text/css; charset=utf-8",
    "icon.svg": b"image/svg+xml",
    **dict.fromkeys(SCRIPTS, b"text/javascript; charset=utf-8"),
}


def site(name: str, reactor: Any, open_view: Callable[[], View], state: Callable[[], str]) -> Site:
    """Serves what views tell of a program of that name.

    `state` tells whether it serves: READY, or in a word why not. Prometheus has a view of
    its own: what is told since the last look is not divided between it and people.
    """
    watched, scraped = Looks(reactor, open_view), Looks(reactor, open_view)
    page = Template(_file("page.html").decode())

    def show(looks: Sequence[Look]) -> bytes:
        return page.substitute(
            name=escape(name),
            version=escape(__version__),
            backend=escape(reactor.name),
            state=escape(state()),
            processes=tables.processes(looks),
            busiest=tables.busiest(looks),
            slowest=tables.slowest(looks),
            queues=tables.queues(looks),
        ).encode()

    def figures(looks: Sequence[Look]) -> bytes:
        return b'{"state":"%b","looks":%b}' % (state().encode(), as_json(looks))

    def readiness(request: Request) -> bytes:
        request.setResponseCode(OK if state() == READY else SERVICE_UNAVAILABLE)
        return f"{state()}\n".encode()

    places = {
        "": _Place(b"text/html; charset=utf-8", lambda _: watched.looks().addCallback(show)),
        "figures": _Place(b"application/json", lambda _: watched.looks().addCallback(figures)),
        "metrics": _Place(
            metrics.CONTENT_TYPE, lambda _: scraped.looks().addCallback(metrics.as_text)
        ),
        "livez": _Place(TEXT, lambda _: b"alive\n"),
        "readyz": _Place(TEXT, readiness),
        **{name: _constant(type, _file(name)) for name, type in FILES.items()},
    }
    root = Resource()
    for place, resource in places.items():
        root.putChild(place.encode(), resource)
    return Site(root, _Request, CONNECTIONS)


def _file(name: str) -> bytes:
    return (files("reactorlib.app.status") / "browser" / name).read_bytes()


def _constant(type: bytes, data: bytes) -> _Place:
    return _Place(type, lambda _: data)


class _Request(Request):
    """What browsers are to keep to stands in every answer, a refusal too."""

    def process(self) -> None:
        for name, value in FIELDS.items():
            self.setResponseHeader(name, value)
        super().process()


class _Place(Resource):
    """Answers, in a media type, with what `make(request)` gives."""

    streaming = True  # whatever is sent with the request, nobody reads it

    def __init__(self, type: bytes, make: Callable[[Request], Any]) -> None:
        super().__init__()
        self._type = type
        self._make = make

    def render(self, request: Any) -> Any:
        if request.method not in METHODS:
            raise UnsupportedMethod(METHODS)
        request.setResponseHeader(b"Content-Type", self._type)
        return self._make(request)
