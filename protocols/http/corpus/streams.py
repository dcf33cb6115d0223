"""Several messages in a row, and bytes that are no message of HTTP/1.1."""

from __future__ import annotations

from reactorlib.protocols.http.corpus.case import ACCEPTED as OK
from reactorlib.protocols.http.corpus.case import Case

_GET = b"GET /%d HTTP/1.1\r\nHost: example.com\r\n\r\n"
_CHUNKED = (
    b"POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n"
    b"5\r\nhello\r\n0\r\n\r\n"
)
_POST = b"POST / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 5\r\n\r\nhello"

STREAMS = (
    Case(
        "Twisted CVE-2023-46137", _GET % 1 + _GET % 2, (OK,), "two requests, answered in order", 2
    ),
    Case("Twisted CVE-2024-41671", _CHUNKED + _GET % 1, (OK,), "one behind a chunked body", 2),
    Case("RFC 9112 9.3.2", _POST + _CHUNKED + _GET % 1, (OK,), "three requests", 3),
    Case("RFC 9112 2.2", _POST + b"\r\n" + _GET % 1, (OK, 400), "CR LF behind a body", 2),
    Case(
        "waitress CVE-2024-49768",
        b"GET / HTTP/1.1\r\nHost: a b\r\n\r\n" + _GET % 1,
        (400,),
        "a good request behind a bad one must not be served",
        0,
    ),
    Case("RFC 9112 9.3", _GET % 1 + b"\x00\r\n\r\n" + _GET % 2, (400,), "a bad one behind", 1),
    Case(
        "gunicorn CVE-2024-1135",
        _CHUNKED.replace(b"chunked", b"chunked\r\nTransfer-Encoding: identity") + _GET % 1,
        (400,),
        "a request hidden behind a body of two lengths",
        0,
    ),
    Case(
        "aiohttp CVE-2026-111750",
        b"GET / HTTP/1.1\r\nHost: example.com\r\nContent-Length: 6\r\n"
        b"Transfer-Encoding: chunked\r\n\r\n0\r\n\r\nG" + _GET % 1,
        (400,),
        "the classical smuggling: a length for one reader and a coding for the other",
        0,
    ),
    Case(
        "Twisted CVE-2019-9512",
        b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" + bytes(9),
        (505, 400),
        "the preface of HTTP/2",
        0,
    ),
    Case("RFC 9113 11.6", b"PRI * HTTP/1.1\r\nHost: a\r\n\r\n", (400, 405, 501), "PRI in 1.1", 0),
    Case("RFC 8446 5.1", b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", (400,), "TLS", 0),
    Case(
        "PROXY 2.2", b"\r\n\r\n\0\r\nQUIT\n", (400,), "a PROXY header that was not agreed upon", 0
    ),
    Case("RFC 5321 4.1", b"EHLO example.com\r\n", (400,), "SMTP", 0),
    Case("RFC 9112 2.1", b"\0\0\0\0", (400,), "NUL", 0),
    Case("RFC 9112 2.1", b"\xff\xfe\r\n", (400,), "bytes beyond ASCII", 0),
    Case(
        "RFC 9112 4",
        b"HTTP/1.1 200 OK\r\nHost: example.com\r\n\r\n",
        (400,),
        "a response sent to a server",
        0,
    ),
)
