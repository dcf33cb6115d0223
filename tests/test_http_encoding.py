"""Compressed answers, and compressed bodies of requests."""

from __future__ import annotations

import gzip
import importlib
import zlib
from collections.abc import AsyncIterator, Callable
from typing import Any

import brotli
import pytest
import zstandard

from reactorlib.defer import Deferred
from reactorlib.protocols.http import codings, installed
from reactorlib.protocols.http.encoding import (
    DecodingResourceWrapper,
    EncodingResourceWrapper,
    shrinks,
)
from reactorlib.protocols.http.proxy import ReverseProxyResource
from reactorlib.protocols.http.resource import Resource
from reactorlib.protocols.http.server import NOT_DONE_YET
from tests.proxying import Proxied
from tests.test_http_site import Browser, Page, Streaming, Upload

TEXT = b"what is said again and again, " * 100
UNPACK: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.decompress,
    b"deflate": zlib.decompress,
    b"br": brotli.decompress,
    b"zstd": lambda data: bytes(zstandard.ZstdDecompressor().decompressobj().decompress(data)),
}


def answering(answer: Any = TEXT, kind: bytes = b"text/plain", **fields: bytes) -> Page:
    def page(request: Any) -> Any:
        request.setResponseHeader(b"Content-Type", kind)
        for name, value in fields.items():
            request.setResponseHeader(name.replace("_", "-"), value)
        return answer(request) if callable(answer) else answer

    return Page(page, leaf=True)


def wrapped(page: Resource, **settings: Any) -> Browser:
    return Browser(EncodingResourceWrapper(page, **settings))


@pytest.mark.parametrize("coding", UNPACK)
def test_every_coding(coding: bytes) -> None:
    status, fields, body = wrapped(answering()).get(b"/", b"Accept-Encoding: " + coding)
    assert status == 200
    assert fields[b"content-encoding"] == coding
    assert fields[b"vary"] == b"Accept-Encoding"
    assert len(body) < 200
    assert UNPACK[coding](body) == TEXT


@pytest.mark.parametrize("coding", UNPACK)
def test_streams(coding: bytes) -> None:
    """What was written can be read before more is."""
    more: Deferred[None] = Deferred()

    async def pieces(request: Any) -> AsyncIterator[bytes]:
        yield b"first"
        await more
        yield b""
        yield b"second"

    browser = wrapped(answering(pieces))
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\nAccept-Encoding: %b\r\n\r\n" % coding)
    sent = browser.transport.value().partition(b"\r\n\r\n")[2]
    size, _, chunk = sent.partition(b"\r\n")
    assert b"first" in opened(coding, chunk[: int(size, 16)])
    more.callback(None)
    ((_, fields, body),) = browser.answers()
    assert fields[b"transfer-encoding"] == b"chunked"
    assert UNPACK[coding](body) == b"firstsecond"


def opened(coding: bytes, data: bytes) -> bytes:
    """What can be read of the beginning of a body."""
    if coding == b"br":
        return bytes(brotli.Decompressor().process(data))
    if coding == b"zstd":
        return bytes(zstandard.ZstdDecompressor().decompressobj().decompress(data))
    return zlib.decompressobj(47).decompress(data)


@pytest.mark.parametrize(
    ("accepted", "coding"),
    [
        (b"gzip", b"gzip"),
        (b"GZIP", b"gzip"),
        (b"gzip;q=0.5, br", b"br"),
        (b"br;q=0.1, deflate;q=0.2", b"deflate"),
        (b"gzip, deflate, br, zstd", b"zstd"),
        (b"*", b"zstd"),
        (b"zstd;q=0, *;q=0.5", b"br"),
        (b"gzip;q=0.2, identity;q=0.8", None),
        (b"gzip;q=0", None),
        (b"compress", None),
        (b"identity;q=0", None),
        (b"", None),
        (b"gzip;q=nonsense", None),
        (None, None),
    ],
)
def test_what_the_client_accepts(accepted: bytes | None, coding: bytes | None) -> None:
    asked = [] if accepted is None else [b"Accept-Encoding: " + accepted]
    _, fields, body = wrapped(answering()).get(b"/", *asked)
    assert fields.get(b"content-encoding") == coding
    assert fields[b"vary"] == b"Accept-Encoding"
    assert (body == TEXT) == (coding is None)


GZIP = b"Accept-Encoding: gzip"


@pytest.mark.parametrize(
    ("page", "vary"),
    [
        (answering(TEXT[:511]), b"Accept-Encoding"),
        (answering(kind=b"image/png"), None),
        (answering(kind=b""), None),
        (answering(Content_Encoding=b"br"), None),
        (answering(Content_Range=b"bytes 0-2999/5000"), None),
        (answering(Cache_Control=b"No-Transform"), None),
    ],
)
def test_what_is_left_alone(page: Resource, vary: bytes | None) -> None:
    _, fields, body = wrapped(page).get(b"/", GZIP)
    assert fields.get(b"content-encoding") in (None, b"br")
    assert fields.get(b"vary") == vary
    assert TEXT.startswith(body)
    assert int(fields[b"content-length"]) == len(body)


@pytest.mark.parametrize("code", [204, 206, 304])
def test_answers_without_a_body_of_their_own(code: int) -> None:
    def page(request: Any) -> bytes:
        request.setResponseCode(code)
        return TEXT if code == 206 else b""

    _, fields, body = wrapped(answering(page)).get(b"/", GZIP)
    assert b"content-encoding" not in fields
    assert (b"vary" in fields) == (code == 304)
    assert body in (TEXT, b"")


@pytest.mark.parametrize(
    ("vary", "becomes"),
    [
        (b"Cookie", [b"Cookie", b"Accept-Encoding"]),
        (b"*", [b"*"]),
        (b"Accept-encoding", [b"Accept-encoding"]),
    ],
)
def test_vary(vary: bytes, becomes: list[bytes]) -> None:
    page = answering(Vary=vary)
    browser = wrapped(page)
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % GZIP)
    lines = browser.transport.value().split(b"\r\n")
    assert [line[6:] for line in lines if line.startswith(b"Vary: ")] == becomes


def test_an_etag_becomes_weak() -> None:
    page = answering(ETag=b'"v1"', Accept_Ranges=b"bytes")
    fields = wrapped(page).get(b"/", GZIP)[1]
    assert fields[b"etag"] == b'W/"v1"'
    assert b"accept-ranges" not in fields
    fields = wrapped(page).get(b"/")[1]
    assert fields[b"etag"] == b'"v1"'
    assert fields[b"accept-ranges"] == b"bytes"


def test_a_conditional_request_with_the_weak_one() -> None:
    def page(request: Any) -> bytes:
        request.setResponseHeader(b"ETag", b'"v1"')
        return TEXT if request.checkPreconditions() else NOT_DONE_YET  # type: ignore[return-value]

    answer = wrapped(answering(page)).get(b"/", GZIP, b'If-None-Match: W/"v1"')
    assert answer[0] == 304


def test_head_is_as_get() -> None:
    browser = wrapped(answering())
    whole = browser.get(b"/", GZIP)[1]
    head = browser.get(b"/", GZIP, method=b"HEAD")
    assert b"Content-Encoding: gzip\r\n" in head
    assert b"Content-Length: " + whole[b"content-length"] in head
    assert head.endswith(b"\r\n\r\n")


def announced(length: int, written: bytes, finish: bool = True) -> Page:
    def page(request: Any) -> int:
        request.setResponseHeader(b"Content-Length", b"%d" % length)
        request.write(written)
        request.write(b"")
        if finish:
            request.finish()
        return NOT_DONE_YET

    return answering(page)


def test_an_announced_length() -> None:
    status, fields, body = wrapped(announced(len(TEXT), TEXT)).get(b"/", GZIP)
    assert (status, gzip.decompress(body)) == (200, TEXT)
    assert b"content-length" not in fields
    head = wrapped(announced(len(TEXT), b"")).get(b"/", GZIP, method=b"HEAD")
    assert b"Content-Encoding: gzip\r\n" in head


def test_a_length_that_is_not_kept(caplog: pytest.LogCaptureFixture) -> None:
    browser = wrapped(announced(1000, b"short"))
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % GZIP)
    assert browser.transport.disconnected
    assert "995 bytes short" in caplog.text
    browser = wrapped(announced(600, TEXT))
    browser.send(b"GET / HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % GZIP)
    assert browser.transport.disconnected
    assert "are left of the body" in caplog.text


def test_below_a_wrapper() -> None:
    root = Resource()
    root.putChild(b"page", answering())
    root.putChild(b"wrapped", EncodingResourceWrapper(answering()))
    browser = Browser(EncodingResourceWrapper(root, codings=[b"gzip"]))
    assert browser.get(b"/page", GZIP)[1][b"content-encoding"] == b"gzip"
    assert browser.get(b"/wrapped", GZIP)[1][b"content-encoding"] == b"gzip"
    assert b"content-encoding" not in browser.get(b"/page", b"Accept-Encoding: br")[1]
    assert browser.get(b"/none", GZIP)[0] == 404


def test_a_leaf_that_takes_a_body() -> None:
    for page in (Upload(), Streaming()):
        browser = Browser(EncodingResourceWrapper(page))
        assert post(browser, b"abc")[2].upper() == b"ABC"


def test_what_never_was_begun_ends() -> None:
    page = answering(announced(0, b"").render_GET, kind=b"image/png")
    assert wrapped(page).get(b"/", GZIP)[2] == b""


def test_a_coding_that_is_none() -> None:
    with pytest.raises(ValueError, match="compress, x cannot"):
        EncodingResourceWrapper(Resource(), codings=[b"x", b"compress", b"gzip"])


def test_without_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(codings, "brotli", None)
    monkeypatch.setattr(codings, "zstandard", None)
    assert list(codings.available()) == [b"gzip", b"deflate"]
    monkeypatch.setattr(importlib, "import_module", __import__)
    assert installed.optional("no_such_module") is None


def test_a_proxied_answer() -> None:
    proxy = ReverseProxyResource("h", 80, b"")
    proxied = Proxied(proxy, EncodingResourceWrapper(proxy))
    proxied.get(b"/", GZIP)
    back = proxied.back_end()
    back.say(b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 3000\r\n\r\n", TEXT)
    assert gzip.decompress(proxied.answer()[2]) == TEXT


@pytest.mark.parametrize(
    ("kind", "does"),
    [
        (b"text/html; charset=utf-8", True),
        (b"application/json", True),
        (b"Application/LD+JSON", True),
        (b"image/svg+xml", True),
        (b"image/png", False),
        (b"application/zip", False),
    ],
)
def test_what_shrinks(kind: bytes, does: bool) -> None:
    assert shrinks(kind) == does


# Bodies of requests

POST = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\n%b\r\n%b"


def post(browser: Browser, body: bytes, *codings: bytes) -> Any:
    lines = b"".join([b"Content-Encoding: %b\r\n" % coding for coding in codings])
    browser.send(POST % (len(body), lines, body))
    (answer,) = browser.answers()
    return answer


def test_a_compressed_body_is_refused() -> None:
    browser = Browser(DecodingResourceWrapper(Upload()))
    status, fields, _ = post(browser, gzip.compress(b"abc"), b"gzip")
    assert (status, fields[b"accept-encoding"]) == (415, b"identity")
    for codings_ in ([], [b"identity"]):
        assert post(Browser(DecodingResourceWrapper(Upload())), b"abc", *codings_)[2] == b"ABC"
    browser = Browser(DecodingResourceWrapper(Page(b"got", leaf=True)))
    assert browser.get(b"/", b"Content-Encoding: gzip")[2] == b"got"


@pytest.mark.parametrize(
    ("coding", "pack"),
    [(b"gzip", gzip.compress), (b"X-Gzip", gzip.compress), (b"deflate", zlib.compress)],
)
@pytest.mark.parametrize("resource", [Upload, Streaming])
def test_it_is_inflated_if_that_is_asked_for(
    coding: bytes, pack: Callable[[bytes], bytes], resource: Any
) -> None:
    browser = Browser(DecodingResourceWrapper(resource(), limit=200_000))
    body = b"ab" * 100_000
    status, _, answer = post(browser, pack(body), coding)
    assert status == 200
    assert answer.replace(b"|", b"").lower() == body


class Delivered(Resource):
    """Has the body delivered to it, as the gateways have."""

    isLeaf = True
    streaming = True

    def render_POST(self, request: Any) -> int:
        self.request = request
        self.data = b""
        request.deliverBody(self)
        return NOT_DONE_YET

    def add(self, data: bytes) -> None:
        self.data += data

    def end(self) -> None:
        self.request.write(self.data)
        self.request.finish()

    def lose(self, reason: Any) -> None:
        raise AssertionError("it was not lost")

    def close(self) -> None:
        """The request is answered."""


def test_an_inflated_body_is_delivered_too() -> None:
    browser = Browser(DecodingResourceWrapper(Delivered(), limit=200_000))
    assert post(browser, gzip.compress(b"ab" * 100), b"gzip")[2] == b"ab" * 100
    assert post(browser, b"plain")[2] == b"plain"


@pytest.mark.parametrize("coding", [b"br", b"gzip, gzip", b"nonsense nonsense", b"compress"])
def test_codings_that_are_not_inflated(coding: bytes) -> None:
    browser = Browser(DecodingResourceWrapper(Upload(), limit=1000))
    status, fields, _ = post(browser, b"abc", coding)
    assert (status, fields[b"accept-encoding"]) == (415, b"gzip, deflate")


def test_a_zip_bomb() -> None:
    """aiohttp CVE-2025-69223: a megabyte that is a gigabyte."""
    bomb = gzip.compress(b"\0" * 50_000_000)
    assert len(bomb) < 50_000
    browser = Browser(DecodingResourceWrapper(Upload(), limit=1_000_000))
    assert post(browser, bomb, b"gzip")[0] == 413


def test_the_limit_is_exact() -> None:
    for size, status in [(1000, 200), (1001, 413)]:
        browser = Browser(DecodingResourceWrapper(Upload(), limit=1000))
        assert post(browser, gzip.compress(b"x" * size), b"gzip")[0] == status


@pytest.mark.parametrize(
    "body",
    [
        b"not gzip",
        gzip.compress(b"abc")[:-1],
        gzip.compress(b"abc") + b"more",
        gzip.compress(b"abc")[:-8] + b"\0" * 8,
    ],
    ids=["no gzip", "cut off", "followed", "wrong sum"],
)
def test_a_body_that_is_not_what_it_says(body: bytes) -> None:
    browser = Browser(DecodingResourceWrapper(Upload(), limit=1000))
    assert post(browser, body, b"gzip")[0] == 400


def test_an_inflated_body_is_passed_on() -> None:
    proxy = ReverseProxyResource("h", 80, b"")
    proxied = Proxied(proxy, DecodingResourceWrapper(proxy, limit=1000))
    body = gzip.compress(b"abc")
    lines = (b"Content-Encoding: gzip", b"Content-Length: %d" % len(body))
    proxied.send(b"POST / HTTP/1.1", b"Host: x", *lines, body=body)
    asked = proxied.back_end().asked()
    assert asked.endswith(b"Content-Length: 3\r\n\r\nabc")
    assert b"Content-Encoding" not in asked
