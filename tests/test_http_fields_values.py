"""The standard fields: what they mean, what is refused, what is sent."""

from __future__ import annotations

from datetime import datetime, timezone
from typing import Any

import pytest

from reactorlib.protocols.http.fields.authorization import Credentials
from reactorlib.protocols.http.fields.dates import full_year, generateDate, parseDate
from reactorlib.protocols.http.fields.etags import ETag
from reactorlib.protocols.http.fields.hosts import Host, parseNode
from reactorlib.protocols.http.fields.links import Link
from reactorlib.protocols.http.fields.mime import MimeDisposition, MimeType
from reactorlib.protocols.http.fields.plain import RetryAfter
from reactorlib.protocols.http.fields.ranges import ContentRange, Range
from reactorlib.protocols.http.headers import Headers

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


@pytest.mark.parametrize(("name", "value", "meaning", "sent"), MEANINGS)
def test_what_a_field_means(name, value, meaning, sent):
    headers = Headers(rawHeaders={name: [value]})
    assert headers.getHeader(name) == meaning
    assert type(headers.getHeader(name)) is type(meaning)
    headers.setHeader(name, meaning)
    assert headers.getRawHeaders(name) == [value if sent is None else sent]
    assert headers.getHeader(name) == meaning


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


class TestDates:
    def test_two_digits_are_never_more_than_fifty_years_ahead(self):
        this_year = datetime.now(timezone.utc).year
        years = {full_year(digits) for digits in range(100)}
        assert min(years) == this_year - 49
        assert max(years) == this_year + 50
        assert {year % 100 for year in years} == set(range(100))

    def test_every_month_and_day(self):
        for days in range(366 * 4):
            assert parseDate(generateDate(days * 86_400)) == days * 86_400
        assert generateDate(-1.5) == b"Wed, 31 Dec 1969 23:59:59 GMT"


class TestETags:
    def test_strong_and_weak_comparison(self):
        """The table of RFC 9110, 8.8.3.2."""
        one, weak_one = ETag(b"1"), ETag(b"1", weak=True)
        for left, right, strong, weak in [
            (weak_one, weak_one, False, True),
            (weak_one, ETag(b"2", weak=True), False, False),
            (weak_one, one, False, True),
            (one, weak_one, False, True),
            (one, one, True, True),
            (one, None, False, False),
        ]:
            assert left.match(right, strongCompare=True) is strong
            assert left.match(right, strongCompare=False) is weak


class TestCredentials:
    def test_basic(self):
        credentials = Credentials.basic(b"Aladdin", b"open:sesame")
        headers = Headers({"authorization": credentials})
        assert headers.getRawHeaders("authorization") == [b"Basic QWxhZGRpbjpvcGVuOnNlc2FtZQ=="]
        assert headers.getHeader("authorization").userAndPassword() == (b"Aladdin", b"open:sesame")
        with pytest.raises(ValueError, match="colon"):
            Credentials.basic(b"a:b", b"")

    @pytest.mark.parametrize(
        "credentials",
        [
            Credentials(b"bearer", b"YTpi"),
            Credentials(b"basic"),
            Credentials(b"basic", b"YWI="),
            Credentials(b"basic", b"YTp"),
        ],
    )
    def test_what_is_not_basic(self, credentials):
        with pytest.raises(ValueError):  # noqa: PT011
            credentials.userAndPassword()

    def test_secrets_are_not_shown(self):
        assert "s3cret" not in repr(Credentials(b"bearer", b"s3cret"))
        assert "s3cret" not in repr(Credentials(b"digest", None, {b"response": b"s3cret"}))


def test_types_with_equal_parameters_are_equal():
    one = MimeType.fromString(b"text/html;a=b;c=d")
    other = MimeType.fromString(b"TEXT/html; c=d; a=b")
    assert one == other
    assert len({one, other}) == 1


def test_a_name_of_a_file_keeps_its_bytes():
    for filename in ("100%", 'a"b', "a\\b", "a\u0000b", "", "a;b=c", "\U0001f600"):
        headers = Headers({"content-disposition": MimeDisposition(b"attachment", filename)})
        assert headers.getHeader("content-disposition").filename == filename


def test_nodes():
    assert parseNode(b"_hidden") == Host(b"_hidden")
    assert parseNode(b"[::1]:4711") == Host(b"::1", 4711)
    with pytest.raises(ValueError, match="node"):
        parseNode(b"")
