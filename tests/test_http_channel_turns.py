"""The connection of a web server: what becomes of one request must not harm those before it."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib import error
from reactorlib.defer import CancelledError, Deferred
from tests.webserver import GET, Server, answers

BODY = b"GET /2 HTTP/1.1\r\nHost: example\r\nContent-Length: %d\r\n\r\n"
CHUNKED = b"GET /2 HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\n\r\n"


def bodies(server: Server) -> list[bytes]:
    return [body for _, _, body in answers(server.said())]


def second_at_once(request: Any) -> None:
    if request.uri == b"/2":
        request.answer()


UNWANTED = {
    "counted": (BODY % 100_000, b"x" * 70_000),
    "chunked": (CHUNKED, b"11170\r\n" + b"x" * 70_000),
    "malformed": (CHUNKED, b"X\r\n"),
    "too much": (CHUNKED, b"FFFFFFF\r\n"),
}


@pytest.mark.parametrize(("head", "body"), UNWANTED.values(), ids=UNWANTED.keys())
def test_an_unwanted_body_does_not_cost_the_answers_before(head: bytes, body: bytes) -> None:
    server = Server(second_at_once, maxContentLength=200_000)
    server.get(b"/1")
    server.send(head, body + GET % b"/3")
    assert not server.closing
    assert server.transport.producerState == "paused"
    server.requests[0].answer()
    assert bodies(server) == [b"/1", b"/2"]
    assert server.closing
    assert len(server.requests) == 2


@pytest.mark.parametrize("how", ["time", "end"])
def test_nor_does_one_that_does_not_come(how: str) -> None:
    server = Server(second_at_once, inputTimeOut=20)
    server.get(b"/1")
    server.send(BODY % 5)
    if how == "time":
        server.advance(15)
        server.advance(15)
    else:
        server.channel.readConnectionLost()
    assert not server.closing
    server.requests[0].answer()
    assert bodies(server) == [b"/1", b"/2"]
    assert server.closing


def test_a_body_that_is_held_is_not_released_by_the_answer_before() -> None:
    server = Server()
    server.get(b"/1")
    server.send(BODY % 5)
    first, second = server.requests
    second.pauseProducing()
    first.answer()
    assert server.transport.producerState == "paused"
    server.send(b"hello")
    assert second.body == []
    second.resumeProducing()
    assert second.body == [b"hello"]
    second.answer()
    assert bodies(server) == [b"/1", b"/2"]


def test_nothing_begins_behind_an_answer_that_says_close() -> None:
    server = Server()
    server.get(b"/1", b"/2")
    first, _ = server.requests
    first.setResponseHeader(b"Connection", b"close")
    first.write(b"some")
    first.write(b"more")
    server.get(b"/3")
    assert len(server.requests) == 2
    first.finish()
    assert bodies(server) == [b"somemore"]
    assert server.closing


def test_what_works_on_a_request_that_is_answered_for_it_ends() -> None:
    async def works(request: Any) -> None:
        try:
            await Deferred()
        except CancelledError:
            ended.append(request)
            raise

    ended: list[Any] = []
    server = Server(works, inputTimeOut=20)
    server.send(BODY % 5)
    server.advance(15)
    assert ended == []
    server.advance(15)
    ((status, _, _),) = answers(server.said())
    assert status == 408
    assert ended == server.requests
    server.lose(error.ConnectionDone())


def test_too_long_a_whole_answer_is_a_fault(caplog: pytest.LogCaptureFixture) -> None:
    def process(request: Any) -> None:
        request.setResponseHeader(b"Content-Length", b"3")
        request.answer(b"hello")

    server = Server(process)
    server.get(b"/")
    ((status, _, _),) = answers(server.said())
    assert status == 500
    assert len(caplog.records) == 1
    assert not server.closing


def test_an_answer_says_close_whatever_the_application_says() -> None:
    def process(request: Any) -> None:
        request.setResponseHeader(b"Connection", b"keep-alive")
        request.answer()

    server = Server(process)
    server.send(b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n")
    assert b"\r\nConnection: keep-alive\r\n" in server.transport.value()
    assert b"\r\nConnection: close\r\n" in server.transport.value()
    assert server.closing


@pytest.mark.parametrize("name", ["closeTimeOut", "inputTimeOut", "betweenRequestsTimeOut"])
def test_no_time_is_no_time_out(name: str) -> None:
    with pytest.raises(ValueError, match="more than 0"):
        Server(**{name: 0})
