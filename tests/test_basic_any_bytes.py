"""Receivers under any bytes in any division, and hostile peers: the same result, bounded work."""

from __future__ import annotations

import random
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactorlib.protocols import basic
from reactorlib.protocols.framing import LineFramer, netstring
from reactorlib.protocols.receiver import Backlog
from tests.pieces import cut, places, streams
from tests.receivers import (
    INTEGERS,
    STRINGS,
    Int16,
    Int32,
    Lines,
    Literals,
    Netstrings,
    connected,
    deliver,
)


class Transcript(Lines):
    """Does what the lines say, and joins raw bytes, so that runs can be compared."""

    MAX_LENGTH = 12

    def lineReceived(self, line: bytes) -> None:
        super().lineReceived(line)
        self.count = len(line)
        action = {
            b"R": self.setRawMode,
            b"P": self.pauseProducing,
            b"D": lambda: setattr(self, "delimiter", b"aba"),
            b"E": lambda: setattr(self, "delimiter", b"\r\n"),
            b"M": lambda: setattr(self, "MAX_LENGTH", 5),
            b"N": lambda: setattr(self, "MAX_LENGTH", 30),
            b"Q": lambda: self.transport.loseConnection(),
        }.get(line[:1])
        if action:
            action()

    def rawDataReceived(self, data: bytes) -> None:
        wanted, extra = data[: self.count], data[self.count :]
        self.count -= len(wanted)
        if self.got[-1][0] == "raw":
            wanted = self.got.pop()[1] + wanted
        self.keep("raw", wanted)
        if not self.count:
            self.setLineMode(extra)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.got.append(("long", b""))
        self.transport.loseConnection()


def transcript(pieces: list[bytes]) -> list[tuple[str, bytes]]:
    protocol = connected(Transcript())
    for piece in pieces:
        if not protocol.transport.disconnecting:
            protocol.dataReceived(piece)
        while protocol.paused:
            protocol.resumeProducing()
    return protocol.got


commands = (b"R", b"P", b"D", b"E", b"M", b"N", b"Q", b"\r\n", b"aba", b"a", b"b", b"\r", b"xyzxyz")


class TestAnyBytes:
    @given(stream=streams(*commands, b"\r\n", b"\r\n", b"aba"), cuts=places)
    def test_lines_do_not_depend_on_the_division(self, stream: bytes, cuts: list[int]) -> None:
        whole = transcript([stream])
        assert transcript(cut(stream, cuts)) == whole
        assert transcript([bytes([byte]) for byte in stream]) == whole

    @given(stream=streams(b"5:hello,", b"0:,", b"1", b":", b",", b"9999999"), cuts=places)
    def test_netstrings_do_not_depend_on_the_division(self, stream: bytes, cuts: list[int]) -> None:
        whole = deliver(connected(Netstrings()), [stream])
        parts = deliver(connected(Netstrings()), cut(stream, cuts))
        assert parts.got == whole.got
        assert parts.transport.disconnecting == whole.transport.disconnecting == whole.brokenPeer

    @given(stream=st.binary(max_size=60), cuts=places, kind=st.sampled_from([8, 16, 32]))
    def test_counted_strings_do_not_depend_on_the_division(
        self, stream: bytes, cuts: list[int], kind: int
    ) -> None:
        whole = deliver(connected(INTEGERS[kind]()), [stream])
        parts = deliver(connected(INTEGERS[kind]()), cut(stream, cuts))
        assert parts.got == whole.got
        assert parts.transport.disconnecting == whole.transport.disconnecting

    @given(strings=st.lists(st.binary(max_size=50), max_size=10), cuts=places)
    @pytest.mark.parametrize("kind", [0, 8, 16, 32])
    def test_what_is_sent_is_received(
        self, kind: int, strings: list[bytes], cuts: list[int]
    ) -> None:
        sender, receiver = connected(STRINGS[kind]()), connected(STRINGS[kind]())
        for string in strings:
            sender.sendString(string)
        assert deliver(receiver, cut(sender.transport.value(), cuts)).got == strings


class TestBacklog:
    def test_what_was_only_added_comes_as_it_is(self) -> None:
        backlog = Backlog()
        assert not backlog
        assert backlog.take() == b""
        for piece in (b"x" * 5000, b"", b"y"):
            backlog.add(piece)
        assert backlog
        assert [backlog.take(), backlog.take(), backlog.take()] == [b"x" * 5000, b"y", b""]

    def test_after_something_was_put_back_the_pieces_double(self) -> None:
        data = random.Random(1).randbytes(100_000)
        backlog = Backlog()
        backlog.add(data[1000:])
        backlog.put_back(data[:1000])
        backlog.put_back(b"")
        pieces = list(iter(backlog.take, b""))
        assert b"".join(pieces) == data
        assert [len(piece) for piece in pieces[:4]] == [256, 512, 232, 1024]
        assert len(pieces) < 12
        backlog.add(data)
        assert backlog.take() == data

    def test_everything(self) -> None:
        backlog = Backlog()
        for piece in (b"b" * 1000, b"c"):
            backlog.add(piece)
        backlog.put_back(b"a")
        assert backlog.take() == b"a"
        assert backlog.take() == b"b" * 256
        assert backlog.take_all() == b"b" * 744 + b"c"
        assert not backlog


SIZE = 30_000


@pytest.fixture
def looked_at(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many bytes each call to a line framer took or gave back."""
    counts: list[int] = []

    class CountedFramer(LineFramer):
        __slots__ = ()

        def feed(self, data: bytes) -> None:
            counts.append(len(data))
            super().feed(data)

        def take_rest(self) -> bytes:
            rest = super().take_rest()
            counts.append(len(rest))
            return rest

    monkeypatch.setattr(basic, "LineFramer", CountedFramer)
    return counts


class TestBounds:
    """However hostile the peer: linear time, which is bytes looked at, and bounded memory."""

    def check_linear(self, looked_at: list[int], run: Callable[[int], object]) -> None:
        work = []
        for size in (SIZE, 2 * SIZE):
            looked_at.clear()
            run(size)
            work.append(sum(looked_at) + len(looked_at))
        assert work[1] < 2.2 * work[0]

    @pytest.mark.parametrize("piece", [1, 1000, SIZE])
    def test_thousands_of_changes_of_mode_in_one_buffer(
        self, looked_at: list[int], piece: int
    ) -> None:
        def run(size: int) -> None:
            stream = b"3\r\nabc" * (size // 6)
            protocol = connected(Literals())
            pieces = cut(stream, list(range(0, len(stream), min(piece * 10, len(stream)))))
            deliver(protocol, pieces)
            assert protocol.strings == [b"abc"] * (size // 6)

        self.check_linear(looked_at, run)

    @pytest.mark.parametrize(
        ("act", "stream"),
        [
            (lambda self: setattr(self, "MAX_LENGTH", 100 + len(self.got) % 7), b"a\r\na\r\n"),
            (
                lambda self: setattr(self, "delimiter", b"\r\n" + b"x" * (len(self.got) % 2)),
                b"a\r\na\r\nx",
            ),
            (lambda self: self.pauseProducing(), b"a\r\na\r\n"),
            (lambda self: (self.pauseProducing(), self.resumeProducing()), b"a\r\na\r\n"),
            (lambda self: self.setLineMode(b""), b"a\r\na\r\n"),
        ],
        ids=["limit", "delimiter", "pause", "blink", "line mode"],
    )
    def test_a_change_after_each_line_in_one_buffer(
        self, looked_at: list[int], act: Callable[[Any], object], stream: bytes
    ) -> None:
        def run(size: int) -> None:
            protocol = connected(Lines(a=act))
            protocol.dataReceived(stream * (size // 6))
            while protocol.paused:
                protocol.resumeProducing()
            assert len(protocol.lines) == 2 * (size // 6)

        self.check_linear(looked_at, run)

    @pytest.mark.parametrize("protocol", [Lines, Literals])
    def test_the_stack_does_not_grow(self, protocol: type[Lines]) -> None:
        deep: list[int] = []

        class Deep(protocol):  # type: ignore[misc, valid-type]
            def lineReceived(self, line: bytes) -> None:
                deep.append(len(list(_frames())))
                super().lineReceived(line)

        deliver(connected(Deep()), [b"1\r\na" * 2000, b"1\r\nb"])
        assert len(set(deep)) <= 2

    @pytest.mark.parametrize(
        ("protocol", "stream"),
        [
            (Lines, b"x"),
            (Netstrings, b"9"),
            (Netstrings, netstring(b"x" * 90_000)[:80_000]),
            (Int32, b"\xff"),
            (Int16, b"\0\x64" + b"x" * 50),
        ],
    )
    def test_a_hostile_peer_costs_bounded_memory(
        self, protocol: Callable[[], Any], stream: bytes
    ) -> None:
        """The transport goes on delivering: a protocol that let itself be filled would show it."""
        receiver = connected(protocol())
        tracemalloc.start()
        try:
            receiver.dataReceived(stream)
            for _ in range(2000):
                receiver.dataReceived(b"x" * 100)
                receiver.got.clear()
            _, peak = tracemalloc.get_traced_memory()
        finally:
            tracemalloc.stop()
        assert peak < 4 * receiver.MAX_LENGTH + 100_000


def _frames() -> Any:
    frame = sys._getframe()
    while frame is not None:
        yield frame
        frame = frame.f_back  # type: ignore[assignment]
