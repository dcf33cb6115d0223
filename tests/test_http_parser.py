"""The HTTP/1.1 parser: what it finds in good messages, and its limits."""

from __future__ import annotations

import time
from collections.abc import Callable

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
        with pytest.raises(HTTPParseError, match="spoken here") as caught:
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


class TestLimits:
    HEAD = b"GET /path HTTP/1.1\r\nHost: a\r\nX: yy\r\n\r\n"

    def status(self, data: bytes, **limits: int) -> int:
        """The error's status, 0 if more is needed, 200 if it is accepted."""
        try:
            return 200 if RequestHead(**limits).parse(data) else 0
        except HTTPParseError as error:
            return error.status

    def test_the_request_line(self) -> None:
        assert self.status(self.HEAD, line=18) == 200
        assert self.status(self.HEAD, line=17) == 414
        assert self.status(self.HEAD[:19], line=17) == 0
        assert self.status(self.HEAD[:20], line=17) == 414
        assert self.status(b"G" * 20, line=17) == 414

    def test_the_request_line_without_the_empty_ones_before_it(self) -> None:
        assert self.status(b"\r\n\r\n" + self.HEAD, line=18) == 200
        assert self.status(b"\r\n\r\n\r\n" + self.HEAD, line=18) == 400

    def test_the_whole_head(self) -> None:
        assert self.status(self.HEAD, head=len(self.HEAD)) == 200
        assert self.status(self.HEAD, head=len(self.HEAD) - 1) == 431
        assert self.status(self.HEAD[:-1], head=len(self.HEAD) - 1) == 0
        assert self.status(b"\r\n" + self.HEAD, head=len(self.HEAD)) == 431

    def test_what_is_behind_the_head_does_not_count(self) -> None:
        assert self.status(self.HEAD + b"x" * 100_000, head=len(self.HEAD)) == 200

    def test_the_number_of_fields(self) -> None:
        assert self.status(self.HEAD, fields=2) == 200
        assert self.status(self.HEAD, fields=1) == 431
        assert self.status(self.HEAD[:29], fields=1) == 0
        assert self.status(self.HEAD[:30], fields=1) == 431

    def test_a_fault_within_the_limits_is_told_and_not_the_limit(self) -> None:
        assert self.status(b"GET / x" + b"y" * 1000, line=20, head=30) == 400

    def test_trailers(self) -> None:
        for limits in ({"head": 8}, {"fields": 1}):
            decoder = ChunkDecoder(RequestHead(**limits).limits)
            with pytest.raises(HTTPParseError) as caught:
                decoder.feed(b"0\r\nA: b\r\nC: d\r\n\r\n")
            assert caught.value.status == 431

    def test_a_large_head_that_comes_byte_by_byte_is_read_in_little_time(self) -> None:
        """Each byte costs as much as reading its own line again, at most."""
        field = b"X: " + b"y" * 8_000 + b"\r\n"
        data = b"GET / HTTP/1.1\r\nHost: a\r\n" + field * 8 + b"\r\n"
        head = RequestHead(head=len(data))
        began = time.process_time()
        assert not any(head.parse(data, 0, end, end - 1) for end in range(1, len(data)))
        assert head.parse(data, 0, len(data), len(data) - 1) == len(data)
        took = time.process_time() - began
        began = time.process_time()
        assert not any(head.parse(data, 0, len(data) - 1, 0) for _ in range(len(data)))
        assert took < (time.process_time() - began) * 0.75


class TestChunkDecoder:
    def test_pieces_trailers_and_the_rest(self) -> None:
        data = b"5\r\nhello\r\n00A;x=y\r\n, chunked!\r\n0\r\nDigest: x \r\n\r\nrest"
        decoder = ChunkDecoder()
        assert decoder.feed(data) == [b"hello", b", chunked!"]
        assert decoder.done
        assert data[decoder.consumed :] == b"rest"
        assert decoder.trailers == [(b"Digest", b"x")]
        assert decoder.received == 15

    def test_bytes_that_are_expected(self) -> None:
        decoder = ChunkDecoder()
        assert decoder.feed(b"1000\r\nhel") == [b"hel"]
        assert (decoder.received, decoder.expected) == (3, 4096)

    def test_more_chunks_than_fit_into_a_call(self) -> None:
        decoder = ChunkDecoder()
        assert decoder.feed(b"1\r\nx\r\n" * 1000 + b"0\r\n\r\n") == [b"x"] * 1000
        assert decoder.done

    def test_a_part_of_the_data(self) -> None:
        decoder = ChunkDecoder()
        assert decoder.feed(b"xx5\r\nhellooo", 2, 10) == [b"hello"]
        assert decoder.consumed == 10
        assert decoder.feed(b"\r\n0\r\nA: b\r\n\r", 0, 7) == []
        assert not decoder.done
        assert decoder.feed(b" b\r\n\r\n!") == []
        assert (decoder.done, decoder.consumed) == (True, 6)
        assert decoder.trailers == [(b"A", b"b")]

    def test_after_the_end_it_takes_nothing(self) -> None:
        decoder = ChunkDecoder()
        decoder.feed(b"0\r\n\r\n")
        assert decoder.feed(b"5\r\nhello\r\n", 3) == []
        assert decoder.consumed == 3
        assert decoder.trailers == []

    def test_after_an_error_it_goes_on_refusing(self) -> None:
        decoder = ChunkDecoder()
        for data in (b"x", b"5\r\n"):
            with pytest.raises(HTTPParseError, match="size is not a hexadecimal number") as caught:
                decoder.feed(data)
            assert caught.value.status == 400

    @pytest.mark.parametrize(
        ("length", "status"), [(2, 0), (255, 0), (256, 0), (257, 400), (5000, 400)]
    )
    def test_an_extension_is_bounded(self, length: int, status: int) -> None:
        assert refusal(lambda: ChunkDecoder().feed(b"1;" + b"x" * (length - 1) + b"\r\n")) == status

    def test_extensions_are_bounded_by_what_they_extend(self) -> None:
        extension = b";" + b"x" * 255
        paid = b"f0" + extension + b"\r\n" + b"x" * 240 + b"\r\n"
        unpaid = b"ef" + extension + b"\r\n" + b"x" * 239 + b"\r\n"
        assert refusal(lambda: ChunkDecoder().feed(paid * 20_000)) == 0
        assert refusal(lambda: ChunkDecoder().feed(unpaid * 16_384)) == 0
        assert refusal(lambda: ChunkDecoder().feed(unpaid * 16_385)) == 400

    def test_the_largest_size(self) -> None:
        decoder = ChunkDecoder()
        decoder.feed(b"7fffffffffffffff\r\n")
        assert decoder.expected == 2**63 - 1
        assert refusal(lambda: ChunkDecoder().feed(b"8000000000000000")) == 400


def refusal(call: Callable[[], object]) -> int:
    try:
        call()
    except HTTPParseError as error:
        return error.status
    return 0
