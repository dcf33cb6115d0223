"""What a request tells of itself, in Twisted's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reactorlib.address import IPv6Address, UNIXAddress
from reactorlib.defer import Deferred, succeed
from reactorlib.protocols.http.fields.etags import ETag
from reactorlib.protocols.http.resource import Resource, getChildForRequest
from reactorlib.protocols.http.server import CACHED, Request, Session
from reactorlib.protocols.http.util import DeferredResource, ParentRedirect, Redirect, redirectTo
from reactorlib.testing.http import MemoryChanRequest
from reactorlib.testing.httpincoming import headers_of
from tests.test_http_site import Browser, Page

LATER = b"Sun, 06 Nov 1994 08:49:37 GMT"
WHEN = 784_111_777
BEFORE = WHEN - 1


def told(look: Callable[[Request], Any], *fields: bytes, **options: Any) -> Any:
    """What `look` finds about a request for /a%20b/leaf/c?q."""
    found: list[Any] = []

    def render(request: Request) -> bytes:
        found.append(look(request))
        return b""

    root, inner = Resource(), Resource()
    root.putChild(b"a b", inner)
    inner.putChild(b"leaf", Page(render, leaf=True))
    status = Browser(root).get(b"/a%20b/leaf/c?q", *fields, **options)[0]
    assert found, status
    return found[0]


def carried(uri: bytes = b"/", headers: Any = None, **options: Any) -> Request:
    """A request with no site, from addresses of one's own choice."""
    carrier = MemoryChanRequest(Request, b"GET", uri, headers, **options)
    return Request(carrier, b"GET", uri, (1, 1), headers_of(headers))


def test_the_client() -> None:
    six = IPv6Address("TCP", "::1", 5)
    assert carried(peerAddress=six).getClientIP() == "::1"
    assert carried(peerAddress=UNIXAddress("/s")).getClientIP() is None


@pytest.mark.parametrize(
    ("field", "expected"),
    [
        (b"Authorization: Basic YWRhOmxvdmU6bGFjZQ==", (b"ada", b"love:lace")),
        (b"Authorization: Basic YWRh", (b"", b"")),
        (b"Authorization: Basic %", (b"", b"")),
        (b"Authorization: Bearer YWRhOmxvdmU=", (b"", b"")),
        (b"Other: x", (b"", b"")),
    ],
)
def test_credentials(field: bytes, expected: tuple[bytes, bytes]) -> None:
    assert told(lambda r: (r.getUser(), r.getPassword()), field) == expected


def test_fields_and_cookies() -> None:
    fields = told(Request.getAllHeaders, b"X-One: 1", b"x-one: 2")
    assert fields == {b"host": b"example.com:80", b"x-one": b"2"}
    sent = b"Cookie: a=1; b=2; a=3"
    assert told(lambda r: r.received_cookies, sent) == {b"a": b"1", b"b": b"2"}
    assert told(lambda r: r.getCookie(b"a"), sent) == b"1"
    assert told(lambda r: r.getCookie(b"c"), sent) is None


def test_links() -> None:
    assert told(Request.prePathURL) == b"http://example.com:80/a%20b/leaf"
    assert told(lambda r: (r.sibLink(b"x"), r.childLink(b"x"))) == (b"../x", b"x")
    request = carried()
    request.prepath, request.postpath = [b"a", b"b"], []
    assert (request.sibLink(b"x"), request.childLink(b"x")) == (b"x", b"b/x")
    request.prepath, request.postpath = [b""], []
    assert request.childLink(b"x") == b"x"
    request.prepath, request.postpath = [], [b"a", b"b", b"c"]
    assert (request.sibLink(b"x"), request.childLink(b"x")) == (b"../../../x", b"../../x")


@pytest.mark.parametrize(
    ("options", "url"),
    [
        ({"hostAddress": IPv6Address("TCP", "::1", 80)}, b"http://[::1]/a"),
        ({"hostAddress": IPv6Address("TCP", "::1", 80), "secure": True}, b"https://[::1]:80/a"),
        ({"hostAddress": UNIXAddress("/s"), "secure": True}, b"https://localhost/a"),
        ({"uri": b"http://given:81/a"}, b"http://given:81/a"),
    ],
)
def test_the_url_without_a_host_field(options: Any, url: bytes) -> None:
    request = carried(**options)
    request.prepath = [b"a"]
    assert request.prePathURL() == url


def test_another_host() -> None:
    request = carried(b"http://front?q", headers={b"Host": b"back", b"X": b"y"})
    request.prepath = [b"a"]
    request.setHost(b"www.example", 443, ssl=True)
    assert request.isSecure()
    assert request.prePathURL() == b"https://www.example/a"
    assert request.uri == b"/?q"
    assert request.getRequestHostname() == b"www.example"
    here = request.getHost()
    assert (here.host, here.port) == ("www.example", 443)
    fields, (host, _, secure) = request.chanRequest.getFields(), request.chanRequest.getAddresses()
    assert (host, secure) == (("www.example", 443), True)
    assert b"back" not in dict(fields).values()
    request.setHost(b"::1", 8080)
    assert request.prePathURL() == b"https://[::1]:8080/a"
    with pytest.raises(ValueError, match="not a host"):
        request.setHost(b"x\r\ny: z", 80)


def test_cookies_in_the_words_of_twisted() -> None:
    request = carried()
    request.addCookie(
        "a", "1", expires=LATER, max_age=b"60", comment="c", secure=None, sameSite="lax"
    )
    request.addCookie(b"b", b"2", expires=0, domain=b"x", path="/", max_age=5, secure=True)
    first, second = request.out_headers.getRawHeaders(b"set-cookie")
    assert first == b"a=1; Expires=%b; Max-Age=60; SameSite=Lax" % LATER
    assert b"Expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=5; Domain=x; Path=/" in second
    with pytest.raises(ValueError, match="cannot be sent"):
        request.addCookie("a", "1;2")


def test_the_reason() -> None:
    request = carried()
    request.setResponseCode(404)
    assert request.code_message == b"Not Found"
    request.setResponseCode(404, b"Gone Fishing")
    assert request.code_message == b"Gone Fishing"


@pytest.mark.parametrize("tag", [b'"v1"', b"v1", ETag(b"v1")])
def test_etag(tag: Any) -> None:
    def answer(request: Request) -> tuple[Any, int]:
        return request.setETag(tag), request.code

    assert told(answer) == (None, 200)
    assert told(answer, b'If-None-Match: "v2"') == (None, 200)
    assert told(answer, b'If-None-Match: "v2", W/"v1"') == (CACHED, 304)
    assert told(answer, b"If-None-Match: *") == (CACHED, 304)


def test_last_modified() -> None:
    def answer(request: Request) -> tuple[Any, int]:
        return request.setLastModified(WHEN + 0.5), request.code

    assert told(answer) == (None, 200)
    assert told(answer, b"If-Modified-Since: " + LATER) == (CACHED, 304)
    assert told(answer, b"If-Modified-Since: Sun, 06 Nov 1994 08:49:36 GMT") == (None, 200)
    # RFC 9110, 13.1.3: a tag is stronger than a date.
    assert told(answer, b"If-Modified-Since: " + LATER, b'If-None-Match: "x"') == (None, 200)
    request = carried()
    for when in (WHEN, BEFORE):
        request.setLastModified(when)
    assert request.getResponseHeader(b"last-modified") == LATER


def test_what_is_cached_has_no_body() -> None:
    def render(request: Request) -> bytes:
        return b"" if request.setETag(b"v1") is CACHED else b"page"

    browser = Browser(Page(render, leaf=True))
    status, fields, page = browser.get(b"/", b'If-None-Match: "v1"')
    assert (status, fields[b"etag"], page) == (304, b'"v1"', b"")
    assert browser.get(b"/")[2] == b"page"


def test_a_change_of_what_the_client_has_is_refused() -> None:
    class Change(Resource):
        isLeaf = True

        def render_PUT(self, request: Request) -> bytes:
            assert request.setETag(b"v1") is CACHED
            return b""

    assert Browser(Change()).get(b"/", b"If-None-Match: *", method=b"PUT")[0] == 412


def test_the_connection_is_given_up() -> None:
    def render(request: Request) -> bytes:
        request.write(b"half")
        request.loseConnection()
        return b""

    browser = Browser(Page(render, leaf=True))
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
    assert browser.transport.disconnecting


def test_places_that_are_taken_away() -> None:
    root = Resource()
    root.putChild(b"a", Page(b"a"))
    browser = Browser(root)
    root.delEntity(b"a")
    root.delEntity(b"a")
    assert browser.get(b"/a")[0] == 404


def test_lookup_from_a_resource_on() -> None:
    root, page = Resource(), Page(b"a", leaf=True)
    root.putChild(b"a", page)
    request = carried()
    request.prepath, request.postpath = [], [b"a", b"b"]
    assert getChildForRequest(root, request) is page
    assert (request.prepath, request.postpath) == ([b"a"], [b"b"])


def test_redirections_to_the_place_above() -> None:
    root, inner = Resource(), Resource()
    root.putChild(b"a", inner)
    inner.putChild(b"b", ParentRedirect())
    root.putChild(b"", ParentRedirect())
    root.putChild(b"else", Redirect(b"/x"))
    root.putChild(b"code", Page(lambda request: redirectTo(b"/y", request, 308), leaf=True))
    browser = Browser(root)
    for place, code, target in (
        (b"/a/b?x", 302, b"http://example.com:80/a/"),
        (b"/", 302, b"http://example.com:80/"),
        (b"/else", 302, b"/x"),
        (b"/code", 308, b"/y"),
    ):
        status, fields, _ = browser.get(place)
        assert (status, fields[b"location"]) == (code, target)


def test_a_resource_that_will_be_there_later() -> None:
    later: Deferred[Any] = Deferred()
    root, found = Resource(), Resource()
    found.putChild(b"x", Page(b"found"))
    root.putChild(b"later", DeferredResource(later))
    root.putChild(b"now", DeferredResource(succeed(Page(b"now"))))
    browser = Browser(root)
    assert browser.get(b"/now")[2] == b"now"
    browser.send(b"GET /later/x HTTP/1.1\r\nHost: x\r\n\r\n")
    assert browser.answers() == []
    later.callback(found)
    assert browser.answers()[0][2] == b"found"


def test_sessions_are_not_without_bound() -> None:
    def render(request: Request) -> bytes:
        return request.getSession().uid

    browser = Browser(Page(render, leaf=True))
    browser.site.maxSessions = 2
    first = browser.get(b"/")[2]
    second = browser.get(b"/")[2]
    ended: list[None] = []
    browser.site.getSession(second).notifyOnExpire().addCallback(ended.append)
    assert browser.get(b"/", b"Cookie: reactorlib-session=" + first)[2] == first
    third = browser.get(b"/")[2]
    assert list(browser.site.sessions) == [first, third]
    assert ended == [None]
    with pytest.raises(KeyError):
        browser.site.getSession(second)
    Session(browser.site, b"of nobody", browser.transport.reactor).touch()
    assert list(browser.site.sessions) == [first, third]
