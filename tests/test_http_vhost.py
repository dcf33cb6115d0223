"""Sites by the name that was asked for."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.protocols.http.resource import Resource
from reactorlib.protocols.http.vhost import NameVirtualHost, VHostMonsterResource
from tests.test_http_site import Browser, Page


def asked(browser: Browser, host: bytes, path: bytes = b"/") -> tuple[int, bytes]:
    browser.send(b"GET %b HTTP/1.1\r\nHost: %b\r\n\r\n" % (path, host))
    ((status, _, page),) = browser.answers()
    return status, page


def site(answer: bytes) -> Resource:
    root = Resource()
    root.putChild(b"", Page(answer))
    root.putChild(b"leaf", Page(lambda request: repr(request.postpath).encode(), leaf=True))
    return root


def test_hosts() -> None:
    hosts = NameVirtualHost()
    hosts.addHost("One.example", site(b"one"))
    hosts.addHost(b"two.example", Page(b"two", leaf=True))
    browser = Browser(hosts)
    assert asked(browser, b"one.example") == (200, b"one")
    assert asked(browser, b"ONE.EXAMPLE.:8080") == (200, b"one")
    assert asked(browser, b"one.example", b"/leaf/x") == (200, b"[b'x']")
    assert asked(browser, b"one.example", b"/none")[0] == 404
    assert asked(browser, b"two.example", b"/any/where") == (200, b"two")
    assert asked(browser, b"front", b"http://two.example/") == (200, b"two")
    assert asked(browser, b"else.example")[0] == 404
    hosts.default = site(b"default")
    assert asked(browser, b"else.example") == (200, b"default")
    hosts.removeHost("TWO.example")
    assert asked(browser, b"two.example") == (200, b"default")
    with pytest.raises(KeyError):
        hosts.removeHost("two.example")
    with pytest.raises(UnicodeError):
        hosts.addHost("zwölf.example", site(b""))


def test_below_another_place() -> None:
    hosts = NameVirtualHost(default=Page(b"itself"))
    root = Resource()
    root.putChild(b"hosts", hosts)
    browser = Browser(root)
    assert asked(browser, b"x", b"/hosts") == (200, b"itself")
    browser = Browser(hosts)
    browser.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n\r\n")
    assert browser.answers()[0][0] == 204


def test_a_host_is_not_repeated() -> None:
    """Twisted CVE-2022-39348: the page about an unknown host must not hold what it was sent."""
    browser = Browser(NameVirtualHost())
    browser.send(b"GET http://<script>/ HTTP/1.1\r\nHost: x\r\n\r\n")
    assert b"<script>" not in browser.transport.value()
    browser = Browser(NameVirtualHost())
    browser.send(b"GET / HTTP/1.1\r\nHost: <script>\r\n\r\n")
    assert b"<script>" not in browser.transport.value()


def monster() -> Browser:
    hosts = NameVirtualHost()
    for name in ("front.example", "back.example"):
        root = Resource()
        root.putChild(b"vhost", VHostMonsterResource())
        root.putChild(b"told", Page(_told, leaf=True))
        hosts.addHost(name, root)
    return Browser(hosts)


def _told(request: Any) -> bytes:
    parts = (request.prePathURL(), request.uri, request.path, *request.postpath)
    return b" ".join(parts)


@pytest.mark.parametrize(
    ("place", "expected"),
    [
        (b"/vhost/http/front.example/told", b"http://front.example/told /told /told"),
        (b"/vhost/https/front.example:443/told", b"https://front.example/told /told /told"),
        (
            b"/vhost/https/Front.example:81/told/%2f/?x=/vhost",
            b"https://front.example:81/told /told/%2f/?x=/vhost /told/%2f/ / ",
        ),
        (
            b"http://back.example/vhost/http/front.example/told?y",
            b"http://front.example/told /told?y /told",
        ),
    ],
)
def test_a_place_says_where_the_request_was_made(place: bytes, expected: bytes) -> None:
    assert asked(monster(), b"back.example", place) == (200, expected)


@pytest.mark.parametrize(
    "place",
    [
        b"/vhost/ftp/front.example/told",
        b"/vhost/http",
        b"/vhost/http/front.example",
        b"/vhost/http//told",
        b"/vhost/http/front.example:99999/told",
        b"/vhost/http/a%0d%0ab/told",
        b"/vhost/http/front.example/vhost/http/front.example/told",
        b"/vhost/http/else.example/told",
    ],
)
def test_a_place_that_says_nothing(place: bytes) -> None:
    status, page = asked(monster(), b"back.example", place)
    assert status == 404
    assert b"example" not in page
