"""A web server with clients that read or send slowly or never, on every backend.

Fault tests 7 and 18: early answers, readers that never read, slow heads. The full
numbers run on one backend; the others get fewer of each.
"""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator
from time import monotonic, process_time
from typing import Any

import pytest

from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.protocols.http.request import Request
from reactorlib.testing.contract.http_answers import Answer, read_answer
from reactorlib.testing.contract.tcp_peers import MEGABYTE, Net
from reactorlib.testing.contract.tls_peers import TLSContractBase
from tests.backends import BACKENDS
from tests.on_backends import OnEveryBackend, on_every_backend
from tests.webserver import GET, hello

UPLOAD = b"POST /up HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n" % MEGABYTE
CHUNKED_UPLOAD = b"POST /up HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n100000\r\n"
SLOW_HEAD = b"GET / HTTP/1.1\r\nHost: x\r\nX-Slow: "
TEN_MEGABYTES = 10 * MEGABYTE
# What waits for one client: the high-water mark, and what a producer wrote above it.
AT_MOST = 3 * 65_536


class Pattern:
    """A file of so many bytes that are nowhere in memory together."""

    PIECE = bytes(range(256)) * 256

    def __init__(self, size: int) -> None:
        self.left = size

    def read(self, size: int) -> bytes:
        piece = self.PIECE[: min(size, self.left)]
        self.left -= len(piece)
        return piece


class Pushed:
    """A push producer of so many bytes: writes until it is paused."""

    def __init__(self, request: Any, size: int) -> None:
        self.request = request
        self.file = Pattern(size)
        self.producing = False

    def resumeProducing(self) -> None:
        self.producing = True
        while self.producing:
            piece = self.file.read(16_384)
            if not piece:
                self.producing = False
                self.request.unregisterProducer()
                self.request.finish()
                return
            self.request.write(piece)

    def pauseProducing(self) -> None:
        self.producing = False

    stopProducing = pauseProducing


def pushes(request: Any) -> None:
    producer = Pushed(request, TEN_MEGABYTES)
    request.registerProducer(producer, True)
    producer.resumeProducing()


def sends_a_file(request: Any) -> None:
    sent = request.writeFile(Pattern(TEN_MEGABYTES))
    sent.addCallbacks(lambda _: request.finish(), lambda _: None)


class Site(HTTPFactory):
    """`process` answers; the channels that have a connection are in `channels`."""

    def __init__(self, process: Callable[[Any], Any], **settings: Any) -> None:
        kind = type("Page", (Request,), {"process": lambda request: process(request)})
        super().__init__(kind, **settings)

    @property
    def channels(self) -> set[Any]:
        return self._channels

    @property
    def buffered(self) -> int:
        """Bytes that wait in this process for all clients together."""
        return sum(channel.transport.bufferedBytes for channel in self.channels)


def resident() -> int:
    """Bytes of memory that this process holds."""
    with open("/proc/self/statm") as file:
        return int(file.read().split()[1]) * 4096


def answer_of(data: bytes) -> Answer:
    """The one answer in what a client has read to the end."""
    answer, rest = read_answer(data, b"GET", True)
    assert rest == b""
    return answer


@pytest.fixture
def clients() -> Iterator[list[socket.socket]]:
    """Closed after the test."""
    made: list[socket.socket] = []
    yield made
    for each in made:
        each.close()


def crowd(net: Net, port: Any, clients: list[socket.socket], count: int, data: bytes) -> None:
    """So many clients connect, and send the same."""
    address = (port.getHost().host, port.getHost().port)
    for number in range(count):
        client = socket.socket()
        client.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 4096)
        client.setblocking(False)
        client.connect_ex(address)
        clients.append(client)
        if number % 50 == 49:
            net.turn()
    factory = port.factory
    net.turn_until(lambda: factory.outstandingRequests >= count)
    for client in clients:
        client.send(data)


def ask(net: Net, peer: socket.socket) -> float:
    """A client is served; the processor's seconds until it was, whatever else ran on it."""
    begun = process_time()
    assert net.read(peer, 1, GET % b"/hello").endswith(b"hello")
    return process_time() - begun


class TestEarlyAnswers(OnEveryBackend):
    """The client reads all of an answer that came before it had sent its body."""

    def test_413_by_the_channel(self, net: Net) -> None:
        peer = net.dial(net.listen(Site(hello, maxContentLength=1000)))
        answer = answer_of(b"".join(net.pieces(peer, UPLOAD + b"x" * MEGABYTE)))
        assert (answer.code, answer.whole) == (413, True)

    def test_413_of_a_chunk(self, net: Net) -> None:
        peer = net.dial(net.listen(Site(lambda request: None, maxContentLength=1000)))
        answer = answer_of(b"".join(net.pieces(peer, CHUNKED_UPLOAD + b"x" * MEGABYTE)))
        assert (answer.code, answer.whole) == (413, True)

    @pytest.mark.parametrize("head", [UPLOAD, CHUNKED_UPLOAD], ids=["length", "chunked"])
    def test_413_by_the_application(self, net: Net, head: bytes) -> None:
        def refuse(request: Any) -> None:
            request.setResponseCode(413)
            request.write(b"y" * 300_000)
            request.finish()

        peer = net.dial(net.listen(Site(refuse)))
        answer = answer_of(b"".join(net.pieces(peer, head + b"x" * MEGABYTE)))
        assert (answer.code, len(answer.body), answer.whole) == (413, 300_000, True)

    def test_503(self, net: Net) -> None:
        site = Site(hello, maxRequests=0)
        answer = answer_of(b"".join(net.pieces(net.dial(net.listen(site)), UPLOAD)))
        assert (answer.code, answer.whole) == (503, True)


class TestSlowClients(OnEveryBackend):
    def test_a_slow_reader_costs_no_memory(self, net: Net) -> None:
        site = Site(sends_a_file)
        peer = net.dial(net.listen(site))
        peer.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 16_384)
        most, came = 0, bytearray()
        for piece in net.pieces(peer, GET % b"/"):
            most = max(most, site.buffered)
            came += piece
            if came.endswith(b"\r\n0\r\n\r\n"):
                break
        assert answer_of(bytes(came)).body == Pattern.PIECE * (TEN_MEGABYTES // 65_536)
        assert 0 < most <= AT_MOST
        peer.close()
        net.turn_until(lambda: not site.channels)

    def test_a_slow_body_gets_408(self, net: Net) -> None:
        site = Site(lambda request: None, inputTimeOut=0.2)
        peer = net.dial(net.listen(site))
        begun = monotonic()
        answer = answer_of(b"".join(net.pieces(peer, UPLOAD + b"x")))
        assert (answer.code, answer.whole) == (408, True)
        assert monotonic() - begun > 0.15

    def test_a_body_that_comes_in_time_is_waited_for(self, net: Net) -> None:
        site = Site(lambda request: None, inputTimeOut=1)
        peer = net.dial(net.listen(site))
        begun = monotonic()
        peer.sendall(UPLOAD)
        while monotonic() - begun < 1.3:
            peer.send(b"x")
            net.reactor.iterate(0.02)
        assert len(site.channels) == 1
        answer = answer_of(b"".join(net.pieces(peer)))
        assert answer.code == 408

    def test_an_idle_one_is_closed_in_silence(self, net: Net) -> None:
        site = Site(hello, betweenRequestsTimeOut=0.2)
        assert b"".join(net.pieces(net.dial(net.listen(site)))) == b""

    @pytest.mark.parametrize("process", [sends_a_file, pushes])
    def test_readers_that_never_read(
        self, net: Net, clients: list[socket.socket], process: Callable[[Any], Any]
    ) -> None:
        never_read(net, clients, process, 50, 1.0)

    def test_slow_heads(self, net: Net, clients: list[socket.socket]) -> None:
        slow_heads(net, clients, 60, 0.6)


class TestInFull(OnEveryBackend):
    """All of a thousand, and of two thousand, on one backend."""

    @pytest.fixture(autouse=True, params=[name for name in BACKENDS if name != "select"][:1])
    def backend(self, request: pytest.FixtureRequest) -> str:
        self._backend = str(request.param)
        return self._backend

    def test_a_thousand_readers_that_never_read(
        self, net: Net, clients: list[socket.socket]
    ) -> None:
        never_read(net, clients, pushes, 1000, 3.0)

    def test_two_thousand_slow_heads(self, net: Net, clients: list[socket.socket]) -> None:
        slow_heads(net, clients, 2000, 3.0)


def never_read(
    net: Net,
    clients: list[socket.socket],
    process: Callable[[Any], Any],
    count: int,
    patience: float,
) -> None:
    """Memory is bounded by the water marks, others are served, and all are cut off."""

    def answer(request: Any) -> None:
        if request.uri == b"/hello":
            hello(request)
            return
        sock = request.chanRequest.channel.transport.getHandle()
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65_536)
        process(request)

    site = Site(answer, idleTimeOut=patience, maxRequests=count + 10)
    port = net.listen(site, backlog=count)
    good = net.dial(port)
    before = resident()
    crowd(net, port, clients, count, GET % b"/")
    net.turn_until(lambda: sum(len(channel.requests) for channel in site.channels) == count)
    # First the kernel's own buffers fill up.
    net.turn_until(lambda: ask(net, good) < 0.1)
    assert site.outstandingRequests == count + 1
    assert 0 < site.buffered <= count * AT_MOST
    assert resident() - before < count * AT_MOST + 60 * MEGABYTE
    good.close()
    net.turn_until(lambda: not site.channels)


def slow_heads(net: Net, clients: list[socket.socket], count: int, patience: float) -> None:
    """They are cut off by the time-out, and nobody else waits for them."""
    site = Site(hello, inputTimeOut=patience, closeTimeOut=patience, maxRequests=count + 10)
    port = net.listen(site, backlog=count)
    begun = monotonic()
    good = net.dial(port)
    crowd(net, port, clients, count, SLOW_HEAD)
    asked = [ask(net, good)]
    while monotonic() - begun < patience / 2:
        for client in clients[:: max(1, count // 20)]:
            client.send(b"x")
        asked.append(ask(net, good))
    assert max(asked) < 0.2
    good.close()
    net.turn_until(lambda: not site.channels)
    for client in clients:
        client.setblocking(True)
        assert client.recv(4096).startswith(b"HTTP/1.1 408 ")


class OverTLS(TLSContractBase):
    """The channel on TLS: the same, and the application is told."""

    def test_pipelined_requests_and_a_large_answer(self, net: Any) -> None:
        secure: list[bool] = []

        def process(request: Any) -> None:
            secure.append(request.isSecure())
            if request.uri == b"/large":
                sends_a_file(request)
            else:
                hello(request)

        site = Site(process)
        peer = net.dial(net.listen(site))
        last = b"GET /last HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
        data = b"".join(net.pieces(peer, GET % b"/1" + GET % b"/large" + last))
        first, data = read_answer(data, b"GET", True)
        large, data = read_answer(data, b"GET", True)
        final, data = read_answer(data, b"GET", True)
        assert (first.body, final.body, data) == (b"hello", b"hello", b"")
        assert len(large.body) == TEN_MEGABYTES
        assert secure == [True] * 3

    def test_an_early_answer(self, net: Any) -> None:
        peer = net.dial(net.listen(Site(hello, maxContentLength=1000)))
        answer = answer_of(b"".join(net.pieces(peer, UPLOAD + b"x" * MEGABYTE)))
        assert (answer.code, answer.whole) == (413, True)


globals().update(on_every_backend(OverTLS))
