"""A web server's connection in memory: bytes in, bytes out, the time in our hands."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

import pytest

from reactorlib.failure import Failure
from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.protocols.http.request import Request
from reactorlib.testing import StringTransport

GET = b"GET %b HTTP/1.1\r\nHost: example\r\n\r\n"


class Recorded(Request):
    """Remembers what it is told, and lets a test answer."""

    all: list[Recorded]

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.body: list[bytes] = []
        self.complete = False
        self.lost: Failure | None = None

    def handleContentChunk(self, data: bytes) -> None:
        self.body.append(data)

    def handleContentComplete(self) -> None:
        self.complete = True

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        assert self.lost is None
        self.lost = reason

    def answer(self, body: bytes = b"") -> None:
        self.write(body or self.uri)
        self.finish()


def hello(request: Any) -> None:
    """Answer with a greeting: a `process`."""
    request.setResponseHeader(b"Content-Type", b"text/plain")
    request.write(b"hello")
    request.finish()


class Visitor:
    """A client's connection in memory."""

    transport: Any
    channel: Any

    def visit(self, factory: Any, transport: Any, address: Any = None) -> None:
        self.transport = transport
        self.channel = factory.buildProtocol(address)
        self.channel.makeConnection(transport)

    def said(self) -> bytes:
        """What was answered since the last time."""
        value: bytes = self.transport.value()
        self.transport.clear()
        return value

    def answers(self) -> list[tuple[int, dict[bytes, bytes], bytes]]:
        """The same, as `answers`."""
        return answers(self.said())

    @property
    def closing(self) -> bool:
        return bool(self.transport.disconnecting)

    def lose(self, reason: Any) -> None:
        self.channel.connectionLost(Failure(reason))


class Server(Visitor):
    """One connection to an HTTPFactory; `requests` are those it has made.

    `lenient`: of the transport, which a closed one of the network is too.
    """

    lenient = False

    def __init__(
        self, process: Callable[[Any], Any] = lambda request: None, **settings: Any
    ) -> None:
        self.requests: list[Recorded] = []
        requests = self.requests

        class Page(Recorded):
            def process(self) -> Any:
                requests.append(self)
                return process(self)

        self.factory = HTTPFactory(Page, **settings)
        self.connect()

    def connect(self) -> None:
        self.visit(self.factory, StringTransport(lenient=self.lenient))

    def send(self, *pieces: bytes) -> None:
        for piece in pieces:
            self.channel.dataReceived(piece)

    def get(self, *uris: bytes) -> None:
        self.send(b"".join([GET % uri for uri in uris]))

    def advance(self, seconds: float) -> None:
        self.transport.reactor.advance(seconds)


def errors(caplog: pytest.LogCaptureFixture) -> list[type]:
    """What was logged since the last time: the kinds of the errors."""
    found = [record.exc_info[0] for record in caplog.records if record.exc_info]
    caplog.clear()
    return [kind for kind in found if kind]


def answers(data: bytes) -> list[tuple[int, dict[bytes, bytes], bytes]]:
    """Status, fields and body of each answer with a Content-Length, or chunked."""
    found = []
    while data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.split(b"\r\n")
        version, status, _ = first.split(b" ", 2)
        assert version == b"HTTP/1.1"
        fields = _fields(lines)
        body = b""
        if b"content-length" in fields:
            length = int(fields[b"content-length"])
            body, data = data[:length], data[length:]
        elif b"transfer-encoding" in fields:
            body, data = _chunks(data)
        found.append((int(status), fields, body))
    return found


def _fields(lines: Iterable[bytes]) -> dict[bytes, bytes]:
    pairs = [line.split(b": ", 1) for line in lines]
    assert len({name.lower() for name, _ in pairs}) == len(pairs)
    return {name.lower(): value for name, value in pairs}


def _chunks(data: bytes) -> tuple[bytes, bytes]:
    body = b""
    while True:
        size, _, data = data.partition(b"\r\n")
        length = int(size, 16)
        body += data[:length]
        assert data[length : length + 2] == b"\r\n"
        data = data[length + 2 :]
        if not length:
            return body, data
