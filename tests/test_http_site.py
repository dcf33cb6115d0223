"""Sites and resources, on a connection in memory."""

from __future__ import annotations

from collections.abc import AsyncIterator
from io import BytesIO
from typing import Any

import pytest

from reactorlib import error
from reactorlib.defer import CancelledError, Deferred
from reactorlib.failure import Failure
from reactorlib.protocols.http import resource, server
from reactorlib.testing import StringTransport
from tests.webserver import Visitor

POST = b"POST %b HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n\r\n%b"


class Page(resource.Resource):
    """Answers GET with what it is given."""

    def __init__(self, answer: Any, leaf: bool = False) -> None:
        super().__init__()
        self.answer = answer
        self.isLeaf = leaf

    def render_GET(self, request: Any) -> Any:
        self.request = request
        return self.answer(request) if callable(self.answer) else self.answer


class Upload(resource.Resource):
    isLeaf = True

    def render_POST(self, request: Any) -> bytes:
        return bytes(request.content.read()).upper()


class Streaming(resource.Resource):
    isLeaf = True
    streaming = True

    async def render_POST(self, request: Any) -> bytes:
        return b"|".join([piece async for piece in request.body()])


class Browser(Visitor):
    """A client of a site whose root has these children."""

    def __init__(self, root: Any = None, **settings: Any) -> None:
        self.root = root or resource.Resource()
        self.site = server.Site(self.root, **settings)
        self.visit(self.site, StringTransport())

    def send(self, data: bytes) -> None:
        self.channel.dataReceived(data)

    def get(self, path: bytes, *fields: bytes, method: bytes = b"GET") -> Any:
        lines = [b"%b %b HTTP/1.1" % (method, path), b"Host: example.com:80", *fields, b"", b""]
        self.send(b"\r\n".join(lines))
        if method == b"HEAD":
            return self.said()
        (answer,) = self.answers()
        return answer


def test_children_are_found_by_name() -> None:
    browser = Browser()
    browser.root.putChild(b"", Page(b"root"))
    browser.root.putChild(b"a b", Page(b"blank"))
    leaf = Page(lambda request: repr((request.prepath, request.postpath)).encode(), leaf=True)
    browser.root.putChild(b"leaf", leaf)
    assert browser.get(b"/")[2] == b"root"
    assert browser.get(b"/a%20b?x=y")[2] == b"blank"
    assert browser.get(b"/leaf/x/y")[2] == b"([b'leaf'], [b'x', b'y'])"
    assert browser.get(b"http://other/leaf")[2] == b"([b'leaf'], [])"
    status, fields, page = browser.get(b"/no<where>")
    assert status == 404
    assert fields[b"content-type"].startswith(b"text/html")
    assert b"<where>" not in page


def test_methods() -> None:
    browser = Browser(Page(b"hello", leaf=True))
    assert browser.get(b"/")[2] == b"hello"
    head = browser.get(b"/", method=b"HEAD")
    assert b"Content-Length: 5\r\n" in head
    assert head.endswith(b"\r\n\r\n")
    status, fields, _ = browser.get(b"/", method=b"DELETE")
    assert (status, fields[b"allow"]) == (405, b"GET, HEAD, OPTIONS")
    status, fields, _ = browser.get(b"/", method=b"OPTIONS")
    assert (status, fields[b"allow"]) == (204, b"GET, HEAD, OPTIONS")
    status, fields, _ = Browser(Upload()).get(b"/", method=b"GET")
    assert (status, fields[b"allow"]) == (405, b"OPTIONS, POST")


def test_a_body_is_gathered() -> None:
    browser = Browser(Upload())
    browser.send(POST % (b"/", 5, b"he"))
    assert browser.answers() == []
    browser.send(b"llo")
    assert browser.answers()[0][2] == b"HELLO"


def test_a_body_is_streamed() -> None:
    browser = Browser(Streaming())
    browser.send(POST % (b"/", 5, b"he"))
    browser.send(b"llo")
    assert browser.answers()[0][2] == b"he|llo"


def test_a_body_that_comes_faster_than_it_is_read_waits() -> None:
    async def slow(request: Any) -> bytes:
        body = request.body()
        await gate
        return b"%d" % sum([len(piece) async for piece in body])

    gate: Deferred[None] = Deferred()
    page = Streaming()
    page.render_POST = slow  # type: ignore[method-assign,assignment]
    browser = Browser(page)
    browser.send(POST % (b"/", 200_000, b"x" * 100_000))
    assert browser.transport.producerState == "paused"
    gate.callback(None)
    assert browser.transport.producerState == "producing"
    browser.send(b"x" * 100_000)
    assert browser.answers()[0][2] == b"200000"


@pytest.mark.parametrize("lost", [True, False])
def test_a_reader_of_a_body_that_is_cut_off(lost: bool, caplog: pytest.LogCaptureFixture) -> None:
    """It ends with what it was told, which is nobody's fault here."""
    browser = Browser(Streaming())
    browser.send(b"POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n1\r\na\r\n")
    if lost:
        browser.channel.connectionLost(Failure(error.ConnectionLost()))
        assert browser.answers() == []
    else:
        browser.send(b"7fffffff\r\n")
        assert [status for status, _, _ in browser.answers()] == [413]
    assert caplog.text == ""


def test_a_body_is_refused_unread() -> None:
    browser = Browser(resource.ForbiddenResource())
    browser.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\nExpect: 100-continue\r\n\r\n")
    ((status, fields, _),) = browser.answers()
    assert (status, fields[b"connection"]) == (403, b"close")


def test_later_answers() -> None:
    later: Deferred[bytes] = Deferred()

    async def coroutine(request: Any) -> bytes:
        return await later

    def deferred(request: Any) -> Deferred[bytes]:
        return later

    for answer in (deferred, coroutine):
        later = Deferred()
        browser = Browser(Page(answer, leaf=True))
        browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert browser.answers() == []
        later.callback(b"late")
        ((_, fields, page),) = browser.answers()
        assert (fields[b"content-length"], page) == (b"4", b"late")


def test_the_rest_of_an_answer() -> None:
    def begun(request: Any) -> bytes:
        request.write(b"first, ")
        return b"second"

    async def later(request: Any) -> bytes:
        request.write(b"first, ")
        return b"second"

    for page in (begun, later):
        assert Browser(Page(page, leaf=True)).get(b"/")[2] == b"first, second"


def test_not_done_yet() -> None:
    page = Page(server.NOT_DONE_YET, leaf=True)
    browser = Browser(page)
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    finished: list[Any] = []
    page.request.notifyFinish().addCallback(finished.append)
    page.request.write(b"one")
    page.request.write(b"two")
    assert finished == []
    page.request.finish()
    assert finished == [None]
    assert browser.answers()[0][2] == b"onetwo"


def test_a_stream_goes_at_the_clients_pace() -> None:
    made = 0
    closed = False

    async def pieces(request: Any) -> AsyncIterator[bytes]:
        nonlocal made, closed
        try:
            for _ in range(100):
                made += 1
                yield b"x" * 10_000
        finally:
            closed = True

    browser = Browser(Page(pieces, leaf=True))
    browser.transport.block()
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert 0 < made < 10
    browser.transport.unblock()
    assert made == 100
    assert closed
    assert browser.answers()[0][2] == b"x" * 1_000_000


def test_a_stream_makes_the_head_before_its_first_piece() -> None:
    async def pieces(request: Any) -> AsyncIterator[bytes]:
        request.setResponseHeader(b"Content-Type", b"text/plain")
        await gate
        yield b"one"
        yield b"two"

    gate: Deferred[None] = Deferred()
    browser = Browser(Page(pieces, leaf=True))
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert browser.answers() == []
    gate.callback(None)
    ((_, fields, body),) = browser.answers()
    assert (fields[b"content-type"], body) == (b"text/plain", b"onetwo")


def test_a_stream_that_fails_before_its_first_piece(caplog: pytest.LogCaptureFixture) -> None:
    async def pieces(request: Any) -> AsyncIterator[bytes]:
        raise OSError("a fault")
        yield b""

    browser = Browser(Page(pieces, leaf=True))
    assert browser.get(b"/")[0] == 500
    assert len(caplog.records) == 1


def test_a_stream_of_nothing() -> None:
    async def pieces(request: Any) -> AsyncIterator[bytes]:
        for piece in ():
            yield piece

    browser = Browser(Page(pieces, leaf=True))
    status, fields, _ = browser.get(b"/")
    assert (status, fields[b"content-length"]) == (200, b"0")


@pytest.mark.parametrize(("method", "code"), [(b"HEAD", 200), (b"GET", 204), (b"GET", 304)])
def test_an_endless_stream_that_nobody_hears(method: bytes, code: int) -> None:
    async def pieces(request: Any) -> AsyncIterator[bytes]:
        request.setResponseCode(code)
        try:
            while len(made) < 1000:
                made.append(b"piece")
                yield made[-1]
        finally:
            made.append(b"end")

    made: list[bytes] = []
    browser = Browser(Page(pieces, leaf=True))
    browser.send(method + b" / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert made == [b"piece", b"end"]
    assert browser.transport.value().startswith(b"HTTP/1.1 %d " % code)
    assert not browser.transport.disconnecting


def test_a_late_answer_in_one_piece_has_its_length() -> None:
    async def late(request: Any) -> bytes:
        await gate
        return b"hello"

    gate: Deferred[None] = Deferred()
    browser = Browser(Page(late, leaf=True))
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    gate.callback(None)
    assert browser.answers()[0][1][b"content-length"] == b"5"
    browser = Browser(Upload())
    browser.send(POST % (b"/", 2, b"he"))
    assert browser.answers()[0][1][b"content-length"] == b"2"


def test_an_answer_in_two_parts_with_a_last_one() -> None:
    def render(request: Any) -> bytes:
        request.write(b"one")
        return b"two"

    assert Browser(Page(render, leaf=True)).get(b"/")[2] == b"onetwo"


def test_a_method_that_is_refused_later() -> None:
    async def refuses(request: Any) -> bytes:
        raise resource.UnsupportedMethod([b"POST"])

    status, fields, _ = Browser(Page(refuses, leaf=True)).get(b"/")
    assert (status, fields[b"allow"]) == (405, b"POST")


def test_a_lost_connection_ends_what_works_for_it() -> None:
    ends: list[Any] = []

    async def waits(request: Any) -> bytes:
        request.notifyFinish().addErrback(lambda failure: ends.append(failure.type))
        try:
            await Deferred()
        except CancelledError:
            ends.append("cancelled")
            raise
        return b""

    browser = Browser(Page(waits, leaf=True))
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    browser.channel.connectionLost(Failure(error.ConnectionLost()))
    assert sorted(map(str, ends)) == sorted([str(error.ConnectionLost), "cancelled"])


@pytest.mark.parametrize("wrong", [None, "text", 42])
def test_what_is_no_answer(wrong: Any, caplog: pytest.LogCaptureFixture) -> None:
    browser = Browser(Page(lambda request: wrong, leaf=True))
    assert browser.get(b"/")[0] == 500
    assert "neither bytes" in caplog.text


def raises(request: Any) -> None:
    raise RuntimeError("<secret>")


def test_a_traceback_is_shown_only_when_asked_for() -> None:
    assert b"secret" not in Browser(Page(raises, leaf=True)).get(b"/")[2]
    browser = Browser(Page(raises, leaf=True))
    browser.site.displayTracebacks = True
    status, _, page = browser.get(b"/")
    assert status == 500
    assert b"&lt;secret&gt;" in page


def test_cookies_sessions_and_arguments() -> None:
    def count(request: Any) -> bytes:
        session = request.getSession()
        session.count = getattr(session, "count", 0) + 1
        request.addCookie(b"last", b"1")
        told = request.getCookie(b"last") or b"-"
        return b"%d %b %b" % (session.count, told, request.args.get(b"q", [b""])[-1])

    browser = Browser(Page(count, leaf=True))
    browser.send(b"GET /?q=a%20b&q=c HTTP/1.1\r\nHost: x\r\n\r\n")
    said = browser.transport.value()
    browser.transport.clear()
    cookies = [line for line in said.split(b"\r\n") if line.lower().startswith(b"set-cookie")]
    assert len(cookies) == 2
    assert said.endswith(b"1 - c")
    assert b"HttpOnly" in cookies[0]
    pair = cookies[0].split(b": ")[1].split(b";")[0]
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\nCookie: last=1; %b\r\n\r\n" % pair)
    assert browser.transport.value().endswith(b"2 1 ")
    ended: list[Any] = []
    (session,) = browser.site.sessions.values()
    session.notifyOnExpire().addCallback(ended.append)
    browser.transport.reactor.advance(901)
    assert ended == [None]
    assert browser.site.sessions == {}


def test_a_session_that_has_ended_is_replaced() -> None:
    def render(request: Any) -> bytes:
        first = request.getSession()
        first.expire()
        first.expire()
        first.touch()
        assert first.expired
        second = request.getSession()
        assert second is request.getSession()
        assert browser.site.sessions == {second.uid: second}
        second.expire()
        return b"done"

    browser = Browser(Page(render, leaf=True))
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert browser.transport.value().endswith(b"done")
    assert browser.site.sessions == {}


def test_a_session_that_cannot_be_told_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    def render(request: Any) -> Any:
        request.write(b"one")
        request.write(b"two")
        request.getSession()

    browser = Browser(Page(render, leaf=True))
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert "immutable" in caplog.text
    assert browser.site.sessions == {}


def test_redirects_are_escaped() -> None:
    browser = Browser(resource.Redirect(b'/x"><script>'))
    status, fields, page = browser.get(b"/any/where")
    assert (status, fields[b"location"]) == (302, b'/x"><script>')
    assert b"<script>" not in page


def test_the_host_that_was_asked_for() -> None:
    browser = Browser(Page(lambda request: request.getRequestHostname(), leaf=True))
    assert browser.get(b"/")[2] == b"example.com"
    assert browser.get(b"http://[::1]:80/x")[2] == b"::1"


def test_places_that_are_none() -> None:
    browser = Browser(Page(b"hello", leaf=True))
    assert browser.get(b"*", method=b"OPTIONS")[0] == 204
    browser.send(b"CONNECT example.com:443 HTTP/1.1\r\nHost: example.com:443\r\n\r\n")
    assert browser.transport.value().startswith(b"HTTP/1.1 501")


@pytest.mark.parametrize("code", [200, 204, 304])
def test_a_file_is_not_sent_where_there_is_no_body(code: int) -> None:
    def render(request: Any) -> int:
        request.setResponseCode(code)
        sent = request.writeFile(BytesIO(b"x" * 500_000))
        sent.addCallback(lambda count: (sizes.append(count), request.finish()))
        return server.NOT_DONE_YET

    sizes: list[int] = []
    browser = Browser(Page(render, leaf=True))
    head = browser.get(b"/", method=b"HEAD")
    assert head.endswith(b"\r\n\r\n")
    assert sizes == [0]


def test_a_stream_has_no_length_that_could_be_told() -> None:
    async def pieces(request: Any) -> AsyncIterator[bytes]:
        yield b"one"
        yield b"two"

    head = Browser(Page(pieces, leaf=True)).get(b"/", method=b"HEAD")
    assert b"content-length" not in head.lower()
    assert head.endswith(b"\r\n\r\n")
