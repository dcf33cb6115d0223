"""The reverse proxy: what it asks and passes on, between connections in memory."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.defer import Deferred
from reactorlib.protocols.http.proxy import ReverseProxyResource
from reactorlib.protocols.http.resource import Resource
from tests.proxying import OK, Proxied, fields_of


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
