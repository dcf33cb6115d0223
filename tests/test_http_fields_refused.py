"""The standard fields: what is not read, and what is not sent."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.protocols.http.fields.authorization import Credentials
from reactorlib.protocols.http.fields.etags import ETag
from reactorlib.protocols.http.fields.links import Link
from reactorlib.protocols.http.fields.mime import MimeDisposition, MimeType
from reactorlib.protocols.http.fields.plain import RetryAfter
from reactorlib.protocols.http.headers import Headers
from tests.http_fields import HTML, MEANINGS

MALFORMED = {
    "accept": [
        b"text",
        b"text/",
        b"text /html",
        b"text/html;q=2",
        b"text/html;q=0.1234",
        b"a/b c/d",
        b"a/b;q=\xd9\xa1",
    ],
    "accept-encoding": [b"gzip;q=", b"gzip;q=-1", b"gzip deflate", b"gzip;q=1.001", b"(x)"],
    "allow": [b"GE T", b"GET;HEAD", b'"GET"'],
    "authorization": [
        b"",
        b"=",
        b"Basic a b",
        b"Digest a=b c=d",
        b"Digest a=b, a=c",
        b'Digest a="b',
        b"Basic a, Basic b",
        b"Digest a=b,",
    ],
    "cache-control": [b"max-age==1", b"a b", b'"x"', b"x=", b'x="a'],
    "connection": [b"close;", b"cl\xc3\xb6se", b"close\x0b"],
    "content-disposition": [b"", b";filename=x", b'a;filename="x', b"a b"],
    "content-length": [
        b"",
        b"+5",
        b"-5",
        b"5, 5",
        b"0x5",
        b"5 ",
        b"1_0",
        b"\xd9\xa1",
        b"9" * 19,
        b"\x0b5",
    ],
    "content-range": [
        b"bytes 5-4/10",
        b"bytes 0-10/10",
        b"bytes */*",
        b"bytes 0-4",
        b"bytes=0-4/5",
        b"bytes 0-/5",
    ],
    "content-type": [
        b"text",
        b"text/html charset=x",
        b"text/html, text/plain",
        b"/x",
        b"text/html;a=b c",
    ],
    "date": [
        b"",
        b"Sun, 6 Nov 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:37 UTC",
        b"Sun, 31 Feb 1994 08:49:37 GMT",
        b"Sun, 06 Nov 1994 24:49:37 GMT",
        b"Sun, 06 Nov 1994 08:49:61 GMT",
        b"sun, 06 nov 1994 08:49:37 gmt",
        b"Sun, 06 Nov 0000 08:49:37 GMT",
        "Sun, \u0660\u0666 Nov 1994 08:49:37 GMT".encode(),
        b"0",
    ],
    "etag": [
        b"",
        b"x",
        b'"',
        b'"a',
        b'w/"a"',
        b'W/ "a"',
        b"W/a",
        b'"a"b',
        b'"a b"',
        b'"a""b"',
        b"*",
    ],
    "forwarded": [b"for", b"for=", b"for=a;for=b", b"for=[::1]", b"for=a b"],
    "host": [
        b"a b",
        b"a/b",
        b"a@b",
        b"<script>",
        b"a:b",
        b"a:65536",
        b"a:123456",
        b"[::1",
        b"[:::]",
        b"::1",
        b"[1.2.3.4]",
        b"a%zz",
        b"\xc3\xa9",
        b"a:\xd9\xa1",
        b"a\\b",
    ],
    "if-match": [b"", b",", b"a", b'*, "a"', b'"a" "b"'],
    "if-range": [b"x", b'"a", "b"', b'W/"a'],
    "link": [b"a", b"<a", b"<a b>", b"<a<b>", b"<a>b"],
    "location": [b"", b"/a b", b"/\xc3\xa9"],
    "range": [
        b"bytes",
        b"bytes=",
        b"=0-1",
        b"bytes=1-0",
        b"bytes=-",
        b"bytes=a-b",
        b"bytes=0-1;2-3",
        b"bytes=--1",
        b"bytes 0-1",
        "bytes=\u0661-\u0662".encode(),
        b"bytes=" + b"0-1," * 65,
        b"bytes=%b-" % (b"1" * 19),
    ],
    "retry-after": [b"", b"-1", b"soon", "\u0661".encode()],
    "upgrade": [b"HTTP/", b"/2", b"a b"],
    "www-authenticate": [b"Basic foo bar", b"Basic realm=a Digest", b'Basic "x"', b"Basic a=b, c="],
    "x-forwarded-for": [b"a b", b"::1%eth0", b"1::2::3", b"<x>", "\u212a".encode()],
}


@pytest.mark.parametrize(("name", "value"), [(n, v) for n, vs in MALFORMED.items() for v in vs])
def test_what_is_malformed_means_nothing(name, value):
    assert Headers(rawHeaders={name: [b"x"]}).hasHeader(name)
    headers = Headers.deferred(lambda: [(name.encode(), value)])
    assert headers.getHeader(name) is None


@pytest.mark.parametrize("name", ["content-length", "host", "date", "content-type", "range"])
def test_what_stands_once_cannot_stand_twice(name):
    value = next(value for other, value, *_ in MEANINGS if other == name)
    assert Headers(rawHeaders={name: [value]}).getHeader(name) is not None
    assert Headers(rawHeaders={name: [value, value]}).getHeader(name) is None


REFUSED: list[tuple[str, Any]] = [
    ("accept", [(HTML, 1.5)]),
    ("accept-encoding", {b"gzip": -1}),
    ("accept-encoding", {b"g zip": 1}),
    ("allow", [b"GE\nT"]),
    ("authorization", Credentials(b"basic", b"a b")),
    ("authorization", Credentials(b"a b")),
    ("authorization", Credentials(b"digest", None, {b"a": b"\r\n"})),
    ("cache-control", {b"max-age": -1}),
    ("cache-control", {b"private": (b"a b",)}),
    ("cache-control", {b"x": b"\n"}),
    ("content-disposition", MimeDisposition(b"a", "\ud800")),
    ("content-length", -1),
    ("content-length", 10**18),
    ("content-range", (b"bytes", 5, 4, None)),
    ("content-range", (b"bytes", None, 4, 10)),
    ("content-type", MimeType(b"text", b"")),
    ("content-type", MimeType(b"text", b"html", {b"a b": b""})),
    ("date", 10**15),
    ("etag", ETag(b'a"b')),
    ("etag", ETag(b"a b")),
    ("forwarded", [{b"for": b"\0"}]),
    ("host", (b"a b", None)),
    ("host", (b"a", -1)),
    ("host", (b"a", 65536)),
    ("if-match", ()),
    ("link", [Link(b"a>b")]),
    ("location", b"/a\r\nSet-Cookie: x"),
    ("range", (b"bytes", ())),
    ("range", (b"bytes", ((None, None),))),
    ("retry-after", RetryAfter()),
    ("retry-after", RetryAfter(1, 2)),
    ("server", b"a\r\nb"),
    ("upgrade", [b"a b"]),
    ("x-forwarded-for", [(b"a\n", None)]),
]


@pytest.mark.parametrize(("name", "value"), REFUSED)
def test_what_cannot_be_sent_is_refused_before_a_byte_leaves(name, value):
    headers = Headers()
    with pytest.raises(ValueError):  # noqa: PT011
        headers.setHeader(name, value)
    assert headers.toBytes() == b""
