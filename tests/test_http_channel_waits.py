"""The connection of a web server: slow clients, ends of either side, producers, time."""

from __future__ import annotations

import gc
import weakref
from io import BytesIO
from typing import Any

import pytest

from reactorlib import error
from reactorlib.defer import CancelledError
from reactorlib.failure import Failure
from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.protocols.http.request import Request
from reactorlib.testing import AccumulatingProtocol, Link
from reactorlib.testing.contract.tcp_peers import Fault, Producer
from tests.webserver import GET, Server, answers, hello

POST = b"POST /p HTTP/1.1\r\nHost: example\r\nContent-Length: 5\r\n\r\n"
CHUNKED = b"POST /p HTTP/1.1\r\nHost: example\r\nTransfer-Encoding: chunked\r\n\r\n"
MUCH = b"x" * 200_000


def statuses(server: Server) -> list[int]:
    return [status for status, _, _ in answers(server.said())]


def much(request: Any) -> None:
    request.write(MUCH)
    request.finish()


class TestClientThatDoesNotRead:
    def test_it_is_not_read_from(self) -> None:
        server = Server(much)
        server.transport.block()
        server.get(b"/1", b"/2", b"/3")
        assert server.transport.producerState == "paused"
        assert len(server.requests) == 1
        server.get(b"/4")
        assert len(server.requests) == 1
        server.transport.unblock()
        assert len(server.requests) == 4
        assert server.transport.producerState == "producing"
        assert statuses(server) == [200] * 4

    def test_it_is_cut_off_when_it_reads_nothing_at_all(self) -> None:
        server = Server(much)
        server.transport.block()
        server.get(b"/1", b"/2")
        for _ in range(29):
            server.advance(10)
        assert not server.transport.disconnected
        for _ in range(4):
            server.advance(10)
        assert server.transport.disconnected

    @pytest.mark.parametrize("last", [False, True])
    def test_it_is_waited_for_as_long_as_it_reads(self, last: bool) -> None:
        """Whatever its answer says about the connection."""

        def process(request: Any) -> None:
            if last:
                request.setResponseHeader(b"Connection", b"close")
            much(request)

        server = Server(process)
        server.transport.block()
        server.get(b"/")
        outlet = server.transport.reactor.engine
        while server.transport.bufferedBytes > 1000:
            server.advance(14)
            outlet.taken += 1000
        assert not server.transport.disconnected
        assert server.closing == last
        server.transport.unblock()
        server.advance(14)
        assert not server.transport.disconnected
        for _ in range(3):
            server.advance(10)
        assert server.transport.disconnecting

    def test_what_it_sends_meanwhile_is_no_slow_request(self) -> None:
        server = Server(much, inputTimeOut=20)
        server.transport.block()
        server.get(b"/1", b"/2")
        outlet = server.transport.reactor.engine
        for _ in range(50):
            server.advance(10)
            outlet.taken += 10
        assert not server.closing
        server.transport.unblock()
        assert statuses(server) == [200, 200]

    def test_reading_does_not_excuse_a_slow_head(self) -> None:
        server = Server(lambda request: request.writePage(200, "x" * 10_000), inputTimeOut=20)
        server.transport.block()
        server.get(b"/")
        server.send(b"GET / HT")
        outlet = server.transport.reactor.engine
        for _ in range(21):
            server.advance(1)
            outlet.taken += 1
        assert server.closing
        assert b"408" in server.said()

    def test_an_application_that_waits_is_no_stall(self) -> None:
        server = Server()
        server.get(b"/")
        server.advance(1000)
        server.transport.block()
        server.requests[0].write(b"some")
        for _ in range(29):
            server.advance(10)
        assert not server.transport.disconnected
        server.transport.unblock()
        server.advance(1000)
        assert not server.transport.disconnected

    def test_the_producer_of_the_first_chokes_the_channel_too(self) -> None:
        server, producer = Server(), Producer()
        server.get(b"/1")
        (first,) = server.requests
        first.registerProducer(producer, True)
        server.transport.block()
        first.write(MUCH)
        assert producer.calls == ["pause"]
        server.get(b"/2")
        assert server.requests == [first]
        server.transport.unblock()
        assert producer.calls == ["pause", "resume"]
        assert len(server.requests) == 2

    def test_a_producer_that_ends_while_choked(self) -> None:
        server, producer = Server(), Producer()
        server.get(b"/1")
        (first,) = server.requests
        first.registerProducer(producer, True)
        server.transport.block()
        first.write(MUCH)
        first.unregisterProducer()
        first.finish()
        server.get(b"/2")
        assert server.requests == [first]
        server.transport.unblock()
        assert len(server.requests) == 2
        assert producer.calls == ["pause"]

    def test_a_pull_producer_ends_with_nothing_left_waiting(self) -> None:
        server = Server(lambda request: request.write(MUCH))
        server.transport.block()
        server.get(b"/1")
        (first,) = server.requests
        first.registerProducer(Producer(), False)
        server.get(b"/2")
        server.transport.unblock()
        assert server.requests == [first]
        first.unregisterProducer()
        assert len(server.requests) == 2

    def test_a_body_is_held_by_both(self) -> None:
        server = Server()
        server.send(POST)
        (request,) = server.requests
        request.pauseProducing()
        server.transport.block()
        request.write(MUCH)
        request.write(MUCH)
        server.send(b"first")
        request.resumeProducing()
        assert request.body == []
        server.transport.unblock()
        assert request.body == [b"first"]

    def test_one_request_does_not_release_anothers_body(self) -> None:
        server = Server()
        server.send(GET % b"/1" + b"GET /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
        first, second = server.requests
        second.pauseProducing()
        server.send(b"body")
        first.pauseProducing()
        first.resumeProducing()
        assert second.body == []
        second.resumeProducing()
        assert second.body == [b"body"]

    def test_a_pause_in_the_last_chunk_ends_with_it(self) -> None:
        server = Server()
        server.send(CHUNKED)
        (request,) = server.requests
        chunk = request.handleContentChunk

        def pause(data: bytes) -> None:
            chunk(data)
            request.pauseProducing()

        request.handleContentChunk = pause  # type: ignore[method-assign]
        server.send(b"1\r\nx\r\n0\r\n\r\n")
        assert request.complete
        assert server.transport.producerState == "producing"


class TestEndsOfTheClient:
    def test_it_may_wait_for_its_answers(self) -> None:
        server = Server()
        server.get(b"/1", b"/2")
        server.channel.readConnectionLost()
        assert not server.closing
        server.requests[0].answer()
        assert not server.closing
        server.requests[1].answer()
        assert server.closing
        assert statuses(server) == [200, 200]

    def test_all_that_it_sent_is_served(self) -> None:
        server = Server(maxPipeline=1)
        server.get(b"/1", b"/2", b"/3")
        server.channel.readConnectionLost()
        for number in range(3):
            server.requests[number].answer()
        assert server.closing
        assert statuses(server) == [200] * 3

    @pytest.mark.parametrize("data", [b"", b"GET / HT"])
    def test_nothing_waits_for_it(self, data: bytes) -> None:
        server = Server()
        server.send(data)
        server.channel.readConnectionLost()
        assert server.closing
        assert server.said() == b""

    def test_in_the_middle_of_a_body(self) -> None:
        server = Server()
        server.send(POST, b"fi")
        server.channel.readConnectionLost()
        assert statuses(server) == [400]
        assert server.closing
        assert server.requests[0].lost is not None

    def test_a_body_that_was_held_back_is_given_first(self) -> None:
        server = Server()
        server.send(POST)
        (request,) = server.requests
        request.pauseProducing()
        server.send(b"first")
        server.channel.readConnectionLost()
        assert not server.closing
        request.resumeProducing()
        assert request.complete
        request.answer()
        assert statuses(server) == [200]
        assert server.closing

    def test_a_body_that_was_held_back_and_is_cut(self) -> None:
        server = Server()
        server.send(POST)
        server.requests[0].pauseProducing()
        server.send(b"fi")
        server.channel.readConnectionLost()
        server.requests[0].resumeProducing()
        assert server.requests[0].body == [b"fi"]
        assert statuses(server) == [400]

    def test_inside_a_callback(self) -> None:
        def process(request: Any) -> None:
            if request.uri == b"/1":
                server.channel.readConnectionLost()
            hello(request)

        server = Server(process)
        server.get(b"/1", b"/2")
        assert statuses(server) == [200, 200]
        assert server.closing

    def test_our_own_half_close_is_nothing(self) -> None:
        server = Server()
        server.channel.writeConnectionLost()
        server.channel.stopProducing()
        assert not server.closing


class TestLoss:
    @pytest.mark.parametrize("data", [b"", b"GET / H", POST, POST + b"fi", CHUNKED + b"3\r\na"])
    def test_at_every_stage(self, data: bytes) -> None:
        server = Server()
        server.send(data)
        server.lose(error.ConnectionLost())
        assert server.factory.outstandingRequests == 0
        assert server.transport.reactor.getDelayedCalls() == []
        assert all(request.lost is not None for request in server.requests)

    def test_a_fault_in_one_does_not_hide_it_from_others(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        server = Server()
        server.get(b"/1", b"/2")

        def fail(reason: Failure) -> None:
            raise Fault

        server.requests[0].connectionLost = fail  # type: ignore[method-assign]
        server.lose(error.ConnectionLost())
        assert server.requests[1].lost is not None
        assert len(caplog.records) == 1

    def test_nothing_is_kept(self) -> None:
        server = Server()
        server.get(b"/")
        request = weakref.ref(server.requests.pop())
        channel = weakref.ref(server.channel)
        server.lose(error.ConnectionLost())
        server.connect()
        gc.collect()
        assert request() is None
        assert channel() is None

    def test_a_file_is_told(self) -> None:
        stopped: list[Any] = []
        server = Server()
        server.get(b"/1", b"/2")
        for request in server.requests:
            request.writeFile(BytesIO(MUCH)).addErrback(stopped.append)
        server.transport.producer.stopProducing()
        server.lose(error.ConnectionLost())
        assert len(stopped) == 2


class TestRefusals:
    def test_a_body_is_refused_in_its_turn(self) -> None:
        server = Server(maxContentLength=3)
        server.send(GET % b"/1" + b"GET /2 HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\nbody")
        assert len(server.requests) == 1
        server.requests[0].answer()
        assert statuses(server) == [200, 413]
        assert server.closing

    def test_the_producer_of_one_that_is_refused_is_stopped(self) -> None:
        server, producer = Server(), Producer()
        server.send(CHUNKED)
        server.requests[0].chanRequest.registerProducer(producer, True)
        server.send(b"X\r\n")
        assert statuses(server) == [400]
        assert producer.calls == ["stop"]

    def test_a_slow_body_after_its_answer_leaves_the_answer(self) -> None:
        server = Server(hello, inputTimeOut=20)
        server.send(POST)
        assert statuses(server) == [200]
        for _ in range(3):
            server.advance(10)
        assert server.closing
        assert not server.transport.disconnected

    def test_a_slow_body_in_the_middle_of_its_answer(self) -> None:
        server = Server(lambda request: request.write(b"begun"), inputTimeOut=20)
        server.send(POST)
        for _ in range(3):
            server.advance(10)
        assert server.transport.disconnected

    def test_a_refusal_to_head_has_no_body(self) -> None:
        server = Server(maxContentLength=3)
        server.send(b"HEAD / HTTP/1.1\r\nHost: x\r\nContent-Length: 4\r\n\r\n")
        said = server.said()
        assert said.startswith(b"HTTP/1.1 413")
        assert said.endswith(b"\r\n\r\n")

    def test_nothing_of_a_request_shows_in_a_page(self) -> None:
        """Twisted CVE-2022-39348, CVE-2024-41810: no page repeats what the client sent."""
        script = b"<script>"
        server = Server(lambda request: request.writePage(404, "no " + request.uri.decode()))
        server.send(b"GET /" + script + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        assert script not in server.said()
        server.send(b"GET / HTTP/1.1\r\nHost: " + script + b"\r\n\r\n")
        assert script not in server.said()
        assert server.closing

    def test_a_redirect_to_two_lines_is_no_redirect(self) -> None:
        """Twisted CVE-2019-12387, uvicorn CVE-2020-7695: nothing of it leaves."""
        server = Server()
        server.get(b"/")
        for value in (b"/\r\nSet-Cookie: a=b", b"/\nX: y", b"/\0"):
            with pytest.raises(ValueError, match="control character"):
                server.requests[0].setResponseHeader(b"Location", value)
            with pytest.raises(ValueError, match="control characters"):
                server.requests[0].chanRequest.writeHeaders(
                    302, server.requests[0].out_headers, value
                )
        assert server.said() == b""
        server.requests[0].answer()
        assert statuses(server) == [200]

    def test_what_is_logged_of_a_request_is_one_line(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        """uvicorn CVE-2020-7694: no control character of a client reaches a terminal."""

        def process(request: Any) -> None:
            raise Fault(repr(request))

        server = Server(process)
        server.send(b"GET /\xc3\x9b31m HTTP/1.1\r\nHost: x\r\n\r\n")
        assert statuses(server) == [500] or server.closing
        assert all(each.getMessage().isprintable() for each in caplog.records)


class TestOverload:
    def test_it_is_told_whatever_it_sends(self) -> None:
        server = Server(hello, maxRequests=1)
        server.connect()
        server.get(b"/")
        ((status, fields, _),) = answers(server.said())
        assert (status, fields[b"connection"], fields[b"retry-after"]) == (503, b"close", b"10")
        assert server.closing
        assert server.requests == []

    def test_it_is_over_when_one_has_gone(self) -> None:
        server = Server(hello, maxRequests=1)
        server.lose(error.ConnectionDone())
        server.connect()
        server.get(b"/")
        assert statuses(server) == [200]

    def test_connections_in_a_drain(self) -> None:
        server = Server()
        server.get(b"/")
        busy, channel = server.transport, server.channel
        done: list[Any] = []
        server.factory.allConnectionsClosed().addCallback(done.append)
        server.connect()
        assert statuses(server) == [503]
        server.requests[0].answer()
        assert busy.disconnecting
        assert done == []
        channel.connectionLost(Failure(error.ConnectionDone()))
        assert done == [None]
        server.connect()
        server.get(b"/")
        assert len(server.requests) == 2

    def test_a_drain_of_nothing(self) -> None:
        done: list[Any] = []
        HTTPFactory(Request).allConnectionsClosed().addCallback(done.append)
        assert done == [None]

    def test_a_drain_ends_what_is_read_for_nobody(self) -> None:
        server = Server(hello)
        server.send(POST)
        server.factory.allConnectionsClosed()
        assert server.closing

    @pytest.mark.parametrize("data", [b"G", b"GET / HTTP/1.1\r\n"])
    def test_a_drain_waits_for_no_half_of_a_head(self, data: bytes) -> None:
        server = Server(hello)
        server.send(data)
        server.factory.allConnectionsClosed()
        assert server.closing
        assert server.said() == b""

    def test_a_head_that_begins_in_a_drain_has_no_more_time_than_a_whole_one(self) -> None:
        server = Server(hello)
        server.factory.allConnectionsClosed()
        server.advance(0.5)
        server.send(b"GET / HTTP/1.1\r\n")
        assert not server.closing
        server.advance(1.1)
        assert statuses(server) == [408]
        assert server.closing

    def test_what_is_left_when_a_drain_is_given_up_is_closed(self) -> None:
        server = Server()
        server.send(POST + b"fi")
        caught: list[Any] = []
        draining = server.factory.allConnectionsClosed().addErrback(caught.append)
        assert not server.closing
        draining.cancel()
        assert caught[0].check(CancelledError)
        assert server.closing
        server.channel.connectionLost(Failure(error.ConnectionDone()))
        assert server.requests[0].lost is not None


class TestOnALink:
    """Real transports: the same client, whatever the network does to its bytes."""

    @pytest.mark.parametrize("seed", range(8))
    def test_many_requests_of_all_kinds(self, seed: int) -> None:
        class Page(Request):
            def handleContentComplete(self) -> None:
                self.writeFile(BytesIO(self.uri * 5000)).addCallback(lambda _: self.finish())

            def process(self) -> None: ...

        link = Link(seed, delay=(0, 0.2), capacity=3000)
        client, factory = AccumulatingProtocol(), HTTPFactory(Page)
        link.connect(client, factory.buildProtocol(None))
        wanted = [b"/%d" % number for number in range(12)]
        for number, uri in enumerate(wanted):
            client.transport.write(GET % uri if number % 3 else POST.replace(b"/p", uri) + b"12345")
        link.run()
        found = answers(client.data)
        assert [body for _, _, body in found] == [uri * 5000 for uri in wanted]
        client.transport.loseConnection()
        link.run()
        assert factory.outstandingRequests == 0
