"""Framers: the same frames however the bytes are divided, in bounded memory and linear time."""

from __future__ import annotations

import struct
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactorlib.protocols import framing
from reactorlib.protocols.framing import Framer, IntFramer, LineFramer, NetstringFramer, netstring
from tests.pieces import cut, divisions, places, streams

Make = Callable[[], Framer]

LIMIT = 12
BYTE, SHORT, LONG = struct.Struct("!B"), struct.Struct("!H"), struct.Struct("!I")

FRAMERS: dict[str, tuple[Make, st.SearchStrategy[bytes]]] = {
    "lines": (lambda: LineFramer(b"\r\n", LIMIT), streams(b"\r\n", b"\r", b"\n", b"line")),
    "lines of one": (lambda: LineFramer(b"\0", LIMIT), streams(b"\0", b"line")),
    "lines of aba": (lambda: LineFramer(b"aba", LIMIT), streams(b"aba", b"a", b"b", b"ab", b"x")),
    "netstrings": (
        lambda: NetstringFramer(LIMIT),
        streams(
            b"5:hello,", b"0:,", b"12:", b"13:", b"0", b"1", b"9", b":", b",", b"12:123456789012,"
        ),
    ),
    "bytes": (lambda: IntFramer(BYTE, LIMIT), streams(b"\0", b"\2hi", b"\x0c", b"\x0d")),
    "shorts": (lambda: IntFramer(SHORT, LIMIT), streams(b"\0", b"\0\2hi", b"\0\x0c", b"\0\x0d")),
    "longs": (lambda: IntFramer(LONG, LIMIT), streams(b"\0\0", b"\0\0\0\2hi", b"\x0c")),
}
every_framer = pytest.mark.parametrize("kind", FRAMERS)


def feed(framer: Framer, pieces: list[bytes]) -> list[bytes]:
    for piece in pieces:
        framer.feed(piece)
    return list(framer.frames)


def outcome(framer: Framer, pieces: list[bytes]) -> tuple[list[bytes], bool]:
    return feed(framer, pieces), framer.fault is not None


class TestAnyBytes:
    @every_framer
    @given(data=st.data(), cuts=places)
    def test_the_frames_do_not_depend_on_the_division(self, kind: str, data: Any, cuts: list[int]):
        make, stream = FRAMERS[kind]
        received = data.draw(stream)
        whole = outcome(make(), [received])
        assert outcome(make(), cut(received, cuts)) == whole
        assert outcome(make(), [bytes([byte]) for byte in received]) == whole

    @every_framer
    @given(data=st.data(), cuts=places, keep=st.integers(0, 5))
    def test_frames_and_the_rest_are_what_came(
        self, kind: str, data: Any, cuts: list[int], keep: int
    ):
        make, stream = FRAMERS[kind]
        framer, fed = make(), b""
        for piece in cut(data.draw(stream), cuts):
            if framer.fault is None:
                framer.feed(piece)
                fed += piece
        taken = [framer.frames.popleft() for _ in range(min(keep, len(framer.frames)))]
        assert b"".join(map(framer.encode, taken)) + framer.take_rest() == fed
        assert not framer.frames
        assert framer.fault is None
        assert framer.take_rest() == b""

    @every_framer
    @given(frames=st.lists(st.binary(max_size=LIMIT), max_size=20), cuts=places)
    def test_what_is_encoded_is_decoded(self, kind: str, frames: list[bytes], cuts: list[int]):
        framer = FRAMERS[kind][0]()
        if isinstance(framer, LineFramer):
            delimiter = framer.delimiter
            frames = [
                frame for frame in frames if (frame + delimiter).find(delimiter) == len(frame)
            ]
        stream = b"".join(map(framer.encode, frames))
        assert outcome(framer, cut(stream, cuts)) == (frames, False)
        assert framer.take_rest() == stream

    @pytest.mark.parametrize(
        ("kind", "wrong"),
        [("lines", b"x" * 20), ("netstrings", b"1:ab"), ("bytes", b"\xff"), ("longs", b"\xff" * 4)],
    )
    def test_after_a_fault_nothing_follows(self, kind: str, wrong: bytes):
        framer = FRAMERS[kind][0]()
        framer.feed(wrong)
        fault = framer.fault
        assert outcome(framer, [b"\r\n5:hello,\r\n\0\0\0\0"]) == ([], True)
        assert framer.fault is fault
        assert framer.take_rest() == wrong


class TestLines:
    def test_examples(self):
        assert feed(LineFramer(), [b"one\r\ntwo\r\n\r\nthree\rfour\nfive"]) == [b"one", b"two", b""]

    @pytest.mark.parametrize("delimiter", [b"\n", b"\r\n", b"END", b"aa", b"aba", bytes(300)])
    def test_a_delimiter_of_any_length_in_every_division(self, delimiter: bytes):
        stream = b"one" + delimiter + delimiter + b"b" + delimiter + b"rest"
        for pieces in divisions(stream):
            framer = LineFramer(delimiter)
            assert feed(framer, pieces) == [b"one", b"", b"b"]
            framer.frames.clear()
            assert framer.take_rest() == b"rest"

    def test_no_delimiter(self):
        with pytest.raises(ValueError, match="at least one byte"):
            LineFramer(b"")

    @pytest.mark.parametrize("length", [0, 1, 100])
    def test_the_limit_is_that_of_a_line_without_its_delimiter(self, length: int):
        stream = b"x" * length + b"\r\n"
        for pieces in divisions(stream):
            assert outcome(LineFramer(max_length=length), pieces) == ([b"x" * length], False)
        for pieces in divisions(b"x" + stream):
            framer = LineFramer(max_length=length)
            assert outcome(framer, pieces) == ([], True)
            assert framer.fault is not None
            assert framer.fault.too_long
            assert (b"x" + stream).startswith(framer.fault.data)

    def test_a_fault_comes_after_the_lines_before_it_and_has_all_that_follows(self):
        framer = LineFramer(max_length=5)
        assert feed(framer, [b"one\r\nfar too long\r\ntwo\r\nth"]) == [b"one"]
        assert framer.fault is not None
        assert framer.fault.data == b"far too long\r\ntwo\r\nth"
        assert "longer than 5 bytes" in framer.fault.reason

    def test_no_end_in_sight(self):
        framer = LineFramer(max_length=5)
        assert outcome(framer, [b"1234567"]) == ([], True)
        assert framer.fault is not None
        assert framer.fault.data == b"1234567"

    def test_a_long_rest_after_a_line(self):
        framer = LineFramer(max_length=5)
        assert outcome(framer, [b"a\r\n1234567"]) == ([b"a"], True)
        assert framer.take_rest() == b"a\r\n1234567"


NETSTRING_FAULTS = [
    b":,",
    b",",
    b"-1:,",
    b"+1:a,",
    b" 1:a,",
    b"1 :a,",
    b"1_0:aaaaaaaaaa,",
    b"01:a,",
    b"00:,",
    b"0x1:a,",
    b"1.0:a,",
    b"a",
    "\N{ARABIC-INDIC DIGIT ONE}:a,".encode(),
    b"\xb2:aa,",
    b"1:ab",
    b"1:a\n",
    b"0:a",
]


class TestNetstrings:
    def test_examples(self):
        stream = b"5:hello,0:,12:hello world!,1:,,3:2:,,"
        frames = [b"hello", b"", b"hello world!", b",", b"2:,"]
        for pieces in divisions(stream):
            assert outcome(NetstringFramer(99999), pieces) == (frames, False)

    @pytest.mark.parametrize("lengths", [(999, 1000, 1001, 3, 99, 100), (1, 10, 100, 1000, 10000)])
    def test_lengths_of_any_width_after_each_other(self, lengths: tuple[int, ...]):
        frames = [b"x" * length for length in lengths]
        stream = b"".join(map(netstring, frames))
        assert feed(NetstringFramer(99999), [stream]) == frames
        assert feed(NetstringFramer(99999), cut(stream, list(range(0, len(stream), 7)))) == frames

    @pytest.mark.parametrize("wrong", NETSTRING_FAULTS)
    def test_a_malformed_one_is_a_fault_in_every_division(self, wrong: bytes):
        for pieces in divisions(b"2:ok," + wrong + b"2:no,"):
            framer = NetstringFramer(99999)
            assert outcome(framer, pieces) == ([b"ok"], True)
            assert framer.fault is not None
            assert not framer.fault.too_long

    @pytest.mark.parametrize(
        "start", [b"101:", b"999:", b"1000", b"1000000000000000000000:", b"9999"]
    )
    def test_one_that_is_too_long_is_a_fault_before_its_data(self, start: bytes):
        for pieces in divisions(b"2:ok," + start):
            framer = NetstringFramer(100)
            assert outcome(framer, pieces) == ([b"ok"], True)
            assert framer.fault is not None
            assert framer.fault.too_long

    def test_the_limit_itself_is_allowed(self):
        assert feed(NetstringFramer(100), [netstring(b"x" * 100)]) == [b"x" * 100]
        assert outcome(NetstringFramer(0), [b"0:,1"]) == ([b""], False)
        assert outcome(NetstringFramer(0), [b"0:,1:"]) == ([b""], True)

    def test_the_digits_of_the_limit_are_not_too_many(self):
        assert outcome(NetstringFramer(100), [b"100"]) == ([], False)

    def test_a_string_may_be_left_in_the_middle(self):
        framer = NetstringFramer(100)
        framer.feed(b"50:abc")
        assert framer.take_rest() == b"50:abc"
        assert feed(framer, [b"1", b":a,"]) == [b"a"]


class TestIntegers:
    @pytest.mark.parametrize(
        "prefix", [BYTE, SHORT, LONG, struct.Struct("<H"), struct.Struct("!Q")]
    )
    def test_examples(self, prefix: struct.Struct):
        frames = [b"hello", b"", b"x", b"y" * 200]
        stream = b"".join(prefix.pack(len(frame)) + frame for frame in frames)
        for pieces in divisions(stream):
            assert outcome(IntFramer(prefix, 200), pieces) == (frames, False)

    def test_one_that_is_too_long_is_a_fault_before_its_data(self):
        for pieces in divisions(b"\0\2ok\0\x0d"):
            framer = IntFramer(SHORT, LIMIT)
            assert outcome(framer, pieces) == ([b"ok"], True)
            assert framer.fault is not None
            assert framer.fault.too_long
            assert framer.fault.data == b"\0\x0d"


@pytest.fixture
def moved(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes framers have copied or searched in their buffers, by operation."""
    counts: list[int] = []

    class CountedBuffer(bytearray):
        def find(self, sub: Any, start: Any = 0, *end: Any) -> int:
            counts.append(len(self) - start)
            return super().find(sub, start, *end)

        def __iadd__(self, data: Any) -> CountedBuffer:  # type: ignore[misc]
            counts.append(len(data))
            self.extend(data)
            return self

        def __bytes__(self) -> bytes:
            counts.append(len(self))
            return bytes(memoryview(self))

    monkeypatch.setattr(framing, "bytearray", CountedBuffer, raising=False)
    return counts


SIZE = 200_000
HOSTILE: dict[str, tuple[Make, bytes]] = {
    "a line without an end": (lambda: LineFramer(max_length=10**9), b"x" * SIZE),
    "carriage returns": (lambda: LineFramer(max_length=10**9), b"\r" * SIZE),
    "the beginning of a delimiter": (lambda: LineFramer(b"a" * 50 + b"b", 10**9), b"a" * SIZE),
    "empty lines": (lambda: LineFramer(), b"\r\n" * (SIZE // 2)),
    "a netstring without an end": (lambda: NetstringFramer(10**9), b"999999999:" + b"x" * SIZE),
    "empty netstrings": (lambda: NetstringFramer(10**9), b"0:," * (SIZE // 3)),
    "an endless frame": (lambda: IntFramer(LONG, 2**31), b"\x7f" + b"x" * SIZE),
    "empty frames": (lambda: IntFramer(LONG, 2**31), bytes(SIZE)),
}


class TestBounds:
    @pytest.mark.parametrize("size", [1, 100, 8192])
    @pytest.mark.parametrize("case", HOSTILE)
    def test_each_byte_is_moved_a_few_times(self, case: str, size: int, moved: list[int]):
        make, stream = HOSTILE[case]
        framer = make()
        for start in range(0, len(stream), size):
            framer.feed(stream[start : start + size])
            framer.frames.clear()
        longest_delimiter = 51
        assert sum(moved) <= 4 * len(stream) + longest_delimiter * len(moved)
        assert len(moved) <= 4 * (len(stream) / size + 1)

    @pytest.mark.parametrize(
        ("make", "stream"),
        [
            (lambda: LineFramer(max_length=5000), b"x" * 1000),
            (lambda: NetstringFramer(5000), b"9" * 1000),
            (lambda: NetstringFramer(5000), b"0" * 1000),
            (lambda: IntFramer(LONG, 5000), b"\xff" * 1000),
        ],
    )
    def test_what_breaks_the_rules_takes_no_memory(self, make: Make, stream: bytes):
        framer = make()
        framer.feed(stream)
        tracemalloc.start()
        try:
            for _ in range(1000):
                framer.feed(stream)
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert framer.fault is not None
        assert peak < 100_000

    def test_a_length_alone_takes_no_memory(self):
        tracemalloc.start()
        try:
            NetstringFramer(10**12).feed(b"999999999999:")
            IntFramer(LONG, 2**32).feed(b"\xff\xff\xff\xff")
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 50_000


def test_a_framer_of_one_s_own_says_what_it_lacks():
    with pytest.raises(NotImplementedError):
        Framer(1).feed(b"x")
    with pytest.raises(NotImplementedError):
        Framer(1).encode(b"x")
    with pytest.raises(NotImplementedError):
        framing.LengthFramer(1).feed(b"x")
