"""A site on a reactor of its own, in a thread, for clients that block."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from http.client import HTTPConnection
from threading import Event, Thread
from typing import Any

from reactorlib.posixbase import Reactor
from reactorlib.protocols.http.server import Site
from reactorlib.threads import blockingCallFromThread
from tests.backends import BACKENDS

PATIENCE = 60


class Served:
    """A site, where it is, and its reactor."""

    def __init__(self, reactor: Any, site: Site, port: int) -> None:
        self.reactor = reactor
        self.site = site
        self.port = port

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def call(self, function: Callable[..., Any], *arguments: Any) -> Any:
        """In the reactor's thread; its Deferred is waited for."""
        return blockingCallFromThread(self.reactor, function, *arguments)

    def get(self, path: str, method: str = "GET", body: Any = None, **fields: str) -> Any:
        """Status, fields and body."""
        connection = HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE)
        headers = {name.replace("_", "-"): value for name, value in fields.items()}
        connection.request(method, path, body, headers)
        answer = connection.getresponse()
        fields = {name.lower(): value for name, value in answer.getheaders()}
        result = answer.status, fields, answer.read()
        connection.close()
        return result

    def connect(self, sent: bytes = b"") -> socket.socket:
        """A connection on which that was sent."""
        connection = socket.create_connection(("127.0.0.1", self.port), timeout=PATIENCE)
        connection.sendall(sent)
        return connection


@contextmanager
def served(make: Callable[[Any], Any], backend: str = "epoll") -> Iterator[Served]:
    """Serve the resource that `make(reactor)` gives."""
    reactor = Reactor(BACKENDS[backend]())
    ready = Event()
    found: list[Served] = []

    def begin() -> None:
        resource = make(reactor)
        site = Site(resource)
        port = reactor.listenTCP(0, site, interface="127.0.0.1")
        found.append(Served(reactor, site, port.getHost().port))
        ready.set()

    def run() -> None:
        reactor.callWhenRunning(begin)
        reactor.run(installSignalHandlers=False)
        reactor.close()

    thread = Thread(target=run)
    thread.start()
    assert ready.wait(PATIENCE)
    try:
        yield found[0]
    finally:
        reactor.callFromThread(reactor.stop)
        thread.join(PATIENCE)
        assert not thread.is_alive()


def read_all(connection: socket.socket) -> bytes:
    """What comes until the end, be it a reset."""
    pieces = []
    with connection, suppress(ConnectionResetError):
        while piece := connection.recv(65_536):
            pieces.append(piece)
    return b"".join(pieces)


def read_until(connection: socket.socket, end: bytes) -> bytes:
    """What comes, up to `end`."""
    data = b""
    while end not in data:
        piece = connection.recv(65_536)
        assert piece, data
        data += piece
    return data
