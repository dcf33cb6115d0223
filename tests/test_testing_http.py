"""Requests in memory: FakeRequest, and what of MemoryChanRequest the contract does not ask."""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import IPv4Address
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.interfaces import IChanRequest, IRequest
from reactorlib.protocols.http.request import Request
from reactorlib.testing import FakeRequest, MemoryChanRequest


class Echo(Request):
    content = b""

    def process(self) -> None: ...

    def handleContentChunk(self, data: bytes) -> None:
        self.content += data

    def handleContentComplete(self) -> None:
        self.write(self.method + b" " + self.uri + b" " + self.content)
        self.finish()


class TestFakeRequest:
    def test_it_is_one(self) -> None:
        request = FakeRequest()
        assert verifyObject(IRequest, request)
        assert verifyObject(IChanRequest, request.chanRequest)
        assert isinstance(request, Request)
        assert (request.method, request.uri, request.clientproto) == (b"GET", b"/", (1, 1))

    @pytest.mark.parametrize(
        "headers",
        [
            {"X-One": "1", b"X-Two": [b"2", b"3"]},
            Headers(rawHeaders={b"X-One": [b"1"], b"X-Two": [b"2", b"3"]}),
        ],
    )
    def test_what_it_was_made_with(self, headers: Any) -> None:
        request = FakeRequest(b"PUT", b"/a?b", headers, version=(1, 0), secure=True)
        assert (request.method, request.uri, request.clientproto) == (b"PUT", b"/a?b", (1, 0))
        assert request.getHeader("x-one") == b"1"
        assert request.getRequestHeader(b"X-Two") == b"3"
        assert request.requestHeaders.getRawHeaders(b"x-two") == [b"2", b"3"]
        assert request.isSecure()

    def test_without_a_run(self) -> None:
        request = FakeRequest()
        request.setResponseCode(404)
        request.setHeader("X-One", "1")
        request.write(b"nothing")
        assert request.written == b""
        request.finish()
        assert request.finished
        assert (request.code, request.written) == (404, b"nothing")
        headers = request.chanRequest.headers
        assert headers is not None
        assert headers.getRawHeaders(b"x-one") == [b"1"]
        assert headers.getRawHeaders(b"content-length") == [b"7"]
        assert request.intermediates == []

    def test_with_its_body(self) -> None:
        request = FakeRequest(b"POST", body=b"body").run()
        assert (request.content, request.complete) == (b"body", True)
        assert request.lost is None

    def test_its_connection_is_lost(self) -> None:
        request = FakeRequest()
        request.chanRequest.lose()
        assert request.lost is not None
        assert request.lost.check(error.ConnectionLost)
        request.write(b"x")
        request.finish()
        assert request.written == b""

    def test_a_subclass(self) -> None:
        class Late(FakeRequest):
            def process(self) -> None:
                self.writeIntermediateResponse(103, Headers())
                self.writePage(200, "late")

        request = Late().run()
        assert [code for code, _ in request.intermediates] == [103]
        assert b"late" in request.written


class TestMemoryChanRequest:
    def test_it_runs_a_request(self) -> None:
        carrier = MemoryChanRequest(Echo, b"POST", b"/x")
        request = carrier.run(b"body")
        assert isinstance(request, Echo)
        assert carrier.request is request
        assert (carrier.code, carrier.written, carrier.finished) == (200, b"POST /x body", True)
        assert carrier.persistent
        assert not carrier.closing

    def test_in_steps(self) -> None:
        carrier = MemoryChanRequest(Echo)
        request = carrier.begin()
        request.pauseProducing()
        assert carrier.paused
        carrier.deliver(b"a")
        carrier.deliver(b"b")
        assert request.content == b""
        request.resumeProducing()
        assert request.content == b"ab"
        carrier.endBody({"X-Sum": "2"})
        assert request.in_trailers.getRawHeaders(b"x-sum") == [b"2"]
        assert carrier.written == b"GET / ab"

    def test_its_addresses(self) -> None:
        host, peer = IPv4Address("TCP", "1.2.3.4", 5), IPv4Address("TCP", "6.7.8.9", 10)
        carrier = MemoryChanRequest(Echo, hostAddress=host, peerAddress=peer)
        assert carrier.getHostInfo() == (host, False)
        assert carrier.getRemoteHost() == peer

    def test_a_loss_before_anything(self) -> None:
        carrier = MemoryChanRequest(Echo)
        carrier.lose(error.ConnectionDone())
        assert carrier.finished is False
        assert repr(carrier) == "<MemoryChanRequest b'GET' b'/'>"

    def test_a_pause_in_the_middle_of_what_waited(self) -> None:
        carrier = MemoryChanRequest(Echo)
        request = carrier.begin()
        came: list[bytes] = []

        def chunk(data: bytes) -> None:
            came.append(data)
            request.pauseProducing()

        request.handleContentChunk = chunk
        request.pauseProducing()
        carrier.deliver(b"1")
        carrier.deliver(b"2")
        request.resumeProducing()
        assert came == [b"1"]
        request.resumeProducing()
        assert came == [b"1", b"2"]


class TestRequest:
    """What of Request needs no connection."""

    def test_it_says_what_is_missing(self, caplog: pytest.LogCaptureFixture) -> None:
        carrier = MemoryChanRequest(Request)
        request = carrier.run()
        assert carrier.code == 500
        assert "no process()" in caplog.text
        assert repr(request) == "<Request b'GET' b'/'>"

    @pytest.mark.parametrize(
        ("method", "field", "code"),
        [(b"GET", b"If-None-Match", 304), (b"PUT", b"If-Match", 412), (b"GET", b"X", 200)],
    )
    def test_preconditions(self, method: bytes, field: bytes, code: int) -> None:
        value = b'"other"' if method == b"PUT" else b'"this"'
        request = FakeRequest(method, headers={field: value})
        request.setHeader(b"ETag", b'"this"')
        assert request.checkPreconditions() == (code == 200)
        assert request.finished == (code != 200)
        assert request.code == code

    def test_a_reason_of_its_own(self) -> None:
        request = FakeRequest()
        request.setResponseCode(200, b"Splendid")
        request.flush()
        request.write(b"x")
        request.finish()
        assert request.chanRequest.message == b"Splendid"

    def test_it_is_finished_once(self) -> None:
        request = FakeRequest()
        request.write(b"x")
        request.finish()
        request.finish()
        assert request.written == b"x"
        request.handleContentChunk(b"late")
        request.stopProducing()
        assert not request.chanRequest.closing

    def test_what_comes_is_dropped_by_default(self) -> None:
        class Plain(Request):
            def process(self) -> None: ...

        carrier = MemoryChanRequest(Plain)
        carrier.run(b"body")
        assert carrier.code is None
