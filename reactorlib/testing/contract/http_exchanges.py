"""What the contract of requests runs on: one request, from its client to its application.

An Exchange says how the request comes, how its client reads, and what has come to
the client. It is one on a channel in memory, one on a real connection, or a double.
"""

from __future__ import annotations

import select
import socket
from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic
from typing import Any

import pytest

from reactorlib.error import ConnectionLost
from reactorlib.failure import Failure
from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.protocols.http.request import Request
from reactorlib.testing import waiting
from reactorlib.testing.contract.http_answers import Answer, read_answer, without_framing
from reactorlib.testing.contract.tcp_peers import LOOPBACK, MEGABYTE, reset
from reactorlib.testing.http import MemoryChanRequest
from reactorlib.testing.transports import StringTransport

Process = Callable[[Any], Any]
Pairs = tuple[tuple[bytes, bytes], ...]
BEFORE = b"GET /before HTTP/1.1\r\nHost: example\r\n\r\n"
ENOUGH = 1 << 16


class Exchanged(Request):
    """Writes down what it is called with."""

    def __init__(self, process: Process, *arguments: Any) -> None:
        super().__init__(*arguments)
        self._process = process
        self.calls: list[str] = []
        self.content = b""
        self.reason: Failure | None = None

    def process(self) -> Any:
        self.calls.append("process")
        return self._process(self)

    def handleContentChunk(self, data: bytes) -> None:
        self.calls.append("chunk")
        self.content += data

    def handleContentComplete(self) -> None:
        self.calls.append("complete")

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.calls.append("lost")
        self.reason = reason


@dataclass(frozen=True)
class Head:
    """Of the request under test; `behind` another one."""

    method: bytes
    headers: Pairs
    version: tuple[int, int]
    has_body: bool
    behind: bool

    def written(self) -> bytes:
        target = b"example:80" if self.method == b"CONNECT" else b"/"
        lines = [b"%b %b HTTP/%d.%d" % (self.method, target, *self.version), b"Host: example"]
        lines += [b"%b: %b" % pair for pair in self.headers]
        if self.has_body:
            lines.append(b"Transfer-Encoding: chunked")
        return b"\r\n".join([*lines, b"", b""])


class Exchange(ABC):
    """One request. `plenty`: a body that does not fit while the client does not read."""

    plenty: bytes
    request: Any

    def start(
        self,
        process: Process,
        method: bytes = b"GET",
        headers: Pairs = (),
        version: tuple[int, int] = (1, 1),
        *,
        has_body: bool = False,
        behind: bool = False,
    ) -> Any:
        """Have the head of the request come; returns the Exchanged.

        `behind`: another request is worked on before it, until `take_turn`.
        """
        self.begin(Head(method, headers, version, has_body, behind), self.make(process))
        return self.request

    @abstractmethod
    def begin(self, head: Head, make: Callable[..., Any]) -> None:
        """Have a head come; `make` is the requestFactory."""

    @abstractmethod
    def deliver(self, data: bytes) -> None:
        """Have some of its body come."""

    @abstractmethod
    def end_body(self, trailers: Pairs = ()) -> None:
        """Have the end of its body come."""

    @abstractmethod
    def take_turn(self) -> None:
        """The one before it is finished."""

    @abstractmethod
    def answer(self) -> Answer:
        """What has come to the client."""

    @abstractmethod
    def until(self, condition: Callable[[], object]) -> None:
        """Go on until something is true; fail if it does not become so."""

    @abstractmethod
    def settle(self) -> None:
        """Go on for a while, in which nothing is expected."""

    @abstractmethod
    def block(self) -> None:
        """The client stops reading."""

    @abstractmethod
    def unblock(self) -> None:
        """The client goes on reading."""

    @abstractmethod
    def lose(self) -> None:
        """The connection is gone."""

    @abstractmethod
    def ended(self) -> str:
        """How the connection has ended for the client: "closed", "reset", or not yet: ""."""

    def make(self, process: Process) -> Callable[..., Any]:
        """A requestFactory; the request under test is the one that is not `/before`."""

        def make(*arguments: Any) -> Any:
            is_before = arguments[2] == b"/before"
            request = Exchanged((lambda _: None) if is_before else process, *arguments)
            if is_before:
                self.before = request
            else:
                self.request = request
            return request

        return make


class MemoryExchange(Exchange):
    """On the double."""

    plenty = b"x" * 200_000

    def begin(self, head: Head, make: Callable[..., Any]) -> None:
        fields = {b"Host": b"example", **dict(head.headers)}
        if head.has_body:
            fields[b"Transfer-Encoding"] = b"chunked"
        self.carrier = MemoryChanRequest(
            make, head.method, b"/", fields, head.version, queued=head.behind
        )
        self.carrier.begin()
        if not head.has_body:
            self.carrier.endBody()

    def deliver(self, data: bytes) -> None:
        self.carrier.deliver(data)

    def end_body(self, trailers: Pairs = ()) -> None:
        self.carrier.endBody(dict(trailers))

    def take_turn(self) -> None:
        self.carrier.noLongerQueued()

    def answer(self) -> Answer:
        carrier = self.carrier
        intermediates = [(code, _plain(headers)) for code, headers in carrier.intermediates]
        if carrier.code is None or carrier.headers is None:
            return Answer(intermediates)
        fields = _plain(carrier.headers)
        whole = carrier.finished or carrier.switchedTo is not None
        reason = carrier.message or b""
        return Answer(intermediates, carrier.code, reason, fields, carrier.written, whole)

    def until(self, condition: Callable[[], object]) -> None:
        __tracebackhide__ = True
        for _ in range(100):
            if condition():
                return
            if not self.carrier.transport.bufferedBytes:
                self.carrier.pull()
        pytest.fail(f"{condition!r} is not true")

    def settle(self) -> None:
        """Nothing is ever on its way."""

    def block(self) -> None:
        self.carrier.block()

    def unblock(self) -> None:
        self.carrier.unblock()

    def lose(self) -> None:
        self.carrier.lose()

    def ended(self) -> str:
        if self.carrier.aborted:
            return "reset"
        return "closed" if self.carrier.closing else ""


def _plain(headers: Any) -> dict[bytes, bytes]:
    return without_framing(
        {name.lower(): b", ".join(values) for name, values in headers.getAllRawHeaders()}
    )


class ChannelExchange(Exchange):
    """On the channel of a web server: what comes to the client is read from its bytes."""

    came: bytearray

    def begin(self, head: Head, make: Callable[..., Any]) -> None:
        self._head = head
        self.came = bytearray()
        self.request = None
        self.connect(HTTPFactory(make))
        if head.behind:
            self.send(BEFORE)
            self.until(lambda: hasattr(self, "before"))
        self.send(head.written())
        self.until(lambda: self.request is not None and self.request.calls)
        if not head.has_body:
            self.until(lambda: len(self.request.calls) > 1 or self.request.finished)

    @abstractmethod
    def connect(self, factory: HTTPFactory) -> None:
        """Have a client connect."""

    @abstractmethod
    def send(self, data: bytes) -> None:
        """The client sends."""

    def deliver(self, data: bytes) -> None:
        self.send(b"%x\r\n%b\r\n" % (len(data), data))

    def end_body(self, trailers: Pairs = ()) -> None:
        fields = b"".join(b"%b: %b\r\n" % pair for pair in trailers)
        self.send(b"0\r\n%b\r\n" % fields)

    def take_turn(self) -> None:
        self.before.finish()

    def answer(self) -> Answer:
        data = bytes(self.came)
        if self._head.behind:
            first, data = read_answer(data, b"GET", False)
            if not first.whole:
                return Answer()
        return read_answer(data, self._head.method, bool(self.ended()))[0]


class StringExchange(ChannelExchange):
    """On a StringTransport."""

    plenty = b"x" * 200_000

    def connect(self, factory: HTTPFactory) -> None:
        self.transport = StringTransport(lenient=True)
        self.channel: Any = factory.buildProtocol(None)
        self.transport.connect_to(self.channel)

    def send(self, data: bytes) -> None:
        self.channel.dataReceived(data)

    def answer(self) -> Answer:
        self.came[:] = self.transport.value()
        return super().answer()

    def until(self, condition: Callable[[], object]) -> None:
        __tracebackhide__ = True
        for _ in range(100):
            if condition():
                return
            if self.transport.producer is not None and not self.transport.bufferedBytes:
                self._pull()
        pytest.fail(f"{condition!r} is not true")

    def _pull(self) -> None:
        if not self.transport.streaming:
            self.transport.producer.resumeProducing()

    def settle(self) -> None:
        """Nothing is ever on its way."""

    def block(self) -> None:
        self.transport.block()

    def unblock(self) -> None:
        self.transport.unblock()

    def lose(self) -> None:
        if self.transport.producer is not None:
            self.transport.producer.stopProducing()
        self.channel.connectionLost(Failure(ConnectionLost()))

    def ended(self) -> str:
        if self.transport.disconnected:
            return "reset"
        return "closed" if self.transport.disconnecting else ""


class TCPExchange(ChannelExchange):
    """On a real connection. `close` ends what is left."""

    plenty = b"x" * 8 * MEGABYTE
    patience = 30.0

    def __init__(self, reactor: Any) -> None:
        self.reactor = reactor
        self._ended = ""
        self._reading = True

    def connect(self, factory: HTTPFactory) -> None:
        self.port = self.reactor.listenTCP(0, factory, interface=LOOPBACK)
        self.peer = socket.create_connection((LOOPBACK, self.port.getHost().port))
        self.peer.settimeout(10)
        waiting.turn_until(self.reactor, lambda: factory.outstandingRequests, self.patience)

    def send(self, data: bytes) -> None:
        self.peer.sendall(data)
        self.settle()

    def until(self, condition: Callable[[], object]) -> None:
        __tracebackhide__ = True
        until = monotonic() + self.patience
        while not condition():
            if monotonic() > until:
                pytest.fail(f"{condition!r} is not true")
            self.reactor.iterate(0.001)
            self._read()

    def settle(self) -> None:
        for _ in range(5):
            self.reactor.iterate(0.001)
            self._read()

    def _read(self) -> None:
        while self._reading and not self._ended and select.select([self.peer], [], [], 0)[0]:
            try:
                data = self.peer.recv(ENOUGH)
            except ConnectionResetError:
                self._ended = "reset"
                return
            self.came += data
            if not data:
                self._ended = "closed"

    def block(self) -> None:
        self._reading = False

    def unblock(self) -> None:
        self._reading = True

    def lose(self) -> None:
        reset(self.peer)
        self._ended = "reset"
        self.until(lambda: self.request.chanRequest.finished)

    def ended(self) -> str:
        return self._ended

    def close(self) -> None:
        """End what is left, after a test."""
        self.port.stopListening()
        if self._ended != "reset":
            reset(self.peer)
        self.peer.close()
        waiting.turn_until(self.reactor, lambda: not self.reactor.sinks, self.patience)
