"""Chunked bodies and trailers (RFC 9112, 7.1)."""

from __future__ import annotations

from reactorlib.protocols.http.corpus.case import ACCEPTED as OK
from reactorlib.protocols.http.corpus.case import Row, cases

# What stands for the line of a chunk of 5 bytes, but for its CRLF.
_SIZES: tuple[Row, ...] = (
    ("RFC 9112 7.1", b"5", OK, "a chunk"),
    ("RFC 9112 7.1", b"005", OK, "leading zeros"),
    ("RFC 9112 7.1", b"0000000000000005", (OK, 400), "16 digits"),
    ("Netty CVE-2026-42580", b"00000000000000005", (400, OK), "17 digits"),
    ("Netty CVE-2026-42580", b"10000000000000005", (400, 413), "a size beyond 2^64"),
    ("Netty CVE-2026-42580", b"8000000000000005", (400, 413), "a size beyond 2^63"),
    ("Netty CVE-2026-42580", b"ffffffffffffffff", (400, 413), "a size of -1"),
    ("Twisted #3795", b"0" * 65536 + b"5", (400, 413), "a size that does not end"),
    ("Twisted CVE-2022-24801", b"0x5", 400, "a prefix of hexadecimal numbers"),
    ("Twisted CVE-2022-24801", b"+5", 400, "a sign"),
    ("Twisted CVE-2022-24801", b"-5", 400, "a negative size"),
    ("RFC 9112 7.1", b"0_5", 400, "an underscore, which int() takes"),
    ("RFC 9112 7.1", b" 5", 400, "a space before the size"),
    ("RFC 9112 7.1", b"\t5", 400, "a tab before the size"),
    ("RFC 9112 7.1", b"5 ", 400, "a space behind the size"),
    ("RFC 9112 7.1", b"5\t", 400, "a tab behind the size"),
    ("RFC 9112 7.1", b"\x0b5", 400, "a vertical tab before the size"),
    ("RFC 9112 7.1", b"5\x0c", 400, "a form feed behind the size"),
    ("RFC 9112 7.1", b"5\xa0", 400, "a no-break space behind the size"),
    ("RFC 9112 7.1", b"5\0", 400, "NUL behind the size"),
    ("RFC 9112 7.1", b"\xd9\xa5", 400, "a digit beyond ASCII"),
    ("RFC 9112 7.1", b"5g", 400, "a letter that is no digit"),
    ("RFC 9112 7.1", b"", 400, "no size"),
    ("RFC 9112 7.1", b"\r\n5", 400, "an empty line before the size"),
    ("RFC 9112 7.1", b"5\r", 400, "two CR"),
    ("RFC 9112 7.1", b"5\r\r", 400, "three CR"),
    ("RFC 9112 7.1.1", b"5;a", OK, "an extension's name"),
    ("RFC 9112 7.1.1", b"5;a=b;c=d", OK, "two extensions"),
    ("RFC 9112 7.1.1", b'5;a="b \\" ; \xe9"', (OK, 400), "a quoted value"),
    ("RFC 9112 7.1.1", b"5 ; a = b", (OK, 400), "the whitespace that the grammar allows"),
    ("RFC 9112 7.1.1", b"5;a=b ;c", (OK, 400), "whitespace before the next extension"),
    ("RFC 9112 7.1.1", b'5;a="b" ;c', (OK, 400), "whitespace behind quotes"),
    ("RFC 9112 7.1.1", b"5;", (400, OK), "an extension without a name"),
    ("RFC 9112 7.1.1", b"5;;a", (400, OK), "an empty extension"),
    ("RFC 9112 7.1.1", b"5;=b", (400, OK), "a value without a name"),
    ("RFC 9112 7.1.1", b"5;a=", (400, OK), "a name without a value"),
    ("RFC 9112 7.1.1", b"5;a=b=c", (400, OK), "two values"),
    ("RFC 9112 7.1.1", b"5;a b", (400, OK), "a space in a name"),
    ("RFC 9112 7.1.1", b"5;a ", (400, OK), "a space behind a name"),
    ("RFC 9112 7.1.1", b'5;a="b', (400, OK), "quotes that do not end"),
    ("RFC 9112 7.1.1", b'5;a="b\\', (400, OK), "a backslash at the end"),
    ("RFC 9112 7.1.1", b'5;a="b"c', (400, OK), "a letter behind quotes"),
    ("RFC 9112 7.1.1", b"5;a=\\b", (400, OK), "a backslash without quotes"),
    ("llhttp CVE-2021-22960", b"5;a\rb", 400, "CR in an extension"),
    ("aiohttp CVE-2024-52304", b"5;a\nb", 400, "LF in an extension"),
    ("Netty CVE-2025-58056", b"5;\nGET /a HTTP/1.1", 400, "LF, and a request behind it"),
    ("Kestrel CVE-2025-55315", b"5;a=b\n", 400, "LF before the line's end"),
    ("Kestrel CVE-2025-55315", b'5;a="\nb"', 400, "LF in quotes"),
    ("Twisted CVE-2022-24801", b"5;a\0b", 400, "NUL in an extension"),
    ("Twisted CVE-2022-24801", b"5;a=\x7f", 400, "DEL in an extension"),
    ("Twisted CVE-2022-24801", b'5;a="\x01"', 400, "a control character in quotes"),
    ("Twisted #3795", b"5;" + b"a" * 65536, (400, 413, 431), "an extension of 64 KiB"),
)

# What stands for CRLF behind a chunk's data.
_ENDS: tuple[Row, ...] = (
    ("h11 CVE-2025-43859", b"xx", 400, "two bytes for CR LF"),
    ("h11 CVE-2025-43859", b"\r\r", 400, "CR CR for CR LF"),
    ("h11 CVE-2025-43859", b"\n\n", 400, "LF LF for CR LF"),
    ("h11 CVE-2025-43859", b"\n\r", 400, "LF CR for CR LF"),
    ("RFC 9112 7.1", b"\n", 400, "a bare LF behind the data"),
    ("RFC 9112 7.1", b"\r", 400, "a bare CR behind the data"),
    ("RFC 9112 7.1", b"", 400, "nothing behind the data"),
    ("RFC 9112 7.1", b"!\r\n", 400, "a byte more than the size says"),
    ("RFC 9112 7.1", b"\r\n\r\n", 400, "an empty line behind the data"),
)

# What follows the last chunk's line.
_TRAILERS: tuple[Row, ...] = (
    ("RFC 9112 7.1.2", b"\r\n", OK, "no trailers"),
    ("RFC 9112 7.1.2", b"Digest: x\r\nX: \xc3\xa9 \r\n\r\n", (OK, 400), "two trailers"),
    ("aiohttp CVE-2025-53643", b"no colon\r\n\r\n", 400, "a trailer that is no field"),
    (
        "gevent CVE-2023-41419",
        b"GET /a HTTP/1.1\r\nHost: a\r\n\r\n",
        400,
        "a request for a trailer",
    ),
    ("aiohttp CVE-2025-53643", b"X : y\r\n\r\n", 400, "a space before the colon"),
    ("aiohttp CVE-2025-53643", b"X: y\r\n z\r\n\r\n", 400, "a folded trailer"),
    ("aiohttp CVE-2025-53643", b"X: y\nZ: z\r\n\r\n", 400, "LF in a trailer"),
    ("aiohttp CVE-2025-53643", b"X: y\0\r\n\r\n", 400, "NUL in a trailer"),
    ("aiohttp CVE-2025-53643", b"X: y\r\n\n", 400, "a bare LF for the last line"),
    ("RFC 9112 7.1.2", b"\n", 400, "a bare LF behind the last chunk"),
    ("RFC 9112 7.1.2", b"\r\rx", 400, "CR CR behind the last chunk"),
    ("RFC 9110 6.5.1", b"Content-Length: 5\r\n\r\n", (400, OK), "a length"),
    ("RFC 9110 6.5.1", b"Transfer-Encoding: chunked\r\n\r\n", (400, OK), "a coding"),
    ("RFC 9110 6.5.1", b"hOST: a\r\n\r\n", (400, OK), "a host"),
    ("RFC 9110 6.5.1", b"Connection: close\r\n\r\n", (400, OK), "an option of the connection"),
    ("RFC 9110 6.5.1", b"Trailer: X\r\n\r\n", (400, OK), "a trailer that announces trailers"),
    ("RFC 9110 6.5.1", b"Upgrade: any/1\r\n\r\n", (400, OK), "an upgrade"),
    ("RFC 9110 6.5.1", b"Expect: 100-continue\r\n\r\n", (400, OK), "an expectation"),
    ("RFC 9110 6.5.1", b"TE: trailers\r\n\r\n", (400, OK), "what codings are taken"),
    ("Twisted #10144", b"X: " + b"y" * 65536 + b"\r\n\r\n", (431, 400, 413), "64 KiB"),
    ("Twisted #10144", b"X: y\r\n" * 3000 + b"\r\n", (431, 400, 413), "3000 trailers"),
)

_BODIES: tuple[Row, ...] = (
    ("RFC 9112 7.1", b"0\r\n\r\n", OK, "an empty body"),
    ("RFC 9112 7.1", b"000;a=b\r\n\r\n", OK, "zeros and an extension at the last chunk"),
    (
        "RFC 9112 7.1",
        b"A\r\n0123456789\r\na\r\n0123456789\r\n0\r\n\r\n",
        OK,
        "digits of both cases",
    ),
    ("RFC 9112 7.1", b"1\r\nx\r\n" * 200 + b"0\r\n\r\n", OK, "200 chunks"),
    (
        "RFC 9112 7.1.1",
        (b"1;" + b"a" * 200 + b"\r\nx\r\n") * 100 + b"0\r\n\r\n",
        (400, OK, 413),
        "a body that is nearly all extensions",
    ),
    (
        "RFC 9112 7.1.1",
        (b"80;" + b"a" * 80 + b"\r\n" + b"x" * 128 + b"\r\n") * 300 + b"0\r\n\r\n",
        (OK, 400),
        "a signature at each chunk",
    ),
)

_HEAD = b"POST / HTTP/1.1\r\nHost: example.com\r\nTransfer-Encoding: chunked\r\n\r\n"

CHUNKS = (
    *cases(_SIZES, lambda line: _HEAD + line + b"\r\nhello\r\n0\r\n\r\n"),
    *cases(_ENDS, lambda end: _HEAD + b"5\r\nhello" + end + b"0\r\n\r\n"),
    *cases(_TRAILERS, lambda trailers: _HEAD + b"5\r\nhello\r\n0\r\n" + trailers),
    *cases(_BODIES, lambda body: _HEAD + body),
)
