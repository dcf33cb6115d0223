"""The connection of a web server, in memory."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib import error
from reactorlib.defer import Deferred
from reactorlib.protocols.http.headers import Headers
from reactorlib.testing import AccumulatingProtocol, StringTransport
from tests.webserver import GET, Server, answers, hello

POST = b"POST /p HTTP/1.1\r\nHost: example\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST /p HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\n\r\n"


def bodies(server: Server) -> list[bytes]:
    return [body for _, _, body in answers(server.said())]


def statuses(server: Server) -> list[int]:
    return [status for status, _, _ in answers(server.said())]


def test_an_answer() -> None:
    server = Server(hello)
    server.get(b"/")
    ((status, fields, body),) = answers(server.said())
    assert (status, body) == (200, b"hello")
    assert fields[b"content-type"] == b"text/plain"
    assert fields[b"content-length"] == b"5"
    assert fields[b"server"] == b"reactorlib"
    assert b"GMT" in fields[b"date"]
    assert b"connection" not in fields
    server.get(b"/", b"/")
    assert statuses(server) == [200, 200]
    assert not server.closing


@pytest.mark.parametrize("later", [False, True])
@pytest.mark.parametrize("option", [b"", b"close"])
def test_a_whole_answer_is_one_write(
    monkeypatch: pytest.MonkeyPatch, option: bytes, later: bool
) -> None:
    writes: list[bytes] = []
    write = StringTransport.write
    monkeypatch.setattr(
        StringTransport, "write", lambda self, data: (writes.append(data), write(self, data))
    )
    server = Server((lambda request: None) if later else (lambda request: request.finish()))
    server.send(b"GET / HTTP/1.1\r\nHost: example\r\nConnection: %b\r\n\r\n" % option)
    if later:
        server.requests[0].finish()
    assert len(writes) == 1
    ((status, fields, body),) = answers(server.said())
    assert (status, fields[b"content-length"], body) == (200, b"0", b"")
    assert fields.get(b"connection", b"") == option
    assert server.closing == bool(option)


def test_the_end_of_an_answer_is_that_of_its_monitoring() -> None:
    told: list[Any] = []

    def process(request: Any) -> None:
        request.monitorCongestion(lambda *what: told.append(what))
        hello(request)

    server = Server(process)
    server.get(b"/")
    server.transport.block()
    server.transport.write(bytes(300_000))
    assert told == []


def test_it_is_cut_anywhere() -> None:
    stream = (
        GET % b"/one" + POST + b"first" + CHUNKED + b"3\r\nabc\r\n0\r\nX: y\r\n\r\n" + GET % b"/"
    )
    for step in (1, 2, 7, len(stream)):
        server = Server(hello)
        server.send(*[stream[i : i + step] for i in range(0, len(stream), step)])
        assert statuses(server) == [200] * 4, step
        assert [r.uri for r in server.requests] == [b"/one", b"/p", b"/p", b"/"]


def test_a_body_comes_in_pieces_and_its_end_is_told() -> None:
    server = Server()
    server.send(POST)
    (request,) = server.requests
    assert not request.complete
    server.send(b"fi", b"rst")
    assert request.body == [b"fi", b"rst"]
    assert request.complete
    request.answer(b"done")
    assert bodies(server) == [b"done"]


def test_a_chunked_body_with_trailers() -> None:
    server = Server()
    server.send(CHUNKED + b"3\r\nabc\r\n2;x=y\r\nde\r\n0\r\nX-Sum: 9\r\n\r\n")
    (request,) = server.requests
    assert b"".join(request.body) == b"abcde"
    assert request.complete
    assert request.in_trailers is not None
    assert request.in_trailers.getRawHeaders(b"x-sum") == [b"9"]


def test_answers_leave_in_the_order_of_their_requests() -> None:
    server = Server()
    server.get(b"/1", b"/2", b"/3")
    first, second, third = server.requests
    third.answer()
    second.write(b"2a")
    assert server.said() == b""
    first.answer()
    assert server.said().startswith(b"HTTP/1.1 200")
    second.write(b"2b")
    second.finish()
    assert b"2b" in server.said()
    server.get(b"/4")
    server.requests[-1].answer()
    assert bodies(server) == [b"/4"]


def test_not_more_than_are_worked_on_at_once_are_read() -> None:
    server = Server(maxPipeline=2)
    server.get(b"/1", b"/2", b"/3", b"/4")
    assert len(server.requests) == 2
    assert server.transport.producerState == "paused"
    server.requests[0].answer()
    assert len(server.requests) == 3
    for request in server.requests[1:]:
        request.answer()
    server.requests[3].answer()
    assert bodies(server) == [b"/1", b"/2", b"/3", b"/4"]
    assert server.transport.producerState == "producing"


def test_what_changes_something_is_worked_on_alone() -> None:
    server = Server()
    server.send(GET % b"/1" + POST + b"first" + GET % b"/2")
    assert [r.uri for r in server.requests] == [b"/1"]
    server.requests[0].answer()
    assert [r.uri for r in server.requests] == [b"/1", b"/p"]
    server.requests[1].answer()
    assert [r.uri for r in server.requests] == [b"/1", b"/p", b"/2"]


@pytest.mark.parametrize(
    "head", [b"GET / HTTP/1.0\r\n\r\n", b"GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"]
)
def test_a_last_request_ends_the_connection(head: bytes) -> None:
    server = Server(hello)
    server.send(head + GET % b"/more")
    ((_, fields, body),) = answers(server.said())
    assert fields[b"connection"] == b"close"
    assert body == b"hello"
    assert server.closing
    assert len(server.requests) == 1


def test_http_1_0_may_last_and_has_no_chunks() -> None:
    server = Server(hello)
    server.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    ((_, fields, _),) = answers(server.said())
    assert fields[b"connection"] == b"keep-alive"
    assert not server.closing

    server = Server()
    server.send(b"GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n")
    (request,) = server.requests
    request.write(b"some")
    request.write(b"more")
    assert not server.closing
    request.finish()
    said = server.said()
    assert said.endswith(b"\r\nConnection: close\r\n\r\nsomemore")
    assert server.closing


def test_pieces_are_chunked() -> None:
    server = Server(lambda request: request.write(b"one") or request.write(b"two"))
    server.get(b"/")
    server.requests[0].write(b"x" * 20_000)
    server.requests[0].write(b"")
    server.requests[0].finish()
    ((_, fields, body),) = answers(server.said())
    assert body == b"onetwo" + b"x" * 20_000
    assert fields[b"transfer-encoding"] == b"chunked"


def test_what_process_has_written_leaves_when_it_returns() -> None:
    server = Server(lambda request: request.write(b"event"))
    server.get(b"/")
    assert server.said().endswith(b"5\r\nevent\r\n")


@pytest.mark.parametrize("code", [204, 304])
def test_some_answers_have_no_body(code: int) -> None:
    def process(request: Any) -> None:
        request.setResponseCode(code)
        request.write(b"dropped")
        request.finish()

    server = Server(process)
    server.get(b"/", b"/")
    said = server.said()
    assert b"dropped" not in said
    assert b"content-length" not in said.lower()
    assert b"chunked" not in said
    assert not server.closing


def test_the_answer_to_head_has_a_length_and_no_body() -> None:
    server = Server(hello)
    server.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
    said = server.said()
    assert b"Content-Length: 5\r\n" in said
    assert said.endswith(b"\r\n\r\n")


def test_a_length_is_kept() -> None:
    server = Server()
    server.get(b"/")
    (request,) = server.requests
    request.setResponseHeader(b"Content-Length", b"4")
    request.write(b"abc")
    with pytest.raises(ValueError, match="1 are left"):
        request.write(b"de")
    request.write(b"d")
    request.finish()
    assert bodies(server) == [b"abcd"]
    assert not server.closing


def test_too_short_a_body_costs_the_connection(caplog: pytest.LogCaptureFixture) -> None:
    server = Server()
    server.get(b"/")
    server.requests[0].setResponseHeader(b"Content-Length", b"4")
    server.requests[0].write(b"abc")
    server.requests[0].finish()
    assert server.closing
    assert "1 bytes short" in caplog.text


@pytest.mark.parametrize(
    ("name", "value"),
    [(b"Transfer-Encoding", b"chunked"), (b"Content-Length", b"+5"), (b"Content-Length", b"x")],
)
def test_fields_that_frame_are_checked(name: bytes, value: bytes) -> None:
    server = Server()
    server.get(b"/")
    server.requests[0].setResponseHeader(name, value)
    with pytest.raises(ValueError, match=r"Encoding|Length"):
        server.requests[0].finish()
    assert server.said() == b""


def test_own_date_server_and_connection() -> None:
    def process(request: Any) -> None:
        request.setResponseHeader(b"Date", b"today")
        request.setResponseHeader(b"Server", b"me")
        request.setResponseHeader(b"Connection", b"close")
        hello(request)

    server = Server(process)
    server.get(b"/")
    ((_, fields, _),) = answers(server.said())
    assert (fields[b"date"], fields[b"server"]) == (b"today", b"me")
    assert fields[b"connection"] == b"close"
    assert server.closing


def test_the_date_is_renewed(monkeypatch: pytest.MonkeyPatch) -> None:
    now = 1_000_000_000.25
    monkeypatch.setattr("reactorlib.protocols.http.framing.time", lambda: now)
    server = Server(hello)
    server.get(b"/")
    first = answers(server.said())[0][1][b"date"]
    assert first == b"Sun, 09 Sep 2001 01:46:40 GMT"
    server.advance(0.7)
    now += 0.7
    server.get(b"/")
    assert answers(server.said())[0][1][b"date"] == first
    now += 0.1
    server.advance(0.1)
    server.get(b"/")
    assert answers(server.said())[0][1][b"date"] == b"Sun, 09 Sep 2001 01:46:41 GMT"


def test_100_continue_goes_out_when_the_body_is_wanted() -> None:
    head = POST.replace(b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n")
    server = Server()
    server.send(head)
    assert server.said() == b""
    server.requests[0].acceptData()
    server.requests[0].acceptData()
    assert server.said() == b"HTTP/1.1 100 Continue\r\n\r\n"
    server.send(b"first")
    server.requests[0].answer()
    assert not server.closing

    server = Server(hello)
    server.send(head)
    ((status, fields, _),) = answers(server.said())
    assert (status, fields[b"connection"]) == (200, b"close")
    assert server.closing

    server = Server()
    server.send(head + b"f")
    server.requests[0].acceptData()
    assert server.said() == b""


def test_an_unknown_expectation() -> None:
    server = Server()
    server.send(POST.replace(b"\r\n\r\n", b"\r\nExpect: much\r\n\r\n"))
    assert statuses(server) == [417]
    assert server.closing


def test_an_unread_body_is_discarded_within_a_bound() -> None:
    server = Server(hello, maxUnread=5)
    server.send(POST, b"first" + GET % b"/")
    assert statuses(server) == [200, 200]
    server.send(POST.replace(b"5", b"6") + b"sixsix" + GET % b"/")
    assert statuses(server) == [200]
    assert server.closing

    server = Server(hello, maxUnread=5)
    server.send(CHUNKED + b"5\r\nfirst\r\n")
    assert not server.closing
    server.send(b"1\r\nx\r\n")
    assert server.closing


def test_bodies_are_bounded() -> None:
    server = Server(maxContentLength=4)
    server.send(POST)
    assert statuses(server) == [413]
    assert server.closing
    assert server.requests == []

    server = Server(maxContentLength=4)
    server.send(CHUNKED + b"3\r\nabc\r\n2\r\n")
    assert statuses(server) == [413]
    assert server.closing
    assert server.requests[0].lost is not None
    server.requests[0].answer()
    assert server.said() == b""


def test_early_hints() -> None:
    def process(request: Any) -> None:
        request.writeIntermediateResponse(103, Headers(rawHeaders={b"Link": [b"</a.css>"]}))
        hello(request)
        with pytest.raises(ValueError, match="101"):
            request.writeIntermediateResponse(101)

    server = Server(process)
    server.get(b"/")
    said = server.said()
    assert said.startswith(b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\nHTTP/1.1 200 OK")
    server.send(b"GET / HTTP/1.0\r\n\r\n")
    assert b"103" not in server.said()


@pytest.mark.parametrize(
    ("data", "status"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", 400),
        (b"GET / HTTP/1.1\nHost: x\n\n", 400),
        (b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 505),
        (b"\x16\x03\x01\x02\x00\x01\x00", 400),
        (b"GET /" + b"x" * 9000, 414),
        (b"GET / HTTP/1.1\r\n" + b"x: y\r\n" * 101, 431),
        (POST.replace(b"\r\n\r\n", b"\r\nTransfer-Encoding: chunked\r\n\r\n"), 400),
    ],
)
def test_what_is_no_request_is_refused_and_nothing_more_served(data: bytes, status: int) -> None:
    server = Server()
    server.get(b"/first")
    server.send(data + GET % b"/next")
    server.get(b"/next")
    assert server.said() == b""
    server.requests[0].answer()
    assert statuses(server) == [200, status]
    assert len(server.requests) == 1
    assert server.closing


def test_a_chunk_that_is_none() -> None:
    server = Server()
    server.send(CHUNKED + b"3\r\nabc\r\nX\r\n" + GET % b"/")
    assert statuses(server) == [400]
    assert server.closing
    assert server.requests[0].lost is not None
    assert len(server.requests) == 1

    server = Server(lambda request: request.write(b"begun"))
    server.send(CHUNKED)
    server.send(b"X\r\n")
    assert server.transport.disconnected or server.transport.disconnecting


# Faults of the application


def raises(request: Any) -> None:
    raise RuntimeError("in process")


def test_a_fault_is_logged_once_and_answered(caplog: pytest.LogCaptureFixture) -> None:
    server = Server(raises)
    server.get(b"/", b"/")
    assert statuses(server) == [500, 500]
    assert not server.closing
    assert [record.levelname for record in caplog.records] == ["ERROR", "ERROR"]
    assert caplog.records[0].exc_info


def test_a_coroutine_is_followed(caplog: pytest.LogCaptureFixture) -> None:
    until: Deferred[None] = Deferred()

    async def process(request: Any) -> None:
        await until
        hello(request)

    server = Server(process)
    server.get(b"/")
    assert server.said() == b""
    until.callback(None)
    assert statuses(server) == [200]

    until = Deferred()
    server.get(b"/")
    until.errback(RuntimeError("later"))
    assert statuses(server) == [500]
    assert "later" in caplog.text


def test_a_fault_in_the_middle_cuts_the_answer_off(caplog: pytest.LogCaptureFixture) -> None:
    def process(request: Any) -> None:
        request.write(b"one")
        request.write(b"two")
        raise RuntimeError("after that")

    server = Server(process)
    server.get(b"/")
    assert not server.transport.connected or server.transport.disconnecting
    assert "after that" in caplog.text


def test_a_fault_after_the_end_costs_nothing(caplog: pytest.LogCaptureFixture) -> None:
    def process(request: Any) -> None:
        hello(request)
        raise RuntimeError("too late")

    server = Server(process)
    server.get(b"/", b"/")
    assert statuses(server) == [200, 200]
    assert len(caplog.records) == 2


def test_after_the_loss_nothing_has_an_effect() -> None:
    server = Server()
    server.get(b"/1", b"/2")
    server.lose(error.ConnectionLost())
    for request in server.requests:
        assert request.lost is not None
        request.answer()
        request.acceptData()
        request.writeIntermediateResponse(103)
        request.pauseProducing()
        request.resumeProducing()
        request.abortConnection()
    assert server.said() == b""
    assert server.transport.reactor.getDelayedCalls() == []
    assert server.factory.outstandingRequests == 0


# Time


def test_an_idle_connection_is_closed() -> None:
    server = Server(hello)
    server.advance(14)
    server.get(b"/")
    server.advance(14.5)
    assert not server.closing
    server.advance(1)
    assert server.closing
    assert statuses(server) == [200]


def test_a_slow_head_is_refused_however_it_comes() -> None:
    server = Server(hello, inputTimeOut=20)
    data = GET % (b"/" + b"x" * 100)
    for byte in data[:20]:
        server.send(bytes([byte]))
        server.advance(0.99)
    assert not server.closing
    server.advance(0.3)
    assert statuses(server) == [408]
    assert server.closing


def test_a_body_may_take_its_time_but_not_stop() -> None:
    server = Server(inputTimeOut=20, minimumRate=0)
    server.send(POST)
    for byte in b"firs":
        server.advance(19)
        server.send(bytes([byte]))
    assert not server.closing
    server.advance(21)
    assert statuses(server) == [408]
    assert server.closing


BIG = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000\r\n\r\n"


def drip(server: Server, size: int, seconds: float, pause: float = 5) -> float:
    """Send so much in each pause, for so long; when the connection was closed, if it was."""
    passed = 0.0
    while passed < seconds and not server.closing:
        server.send(b"x" * size)
        server.advance(pause)
        passed += pause
    return passed


def test_a_body_that_drips_is_not_waited_for_for_ever() -> None:
    server = Server(inputTimeOut=20, minimumRate=100)
    server.send(BIG)
    assert 20 <= drip(server, 1, 1000) <= 40  # 20, and until it was first looked at
    assert statuses(server) == [408]


def test_a_body_that_comes_at_the_least_rate_is_taken() -> None:
    server = Server(inputTimeOut=20, minimumRate=100)
    server.send(BIG)
    assert drip(server, 500, 1000) == 1000
    assert not server.closing
    # What came faster does not let it stop for longer.
    server.send(b"x" * 100_000)
    assert 15 <= drip(server, 1, 1000) <= 40
    assert statuses(server) == [408]


def test_chunks_are_of_the_same_rate() -> None:
    server = Server(inputTimeOut=20, minimumRate=100)
    server.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n")
    for _ in range(20):
        server.send(b"1f4\r\n%b\r\n" % (b"x" * 500))
        server.advance(5)
    assert not server.closing
    for _ in range(20):
        server.send(b"1\r\nx\r\n")
        server.advance(5)
    assert statuses(server) == [408]


def test_a_body_that_we_hold_up_has_no_rate() -> None:
    server = Server(inputTimeOut=20, minimumRate=100)
    server.send(BIG)
    (request,) = server.requests
    for _ in range(50):
        server.send(b"x" * 200)
        request.pauseProducing()
        server.advance(47)
        request.resumeProducing()
        server.advance(2)
    assert not server.closing


def test_each_body_has_its_own_time() -> None:
    server = Server(lambda request: None, inputTimeOut=20, minimumRate=100)
    for number in range(30):
        server.send(POST)
        server.advance(4)
        server.send(b"first")
        server.requests[number].answer()
    assert statuses(server) == [200] * 30
    assert not server.closing


def test_a_slow_application_is_waited_for() -> None:
    server = Server()
    server.get(b"/")
    for _ in range(100):
        server.advance(100)
    server.requests[0].answer()
    assert statuses(server) == [200]
    assert not server.closing
    server.advance(15.1)
    assert server.closing


def test_the_end_is_not_waited_for_forever() -> None:
    server = Server(hello)
    server.send(b"GET / HTTP/1.0\r\n\r\n")
    assert server.closing
    server.advance(19)
    assert not server.transport.disconnected
    server.advance(2)
    assert server.transport.disconnected


# Drain, limits


def test_one_too_many_is_told_so() -> None:
    server = Server(hello, maxRequests=1)
    first = server.transport
    assert server.factory.outstandingRequests == 1
    server.connect()
    assert statuses(server) == [503]
    assert server.closing
    server.channel.connectionLost(None)
    first.protocol = None


def test_all_connections_closed() -> None:
    server = Server()
    idle = server.transport
    server.connect()
    busy = server.transport
    server.get(b"/")
    done: list[Any] = []
    server.factory.allConnectionsClosed().addCallback(done.append)
    for transport in (idle, busy):
        transport.reactor.advance(0.5)
        assert not transport.disconnecting
        transport.reactor.advance(0.6)
    assert idle.disconnecting
    assert not busy.disconnecting
    server.requests[0].answer()
    ((_, fields, _),) = answers(server.said())
    assert fields[b"connection"] == b"close"
    assert busy.disconnecting


def test_a_request_that_was_on_its_way_is_answered_at_the_end() -> None:
    server = Server(hello)
    server.get(b"/")
    server.factory.allConnectionsClosed()
    assert statuses(server) == [200]
    server.get(b"/")
    ((status, fields, _),) = answers(server.said())
    assert (status, fields[b"connection"]) == (200, b"close")
    assert server.closing


def test_an_unknown_setting() -> None:
    with pytest.raises(TypeError, match="maxPipelin"):
        Server(maxPipelin=3)


# Upgrade and CONNECT


def test_what_follows_an_upgrade_waits_for_its_answer() -> None:
    upgrade = b"GET /up HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
    server = Server()
    server.send(upgrade + GET % b"/next")
    assert [request.uri for request in server.requests] == [b"/up"]
    other = AccumulatingProtocol()
    server.requests[0].setResponseCode(101)
    server.requests[0].setResponseHeader(b"Connection", b"Upgrade")
    server.requests[0].setResponseHeader(b"Upgrade", b"echo")
    server.requests[0].switchProtocol(other)
    assert other.data == GET % b"/next"

    server = Server()
    server.send(upgrade + GET % b"/next")
    server.requests[0].answer()
    assert [request.uri for request in server.requests] == [b"/up", b"/next"]


def test_an_upgrade_takes_what_followed() -> None:
    other = AccumulatingProtocol()

    def process(request: Any) -> None:
        request.setResponseCode(101)
        request.setResponseHeader(b"Connection", b"Upgrade")
        request.setResponseHeader(b"Upgrade", b"echo")
        request.switchProtocol(other)

    server = Server(process)
    server.send(
        b"GET / HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n\r\n"
        b"bytes that follow"
    )
    assert server.said().startswith(b"HTTP/1.1 101 Switching Protocols\r\n")
    assert other.data == b"bytes that follow"
    assert other.transport is server.transport
    assert server.factory.outstandingRequests == 0
    assert server.transport.reactor.getDelayedCalls() == []
