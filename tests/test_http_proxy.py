"""The reverse proxy, between a client and a back end in memory."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib import error
from reactorlib.defer import Deferred
from reactorlib.protocols.http.proxy import ReverseProxyResource
from reactorlib.protocols.http.resource import Resource
from tests.proxying import DONE, LOST, Proxied, fields_of

OK = b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello"


def test_a_request_and_its_answer() -> None:
    proxied = Proxied()
    proxied.get(b"/a%2Fb/c?x=%20y", b"X-Own: 1")
    back = proxied.back_end()
    asked = back.asked()
    assert asked.startswith(b"GET /a%2Fb/c?x=%20y HTTP/1.1\r\n")
    fields = fields_of(asked)
    assert fields[b"host"] == b"back.example"
    assert fields[b"x-own"] == b"1"
    assert fields[b"via"] == b"1.1 reactorlib"
    assert b"content-length" not in fields
    back.say(b"HTTP/1.1 203 Else\r\nServer: theirs\r\nX-Own: 2\r\nContent-Length: 5\r\n\r\nhello")
    said = proxied.said()
    assert said.startswith(b"HTTP/1.1 203 Else\r\n")
    fields = fields_of(said)
    assert (fields[b"server"], fields[b"x-own"]) == (b"theirs", b"2")
    assert said.endswith(b"\r\n\r\nhello")
    assert proxied.clock.tcpClients == []


@pytest.mark.parametrize("piece", [1, 7, 10_000])
def test_answers_in_pieces(piece: int) -> None:
    for answer, body in [
        (OK, b"hello"),
        (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2\r\nde\r\n"
         b"0\r\nX-Trailer: 1\r\n\r\n", b"abcde"),
        (b"HTTP/1.1 200 OK\r\n\r\nuntil the end", b"until the end"),
    ]:  # fmt: skip
        proxied = Proxied()
        proxied.get()
        back = proxied.back_end()
        back.say(*[answer[at : at + piece] for at in range(0, len(answer), piece)])
        back.end()
        status, fields, came = proxied.answer()
        assert (status, came) == (200, body)
        assert b"x-trailer" not in fields


@pytest.mark.parametrize("status", [204, 304])
def test_answers_without_a_body(status: int) -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(b'HTTP/1.1 %d X\r\nETag: "a"\r\n\r\n' % status)
    assert proxied.answer()[0] == status
    proxied.get()
    assert back.asked()  # the same connection


@pytest.mark.parametrize("framing", [b"Content-Length: 5", b"Transfer-Encoding: chunked"])
def test_head(framing: bytes) -> None:
    proxied = Proxied()
    proxied.get(method=b"HEAD")
    back = proxied.back_end()
    back.say(b"HTTP/1.1 200 OK\r\n%b\r\n\r\n" % framing)
    said = proxied.said()
    assert said.endswith(b"\r\n\r\n")
    assert (b"Content-Length: 5\r\n" in said) == (framing[:1] == b"C")
    assert b"Content-Length: 0" not in said
    proxied.get(method=b"HEAD")
    assert back.asked().startswith(b"HEAD / ")


def test_a_body_with_its_length() -> None:
    proxied = Proxied()
    proxied.send(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 5", body=b"he")
    back = proxied.back_end()
    assert back.asked().endswith(b"Content-Length: 5\r\n\r\nhe")
    proxied.channel.dataReceived(b"llo")
    assert back.asked() == b"llo"
    back.say(OK)
    assert proxied.answer()[2] == b"hello"


def test_a_body_in_chunks() -> None:
    proxied = Proxied()
    proxied.send(b"PUT / HTTP/1.1", b"Host: x", b"Transfer-Encoding: chunked", body=b"3\r\nabc\r\n")
    back = proxied.back_end()
    asked = back.asked()
    assert fields_of(asked)[b"transfer-encoding"] == b"chunked"
    assert asked.endswith(b"\r\n\r\n3\r\nabc\r\n")
    proxied.channel.dataReceived(b"0\r\n\r\n")
    assert back.asked() == b"0\r\n\r\n"
    back.say(OK)
    assert proxied.answer()[0] == 200


def test_an_empty_body_says_so() -> None:
    proxied = Proxied()
    proxied.get(b"/", b"Content-Length: 0", method=b"POST")
    assert fields_of(proxied.back_end().asked())[b"content-length"] == b"0"


def test_what_is_meant_for_one_connection_is_not_passed_on() -> None:
    """RFC 9110, 7.6.1; and Twisted CVE-2016-1000111: never a Proxy field."""
    proxied = Proxied()
    proxied.get(
        b"/",
        b"Connection: keep-alive, X-Hop, Host, X-Forwarded-For",
        b"X-Hop: 1",
        b"Keep-Alive: timeout=5",
        b"Proxy: http://evil.example",
        b"Proxy-Authorization: Basic eA==",
        b"Proxy-Connection: close",
        b"TE: trailers",
        b"Trailer: X",
        b"Upgrade: h2c",
        b"HTTP2-Settings: x",
        b"X-Kept: 1",
    )
    back = proxied.back_end()
    names = set(fields_of(back.asked()))
    ours = {b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto", b"forwarded", b"via"}
    assert names == {b"host", b"x-kept"} | ours
    back.say(
        b"HTTP/1.1 200 OK\r\nConnection: X-Hop\r\nX-Hop: 1\r\nKeep-Alive: timeout=5\r\n"
        b"Proxy-Authenticate: Basic\r\nTrailer: X\r\nUpgrade: h2c\r\nX-Kept: 1\r\n"
        b"Content-Length: 0\r\n\r\n"
    )
    names = set(proxied.answer()[1])
    assert names == {b"date", b"server", b"content-length", b"x-kept"}


def test_for_whom_a_request_is() -> None:
    proxied = Proxied()
    forged = (b"X-Forwarded-For: 6.6.6.6", b"Forwarded: for=6.6.6.6", b"X-Forwarded-Proto: https")
    proxied.get(b"/", *forged, b"X_Forwarded-For: 6.6.6.6", b"X-Forwarded-Host: evil.example")
    asked = proxied.back_end().asked()
    assert b"6.6.6.6" not in asked
    assert b"evil" not in asked
    fields = fields_of(asked)
    assert fields[b"x-forwarded-for"] == b"192.0.2.7"
    assert fields[b"x-forwarded-proto"] == b"http"
    assert fields[b"x-forwarded-host"] == b"front.example"
    assert fields[b"forwarded"] == b"for=192.0.2.7;proto=http;host=front.example"


def test_what_a_trusted_proxy_has_said_stays() -> None:
    proxied = Proxied(ReverseProxyResource("h", 80, b"", trusted="192.0.2.0/24"))
    proxied.get(
        b"/",
        b"X-Forwarded-For: 198.51.100.1",
        b"X-Forwarded-For: 198.51.100.2",
        b"X-Forwarded-Proto: https",
        b"X-Forwarded-Host: public.example",
        b"Forwarded: for=198.51.100.1;proto=https",
    )
    fields = fields_of(proxied.back_end().asked())
    assert fields[b"x-forwarded-for"] == b"198.51.100.1, 198.51.100.2, 192.0.2.7"
    assert fields[b"x-forwarded-proto"] == b"https"
    assert fields[b"x-forwarded-host"] == b"public.example"
    assert fields[b"forwarded"] == (
        b"for=198.51.100.1;proto=https, for=192.0.2.7;proto=http;host=front.example"
    )


def test_who_is_not_trusted_is_replaced() -> None:
    proxied = Proxied(ReverseProxyResource("h", 80, b"", trusted=["10.0.0.0/8"]))
    proxied.get(b"/", b"X-Forwarded-For: 198.51.100.1")
    assert fields_of(proxied.back_end().asked())[b"x-forwarded-for"] == b"192.0.2.7"
    with pytest.raises(ValueError, match="nonsense"):
        ReverseProxyResource("h", 80, b"", trusted="nonsense")


def test_ipv6_and_nobody() -> None:
    proxied = Proxied(peer="2001:db8::1")
    proxied.get()
    fields = fields_of(proxied.back_end().asked())
    assert fields[b"forwarded"] == b'for="[2001:db8::1]";proto=http;host=front.example'
    proxied.peer = None  # type: ignore[assignment]
    proxied.connect()
    proxied.transport.peerAddr = None
    proxied.send(b"GET / HTTP/1.0")
    fields = fields_of(proxied.back_end().asked())
    assert fields[b"forwarded"] == b"for=unknown;proto=http"
    assert fields[b"x-forwarded-for"] == b"unknown"
    assert b"x-forwarded-host" not in fields


@pytest.mark.parametrize("target", [b"http://real.example/x", b"http://real.example?x"])
def test_the_targets_host_goes_before_the_field(target: bytes) -> None:
    proxied = Proxied()
    proxied.proxy.passHost = True
    proxied.get(target)
    fields = fields_of(proxied.back_end().asked())
    assert fields[b"host"] == b"real.example"
    assert fields[b"x-forwarded-host"] == b"real.example"
    proxied.connect()
    proxied.get(b"/x?http://evil.example/")
    assert fields_of(proxied.back_end().asked())[b"host"] == b"front.example"
    proxied.connect()
    proxied.send(b"GET / HTTP/1.0")
    assert fields_of(proxied.back_end().asked())[b"host"] == b"back.example"


def test_a_reactor_of_ones_own_is_not_needed() -> None:
    proxied = Proxied()
    proxied.proxy.reactor = None
    proxied.get()
    proxied.back_end().say(OK)
    assert proxied.answer()[0] == 200


def test_an_endpoint_of_ones_own() -> None:
    connected: list[Any] = []

    class Endpoint:
        def connect(self, factory: Any) -> Deferred[Any]:
            connected.append(factory)
            return Deferred()

    proxied = Proxied()
    proxied.proxy.endpoint = Endpoint()
    proxied.get()
    assert len(connected) == 1


def test_the_host_is_passed_if_that_is_asked_for() -> None:
    proxied = Proxied(ReverseProxyResource("::1", 8080, b""))
    proxied.get()
    assert fields_of(proxied.back_end().asked())[b"host"] == b"[::1]:8080"
    proxied = Proxied()
    proxied.proxy.passHost = True
    proxied.get()
    back = proxied.back_end()
    assert fields_of(back.asked())[b"host"] == b"front.example"


@pytest.mark.parametrize(
    ("path", "mount", "asked", "target"),
    [
        (b"", None, b"/", b"/"),
        ("/base", None, b"/x?y", b"/base/x?y"),
        (b"/base/", None, b"/x/", b"/base/x/"),
        (b"/base", b"api", b"/api", b"/base"),
        (b"", b"api", b"/api", b"/"),
        (b"/base", b"api", b"/api/", b"/base/"),
        (b"/base", b"api", b"/api//x%20", b"/base//x%20"),
        (b"", b"api", b"http://front.example/api/x?y", b"/x?y"),
        (b"", None, b"/../x", b"/../x"),
    ],
)
def test_the_place_at_the_back_end(
    path: Any, mount: bytes | None, asked: bytes, target: bytes
) -> None:
    proxy = ReverseProxyResource("back.example", 80, path)
    root = None
    if mount is not None:
        root = Resource()
        root.putChild(mount, proxy)
    proxied = Proxied(proxy, root)
    proxied.get(asked)
    assert proxied.back_end().asked().split(b" ")[1] == target


@pytest.mark.parametrize("way", [b"/../x", b"/%2e%2E/x", b"/a/..%2Fx", b"/..%5Cx", b"/x/.."])
def test_no_way_out_of_the_path(way: bytes) -> None:
    proxied = Proxied(ReverseProxyResource("h", 80, b"/base"))
    proxied.get(way)
    assert proxied.answer()[0] == 400
    assert proxied.clock.tcpClients == []


def test_whatever_may_stand_in_a_request_can_be_passed_on(
    caplog: pytest.LogCaptureFixture,
) -> None:
    """What the front accepts, the back's head does not refuse: that would be a 500."""
    for byte in range(256):
        proxied = Proxied()
        character = bytes([byte])
        proxied.get(b"/a%bb" % character, b"X: a%bb" % character)
        assert proxied.clock.tcpClients or proxied.said().startswith(b"HTTP/1.1 400 ")
        proxied = Proxied()
        proxied.get(method=b"G%bT" % character)
        assert proxied.clock.tcpClients or proxied.said()[9:12] in (b"400", b"501", b"505", b"200")
    assert caplog.text == ""


def test_options_for_the_server_as_a_whole() -> None:
    proxied = Proxied()
    proxied.get(b"*", method=b"OPTIONS")
    assert proxied.back_end().asked().startswith(b"OPTIONS * HTTP/1.1\r\n")


@pytest.mark.parametrize(("method", "status"), [(b"OPTIONS", 204), (b"TRACE", 405)])
def test_the_last_hop(method: bytes, status: int) -> None:
    """RFC 9110, 7.6.2."""
    proxied = Proxied()
    proxied.get(b"/", b"Max-Forwards: 0", method=method)
    assert proxied.answer()[0] == status
    proxied.get(b"/", b"Max-Forwards: 3", method=method)
    assert fields_of(proxied.back_end().asked())[b"max-forwards"] == b"2"


def test_connections_are_used_again() -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    for _ in range(3):
        back.say(OK)
        assert proxied.answer()[2] == b"hello"
        back.asked()
        proxied.get()
        assert back.asked().startswith(b"GET / ")
    back.say(OK.replace(b"200 OK", b"200 OK\r\nConnection: close"))
    assert back.transport.disconnecting
    proxied.get()
    proxied.back_end()


def test_idle_connections_are_few_and_end() -> None:
    proxied = Proxied()
    backs = []
    for _ in range(3):
        proxied.connect()
        proxied.get()
        backs.append(proxied.back_end())
    proxied.proxy.pool.maxPersistentPerHost = 2
    for back in backs:
        back.say(OK)
    assert [back.transport.disconnecting for back in backs] == [False, False, True]
    proxied.clock.advance(9.9)
    assert not backs[0].transport.disconnecting
    proxied.clock.advance(0.2)
    assert backs[0].transport.disconnecting
    assert backs[1].transport.disconnecting


def test_idle_connections_are_closed_on_demand() -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(OK)
    closed: list[Any] = []
    proxied.proxy.pool.closeCachedConnections().addCallback(closed.append)
    assert back.transport.disconnecting
    assert closed == []
    back.end()
    assert closed == [None]


def test_an_idle_connection_that_speaks_or_ends_is_not_used() -> None:
    for ends in (lambda back: back.end(), lambda back: back.say(OK)):
        proxied = Proxied()
        proxied.get()
        back = proxied.back_end()
        back.say(OK)
        ends(back)
        if back.transport.connected:
            assert back.transport.disconnected
            back.end(LOST)
        proxied.said()
        proxied.get()
        proxied.back_end().say(OK)
        assert proxied.answer()[0] == 200


def test_bytes_behind_an_answer_end_the_connection() -> None:
    """They might be taken for the answer to the next client."""
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(OK + OK)
    assert proxied.answer()[2] == b"hello"
    assert back.transport.disconnected


@pytest.mark.parametrize("reason", [DONE, LOST])
@pytest.mark.parametrize(
    ("method", "again"), [(b"GET", True), (b"PUT", True), (b"DELETE", True), (b"POST", False)]
)
def test_a_dead_connection_is_tried_once_more(
    method: bytes, again: bool, reason: Exception
) -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(OK)
    proxied.said()
    proxied.get(method=method)
    back.end(reason)
    if not again:
        assert proxied.answer()[0] == 502
        return
    proxied.back_end().end(reason)
    assert proxied.answer()[0] == 502
    assert proxied.clock.tcpClients == []


def test_no_second_try_after_a_byte_or_with_a_body() -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(OK)
    proxied.said()
    proxied.get()
    back.say(b"H")
    back.end(LOST)
    assert proxied.answer()[0] == 502
    proxied.get()
    back = proxied.back_end()
    back.say(OK)
    proxied.said()
    proxied.send(b"PUT / HTTP/1.1", b"Host: x", b"Content-Length: 1", body=b"x")
    back.end(LOST)
    assert proxied.answer()[0] == 502


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (error.ConnectionRefusedError(), 502),
        (error.DNSLookupError("no"), 502),
        (error.TimeoutError(), 504),
        (error.TCPTimedOutError(), 504),
        (error.VerifyError("no"), 502),
    ],
)
def test_a_back_end_that_cannot_be_reached(
    reason: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    proxied = Proxied()
    proxied.get()
    proxied.refuse(reason)
    code, _, page = proxied.answer()
    assert code == status
    assert b"back.example" not in page
    assert "back.example" in caplog.text
    assert "Traceback" not in caplog.text


NONSENSE = {
    "no HTTP": b"SSH-2.0-x\r\n\r\n",
    "a bare line feed (waitress CVE-2019-16785)": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "two lengths (Twisted CVE-2020-10108)": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
    ),
    "length and chunks (Twisted CVE-2020-10109)": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a signed length (Twisted CVE-2022-24801)": b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
    "a control in a value (Twisted #12754)": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
    "a bare CR (aiohttp CVE-2023-37276)": b"HTTP/1.1 200 OK\r\nX: \rxSet-Cookie: a=b\r\n\r\n",
    "a blank before the colon (Twisted #9646)": b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
    "an unknown coding (gunicorn CVE-2024-1135)": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked, x\r\n\r\n"
    ),
    "chunked123 (aiohttp CVE-2023-47641)": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked123\r\n\r\n0\r\n\r\n"
    ),
    "too many fields (Twisted #7564)": (
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(200)) + b"\r\n"
    ),
    "a switch that nobody asked for": (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    ),
    "no end of answers before the answer": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 40,
    "a bad chunk (h11 CVE-2025-43859)": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n"
    ),
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_not_passed_on(answer: bytes) -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(answer)
    said = proxied.said()
    while said.startswith(b"HTTP/1.1 103 "):
        said = said.partition(b"\r\n\r\n")[2]
    assert said.startswith(b"HTTP/1.1 502 ")
    assert back.transport.disconnected


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nConte", b"HTTP/1.1 103 Early Hints\r\n\r\n"]
)
@pytest.mark.parametrize("reason", [DONE, LOST])
def test_a_back_end_that_dies_before_its_answer(answer: bytes, reason: Exception) -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    if answer:
        back.say(answer)
    back.end(reason)
    assert b"HTTP/1.1 502 Bad Gateway\r\n" in proxied.said()


@pytest.mark.parametrize("reason", [DONE, LOST])
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nabc",
    ],
)
def test_a_back_end_that_dies_in_its_answer(
    answer: bytes, reason: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(answer)
    assert not proxied.transport.disconnecting
    back.end(reason)
    whole = reason is DONE and b"-" not in answer
    assert proxied.transport.disconnected == (not whole)
    assert not proxied.said().endswith(b"0\r\n\r\n") or whole
    assert "Traceback" not in caplog.text


def test_a_back_end_that_is_too_slow() -> None:
    proxied = Proxied()
    proxied.proxy.timeout = 20
    proxied.get()
    back = proxied.back_end()
    proxied.clock.advance(19)
    back.say(b"HTTP/1.1 ")
    proxied.clock.advance(19)
    assert proxied.said() == b""
    proxied.clock.advance(2)
    assert proxied.answer()[0] == 504
    assert back.transport.disconnected


def test_a_back_end_that_falls_silent_in_its_answer() -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    proxied.clock.advance(61)
    assert back.transport.disconnected
    assert proxied.transport.disconnected


def test_a_slow_client_is_not_the_back_ends_fault() -> None:
    proxied = Proxied()
    proxied.proxy.timeout = 5
    proxied.send(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 2", body=b"a")
    back = proxied.back_end()
    proxied.clock.advance(30)
    assert not back.transport.disconnected
    proxied.channel.dataReceived(b"b")
    proxied.clock.advance(4)
    assert proxied.said() == b""
    proxied.clock.advance(2)
    assert proxied.answer()[0] == 504


def test_the_answers_body_waits_for_the_client() -> None:
    proxied = Proxied()
    proxied.proxy.timeout = 5
    proxied.get()
    back = proxied.back_end()
    back.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    proxied.transport.block()
    sent = 0
    while back.transport.producerState == "producing":
        back.say(b"x" * 10_000)
        sent += 10_000
        assert sent < 400_000
    proxied.clock.advance(30)
    assert not back.transport.disconnected
    proxied.transport.unblock()
    assert back.transport.producerState == "producing"
    back.say(b"x" * (1_000_000 - sent))
    proxied.transport.unblock()
    assert len(proxied.answer()[2]) == 1_000_000
    proxied.get()
    assert back.asked().count(b"GET") == 2


def test_a_connection_that_is_paused_is_left_reading() -> None:
    """The end of an answer may wait for the client; the connection serves others meanwhile."""
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    proxied.transport.block()
    back.say(b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + b"x" * 100_000)
    back.say(*[b"x" * 100_000] * 3)
    assert back.transport.producerState == "producing"
    proxied.connect()
    proxied.get()
    back.say(OK)
    assert proxied.answer()[2] == b"hello"


def test_the_requests_body_waits_for_the_back_end() -> None:
    proxied = Proxied()
    proxied.send(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 1000000")
    back = proxied.back_end()
    back.transport.block()
    sent = 0
    while proxied.transport.producerState == "producing":
        proxied.channel.dataReceived(b"x" * 10_000)
        sent += 10_000
        assert sent < 400_000
    back.transport.unblock()
    assert proxied.transport.producerState == "producing"
    proxied.channel.dataReceived(b"x" * (1_000_000 - sent))
    back.transport.unblock()
    assert back.asked().partition(b"\r\n\r\n")[2] == b"x" * 1_000_000
    back.say(OK)
    assert proxied.answer()[0] == 200


def test_a_back_end_that_takes_no_more_is_too_slow() -> None:
    proxied = Proxied()
    proxied.send(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 100000")
    back = proxied.back_end()
    back.transport.block()
    proxied.channel.dataReceived(b"x" * 99_000)
    proxied.clock.advance(61)
    assert b"HTTP/1.1 504 " in proxied.said()
    assert back.transport.disconnected


def test_an_early_answer_is_passed_on() -> None:
    proxied = Proxied()
    proxied.send(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 100", body=b"x")
    back = proxied.back_end()
    back.say(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    assert proxied.answer()[0] == 413
    assert back.transport.disconnected


def test_a_client_that_goes_away() -> None:
    for said in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"):
        proxied = Proxied()
        proxied.get()
        back = proxied.back_end()
        if said:
            back.say(said)
        proxied.lose()
        assert back.transport.disconnected


def test_a_client_that_goes_away_before_there_is_a_connection() -> None:
    proxied = Proxied()
    proxied.get()
    (connector,) = proxied.clock.connectors
    proxied.lose()
    assert connector.stoppedConnecting


def test_a_client_that_goes_away_in_its_body(caplog: pytest.LogCaptureFixture) -> None:
    proxied = Proxied()
    proxied.send(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 100", body=b"x")
    back = proxied.back_end()
    proxied.lose()
    assert back.transport.disconnected
    assert caplog.text == ""


@pytest.mark.parametrize(("more", "status"), [(b"zz\r\n", 400), (b"7fffffff\r\n", 413), (b"", 408)])
def test_a_body_that_is_refused_on_the_way(
    more: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    proxied = Proxied()
    proxied.send(b"POST / HTTP/1.1", b"Host: x", b"Transfer-Encoding: chunked", body=b"1\r\na\r\n")
    back = proxied.back_end()
    assert back.asked().endswith(b"1\r\na\r\n")
    if more:
        proxied.channel.dataReceived(more)
    else:
        proxied.clock.advance(241)
    assert proxied.answer()[0] == status
    assert back.asked() == b""
    assert back.transport.disconnected
    assert caplog.text == ""


EXPECTS = (b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 2", b"Expect: 100-continue")


def test_an_expectation_is_the_back_ends() -> None:
    proxied = Proxied()
    proxied.send(*EXPECTS)
    back = proxied.back_end()
    assert fields_of(back.asked())[b"expect"] == b"100-continue"
    assert proxied.said() == b""
    back.say(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert proxied.said() == b"HTTP/1.1 100 Continue\r\n\r\n"
    proxied.channel.dataReceived(b"ab")
    assert back.asked() == b"ab"
    back.say(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    assert proxied.answer()[0] == 200
    assert not back.transport.disconnecting


def test_a_body_that_is_not_wanted_is_not_sent() -> None:
    proxied = Proxied()
    proxied.send(*EXPECTS)
    back = proxied.back_end()
    back.say(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
    said = proxied.said()
    assert said.startswith(b"HTTP/1.1 417 ")
    assert b"100 Continue" not in said
    assert back.transport.disconnected


def test_a_back_end_that_knows_no_expectations() -> None:
    proxied = Proxied()
    proxied.send(*EXPECTS)
    back = proxied.back_end()
    back.asked()
    proxied.clock.advance(1.1)
    assert proxied.said() == b"HTTP/1.1 100 Continue\r\n\r\n"
    proxied.channel.dataReceived(b"ab")
    assert back.asked() == b"ab"


def test_answers_before_the_answer() -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\n")
    assert proxied.said() == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    back.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 150 X\r\n\r\n" + OK)
    assert proxied.answer()[2] == b"hello"


def test_requests_are_answered_in_order() -> None:
    """Twisted CVE-2023-46137: pipelined, and the second back end is the faster."""
    proxied = Proxied()
    request = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"
    proxied.channel.dataReceived(request % b"1" + request % b"2")
    one, two = [client[2] for client in proxied.clock.tcpClients]
    del proxied.clock.tcpClients[1:]
    first = proxied.back_end()
    proxied.clock.tcpClients.append(("", 0, two, 0, None))
    second = proxied.back_end()
    second.say(OK.replace(b"hello", b"later"))
    assert proxied.said() == b""
    first.say(OK)
    said = proxied.said()
    assert said.index(b"hello") < said.index(b"later")
    assert one is not two


def test_fields_that_were_set_before_stay() -> None:
    class Outer(Resource):
        def getChild(self, path: bytes, request: Any) -> Any:
            request.setResponseHeader(b"X-Outer", b"1")
            request.setResponseHeader(b"X-Both", b"outer")
            request.postpath.insert(0, request.prepath.pop())
            return proxy

    proxy = ReverseProxyResource("back.example", 80, b"")
    proxied = Proxied(proxy, Outer())
    proxied.get(b"/x")
    back = proxied.back_end()
    assert back.asked().startswith(b"GET /x ")
    back.say(b"HTTP/1.1 200 OK\r\nX-Both: inner\r\nContent-Length: 0\r\n\r\n")
    fields = proxied.answer()[1]
    assert (fields[b"x-outer"], fields[b"x-both"]) == (b"1", b"inner")


@pytest.mark.parametrize(
    ("url", "authority", "path"),
    [
        ("http://h", "h", b""),
        ("http://h:8080/x", "h:8080", b"/x"),
        ("http://[::1]:80/x", "[::1]", b"/x"),
        ("https://h/x", "h", b"/x"),
        ("https://h:8443", "h:8443", b""),
        ("http+unix://%2Frun%2Fapp.sock/x", "localhost", b"/x"),
    ],
)
def test_urls(url: str, authority: str, path: bytes) -> None:
    proxy = ReverseProxyResource.fromURL(url)
    assert proxy.path == path
    assert repr(proxy) == f"<ReverseProxyResource {authority}{path.decode()}>"


@pytest.mark.parametrize(
    "url",
    ["", "h:80", "ftp://h/", "http://", "http:///x", "http://u@h/", "http://h/?x", "http://:1"],
)
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ValueError, match="is n"):
        ReverseProxyResource.fromURL(url)
