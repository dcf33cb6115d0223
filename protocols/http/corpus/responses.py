"""Responses (RFC 9112, 4 and 6). The status of a refusal is for logs: nobody is answered."""

from __future__ import annotations

from reactorlib.protocols.http.corpus.case import ACCEPTED as OK
from reactorlib.protocols.http.corpus.case import Row, cases

_LINES: tuple[Row, ...] = (
    ("RFC 9112 4", b"HTTP/1.1 200 OK", OK, "a status line"),
    ("RFC 9112 4", b"HTTP/1.1 200 ", OK, "no reason"),
    ("RFC 9112 4", b"HTTP/1.1 200", (OK, 400), "nor the space before it, as some servers answer"),
    ("RFC 9112 4", b"HTTP/1.0 200 OK", OK, "HTTP/1.0"),
    ("RFC 9112 4", b"HTTP/1.1 200 \tAll right \xc3\xa9", (OK, 400), "any text is a reason"),
    ("RFC 9110 15", b"HTTP/1.1 599 Own", OK, "a status that nobody has named"),
    ("RFC 9110 15", b"HTTP/1.1 999 Beyond", (OK, 400), "a status of no class"),
    ("RFC 9110 15", b"HTTP/1.1 099 Below", 400, "a status below 100"),
    ("RFC 9112 4", b"HTTP/1.1 20 OK", 400, "two digits"),
    ("RFC 9112 4", b"HTTP/1.1 2000 OK", 400, "four digits"),
    ("RFC 9112 4", b"HTTP/1.1 2OO OK", 400, "letters in the status"),
    ("RFC 9112 4", b"HTTP/1.1 +20 OK", 400, "a sign"),
    ("RFC 9112 4", b"HTTP/1.1  200 OK", 400, "two spaces before the status"),
    ("RFC 9112 4", b"HTTP/1.1\t200 OK", 400, "a tab before the status"),
    ("RFC 9112 4", b"HTTP/1.1 200\tOK", 400, "a tab behind the status"),
    ("RFC 9112 4", b"HTTP/1.1 200 O\0K", 400, "NUL in the reason"),
    ("RFC 9112 2.2", b"HTTP/1.1 200 O\rK", 400, "CR in the reason"),
    ("RFC 9112 2.2", b"HTTP/1.1 200 OK\nX: y", 400, "a bare LF behind the reason"),
    ("RFC 9112 2.3", b"http/1.1 200 OK", 400, "small letters"),
    ("RFC 9112 2.3", b"HTTP/2.0 200 OK", 505, "another major version"),
    ("RFC 9112 2.3", b"HTTP/1.x 200 OK", 400, "a letter for a digit"),
    ("RFC 9112 2.3", b"ICY 200 OK", 400, "another protocol"),
    ("RFC 9112 2.2", b"\r\nHTTP/1.1 200 OK", 400, "an empty line first"),
    ("RFC 9112 2.2", b" HTTP/1.1 200 OK", 400, "a space first"),
    ("RFC 9112 4", b"200 OK", 400, "no version"),
)

_FIELDS: tuple[Row, ...] = (
    ("RFC 9112 5", b"X: y", OK, "a field"),
    ("RFC 9112 6.2", b"Content-Length: 5", OK, "a length"),
    ("RFC 9112 6.3", b"Content-Length: 5\r\nContent-Length: 5", (400, OK), "the same length twice"),
    ("RFC 9112 6.3", b"Content-Length: 5\r\nContent-Length: 6", 400, "two lengths"),
    ("RFC 9112 6.1", b"Content-Length: 5\r\nTransfer-Encoding: chunked", 400, "length and coding"),
    ("RFC 9112 6.1", b"Transfer-Encoding: gzip", 501, "a coding that was not asked for"),
    ("RFC 9112 5.2", b"X: y\r\n z", 400, "a folded line"),
    ("RFC 9112 5.1", b"X : y", 400, "a space before the colon"),
    ("llhttp CVE-2023-30589", b"X: \rContent-Length: 5", 400, "CR ends no line"),
    ("Twisted #12754", b"X: a\0", 400, "NUL in a value"),
    ("Twisted #7564", b"\r\n".join([b"X: y"] * 3000), 431, "3000 fields"),
    ("Twisted #7564", b"X: " + b"y" * 65536, 431, "a field of 64 KiB"),
)

RESPONSES = (
    *cases(_LINES, lambda line: line + b"\r\nContent-Length: 0\r\n\r\n"),
    *cases(_FIELDS, lambda line: b"HTTP/1.1 204 No Content\r\n" + line + b"\r\n\r\n"),
    *cases(
        [("RFC 9112 6.1", b"Transfer-Encoding: chunked", 400, "a coding in HTTP/1.0")],
        lambda line: b"HTTP/1.0 200 OK\r\n" + line + b"\r\n\r\n",
    ),
)
