"""The HTTP/1.1 parser: what it finds in good messages, and its limits."""

from __future__ import annotations

import pytest

from reactorlib.protocols.http.parser import (
    ABSOLUTE,
    ASTERISK,
    CHUNKED,
    EXPECT_CONTINUE,
    EXPECT_UNKNOWN,
    HAS_BODY,
    HAS_HOST,
    IS_CONNECT,
    IS_HEAD,
    KEEP_ALIVE,
    UNTIL_CLOSE,
    UPGRADE,
    ChunkDecoder,
    HTTPParseError,
    RequestHead,
    ResponseHead,
    readFields,
)

PLAIN = KEEP_ALIVE | HAS_HOST


class TestRequestHead:
    def test_the_offsets_of_its_parts(self) -> None:
        data = b"..POST /form?x=1 HTTP/1.1\r\nHost: here\r\nContent-Length: 12\r\n\r\nrest"
        head = RequestHead()
        length = head.parse(data, 2)
        assert data[2 + length :] == b"rest"
        (m, m_end, t, t_end, minor, flags, content_length, fields, count) = head.values()
        assert (data[m:m_end], data[t:t_end]) == (b"POST", b"/form?x=1")
        assert (minor, flags, content_length, count) == (1, PLAIN | HAS_BODY, 12, 2)
        assert readFields(data, fields, length, count) == [
            (b"Host", b"here"),
            (b"Content-Length", b"12"),
        ]

    @pytest.mark.parametrize(
        ("message", "flags"),
        [
            (b"GET / HTTP/1.1\r\nHost: a", PLAIN),
            (b"GET / HTTP/1.7\r\nHost: a", PLAIN),
            (b"GET / HTTP/1.0", 0),
            (b"GET / HTTP/1.0\r\nConnection: Keep-Alive", KEEP_ALIVE),
            (b"GET / HTTP/1.0\r\nConnection: keep-alive, close", 0),
            (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close", HAS_HOST),
            (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: te ,, CLOSE,", HAS_HOST),
            (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: closed", PLAIN),
            (b"HEAD / HTTP/1.1\r\nHost: a", PLAIN | IS_HEAD),
            (b"CONNECT a:1 HTTP/1.1\r\nHost: a", PLAIN | IS_CONNECT),
            (b"OPTIONS * HTTP/1.1\r\nHost: a", PLAIN | ASTERISK),
            (b"GET http://b/ HTTP/1.1\r\nHost: a", PLAIN | ABSOLUTE),
            (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 0", PLAIN),
            (b"GET / HTTP/1.1\r\nHost: a\r\nContent-Length: 1", PLAIN | HAS_BODY),
            (
                b"PUT / HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: Chunked",
                PLAIN | HAS_BODY | CHUNKED,
            ),
            (b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: 100-Continue", PLAIN | EXPECT_CONTINUE),
            (b"PUT / HTTP/1.1\r\nHost: a\r\nExpect: cake", PLAIN | EXPECT_UNKNOWN),
            (b"PUT / HTTP/1.0\r\nExpect: 100-continue", 0),
            (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x\r\nConnection: upgrade", PLAIN | UPGRADE),
            (b"GET / HTTP/1.1\r\nHost: a\r\nUpgrade: x", PLAIN),
            (b"GET / HTTP/1.1\r\nHost: a\r\nConnection: upgrade", PLAIN),
            (b"GET / HTTP/1.0\r\nUpgrade: x\r\nConnection: upgrade", 0),
        ],
    )
    def test_its_flags(self, message: bytes, flags: int) -> None:
        head = RequestHead()
        assert head.parse(message + b"\r\n\r\n") == len(message) + 4
        assert head.values()[5] == flags

    def test_its_error_says_why(self) -> None:
        with pytest.raises(HTTPParseError, match="^Only HTTP/1") as caught:
            RequestHead().parse(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")
        assert caught.value.status == 505


class TestResponseHead:
    def test_the_offsets_of_its_parts(self) -> None:
        data = b"HTTP/1.1 404 Not Found\r\nContent-Length: 12\r\n\r\nrest"
        head = ResponseHead()
        length = head.parse(data)
        assert data[length:] == b"rest"
        minor, status, reason, reason_end, fields, flags, content_length, count, _ = head.values()
        assert (minor, status, data[reason:reason_end]) == (1, 404, b"Not Found")
        assert (flags, content_length) == (KEEP_ALIVE | HAS_BODY, 12)
        assert readFields(data, fields, length - 2, count) == [(b"Content-Length", b"12")]

    @pytest.mark.parametrize(
        ("message", "flags"),
        [
            (b"HTTP/1.1 200 OK", KEEP_ALIVE | HAS_BODY | UNTIL_CLOSE),
            (b"HTTP/1.0 200 OK", HAS_BODY | UNTIL_CLOSE),
            (b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked", KEEP_ALIVE | HAS_BODY | CHUNKED),
            (b"HTTP/1.1 200 \r\nContent-Length: 0", KEEP_ALIVE),
            (b"HTTP/1.1 204", KEEP_ALIVE),
            (b"HTTP/1.1 304 Not Modified\r\nContent-Length: 9", KEEP_ALIVE),
            (b"HTTP/1.1 101 x\r\nConnection: upgrade\r\nUpgrade: x", KEEP_ALIVE | UPGRADE),
        ],
    )
    def test_its_flags(self, message: bytes, flags: int) -> None:
        head = ResponseHead()
        assert head.parse(message + b"\r\n\r\n") == len(message) + 4
        assert head.values()[5] == flags


class TestChunkDecoder:
    def test_pieces_trailers_and_the_rest(self) -> None:
        data = b"5\r\nhello\r\n00A;x=y\r\n, chunked!\r\n0\r\nDigest: x \r\n\r\nrest"
        decoder = ChunkDecoder()
        assert decoder.feed(data) == [b"hello", b", chunked!"]
        assert decoder.done
        assert data[decoder.consumed :] == b"rest"
        assert decoder.trailers == [(b"Digest", b"x")]
        assert decoder.received == 15
