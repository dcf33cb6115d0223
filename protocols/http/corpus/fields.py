"""Field lines (RFC 9112, 5; RFC 9110, 5)."""

from __future__ import annotations

from reactorlib.protocols.http.corpus.case import ACCEPTED as OK
from reactorlib.protocols.http.corpus.case import Row, cases

_LINES: tuple[Row, ...] = (
    ("RFC 9112 5", b"Accept: */*", OK, "a field"),
    ("RFC 9112 5", b"Accept:*/*", OK, "no whitespace behind the colon"),
    ("RFC 9112 5", b"Accept: \t */* \t ", OK, "spaces and tabs around the value"),
    ("RFC 9110 5.5", b"Accept:", OK, "an empty value"),
    ("RFC 9110 5.5", b"Accept:   ", OK, "a value of spaces"),
    ("RFC 9110 5.5", b"X: a\tb", OK, "a tab in the value"),
    ("RFC 9110 5.5", b"X: \xc3\xa9\xff\x80", (OK, 400), "opaque bytes in the value"),
    ("RFC 9110 5.1", b"!#$%&'*+-.^_`|~09azAZ: x", (OK, 400), "any token is a name"),
    ("RFC 9110 5.3", b"X: a\r\nX: b", OK, "a field twice"),
    ("RFC 9110 5.5", b'X: ()<>@,;:\\"/[]?={}', OK, "delimiters in the value"),
    ("RFC 9112 5.1", b"Accept : */*", 400, "a space before the colon"),
    ("Twisted #9646", b"foo : bar", 400, "a space before the colon"),
    ("Twisted #9646", b":baz", 400, "an empty name"),
    ("llhttp CVE-2021-22959", b"Content-Length : 5", 400, "a space before the colon of a length"),
    ("RFC 9112 5.1", b"Accept\t: */*", 400, "a tab before the colon"),
    ("RFC 9112 5.1", b"Accept\x0b: */*", 400, "a vertical tab before the colon"),
    ("RFC 9112 5", b"Accept */*", 400, "no colon"),
    ("RFC 9112 5", b"Accept", 400, "a name alone"),
    ("RFC 9110 5.1", b"Acc ept: */*", 400, "a space in the name"),
    ("RFC 9110 5.1", b"Acc\xc3\xa9pt: */*", 400, "letters beyond ASCII in the name"),
    ("RFC 9110 5.1", b"Acc\0ept: */*", 400, "NUL in the name"),
    ("RFC 9110 5.1", b"Acc/ept: */*", 400, "a delimiter in the name"),
    ("RFC 9110 5.1", b'"Accept": */*', 400, "quotes around the name"),
    ("RFC 9112 5.2", b"X: a\r\n b", 400, "a folded line"),
    ("RFC 9112 5.2", b"X: a\r\n\tb", 400, "a line folded with a tab"),
    ("RFC 9112 5.2", b"X: a\r\n ", 400, "a folded line with nothing in it"),
    ("RFC 9112 2.2", b" X: a", 400, "whitespace before the first name"),
    ("llhttp CVE-2022-32213", b"Transfer-Encoding: chunked\r\n , identity", 400, "a folded coding"),
    ("llhttp CVE-2022-32215", b"Transfer-Encoding:\r\n chunked", 400, "a coding on the next line"),
    ("Twisted #12754", b"X: a\0b", 400, "NUL in a value"),
    ("Twisted #12754", b"X: a\rb", 400, "CR in a value"),
    ("Twisted #12754", b"X: a\nb: c", 400, "LF in a value"),
    ("RFC 9110 5.5", b"X: a\x0bb", 400, "a vertical tab in a value"),
    ("RFC 9110 5.5", b"X: a\x1bb", 400, "ESC in a value"),
    ("RFC 9110 5.5", b"X: a\x7fb", 400, "DEL in a value"),
    ("RFC 9110 5.5", b"X: \x0ca", 400, "a form feed before a value"),
    ("RFC 9110 5.5", b"X: a" + b"x" * 40 + b"\x01", 400, "a control character far in a value"),
    ("aiohttp CVE-2023-37276", b"X-Abc: \rxTransfer-Encoding: chunked", 400, "CR ends no line"),
    ("llhttp CVE-2023-30589", b"X-Abc: a\rTransfer-Encoding: chunked", 400, "CR ends no line"),
    ("waitress CVE-2019-16785", b"X: a\nTransfer-Encoding: chunked", 400, "LF ends no line"),
    ("llhttp CVE-2022-35256", b"X: a\r\n\rContent-Length: 5", 400, "CR before a name"),
    ("llhttp CVE-2022-35256", b"X: a\rContent-Length: 5", 400, "a field not ended by CR LF"),
    ("RFC 9112 2.2", b"X: a\r\r\nb: c", 400, "two CR before the LF"),
    # Lists, persistence, expectation
    ("RFC 9112 9.6", b"Connection: close", OK, "the last request"),
    ("RFC 9110 5.6.1", b"Connection: , close ,, te,", OK, "empty members of a list"),
    ("RFC 9110 7.6.1", b"Connection: close;now", (400, OK), "an option that is no token"),
    ("RFC 9110 7.6.1", b"Connection: close keep-alive", (400, OK), "options without a comma"),
    ("RFC 9110 10.1.1", b"Expect: 100-continue", OK, "an expectation without a body"),
    ("RFC 9110 10.1.1", b"Expect: 200-ok", (OK, 417), "an expectation that nobody knows"),
    (
        "RFC 9110 7.8",
        b"Connection: upgrade\r\nUpgrade: any/1",
        OK,
        "an upgrade that may be ignored",
    ),
    ("Twisted CVE-2016-1000111", b"Proxy: http://attacker.example/", OK, "not for HTTP_PROXY"),
    ("aiohttp CVE-2025-69225", b"Range: bytes=\xd9\xa0-\xd9\xa5", (OK, 400), "digits beyond ASCII"),
    # Sizes and times
    ("waitress GHSA-73m2-3pwg-5fgc", b"X: a" + b" " * 9000 + b"b", (OK, 400, 431), "many spaces"),
    ("tornado CVE-2024-52804", b'Cookie: a="' + b"\\" * 9000, (OK, 400, 431), "many backslashes"),
    ("tornado CVE-2025-47287", b"X: " + b"\\x41" * 2000, (OK, 431), "a log to be flooded"),
    ("Twisted #7564", b"\r\n".join([b"X: y"] * 3000), (431, 400), "3000 fields"),
    ("Twisted #7564", b"X: " + b"y" * 65536, (431, 400), "a field of 64 KiB"),
    ("RFC 9110 5.4", b"x" * 65536 + b": y", (431, 400), "a name of 64 KiB"),
)

_SECTIONS: tuple[Row, ...] = (
    ("llhttp CVE-2025-23167", b"\r\n\rX", 400, "CR and a byte for the last line's end"),
    ("waitress CVE-2019-16785", b"\n\n", 400, "the head ends with bare LF"),
    ("RFC 9112 2.2", b"\r\n\n", 400, "the last line ends with a bare LF"),
    ("RFC 9112 2.2", b"\n\r\n", 400, "the last field ends with a bare LF"),
    ("RFC 9112 2.2", b"\r\r\n\r\n", 400, "CR CR LF behind a field"),
    ("RFC 9112 2.2", b"\0\r\n\r\n", 400, "NUL behind a field"),
)

_HEAD = b"GET / HTTP/1.1\r\nHost: example.com"

FIELDS = (
    *cases(_LINES, lambda line: _HEAD + b"\r\n" + line + b"\r\n\r\n"),
    *cases(_SECTIONS, lambda ending: _HEAD + ending),
    *cases(
        [("RFC 9112 2.2", b" X: a", 400, "whitespace behind the request line")],
        lambda line: b"GET / HTTP/1.1\r\n" + line + b"\r\nHost: example.com\r\n\r\n",
    ),
)
