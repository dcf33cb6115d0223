"""Each byte at each place of a head, against the sets of the grammar (RFC 9110, RFC 9112)."""

from __future__ import annotations

from string import ascii_letters, digits

import pytest

from reactorlib.protocols.http.parser import ChunkDecoder, HTTPParseError, RequestHead

LETTERS = set((ascii_letters + digits).encode())
PRINTING = set(range(0x21, 0x7F))
OPAQUE = set(range(0x80, 0x100))
TOKEN = LETTERS | set(b"!#$%&'*+-.^_`|~")
TEXT = PRINTING | OPAQUE | set(b" \t")
HEX = set(b"0123456789abcdefABCDEF")

REQUEST = b"%bHost: a\r\n\r\n"
FIELD = b"GET / HTTP/1.1\r\nHost: a\r\n%b\r\n\r\n"
HOST = b"GET / HTTP/1.1\r\nHost: %b\r\n\r\n"
LONG = b"x" * 40

PLACES = {
    "method": (REQUEST % b"G?T / HTTP/1.1\r\n", TOKEN),
    "target": (REQUEST % b"GET /?b HTTP/1.1\r\n", PRINTING - set(b"#")),
    "long target": (REQUEST % (b"GET /" + LONG + b"?b HTTP/1.1\r\n"), PRINTING - set(b"#")),
    "first of the target": (REQUEST % b"GET ?b HTTP/1.1\r\n", set(b"/")),
    "behind the method": (REQUEST % b"GET?/ HTTP/1.1\r\n", set(b" ")),
    "behind the target": (REQUEST % b"GET /?HTTP/1.1\r\n", set(b" ")),
    "minor version": (REQUEST % b"GET / HTTP/1.?\r\n", set(digits.encode())),
    "major version": (REQUEST % b"GET / HTTP/?.1\r\n", set(b"1")),
    "behind the version": (REQUEST % b"GET / HTTP/1.1?\n", set(b"\r")),
    "end of the request line": (REQUEST % b"GET / HTTP/1.1\r?", set(b"\n")),
    "name": (FIELD % b"Na?me: x", TOKEN | set(b":")),
    "first of the name": (FIELD % b"?ame: x", TOKEN),
    "behind the name": (FIELD % b"Name?x", set(b":")),
    "value": (FIELD % b"Name: a?b", TEXT),
    "long value": (FIELD % (b"Name: " + LONG + b"?" + LONG), TEXT),
    "last of the value": (FIELD % b"Name: a?", TEXT),
    "behind the colon": (FIELD % b"Name:?a", TEXT),
    "behind CR": (FIELD % b"Name: a\r?Name: b", set(b"\n")),
    "end of the head": (FIELD.replace(b"\n\r\n", b"\n?\n") % b"Name: a", set(b"\r")),
    "host": (HOST % b"a?b", LETTERS | set(b"-._~!$&'()*+,;=:") - set(b":")),
    "percent-encoding": (HOST % b"%0?", HEX),
    "port": (HOST % b"a:8?", set(digits.encode()) | set(b" \t")),
    "address": (HOST % b"[:?:]", HEX | set(b":.")),
    "length": (FIELD % b"Content-Length: 0?", set(digits.encode()) | set(b" \t")),
    "coding": (FIELD % b"Transfer-Encoding: chunke?", set(b"dD")),
    "behind the coding": (FIELD % b"Transfer-Encoding: chunked?", set(b" \t")),
    "connection": (FIELD % b"Connection: a?b", TOKEN | set(b",")),
}
EXTENSION = {
    "size": (b"?\r\n", HEX),
    "behind the size": (b"5?a\r\n", HEX | set(b";")),
    "name": (b"5;?\r\n", TOKEN),
    "behind a name": (b"5;a?b\r\n", TOKEN | set(b";=")),
    "value": (b"5;a=?\r\n", TOKEN),
    "behind a value": (b"5;a=b?c\r\n", TOKEN | set(b";")),
    "quoted": (b'5;a="?"\r\n', TEXT - set(b'"\\')),
    "escaped": (b'5;a="\\?"\r\n', TEXT),
    "behind quotes": (b'5;a=""?b\r\n', set(b";")),
    "behind CR": (b"5\r?", set(b"\n")),
    "data": (b"1\r\n?\r\n", set(range(256))),
    "behind the data": (b"1\r\nx?\n", set(b"\r")),
    "end of the data": (b"1\r\nx\r?", set(b"\n")),
}


def accepted_by(template: bytes, accepts: object) -> set[int]:
    assert template.count(b"?") == 1
    return {byte for byte in range(256) if accepts(template.replace(b"?", bytes([byte])))}


def head_is_accepted(data: bytes) -> bool:
    try:
        return RequestHead().parse(data) == len(data)
    except HTTPParseError:
        return False


def chunk_is_accepted(data: bytes) -> bool:
    try:
        ChunkDecoder().feed(data)
    except HTTPParseError:
        return False
    return True


@pytest.mark.parametrize("place", PLACES)
def test_bytes_of_a_head(place: str) -> None:
    template, accepted = PLACES[place]
    assert accepted_by(template, head_is_accepted) == accepted


@pytest.mark.parametrize("place", EXTENSION)
def test_bytes_of_a_chunk(place: str) -> None:
    template, accepted = EXTENSION[place]
    assert accepted_by(template, chunk_is_accepted) == accepted
