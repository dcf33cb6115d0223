"""One way to know a body's length (RFC 9112, 6; RFC 9110, 8.6)."""

from __future__ import annotations

from reactorlib.protocols.http.corpus.case import ACCEPTED as OK
from reactorlib.protocols.http.corpus.case import Row, cases

_LENGTHS: tuple[Row, ...] = (
    ("RFC 9112 6.2", b"Content-Length: 5", OK, "a length"),
    ("RFC 9112 6.2", b"content-length:5", OK, "names have no case"),
    ("RFC 9112 6.2", b"Content-Length: \t5\t ", OK, "whitespace around the number"),
    ("RFC 9110 8.6", b"Content-Length: 005", (OK, 400), "leading zeros"),
    ("Twisted CVE-2020-10108", b"Content-Length: 5\r\nContent-Length: 6", 400, "two lengths"),
    ("waitress GHSA-4ppp-gpcr-7qf6", b"Content-Length: 5\r\ncontent-length: 0", 400, "two lengths"),
    ("RFC 9112 6.3", b"Content-Length: 5\r\nContent-Length: 5", (400, OK), "the same length twice"),
    ("RFC 9112 6.3", b"Content-Length: 5, 5", (400, OK), "a list of equal lengths"),
    ("RFC 9112 6.3", b"Content-Length: 5, 6", 400, "a list of lengths"),
    ("RFC 9112 6.3", b"Content-Length: 5,", 400, "an empty member of a list"),
    ("Twisted CVE-2022-24801", b"Content-Length: +5", 400, "a sign"),
    ("RFC 9110 8.6", b"Content-Length: -5", 400, "a negative length"),
    ("RFC 9110 8.6", b"Content-Length: -0", 400, "a negative zero"),
    ("RFC 9110 8.6", b"Content-Length:", 400, "no number"),
    ("RFC 9110 8.6", b"Content-Length: five", 400, "a word"),
    ("RFC 9110 8.6", b"Content-Length: 0x5", 400, "a hexadecimal number"),
    ("RFC 9110 8.6", b"Content-Length: 5.0", 400, "a decimal point"),
    ("RFC 9110 8.6", b"Content-Length: 5e0", 400, "an exponent"),
    ("RFC 9110 8.6", b"Content-Length: 0_5", 400, "an underscore, which int() takes"),
    ("RFC 9110 8.6", b"Content-Length: 0 5", 400, "a space in the number"),
    ("RFC 9110 8.6", b'Content-Length: "5"', 400, "quotes"),
    ("RFC 9110 8.6", b"Content-Length: 5;q=1", 400, "a parameter"),
    ("aiohttp CVE-2025-69224", b"Content-Length: \xd9\xa5", 400, "a digit beyond ASCII"),
    ("aiohttp CVE-2025-69224", b"Content-Length: \xb5", 400, "a digit of another encoding"),
    ("Twisted CVE-2022-24801", b"Content-Length: \x0b5", 400, "a vertical tab before the number"),
    ("Twisted CVE-2022-24801", b"Content-Length: 5\x0c", 400, "a form feed behind the number"),
    ("Twisted CVE-2022-24801", b"Content-Length: \xa05", 400, "a no-break space"),
    ("Twisted CVE-2022-24801", b"Content-Length: 5\0", 400, "NUL behind the number"),
    ("Twisted CVE-2022-24801", b"Content-Length: 5\x85", 400, "a next-line character"),
    ("RFC 9110 8.6", b"Content-Length: 18446744073709551621", (400, 413), "5 beyond 2^64"),
    ("RFC 9110 8.6", b"Content-Length: 4294967301000000000", (400, 413), "19 digits"),
    ("RFC 9110 8.6", b"Content-Length: " + b"9" * 400, (400, 413), "400 digits"),
)

# With chunks of b"hello" as the body, and more than 5 bytes.
_CODINGS: tuple[Row, ...] = (
    ("RFC 9112 6.1", b"Transfer-Encoding: chunked", OK, "a chunked body"),
    ("RFC 9110 10.1.4", b"transfer-encoding:CHUNKED", OK, "codings have no case"),
    ("RFC 9112 6.1", b"Transfer-Encoding: \t chunked \t", OK, "whitespace around it"),
    (
        "Twisted CVE-2020-10109",
        b"Content-Length: 5\r\nTransfer-Encoding: chunked",
        400,
        "a length, then a coding",
    ),
    (
        "Twisted CVE-2020-10109",
        b"Transfer-Encoding: chunked\r\nContent-Length: 5",
        400,
        "a coding, then a length",
    ),
    (
        "RFC 9112 6.3",
        b"Content-Length: 0\r\nTransfer-Encoding: chunked",
        400,
        "a length of nothing and a coding",
    ),
    (
        "RFC 9112 6.3",
        b"Content-Length: 15\r\nTransfer-Encoding: identity",
        (400, 501),
        "a length and a coding that is not chunked",
    ),
    ("aiohttp CVE-2023-47641", b"Transfer-Encoding: chunked123", (501, 400), "a longer word"),
    ("RFC 9112 6.1", b"Transfer-Encoding: xchunked", (501, 400), "another longer word"),
    ("RFC 9112 6.1", b"Transfer-Encoding: chunke", (501, 400), "a shorter word"),
    ("waitress CVE-2019-16786", b"Transfer-Encoding: gzip, chunked", (501, 400), "two codings"),
    ("RFC 9112 6.3", b"Transfer-Encoding: gzip", (501, 400), "not chunked: no end is known"),
    ("RFC 9112 6.1", b"Transfer-Encoding: identity", (501, 400), "a coding that is no more"),
    ("RFC 9112 6.1", b"Transfer-Encoding: gzip;q=1, chunked", (501, 400), "a parameter"),
    ("RFC 9112 6.3", b"Transfer-Encoding: chunked, gzip", 400, "chunked is not last"),
    ("RFC 9112 6.3", b"Transfer-Encoding: chunked, identity", 400, "chunked, then nothing"),
    ("tornado GHSA-753j-mpmx-qq6g", b"Transfer-Encoding: chunked, chunked", 400, "chunked twice"),
    (
        "tornado GHSA-753j-mpmx-qq6g",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: chunked",
        400,
        "chunked twice, in two fields",
    ),
    (
        "gunicorn CVE-2024-1135",
        b"Transfer-Encoding: chunked\r\nTransfer-Encoding: identity",
        400,
        "two fields that do not agree",
    ),
    (
        "gunicorn CVE-2024-6827",
        b"Transfer-Encoding: cow\r\nContent-Length: 15",
        (400, 501),
        "an unknown coding beside a length",
    ),
    (
        "gunicorn CVE-2024-6827",
        b"Transfer-Encoding: identity\r\nTransfer-Encoding: chunked",
        (501, 400),
        "two fields that make a list",
    ),
    ("gunicorn #3364", b"Transfer-Encoding: \x0bchunked", (400, 501), "a vertical tab before"),
    ("waitress GHSA-m5ff-3wj3-8ph4", b"Transfer-Encoding: \x0bchunked", (400, 501), "the same"),
    ("RFC 9112 6.1", b"Transfer-Encoding: chunked\x0b", (400, 501), "a vertical tab behind"),
    ("RFC 9112 6.1", b"Transfer-Encoding: \xa0chunked", (400, 501), "a no-break space"),
    ("RFC 9112 6.1", b"Transfer-Encoding: \x00chunked", (400, 501), "NUL before"),
    (
        "aiohttp CVE-2025-69224",
        b"Transfer-Encoding: chun\xe2\x84\xaaed",
        (400, 501),
        "the Kelvin sign",
    ),
    ("RFC 9112 7.1", b"Transfer-Encoding: chunked;a=b", (400, 501), "chunked has no parameter"),
    ("RFC 9112 7.1", b"Transfer-Encoding: chunked;", (400, 501), "an empty parameter"),
    ("RFC 9112 6.1", b"Transfer-Encoding: chunked,", (400, OK), "an empty member behind"),
    ("RFC 9112 6.1", b"Transfer-Encoding: , chunked", (400, OK, 501), "an empty member before"),
    ("RFC 9112 6.1", b"Transfer-Encoding:", (400, 501), "an empty list"),
    ("RFC 9112 6.1", b'Transfer-Encoding: "chunked"', (400, 501), "quotes"),
    ("RFC 9112 6.1", b"Transfer-Encoding: chunked chunked", (400, 501), "no comma"),
    ("RFC 9112 6.1", b"Transfer-Encoding: chun\tked", (400, 501), "a tab in the word"),
    ("RFC 9112 6.1", b"Transfer-Encoding : chunked", 400, "a space before the colon"),
    ("RFC 9112 6.1", b"Transfer_Encoding: chunked\r\nContent-Length: 15", OK, "another name"),
)

_CHUNKS = b"5\r\nhello\r\n0\r\n\r\n"

BODIES = (
    *cases(
        _LENGTHS,
        lambda line: b"POST / HTTP/1.1\r\nHost: example.com\r\n" + line + b"\r\n\r\nhello",
    ),
    *cases(
        _CODINGS,
        lambda line: b"POST / HTTP/1.1\r\nHost: example.com\r\n" + line + b"\r\n\r\n" + _CHUNKS,
    ),
    *cases(
        [("RFC 9112 6.1", b"Transfer-Encoding: chunked", 400, "a coding in HTTP/1.0")],
        lambda line: b"POST / HTTP/1.0\r\n" + line + b"\r\n\r\n" + _CHUNKS,
    ),
    *cases(
        [
            ("RFC 9110 9.3.6", b"Content-Length: 5", (400, 405, 501), "CONNECT with a length"),
            ("RFC 9110 9.3.6", b"Transfer-Encoding: chunked", (400, 405, 501), "or a coding"),
        ],
        lambda line: b"CONNECT a:1 HTTP/1.1\r\nHost: a:1\r\n" + line + b"\r\n\r\n" + _CHUNKS,
    ),
    *cases(
        [
            (
                "aiohttp CVE-2026-69243",
                b"Connection: upgrade\r\nUpgrade: any/1\r\nContent-Length: 5",
                (OK, 400),
                "an upgrade with a body, which comes first",
            ),
            ("RFC 9110 9.3.1", b"Content-Length: 5", (OK, 400), "GET with a body"),
            ("RFC 9110 10.1.1", b"Expect: 100-continue\r\nContent-Length: 5", OK, "100-continue"),
        ],
        lambda line: b"GET / HTTP/1.1\r\nHost: example.com\r\n" + line + b"\r\n\r\nhello",
    ),
)
