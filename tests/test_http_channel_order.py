"""The connection of a web server: what is called inside of what, and what must not be served."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib import error
from reactorlib.defer import Deferred
from reactorlib.protocols.http.headers import Headers
from reactorlib.testing import AccumulatingProtocol
from reactorlib.testing.contract.tcp_peers import HalfCloser
from tests.webserver import GET, Server, answers, hello

CLOSE = b"GET /close HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
POST = b"POST /p HTTP/1.1\r\nHost: example\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST /p HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\n\r\n"
UPGRADE = b"GET /u HTTP/1.1\r\nHost: x\r\nConnection: upgrade\r\nUpgrade: echo\r\n"
CONNECT = b"CONNECT example:443 HTTP/1.1\r\nHost: example:443\r\n\r\n"


def statuses(server: Server) -> list[int]:
    return [status for status, _, _ in answers(server.said())]


def upgrade(request: Any, other: Any) -> None:
    request.setResponseCode(101)
    request.setResponseHeader(b"Connection", b"Upgrade")
    request.setResponseHeader(b"Upgrade", b"echo")
    request.switchProtocol(other)


class TestReentrance:
    def test_data_that_comes_inside_a_callback_is_served_after_it(self) -> None:
        def process(request: Any) -> None:
            if request.uri == b"/1":
                server.get(b"/2")
                assert len(server.requests) == 1
            hello(request)

        server = Server(process)
        server.get(b"/1")
        assert [request.uri for request in server.requests] == [b"/1", b"/2"]
        assert statuses(server) == [200, 200]

    def test_it_is_put_behind_what_is_there(self) -> None:
        def process(request: Any) -> None:
            if request.uri == b"/1":
                server.get(b"/3")
            hello(request)

        server = Server(process)
        server.get(b"/1", b"/2")
        assert [request.uri for request in server.requests] == [b"/1", b"/2", b"/3"]
        assert statuses(server) == [200] * 3

    def test_a_loss_inside_a_callback(self) -> None:
        def process(request: Any) -> None:
            server.lose(ConnectionError())
            hello(request)

        server = Server(process)
        server.get(b"/1", b"/2")
        assert len(server.requests) == 1
        assert server.requests[0].lost is not None
        assert server.said() == b""

    def test_data_behind_an_end_is_dropped(self) -> None:
        server = Server()
        server.send(CLOSE)
        server.requests[0].answer()
        server.get(b"/2")
        assert len(server.requests) == 1

    def test_a_client_that_ended_before_another_protocol_that_cares(self) -> None:
        other = HalfCloser()
        server = Server()
        server.send(UPGRADE + b"\r\n")
        server.channel.readConnectionLost()
        upgrade(server.requests[0], other)
        assert other.calls == ["made", "read_lost"]
        assert not server.closing

    def test_a_drain_inside_a_callback(self) -> None:
        def process(request: Any) -> None:
            hello(request)
            server.factory.allConnectionsClosed()

        server = Server(process)
        server.get(b"/1", b"/2", b"/3")
        assert server.closing
        _, (_, fields, _) = answers(server.said())
        assert fields[b"connection"] == b"close"

    def test_many_answers_that_waited_leave_without_recursion(self) -> None:
        server = Server(maxPipeline=10_000)
        server.get(*[b"/%d" % number for number in range(5_000)])
        first, *others = server.requests
        for request in others:
            request.answer()
        first.answer()
        bodies = [body for _, _, body in answers(server.said())]
        assert bodies == [b"/%d" % number for number in range(5_000)]

    def test_many_producers_that_end_in_their_turn(self) -> None:
        class Last:
            def __init__(self, request: Any) -> None:
                self.request = request

            def pauseProducing(self) -> None:
                pass

            def resumeProducing(self) -> None:
                self.request.unregisterProducer()
                self.request.finish()

        server = Server(maxPipeline=10_000)
        server.get(*[b"/"] * 2_000)
        first, *others = server.requests
        for request in others:
            request.registerProducer(Last(request), True)
        first.answer()
        assert server.said().count(b"HTTP/1.1 200 OK") == 2_000

    @pytest.mark.parametrize("late", [False, True])
    def test_a_fault_in_an_answer_that_waits_leaves_the_one_before_it_alone(
        self, late: bool, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def process(request: Any) -> None:
            if request.uri == b"/2":
                request.write(b"half")
                request.write(b" of it")
                if late:
                    await gate
                raise ZeroDivisionError

        gate: Deferred[None] = Deferred()
        server = Server(process)
        server.get(b"/1", b"/2", b"/3")
        first, second = server.requests[:2]
        first.write(b"one")
        first.write(b"two")
        gate.callback(None)
        assert not server.closing
        assert second.lost is not None
        first.write(b"three")
        first.finish()
        (_, _, body), (status, fields, page) = answers(server.said())
        assert body == b"onetwothree"
        assert (status, fields[b"connection"]) == (500, b"close")
        assert b"half" not in page
        assert server.closing
        assert caplog.text.count("ZeroDivisionError") >= 1

    @pytest.mark.parametrize("close_write", [True, False])
    def test_an_abort_of_an_answer_that_waits(self, close_write: bool) -> None:
        server = Server()
        server.get(b"/1", b"/2")
        first, second = server.requests
        second.write(b"half")
        second.write(b"never")
        second.abortConnection(close_write)
        second.answer(b"never")
        first.answer()
        assert [body for _, _, body in answers(server.said())] == [b"/1"]
        assert server.closing
        assert second.lost is None
        server.lose(error.ConnectionDone())
        assert second.lost is not None

    def test_an_abort_drops_what_was_gathered(self) -> None:
        def process(request: Any) -> None:
            if request.uri == b"/2":
                request.abortConnection(False)
            hello(request)

        server = Server(process)
        server.get(b"/1", b"/2", b"/3")
        assert server.said() == b""
        assert server.transport.disconnected

    def test_what_was_gathered_leaves_before_congestion_is_watched(self) -> None:
        seen: list[int] = []

        def process(request: Any) -> None:
            if request.uri == b"/2":
                request.monitorCongestion(lambda status, pending: seen.append(pending))
            hello(request)

        server = Server(process)
        server.get(b"/1", b"/2", b"/3")
        assert statuses(server) == [200] * 3
        assert seen == []

    def test_an_abort_leaves_no_cork(self) -> None:
        server = Server(lambda request: request.abortConnection(False))
        server.get(b"/1", b"/2")
        assert server.transport.reactor.corked is None
        assert len(server.requests) == 1
        assert server.transport.disconnected


class TestNothingMoreIsServed:
    def test_after_a_last_answer_that_came_before_the_body(self) -> None:
        server = Server()
        server.send(POST)
        first = server.requests[0]
        first.pauseProducing()
        server.send(b"first" + GET % b"/2")
        assert server.requests == [first]
        first.setResponseHeader(b"Connection", b"close")
        first.answer()
        assert server.closing
        assert server.requests == [first]

    def test_after_connection_close(self) -> None:
        server = Server()
        server.send(GET % b"/1" + CLOSE + GET % b"/2")
        server.requests[1].answer()
        server.requests[0].answer()
        assert server.closing
        assert len(server.requests) == 2
        ((_, first, _), (_, second, _)) = answers(server.said())
        assert b"connection" not in first
        assert second[b"connection"] == b"close"

    def test_an_answer_that_leaves_a_body_unread_says_so(self) -> None:
        server = Server(hello, maxUnread=4)
        server.send(POST)
        ((_, fields, _),) = answers(server.said())
        assert fields[b"connection"] == b"close"
        assert server.closing

    def test_an_unread_body_with_a_fault_ends_the_connection(self) -> None:
        server = Server(hello)
        server.send(CHUNKED, b"X\r\n" + GET % b"/2")
        assert server.transport.disconnected
        assert len(server.requests) == 1

    def test_nothing_of_a_body_is_given_after_the_answer(self) -> None:
        server = Server()
        server.send(CHUNKED + b"2\r\nab\r\n")
        (request,) = server.requests
        request.write(b"one")
        request.pauseProducing()
        server.send(b"1\r\nc\r\n0\r\n\r\n" + GET % b"/2")
        request.finish()
        request.write(b"behind")
        request.pauseProducing()
        assert server.said().endswith(b"3\r\none\r\n0\r\n\r\n")
        assert request.body == [b"ab"]
        server.requests[1].answer()
        assert statuses(server) == [200]


class TestSwitching:
    def test_an_upgrade_waits_for_its_turn_and_nothing_is_read_behind_it(self) -> None:
        other = AccumulatingProtocol()
        server = Server()
        server.send(GET % b"/1" + UPGRADE + b"\r\n" + GET % b"/2")
        first = server.requests[0]
        assert len(server.requests) == 1
        first.answer()
        assert [request.uri for request in server.requests] == [b"/1", b"/u"]
        upgrade(server.requests[1], other)
        assert other.data == GET % b"/2"

    def test_an_upgrade_that_is_not_taken(self) -> None:
        server = Server(hello)
        server.send(UPGRADE + b"\r\n" + GET % b"/2")
        assert statuses(server) == [200, 200]

    def test_the_body_comes_before_the_other_protocol(self) -> None:
        """aiohttp CVE-2026-69243."""
        other = AccumulatingProtocol()
        server = Server()
        server.send(UPGRADE + b"Content-Length: 5\r\n\r\n", b"fi")
        (request,) = server.requests
        with pytest.raises(RuntimeError, match="body"):
            upgrade(request, other)
        assert server.said() == b""
        server.send(b"rst" + b"GET / HTTP/1.1\r\n")
        upgrade(request, other)
        assert other.data == b"GET / HTTP/1.1\r\n"
        assert b"".join(request.body) == b"first"

    def test_101_answers_an_upgrade_only(self) -> None:
        server = Server()
        server.get(b"/")
        with pytest.raises(ValueError, match="101"):
            upgrade(server.requests[0], AccumulatingProtocol())
        assert server.said() == b""

    @pytest.mark.parametrize("code", [100, 101, 102, 103, 199])
    def test_no_other_answer_is_below_200(self, code: int) -> None:
        server = Server()
        server.send(UPGRADE + b"\r\n")
        (request,) = server.requests
        request.setResponseCode(code)
        for attempt in (request.finish, lambda: request.write(b"x")):
            with pytest.raises(ValueError, match=str(code)):
                attempt()
        request.setResponseCode(200)
        request.finish()
        assert statuses(server) == [200]

    def test_a_tunnel_takes_what_followed(self) -> None:
        other = AccumulatingProtocol()
        server = Server(lambda request: request.switchProtocol(other))
        server.send(CONNECT + b"TLS")
        said = server.said()
        assert said.startswith(b"HTTP/1.1 200 OK\r\n")
        assert said.endswith(b"\r\n\r\n")
        for unwanted in (b"connection", b"content-length", b"transfer-encoding"):
            assert unwanted not in said.lower()
        assert other.data == b"TLS"

    def test_a_tunnel_has_no_body_before_it(self) -> None:
        server = Server()
        server.send(CONNECT.replace(b"\r\n\r\n", b"\r\nContent-Length: 1\r\n\r\n") + b"x")
        assert statuses(server) == [400]
        assert server.closing

    def test_a_tunnel_that_nobody_takes_is_closed(self) -> None:
        server = Server(hello)
        server.send(CONNECT + GET % b"/hidden")
        assert b"content-length" not in server.said().lower()
        assert server.closing
        assert len(server.requests) == 1

    def test_a_tunnel_that_is_refused(self) -> None:
        server = Server(lambda request: request.writePage(405, "no tunnels"))
        server.send(CONNECT + GET % b"/")
        assert statuses(server) == [405, 405]

    def test_switching_needs_the_head(self) -> None:
        server = Server()
        server.send(UPGRADE + b"\r\n")
        channel_request = server.requests[0].chanRequest
        with pytest.raises(RuntimeError, match="before that"):
            channel_request.switchProtocol(AccumulatingProtocol())
        server.requests[0].answer()
        channel_request.switchProtocol(AccumulatingProtocol())
        assert server.channel.transport.protocol is None

    def test_the_clients_end_is_told_to_the_other_protocol(self) -> None:
        other = AccumulatingProtocol()
        server = Server()
        server.send(UPGRADE + b"\r\nmore")
        server.channel.readConnectionLost()
        upgrade(server.requests[0], other)
        assert other.data == b"more"
        assert server.closing


class TestFields:
    def test_head_without_a_body_has_no_length(self) -> None:
        server = Server(lambda request: request.finish())
        server.send(b"HEAD / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert b"Content-Length" not in server.said()
        server.get(b"/")
        assert b"Content-Length: 0\r\n" in server.said()

    def test_what_was_refused_may_be_corrected(self) -> None:
        def process(request: Any) -> None:
            request.setResponseHeader(b"Transfer-Encoding", b"chunked")
            request.write(b"x")
            for attempt in (request.finish, lambda: request.write(b"y")):
                with pytest.raises(ValueError, match="Transfer-Encoding"):
                    attempt()
            request.out_headers.removeHeader(b"Transfer-Encoding")
            request.finish()

        server = Server(process)
        server.get(b"/")
        ((_, _, body),) = answers(server.said())
        assert body == b"x"

    def test_fields_that_are_refused_are_answered_with_500(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        def process(request: Any) -> None:
            request.setResponseHeader(b"Transfer-Encoding", b"chunked")
            hello(request)

        server = Server(process)
        server.get(b"/", b"/")
        assert statuses(server) == [500, 500]
        assert len(caplog.records) == 2

    def test_a_tunnel_has_no_length(self) -> None:
        server = Server()
        server.send(CONNECT)
        server.requests[0].setResponseHeader(b"Content-Length", b"0")
        with pytest.raises(ValueError, match="200 has no Content-Length"):
            server.requests[0].switchProtocol(AccumulatingProtocol())

    @pytest.mark.parametrize("data", ["text", 5, None])
    def test_a_body_is_bytes(self, data: Any) -> None:
        server = Server()
        server.get(b"/")
        (request,) = server.requests
        for _ in range(2):
            with pytest.raises(TypeError, match="bytes"):
                request.write(data)
            request.write(b"x")
        request.write(bytearray(b"y"))
        request.finish()
        ((_, _, body),) = answers(server.said())
        assert body == b"xxy"

    def test_no_expectation_of_1_0(self) -> None:
        server = Server(lambda request: request.acceptData())
        head = POST.replace(b"1.1", b"1.0").replace(
            b"\r\n\r\n", b"\r\nExpect: 100-continue\r\n\r\n"
        )
        server.send(head)
        server.requests[0].writeIntermediateResponse(103, Headers())
        assert server.said() == b""
