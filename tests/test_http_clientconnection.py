"""A client's connection and the pool, where the proxy does not show them."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import pytest

from reactorlib.defer import CancelledError, Deferred, ensureDeferred, succeed
from reactorlib.failure import Failure
from reactorlib.protocols.http.clientconnection import (
    Answer,
    ClientConnection,
    Question,
    RequestGenerationFailed,
    ResponseFailed,
    ResponseNeverReceived,
    ResponseTimedOut,
)
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.pool import HTTPConnectionPool
from reactorlib.task import Clock
from reactorlib.testing import StringTransport
from tests.proxying import DONE, LOST

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n"


class Peer:
    """The server's side of a connection."""

    def __init__(self) -> None:
        self.transport: Any = StringTransport()
        self.connection = ClientConnection()
        self.connection.makeConnection(self.transport)

    def ask(self, **settings: Any) -> list[Any]:
        """What comes of a request."""
        question = Question(b"GET", b"/", Headers(), **settings)
        found: list[Any] = []
        self.asked = self.connection.ask(question).addBoth(found.append)
        return found

    def say(self, data: bytes) -> None:
        self.connection.dataReceived(data)


async def read(answer: Answer) -> bytes:
    return b"".join([piece async for piece in answer])


def result_of(deferred: Deferred[Any]) -> Any:
    found: list[Any] = []
    deferred.addBoth(found.append)
    return found[0]


@pytest.mark.parametrize("part", [b"", b"/ HTTP/1.1\r\nX: 1", b"/\n", b"/ x", b"/\xff", b"/\x00"])
def test_what_cannot_be_asked(part: bytes) -> None:
    """Twisted CVE-2019-12387: a line break in the method or the target."""
    peer = Peer()
    for method, target in [(b"GET", part), (part, b"/")]:
        with pytest.raises(ValueError, match="first line"):
            peer.connection.ask(Question(method, target, Headers()))
    forged = Headers.deferred(lambda: [(b"X", b"1\r\nY: 2")])
    with pytest.raises(ValueError, match="control"):
        peer.connection.ask(Question(b"GET", b"/", forged))
    assert peer.transport.value() == b""
    assert peer.ask() == []


def test_one_at_a_time() -> None:
    peer = Peer()
    peer.ask()
    with pytest.raises(RuntimeError, match="one request"):
        peer.ask()


def test_without_a_pool_a_connection_serves_once() -> None:
    peer = Peer()
    found = peer.ask()
    peer.say(b"HTTP/1.1 103 Early Hints\r\n\r\n" + OK + b"hello")
    assert result_of(ensureDeferred(read(found[0]))) == b"hello"
    assert peer.transport.disconnecting
    assert not peer.transport.disconnected
    peer.connection.connectionLost(Failure(DONE))


def test_an_answer_is_read_after_its_end() -> None:
    peer = Peer()
    found = peer.ask()
    peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 200_000)
    assert len(result_of(ensureDeferred(read(found[0])))) == 200_000


def test_an_answer_that_is_cut_off_is_read_to_there() -> None:
    for reason in (DONE, LOST):
        peer = Peer()
        found = peer.ask()
        peer.say(OK + b"he")
        peer.connection.connectionLost(Failure(reason))
        pieces: list[bytes] = []

        async def collect(answer: Answer, pieces: list[bytes] = pieces) -> None:
            async for piece in answer:
                pieces.append(piece)

        failure = result_of(ensureDeferred(collect(found[0])))
        assert failure.check(ResponseFailed)
        assert pieces == [b"he"]


def test_who_gives_up() -> None:
    peer = Peer()
    found = peer.ask()
    peer.asked.cancel()
    assert found[0].check(CancelledError)
    assert peer.transport.disconnected
    peer = Peer()
    found = peer.ask()
    peer.say(OK)
    found[0].abandon()
    found[0].abandon()
    assert peer.transport.disconnected


def test_who_gives_up_at_once_is_told_no_more() -> None:
    peer = Peer()
    peer.connection.ask(Question(b"GET", b"/", Headers())).addCallback(Answer.abandon)
    peer.say(OK + b"he")
    assert peer.transport.disconnected


def test_the_time_of_a_reader_does_not_count() -> None:
    peer = Peer()
    found = peer.ask(timeout=5)
    peer.say(b"HTTP/1.1 200 OK\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000)
    peer.transport.reactor.advance(60)
    assert not peer.transport.disconnecting
    reading = ensureDeferred(read(found[0]))
    peer.transport.reactor.advance(6)
    assert result_of(reading).check(ResponseTimedOut)


async def fails() -> AsyncIterator[bytes]:
    yield b"a"
    raise ZeroDivisionError


def test_a_body_that_fails() -> None:
    peer = Peer()
    found = peer.ask(body=fails())
    assert found[0].check(RequestGenerationFailed)
    assert peer.transport.disconnected
    assert not peer.transport.value().endswith(b"0\r\n\r\n")


@pytest.mark.parametrize("more", [b"b", b""])
def test_a_body_that_gives_up_its_own_request(more: bytes) -> None:
    async def body() -> AsyncIterator[bytes]:
        yield b"a"
        await gate
        peer.asked.cancel()
        if more:
            yield more

    gate: Deferred[None] = Deferred()
    peer = Peer()
    found = peer.ask(body=body(), length=2)
    gate.callback(None)
    assert found[0].check(CancelledError)
    assert peer.transport.value().endswith(b"\r\n\r\na")
    assert peer.transport.disconnected


class Endpoint:
    def __init__(self) -> None:
        self.made: list[ClientConnection] = []

    def connect(self, factory: Any) -> Deferred[Any]:
        self.made.append(factory.buildProtocol(None))
        self.made[-1].makeConnection(StringTransport())
        return succeed(self.made[-1])


def used(pool: HTTPConnectionPool, key: Any, endpoint: Endpoint) -> ClientConnection:
    """A connection that has served a request."""
    connection: ClientConnection = result_of(pool.getConnection(key, endpoint))
    connection.ask(Question(b"GET", b"/", Headers()))
    connection.dataReceived(OK + b"hello")
    return connection


def test_a_pool_keeps_keys_apart() -> None:
    endpoint = Endpoint()
    pool = HTTPConnectionPool(Clock())
    one = used(pool, "one", endpoint)
    assert used(pool, "two", endpoint) is not one
    assert used(pool, "one", endpoint) is one
    assert one.used == 1


def test_a_pool_that_keeps_nothing() -> None:
    endpoint = Endpoint()
    pool = HTTPConnectionPool(Clock(), persistent=False)
    used(pool, "one", endpoint)
    used(pool, "one", endpoint)
    assert len(endpoint.made) == 2
    assert [each.transport.disconnecting for each in endpoint.made] == [True, True]


def test_the_last_used_is_taken_and_the_others_end() -> None:
    endpoint, clock = Endpoint(), Clock()
    pool = HTTPConnectionPool(clock)
    first: ClientConnection = result_of(pool.getConnection("one", endpoint))
    second: ClientConnection = result_of(pool.getConnection("one", endpoint))
    for connection in (first, second):
        connection.ask(Question(b"GET", b"/", Headers()))
    for connection in (first, second):
        connection.dataReceived(OK + b"hello")
    clock.advance(200)
    assert used(pool, "one", endpoint) is second
    clock.advance(50)
    assert first.transport.disconnecting
    assert not second.transport.disconnecting


def test_what_cannot_be_asked_costs_the_connection() -> None:
    """Nobody else would end it."""
    endpoint = Endpoint()
    pool = HTTPConnectionPool(Clock())
    asking = ensureDeferred(pool.ask("one", endpoint, Question(b"GET", b"/ x", Headers())))
    assert result_of(asking).check(ValueError)
    assert endpoint.made[0].transport.disconnecting


def test_a_second_try_can_be_forbidden() -> None:
    endpoint = Endpoint()
    pool = HTTPConnectionPool(Clock())
    pool.retryAutomatically = False
    connection = used(pool, "one", endpoint)
    asking = ensureDeferred(pool.ask("one", endpoint, Question(b"GET", b"/", Headers())))
    connection.connectionLost(Failure(LOST))
    assert result_of(asking).check(ResponseNeverReceived)
    assert len(endpoint.made) == 1
