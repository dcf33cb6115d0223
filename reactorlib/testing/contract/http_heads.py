"""IChanRequest: the head of the answer, what comes before it, and faults of the application."""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib.defer import Deferred
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.interfaces import IChanRequest, IRequest
from reactorlib.testing.contract.http_exchanges import Exchange
from reactorlib.testing.contract.tcp_peers import Fault

EARLY = Headers(rawHeaders={b"Link": [b"</a.css>"]})
EXPECT = ((b"Expect", b"100-continue"),)


def nothing(request: Any) -> None:
    """A `process` that leaves the answer to the test."""


class Heads:
    """writeHeaders, writeIntermediateResponse, acceptData, addresses."""

    def test_both_sides_provide_their_interfaces(self, exchange: Exchange) -> None:
        request = exchange.start(nothing)
        assert verifyObject(IRequest, request)
        assert verifyObject(IChanRequest, request.chanRequest)

    def test_what_came(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, headers=((b"X-One", b"1"),))
        assert (request.method, request.uri, request.clientproto) == (b"GET", b"/", (1, 1))
        assert request.getRequestHeader(b"x-one") == request.getHeader("X-One") == b"1"
        assert request.requestHeaders is request.in_headers
        assert request.calls == ["process", "complete"]

    def test_the_fields_and_the_addresses(self, exchange: Exchange) -> None:
        carrier = exchange.start(nothing, headers=((b"X-One", b"1"), (b"X-Two", b"2"))).chanRequest
        fields = [(name.lower(), value) for name, value in carrier.getFields()]
        assert fields[-2:] == [(b"x-one", b"1"), (b"x-two", b"2")]
        host, secure = carrier.getHostInfo()
        peer = carrier.getRemoteHost()
        found = carrier.getAddresses()
        assert found == ((host.host, host.port), (peer.host, peer.port), secure)
        assert carrier.getAddresses() == found

    def test_set_writes_the_answer_and_get_reads_the_request(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, headers=((b"X-One", b"1"),))
        request.setHeader(b"X-One", b"2")
        request.setResponseHeader(b"X-Two", b"3")
        assert request.getHeader(b"X-One") == b"1"
        assert request.getResponseHeader(b"x-one") == b"2"
        assert request.responseHeaders is request.out_headers
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().fields == {b"x-one": b"2", b"x-two": b"3"}
        with pytest.raises(TypeError):
            request.setHeader(b"X-One", b"4")

    def test_the_status_and_its_reason(self, exchange: Exchange) -> None:
        request = exchange.start(nothing)
        request.setResponseCode(299, b"Very Well")
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        answer = exchange.answer()
        assert (answer.code, answer.reason, answer.body) == (299, b"Very Well", b"")
        with pytest.raises(RuntimeError):
            request.setResponseCode(200)

    @pytest.mark.parametrize("code", [99, 1000, 100, 101, 103])
    def test_what_is_no_final_status(self, exchange: Exchange, code: int) -> None:
        carrier = exchange.start(nothing).chanRequest
        with pytest.raises(ValueError, match=str(code)):
            carrier.writeHeaders(code, Headers())
        carrier.writeResponse(200, Headers(), b"fine")
        exchange.until(lambda: exchange.answer().body == b"fine")

    @pytest.mark.parametrize(
        ("code", "name", "value"),
        [
            (200, b"Transfer-Encoding", b"chunked"),
            (200, b"Content-Length", b"+5"),
            (200, b"Content-Length", b"5, 5"),
            (204, b"Content-Length", b"0"),
        ],
    )
    def test_fields_that_frame(
        self, exchange: Exchange, code: int, name: bytes, value: bytes
    ) -> None:
        carrier = exchange.start(nothing).chanRequest
        with pytest.raises(ValueError, match=r"Length|Encoding"):
            carrier.writeHeaders(code, Headers(rawHeaders={name: [value]}))
        exchange.settle()
        assert exchange.answer().code == 0
        carrier.writeResponse(200, Headers(), b"fine")
        exchange.until(lambda: exchange.answer().body == b"fine")

    @pytest.mark.parametrize("value", [b"a\r\nX: y", b"a\nX: y", b"a\0", b"a\rb"])
    def test_no_line_break_leaves(self, exchange: Exchange, value: bytes) -> None:
        carrier = exchange.start(nothing).chanRequest
        headers = Headers.deferred(lambda: [(b"X-One", value)])
        with pytest.raises(ValueError, match="control character"):
            carrier.writeHeaders(200, headers)
        with pytest.raises(ValueError, match="control character"):
            carrier.writeIntermediateResponse(103, headers)
        with pytest.raises(ValueError, match="control character"):
            carrier.writeHeaders(200, Headers(), value)
        carrier.writeResponse(200, Headers(), b"fine")
        exchange.until(lambda: exchange.answer().body == b"fine")
        assert exchange.answer().fields == {}

    def test_the_order_of_calls(self, exchange: Exchange) -> None:
        carrier = exchange.start(nothing).chanRequest
        for early in (carrier.finish, lambda: carrier.write(b"x")):
            with pytest.raises(RuntimeError, match="writeHeaders comes before"):
                early()
        carrier.writeHeaders(200, Headers())
        with pytest.raises(RuntimeError, match="has begun"):
            carrier.writeHeaders(200, Headers())
        with pytest.raises(RuntimeError, match="has begun"):
            carrier.writeIntermediateResponse(103, EARLY)
        with pytest.raises(RuntimeError, match="has begun"):
            carrier.writeResponse(200, Headers(), b"")
        carrier.write(b"body")
        carrier.finish()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().body == b"body"

    def test_answers_before_the_answer(self, exchange: Exchange) -> None:
        request = exchange.start(nothing)
        request.writeIntermediateResponse(103, EARLY)
        request.writeIntermediateResponse(102)
        with pytest.raises(ValueError, match="101"):
            request.writeIntermediateResponse(101)
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        early = [(103, {b"link": b"</a.css>"}), (102, {})]
        assert exchange.answer().intermediates == early

    def test_none_of_them_to_1_0(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, version=(1, 0))
        request.writeIntermediateResponse(103, EARLY)
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().intermediates == []

    def test_a_body_that_is_waited_for_is_asked_for_once(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, b"POST", EXPECT, has_body=True)
        exchange.settle()
        assert exchange.answer().intermediates == []
        request.acceptData()
        request.acceptData()
        exchange.until(lambda: exchange.answer().intermediates == [(100, {})])
        exchange.deliver(b"body")
        exchange.end_body()
        exchange.until(lambda: request.content == b"body")
        request.acceptData()
        request.finish()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().intermediates == [(100, {})]
        assert request.chanRequest.persistent

    def test_a_body_that_is_not_asked_for_costs_the_connection(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, b"POST", EXPECT, has_body=True)
        request.finish()
        request.acceptData()
        exchange.until(lambda: exchange.ended() == "closed")
        assert exchange.answer().intermediates == []
        assert exchange.answer().whole
        assert not request.chanRequest.persistent

    def test_nobody_is_asked_who_does_not_wait(self, exchange: Exchange) -> None:
        request = exchange.start(nothing, b"POST", has_body=True)
        request.acceptData()
        exchange.settle()
        assert exchange.answer().intermediates == []

    def test_addresses(self, exchange: Exchange) -> None:
        request = exchange.start(nothing)
        host, secure = request.chanRequest.getHostInfo()
        peer = request.chanRequest.getRemoteHost()
        assert (host.type, peer.type, secure) == ("TCP", "TCP", False)
        assert (request.getHost(), request.getClientAddress()) == (host, peer)
        assert not request.isSecure()
        assert host != peer


class Faults:
    """What the application raises is logged once, and costs its answer."""

    def test_in_process(self, exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
        exchange.start(self.fault)
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().code == 500
        assert self.logged(caplog) == 1
        assert exchange.ended() == ""

    def test_in_a_coroutine(self, exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
        until: Deferred[None] = Deferred()

        async def process(request: Any) -> None:
            await until
            self.fault(request)

        exchange.start(process)
        exchange.settle()
        assert exchange.answer().code == 0
        until.callback(None)
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().code == 500
        assert self.logged(caplog) == 1

    def test_in_the_making(self, exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
        class Unmade(Exception):
            calls = ("unmade", "really")

        def make(*_: object) -> None:
            exchange.request = Unmade
            raise Fault("in the factory")

        exchange.make = lambda process: make  # type: ignore[method-assign]
        exchange.start(nothing)
        exchange.until(lambda: exchange.ended() == "closed")
        assert exchange.answer().code == 500
        assert self.logged(caplog) == 1

    @pytest.mark.parametrize("name", ["handleContentChunk", "handleContentComplete"])
    def test_in_the_body(
        self, exchange: Exchange, caplog: pytest.LogCaptureFixture, name: str
    ) -> None:
        request = exchange.start(nothing, b"POST", has_body=True)
        setattr(request, name, self.fault)
        if name == "handleContentComplete":
            request.handleContentComplete = lambda: self.fault(request)
        exchange.deliver(b"body")
        exchange.end_body()
        exchange.until(lambda: exchange.answer().whole)
        assert exchange.answer().code == 500
        assert self.logged(caplog) == 1

    def test_in_the_middle_of_an_answer(
        self, exchange: Exchange, caplog: pytest.LogCaptureFixture
    ) -> None:
        request = exchange.start(nothing, b"POST", has_body=True)
        request.handleContentChunk = self.fault
        request.write(b"half")
        exchange.until(lambda: exchange.answer().body == b"half")
        exchange.deliver(b"body")
        exchange.until(lambda: exchange.ended() == "reset")
        assert self.logged(caplog) == 1

    def test_in_the_middle_of_an_answer_that_waits_for_its_turn(
        self, exchange: Exchange, caplog: pytest.LogCaptureFixture
    ) -> None:
        """Nothing of it has left, and the answers before it are nobody's fault."""
        until: Deferred[None] = Deferred()

        async def process(request: Any) -> None:
            await until
            self.fault(request)

        request = exchange.start(process, behind=True)
        request.write(b"half")
        request.write(b"never")
        until.callback(None)
        assert request.calls.count("lost") == 1
        exchange.settle()
        assert exchange.ended() == ""
        exchange.take_turn()
        exchange.until(lambda: exchange.ended() == "closed")
        assert exchange.answer().code == 500
        assert b"half" not in exchange.answer().body
        assert self.logged(caplog) == 1

    def test_in_what_answers_for_it(
        self, exchange: Exchange, caplog: pytest.LogCaptureFixture
    ) -> None:
        request = exchange.start(nothing, b"POST", has_body=True)
        request.handleContentChunk = request.processingFailed = self.fault
        exchange.deliver(b"body")
        exchange.until(lambda: exchange.ended() == "reset")
        assert self.logged(caplog) == 2

    def test_after_the_end(self, exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
        def process(request: Any) -> None:
            request.write(b"fine")
            request.finish()
            self.fault(request)

        exchange.start(process)
        exchange.until(lambda: exchange.answer().whole)
        assert (exchange.answer().code, exchange.answer().body) == (200, b"fine")
        assert self.logged(caplog) == 1
        assert exchange.ended() == ""

    def test_in_connection_lost(self, exchange: Exchange, caplog: pytest.LogCaptureFixture) -> None:
        request = exchange.start(nothing)
        request.connectionLost = self.fault
        exchange.lose()
        assert self.logged(caplog) == 1

    @staticmethod
    def fault(*_: object) -> None:
        raise Fault("of the application")

    @staticmethod
    def logged(caplog: pytest.LogCaptureFixture) -> int:
        """How many faults were logged; all others are the test's."""
        faults = [each for each in caplog.records if each.exc_info]
        assert all(isinstance(each.exc_info[1], Fault) for each in faults if each.exc_info)
        assert len(caplog.records) == len(faults)
        return len(faults)
