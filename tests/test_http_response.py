"""The reader of answers: whole, byte by byte, in two at every place, and with more behind."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.protocols.http.parser import HTTPParseError
from reactorlib.protocols.http.response import Head, ResponseReader
from tests.pieces import divisions

CHUNKS = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\nX: 1\r\n\r\n"
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
UNTIL_CLOSE = b"HTTP/1.1 200 OK\r\n\r\nabc"

# The method, the answer, its body, and whether the connection lasts.
WHOLE = [
    (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nabc", b"abc", True),
    (b"GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", b"", True),
    (b"GET", b"HTTP/1.0 200 OK\r\nContent-Length: 1\r\n\r\na", b"a", False),
    (b"GET", b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 1\r\n\r\na", b"a", False),
    (b"GET", CHUNKS, b"abc", True),
    (b"HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\n", b"", True),
    (b"HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n", b"", True),
    (b"HEAD", b"HTTP/1.1 200 OK\r\n\r\n", b"", True),
    (b"GET", b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
    (b"GET", b"HTTP/1.1 304 Not Modified\r\nContent-Length: 3\r\n\r\n", b"", True),
    (b"GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 204 X\r\n\r\n", b"", True),
    (b"GET", SWITCH, b"", False),
    (b"CONNECT", b"HTTP/1.1 200 OK\r\n\r\n", b"", False),
    (b"CONNECT", b"HTTP/1.1 403 No\r\nContent-Length: 1\r\n\r\na", b"a", True),
]


def read(method: bytes, pieces: list[bytes]) -> tuple[ResponseReader, list[Head], bytes]:
    reader = ResponseReader(method)
    found: list[Any] = []
    for piece in pieces:
        found += reader.feed(piece)
    heads = [each for each in found if isinstance(each, Head)]
    return reader, heads, b"".join([each for each in found if isinstance(each, bytes)])


@pytest.mark.parametrize(("method", "answer", "body", "persistent"), WHOLE)
def test_whole_answers(method: bytes, answer: bytes, body: bytes, persistent: bool) -> None:
    for pieces in divisions(answer):
        reader, heads, came = read(method, pieces)
        assert heads[-1].final
        assert came == body
        assert reader.done
        assert reader.persistent == persistent
        assert reader.unread == b""
        reader.end()


@pytest.mark.parametrize(("method", "answer", "body", "persistent"), WHOLE)
def test_what_follows_is_left(method: bytes, answer: bytes, body: bytes, persistent: bool) -> None:
    for pieces in divisions(answer + b"HTTP/1.1 "):
        reader, _, came = read(method, pieces)
        assert came == body
        assert reader.unread == b"HTTP/1.1 "


@pytest.mark.parametrize(("method", "answer", "body", "persistent"), WHOLE)
def test_the_end_comes_early(method: bytes, answer: bytes, body: bytes, persistent: bool) -> None:
    for place in range(len(answer)):
        reader, _, _ = read(method, [answer[:place]])
        if not reader.done:
            with pytest.raises(HTTPParseError):
                reader.end()


def test_until_the_connection_ends() -> None:
    for pieces in divisions(UNTIL_CLOSE):
        reader, _, came = read(b"GET", pieces)
        assert came == b"abc"
        assert not reader.done
        reader.end()
        assert reader.done
        assert not reader.persistent


def test_what_a_head_says() -> None:
    reader, (hint, head), _ = read(
        b"GET",
        [
            b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
            b"HTTP/1.0 299 Some thing\r\nContent-Length: 0\r\nX: 1\r\nX: 2\r\n\r\n"
        ],
    )
    assert (hint.status, hint.final, hint.length) == (103, False, -1)
    assert hint.headers.getRawHeaders(b"link") == [b"</a>"]
    assert head[:3] == ((1, 0), 299, b"Some thing")
    assert (head.length, head.final) == (0, True)
    assert head.headers.getRawHeaders(b"x") == [b"1", b"2"]
    assert not reader.persistent


def test_trailers_are_kept_apart() -> None:
    reader, (head,), _ = read(b"GET", [CHUNKS])
    assert reader.trailers == [(b"X", b"1")]
    assert not head.headers.hasHeader(b"x")


def flood(reader: ResponseReader) -> None:
    for _ in range(100):
        reader.feed(b"x" * 1000)


@pytest.mark.parametrize(
    "beginning",
    [
        b"HTTP/1.1 200 OK\r\nX: ",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\nX: ",
    ],
)
def test_what_has_no_end(beginning: bytes) -> None:
    """Twisted #7564, #3795, #10144: heads, size lines and trailers are bounded."""
    reader = ResponseReader(b"GET")
    reader.feed(beginning)
    with pytest.raises(HTTPParseError):
        flood(reader)
