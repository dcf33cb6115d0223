"""Every field under any bytes: it is read or refused, in linear time; what was written is read."""

from __future__ import annotations

import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactorlib.protocols.http.fields.authorization import Credentials
from reactorlib.protocols.http.fields.cookies import Cookie
from reactorlib.protocols.http.fields.etags import ETag
from reactorlib.protocols.http.fields.hosts import Host
from reactorlib.protocols.http.fields.links import Link
from reactorlib.protocols.http.fields.mime import MimeDisposition, MimeType
from reactorlib.protocols.http.fields.plain import RetryAfter
from reactorlib.protocols.http.fields.ranges import ContentRange, Range
from reactorlib.protocols.http.fields.registry import DefaultHTTPHandler
from reactorlib.protocols.http.headers import Headers
from tests.http_fields import MEANINGS

# One field for each way to read.
NAMES = sorted(
    {DefaultHTTPHandler.codec(name): name for name in sorted(DefaultHTTPHandler.names())}.values()
)
PIECES = sorted(
    {value for _, value, _, _ in MEANINGS} | {b"W/", b'"', b",", b";", b"=", b" ", b"\\"}
)

# Runs of these are what quadratic and backtracking readers choke on.
HOSTILE = [
    *(b'"', b'\\"', b'"\\', b" ", b"\t", b",", b" ,", b";", b"; ", b"=", b"a", b"a ", b"a=", b"a;"),
    *(
        b"a=b;",
        b"a=b,",
        b"a,",
        b"a;q=1,",
        b'"a",',
        b'W/"',
        b"0",
        b"0-",
        b"%",
        b"%41",
        b"%(",
        b"<",
        b">",
    ),
    *(
        b"[",
        b":",
        b"-",
        b".",
        b"/",
        b"a/",
        b"a/b,",
        b"*",
        b"\xff",
        b"Basic ",
        b"a =",
        b"Jan ",
        b"1:1:1 ",
    ),
]


@pytest.mark.parametrize("name", NAMES)
@given(value=st.binary(max_size=40) | st.lists(st.sampled_from(PIECES), max_size=5).map(b"".join))
@settings(max_examples=30, deadline=None)
def test_any_bytes_are_read_or_refused_and_stay_what_they_mean(name, value):
    parsed = DefaultHTTPHandler.parse(name, [value])
    if parsed is None:
        return
    try:
        written = DefaultHTTPHandler.generate(name, parsed)
    except ValueError:
        return
    assert DefaultHTTPHandler.parse(name, written) == parsed
    assert DefaultHTTPHandler.generate(name, parsed) == written


def spent(name: bytes, value: bytes, size: int, times: int) -> float:
    """The processor's seconds, at best, for a run of that value, and one that ends badly."""
    run = value * (size // len(value))
    measured = []
    for _ in range(times):
        start = time.process_time()
        DefaultHTTPHandler.parse(name, [run])
        DefaultHTTPHandler.parse(name, [run + b"\x00"])
        DefaultHTTPHandler.parse(name, [b'a;b="' + run])
        measured.append(time.process_time() - start)
    return min(measured)


@pytest.mark.parametrize("name", NAMES)
def test_time_is_linear(name):
    """waitress's GHSA-73m2-3pwg-5fgc, tornado's CVE-2024-52804 and CVE-2025-47287."""
    for value in HOSTILE:
        bound = 0.005 + 3 * 16 * spent(name, value, 500, 3)
        assert spent(name, value, 8000, 1) < bound or spent(name, value, 8000, 5) < bound, value


TOKEN = st.text("!#$%&'*+-.^_`|~09az", min_size=1, max_size=6).map(str.encode)
TEXT = st.lists(
    st.integers(0x20, 0xFF).filter(lambda byte: byte != 0x7F) | st.just(9), max_size=12
).map(bytes)
NUMBER = st.integers(0, 10**18 - 1)
SECONDS = st.integers(-62_135_596_800, 253_402_300_799)
PARAMS = st.dictionaries(TOKEN, TEXT, max_size=3)
ETAGS = st.builds(
    ETag,
    st.lists(st.integers(0x21, 0xFF).filter(lambda byte: byte not in b'"\x7f')).map(bytes),
    st.booleans(),
)
TYPES = st.builds(MimeType, TOKEN, TOKEN, PARAMS)
QUALITY = st.integers(0, 1000).map(lambda thousandths: thousandths / 1000)
SPAN = st.tuples(NUMBER, NUMBER).map(lambda span: (min(span), max(span)))
SPANS = SPAN | st.tuples(st.none(), NUMBER) | st.tuples(NUMBER, st.none())
HOST = st.builds(
    Host,
    st.ip_addresses().map(lambda address: str(address).encode()) | st.just(b"a-b.example"),
    st.none() | st.integers(0, 65_535),
)
TOKEN68 = st.text("azAZ09-._~+/", min_size=1).map(str.encode)
CREDENTIALS = st.builds(Credentials, TOKEN, TOKEN68, st.just({})) | st.builds(
    Credentials, TOKEN, st.none(), PARAMS
)
WITHOUT_Q = TYPES.filter(lambda kind: b"q" not in kind.params)


def several(values: st.SearchStrategy[Any], least: int = 0) -> st.SearchStrategy[Any]:
    return st.lists(values, min_size=least, max_size=4).map(tuple)


VALUES: dict[str, st.SearchStrategy[Any]] = {
    "accept": several(st.tuples(WITHOUT_Q, QUALITY)),
    "accept-encoding": st.dictionaries(TOKEN, QUALITY, max_size=4),
    "allow": several(TOKEN),
    "cache-control": st.dictionaries(TOKEN, st.none() | TEXT, max_size=3)
    | st.fixed_dictionaries({b"max-age": NUMBER, b"private": several(TOKEN)}),
    "content-disposition": st.builds(
        MimeDisposition,
        TOKEN,
        st.none() | st.text(max_size=8),
        PARAMS,
    ),
    "content-length": NUMBER,
    "content-range": st.builds(
        lambda unit, span, more: ContentRange(
            unit, *span, None if more is None else min(span[1] + 1 + more, 10**18 - 1)
        ),
        TOKEN,
        SPAN.filter(lambda span: span[1] < 10**18 - 1),
        st.none() | st.integers(0, 9),
    ),
    "content-type": TYPES,
    "date": SECONDS,
    "etag": ETAGS,
    "forwarded": several(st.dictionaries(TOKEN, TEXT, min_size=1, max_size=3)),
    "host": HOST,
    "if-match": several(ETAGS, 1) | st.just(b"*"),
    "if-range": ETAGS | SECONDS,
    "link": several(st.builds(Link, st.text("!-;=?~az/#%", max_size=9).map(str.encode), PARAMS)),
    "proxy-authorization": CREDENTIALS,
    "range": st.builds(Range, TOKEN, several(SPANS, 1)),
    "retry-after": NUMBER.map(RetryAfter) | SECONDS.map(lambda date: RetryAfter(None, date)),
    "server-timing": several(st.tuples(TOKEN, PARAMS)),
    "set-cookie": several(
        st.builds(
            Cookie,
            TOKEN,
            TEXT.filter(lambda text: b";" not in text and text == text.strip(b" \t")),
            st.none() | st.integers(-11_644_473_600, 253_402_300_799),
            st.none() | st.integers(-(10**17), 10**17),
            st.sampled_from([None, b"a.example"]),
            st.sampled_from([None, b"/", b"/a b"]),
            st.just(True),
            st.booleans(),
            st.sampled_from([None, b"Lax", b"None", b"Strict"]),
            st.booleans(),
        )
    ),
    "www-authenticate": several(CREDENTIALS),
    "x-forwarded-for": several(HOST),
}


@pytest.mark.parametrize("name", sorted(VALUES))
@given(data=st.data())
@settings(max_examples=30, deadline=None)
def test_what_is_written_is_read(name, data):
    value = data.draw(VALUES[name])
    headers = Headers({name: value})
    wire = headers.toBytes()
    assert wire.count(b"\r\n") == wire.count(b"\n") == len(headers)
    again = Headers(rawHeaders=dict(headers.getAllRawHeaders()))
    assert again.getHeader(name) == (value if len(headers) else None)
    again.setHeader(name, value)
    assert again.getRawHeaders(name) == headers.getRawHeaders(name)
