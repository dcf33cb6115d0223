"""What the standard fields mean: a table for the tests."""

from __future__ import annotations

from typing import Any

from reactorlib.protocols.http.fields.authorization import Credentials
from reactorlib.protocols.http.fields.etags import ETag
from reactorlib.protocols.http.fields.hosts import Host
from reactorlib.protocols.http.fields.links import Link
from reactorlib.protocols.http.fields.mime import MimeDisposition, MimeType
from reactorlib.protocols.http.fields.plain import RetryAfter
from reactorlib.protocols.http.fields.ranges import ContentRange, Range

MOMENT = 784111777
HTML = MimeType(b"text", b"html")

# What is read, the value it means, and what is sent for it (None: what was read).
MEANINGS: list[tuple[str, bytes, Any, bytes | None]] = [
    ("accept", b"", (), None),
    (
        "accept",
        b"text/*;q=0.3, Text/HTML",
        ((MimeType(b"text", b"*"), 0.3), (HTML, 1.0)),
        b"text/*;q=0.3, text/html",
    ),
    (
        "accept",
        b"text/html;level=1;Q=0.40",
        ((MimeType(b"text", b"html", {b"level": b"1"}), 0.4),),
        b"text/html;level=1;q=0.4",
    ),
    (
        "accept-encoding",
        b"gzip;q=1.0, Identity; q=0, *;q=0.125",
        {b"gzip": 1.0, b"identity": 0.0, b"*": 0.125},
        b"gzip, identity;q=0, *;q=0.125",
    ),
    ("accept-charset", b"utf-8, UTF-8;q=0.1", {b"utf-8": 1.0}, b"utf-8"),
    ("accept-language", b"da, en-GB;q=0.8,", {b"da": 1.0, b"en-gb": 0.8}, b"da, en-gb;q=0.8"),
    ("accept-ranges", b"bytes", (b"bytes",), None),
    ("age", b"0012", 12, b"12"),
    ("allow", b"GET, , HEAD", (b"GET", b"HEAD"), b"GET, HEAD"),
    (
        "authorization",
        b"bearer abc.def==",
        Credentials(b"bearer", b"abc.def=="),
        b"Bearer abc.def==",
    ),
    (
        "authorization",
        b'DIGEST username="a\\"b", nc=1',
        Credentials(b"digest", None, {b"username": b'a"b', b"nc": b"1"}),
        b'Digest username="a\\"b", nc=1',
    ),
    ("authorization", b"Negotiate", Credentials(b"negotiate"), None),
    (
        "cache-control",
        b"no-store, Max-Age=60",
        {b"no-store": None, b"max-age": 60},
        b"no-store, max-age=60",
    ),
    (
        "cache-control",
        b'private="Set-Cookie, X", no-cache',
        {b"private": (b"set-cookie", b"x"), b"no-cache": None},
        b'private="set-cookie, x", no-cache',
    ),
    (
        "cache-control",
        b'max-age="60", x="a b"',
        {b"max-age": 60, b"x": b"a b"},
        b'max-age=60, x="a b"',
    ),
    (
        "cache-control",
        b'no-store, max-age=-1, private="a b"',
        {b"no-store": None, b"max-age": b"-1", b"private": b"a b"},
        None,
    ),
    ("cache-control", b"max-age=1, max-age=2", {b"max-age": 1}, b"max-age=1"),
    ("connection", b"Close, TE", (b"close", b"te"), b"close, te"),
    ("content-disposition", b"attachment", MimeDisposition(b"attachment"), None),
    (
        "content-disposition",
        b'Inline; filename="a b.txt"; x=1',
        MimeDisposition(b"inline", "a b.txt", {b"x": b"1"}),
        b'inline;filename="a b.txt";x=1',
    ),
    (
        "content-disposition",
        b"a; filename=x; filename*=utf-8'en'%e2%82%ac%20rates",
        MimeDisposition(b"a", "\u20ac rates"),
        b"a;filename=\"_ rates\";filename*=UTF-8''%E2%82%AC%20rates",
    ),
    (
        "content-disposition",
        b"a; filename*=ISO-8859-1''%a3",
        MimeDisposition(b"a", "\xa3"),
        b"a;filename=\"_\";filename*=UTF-8''%C2%A3",
    ),
    (
        "content-disposition",
        b"a; filename=x; filename*=utf-16''%a3",
        MimeDisposition(b"a", "x"),
        b'a;filename="x"',
    ),
    (
        "content-disposition",
        b"a; filename=x; filename*=utf-8''%a3",
        MimeDisposition(b"a", "x"),
        b'a;filename="x"',
    ),
    (
        "content-disposition",
        b"a; filename=x; filename*=\"utf-8''%zz\"",
        MimeDisposition(b"a", "x"),
        b'a;filename="x"',
    ),
    (
        "content-disposition",
        b'a; filename="\xc3\xa9"',
        MimeDisposition(b"a", "\xe9"),
        b"a;filename=\"_\";filename*=UTF-8''%C3%A9",
    ),
    (
        "content-disposition",
        b'a; filename="\xe9"',
        MimeDisposition(b"a", "\xe9"),
        b"a;filename=\"_\";filename*=UTF-8''%C3%A9",
    ),
    ("content-encoding", b"GZIP", (b"gzip",), b"gzip"),
    ("content-length", b"1234", 1234, None),
    ("content-range", b"bytes 0-4/10", ContentRange(b"bytes", 0, 4, 10), None),
    ("content-range", b"bytes 0-4/*", ContentRange(b"bytes", 0, 4, None), None),
    ("content-range", b"bytes */10", ContentRange(b"bytes", None, None, 10), None),
    (
        "content-type",
        b'Text/HTML; Charset="utf-8"; a="b c";',
        MimeType(b"text", b"html", {b"charset": b"utf-8", b"a": b"b c"}),
        b'text/html;charset=utf-8;a="b c"',
    ),
    ("date", b"Sun, 06 Nov 1994 08:49:37 GMT", MOMENT, None),
    ("date", b"Sunday, 06-Nov-94 08:49:37 GMT", MOMENT, b"Sun, 06 Nov 1994 08:49:37 GMT"),
    ("date", b"Sun Nov  6 08:49:37 1994", MOMENT, b"Sun, 06 Nov 1994 08:49:37 GMT"),
    ("date", b"Sat, 31 Dec 2016 23:59:60 GMT", 1483228800, b"Sun, 01 Jan 2017 00:00:00 GMT"),
    ("etag", b'"xyzzy"', ETag(b"xyzzy"), None),
    ("etag", b'W/""', ETag(b"", weak=True), None),
    ("expect", b"100-Continue", (b"100-continue",), b"100-continue"),
    (
        "forwarded",
        b'for="[2001:db8::1]:47";Proto=http, for=_x',
        ({b"for": b"[2001:db8::1]:47", b"proto": b"http"}, {b"for": b"_x"}),
        b'for="[2001:db8::1]:47";proto=http, for=_x',
    ),
    ("host", b"Example.COM:80", Host(b"example.com", 80), b"example.com:80"),
    ("host", b"[::1]", Host(b"::1"), None),
    ("host", b"", Host(b""), None),
    ("host", b"a:", Host(b"a"), b"a"),
    ("if-match", b"*", b"*", None),
    ("if-match", b'"a,b", W/"c"', (ETag(b"a,b"), ETag(b"c", weak=True)), None),
    ("if-none-match", b'"a",,"b"', (ETag(b"a"), ETag(b"b")), b'"a", "b"'),
    ("if-range", b'"a"', ETag(b"a"), None),
    ("if-range", b"Sun, 06 Nov 1994 08:49:37 GMT", MOMENT, None),
    (
        "link",
        b'</a;b,c>; rel="next"; title="x, y", <d>',
        (Link(b"/a;b,c", {b"rel": b"next", b"title": b"x, y"}), Link(b"d")),
        b'</a;b,c>;rel=next;title="x, y", <d>',
    ),
    ("location", b"/a?b#c", b"/a?b#c", None),
    ("range", b"bytes=0-499", Range(b"bytes", ((0, 499),)), None),
    (
        "range",
        b"Bytes=500-, -7 ,1-2",
        Range(b"bytes", ((500, None), (None, 7), (1, 2))),
        b"bytes=500-,-7,1-2",
    ),
    ("retry-after", b"120", RetryAfter(delay=120), None),
    ("retry-after", b"Sun, 06 Nov 1994 08:49:37 GMT", RetryAfter(date=MOMENT), None),
    (
        "server-timing",
        b'miss, db;dur=53.2;desc="a b"',
        ((b"miss", {}), (b"db", {b"dur": b"53.2", b"desc": b"a b"})),
        None,
    ),
    ("te", b"trailers, deflate;q=0.5", {b"trailers": 1.0, b"deflate": 0.5}, None),
    ("upgrade", b"HTTP/2.0, websocket", (b"HTTP/2.0", b"websocket"), None),
    ("user-agent", b"a (b; c)", b"a (b; c)", None),
    ("vary", b"Accept-Encoding, *", (b"accept-encoding", b"*"), b"accept-encoding, *"),
    (
        "www-authenticate",
        b'Basic realm="a, b", charset=UTF-8, Negotiate, NTLM abc=, ,Digest x = y,, z=1',
        (
            Credentials(b"basic", None, {b"realm": b"a, b", b"charset": b"UTF-8"}),
            Credentials(b"negotiate"),
            Credentials(b"ntlm", b"abc="),
            Credentials(b"digest", None, {b"x": b"y", b"z": b"1"}),
        ),
        b'Basic realm="a, b", charset=UTF-8, Negotiate, Ntlm abc=, Digest x=y, z=1',
    ),
    (
        "x-forwarded-for",
        b"1.2.3.4, 2001:DB8::1, [::1]:80, unknown,",
        (Host(b"1.2.3.4"), Host(b"2001:db8::1"), Host(b"::1", 80), Host(b"unknown")),
        b"1.2.3.4, [2001:db8::1], [::1]:80, unknown",
    ),
]
