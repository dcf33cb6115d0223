"""The protocols of lines and strings, as a user's subclass meets them."""

from __future__ import annotations

import io
import logging
import random
import struct
import sys
import tracemalloc
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.protocols import basic
from reactorlib.protocols.basic import (
    FileSender,
    Int8StringReceiver,
    Int16StringReceiver,
    Int32StringReceiver,
    IntNStringReceiver,
    LineOnlyReceiver,
    LineReceiver,
    NetstringReceiver,
    StatefulStringProtocol,
    StringTooLongError,
)
from reactorlib.protocols.filesender import TransferStopped
from reactorlib.protocols.framing import LineFramer, netstring
from reactorlib.protocols.receiver import Backlog, Receiver
from reactorlib.testing import StringTransport
from tests.pieces import cut, divisions, places, streams


class Lines(LineReceiver):
    """Keeps what it gets; `on` says what to do after a line.

    It has a constructor of its own, which does not call its base's.
    """

    def __init__(self, **on: Callable[[Any], object]) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.on = on

    def lineReceived(self, line: bytes) -> None:
        self.keep("line", line)

    def rawDataReceived(self, data: bytes) -> None:
        self.keep("raw", data)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.keep("long", line)
        super().lineLengthExceeded(line)

    def keep(self, kind: str, data: bytes) -> None:
        self.got.append((kind, data))
        if kind == "line" and data.decode("latin-1") in self.on:
            self.on[data.decode("latin-1")](self)

    @property
    def lines(self) -> list[bytes]:
        return [data for kind, data in self.got if kind == "line"]

    @property
    def raw(self) -> bytes:
        return b"".join(data for kind, data in self.got if kind == "raw")


def connected(protocol: Any) -> Any:
    protocol.makeConnection(StringTransport())
    return protocol


def deliver(protocol: Any, pieces: list[bytes]) -> Any:
    """As a transport does: nothing once it was told to end, what came in a pause after it."""
    waiting = list(pieces)
    while waiting and not protocol.transport.disconnecting:
        protocol.dataReceived(waiting.pop(0))
    return protocol


class TestLineReceiver:
    def test_lines_in_every_division(self) -> None:
        for pieces in divisions(b"one\r\ntwo\r\n\r\nthree\rfour\nfive"):
            assert deliver(connected(Lines()), pieces).lines == [b"one", b"two", b""]

    def test_it_works_without_a_transport(self) -> None:
        protocol = Lines()
        protocol.dataReceived(b"one\r\ntwo\r\n")
        assert protocol.lines == [b"one", b"two"]

    def test_a_line_is_sent_with_the_delimiter(self) -> None:
        protocol = connected(Lines())
        protocol.sendLine(b"one")
        protocol.delimiter = b"!"
        protocol.sendLine(b"two")
        assert protocol.transport.value() == b"one\r\ntwo!"
        with pytest.raises(TypeError):
            protocol.sendLine("three")

    @pytest.mark.parametrize("method", ["lineReceived", "rawDataReceived"])
    def test_what_is_to_be_overridden_says_so(self, method: str) -> None:
        with pytest.raises(NotImplementedError):
            getattr(LineReceiver(), method)(b"x")

    def test_the_base_has_no_way_of_its_own(self) -> None:
        with pytest.raises(NotImplementedError):
            connected(Receiver()).dataReceived(b"x")

    def test_nothing_is_delivered_after_the_connection_was_told_to_end(self) -> None:
        for pieces in divisions(b"one\r\nquit\r\ntwo\r\n"):
            protocol = connected(Lines(quit=lambda self: self.transport.loseConnection()))
            for piece in pieces:
                protocol.dataReceived(piece)
            assert protocol.lines == [b"one", b"quit"]

    def test_a_callback_that_raises_does_not_lock_the_protocol(self) -> None:
        def fail(self: Any) -> None:
            raise ZeroDivisionError

        protocol = connected(Lines(fail=fail))
        with pytest.raises(ZeroDivisionError):
            protocol.dataReceived(b"one\r\nfail\r\ntwo\r\nthr")
        protocol.dataReceived(b"ee\r\n")
        assert protocol.lines == [b"one", b"fail", b"two", b"three"]

    def test_a_method_may_be_replaced_between_two_lines(self) -> None:
        protocol = connected(Lines())
        seen = []
        protocol.on["switch"] = lambda self: setattr(self, "lineReceived", seen.append)
        protocol.dataReceived(b"switch\r\ntwo\r\n")
        assert seen == [b"two"]

    def test_bytes_that_a_callback_receives_come_after_all_others(self) -> None:
        protocol = connected(Lines(more=lambda self: self.dataReceived(b"last\r\n")))
        protocol.dataReceived(b"more\r\nnext\r\n")
        assert protocol.lines == [b"more", b"next", b"last"]


class TestRawMode:
    def test_the_mode_changes_before_the_next_byte_in_every_division(self) -> None:
        for pieces in divisions(b"one\r\nraw\r\ntwo\r\nthree"):
            protocol = deliver(connected(Lines(raw=LineReceiver.setRawMode)), pieces)
            assert protocol.lines == [b"one", b"raw"]
            assert protocol.raw == b"two\r\nthree"

    def test_a_protocol_may_begin_in_raw_mode(self) -> None:
        class Raw(Lines):
            line_mode = False

        for pieces in divisions(b"a\r\nb"):
            assert deliver(connected(Raw()), pieces).raw == b"a\r\nb"

    def test_the_attribute_may_be_set_as_well(self) -> None:
        protocol = connected(Lines(raw=lambda self: setattr(self, "line_mode", 0)))
        protocol.dataReceived(b"raw\r\nabc\r\n")
        assert protocol.got == [("line", b"raw"), ("raw", b"abc\r\n")]

    def test_the_mode_changes_in_the_middle_of_a_line(self) -> None:
        protocol = connected(Lines())
        protocol.dataReceived(b"par")
        protocol.setRawMode()
        protocol.dataReceived(b"tial")
        assert protocol.got == [("raw", b"partial")]
        protocol.setLineMode(b"one\r\n")
        assert protocol.lines == [b"one"]

    def test_a_literal_of_so_many_bytes_in_every_division(self) -> None:
        for pieces in divisions(b"3\r\na\r\nnext\r\n2\r\n\r\nend\r\n1\r\nx"):
            protocol = deliver(connected(Literals()), pieces)
            assert protocol.strings == [b"a\r\n", b"\r\n", b"x"]
            assert protocol.lines == [b"next", b"end"]

    def test_extra_comes_before_what_was_received_since(self) -> None:
        protocol = connected(Lines(raw=LineReceiver.setRawMode))
        protocol.dataReceived(b"raw\r\nabc")
        protocol.pauseProducing()
        protocol.dataReceived(b"last\r\n")
        protocol.setLineMode(b"first\r\n")
        protocol.resumeProducing()
        assert protocol.lines == [b"raw", b"first", b"last"]

    def test_extra_in_line_mode_is_received_like_anything_else(self) -> None:
        protocol = connected(Lines(more=lambda self: self.setLineMode(b"three\r\n")))
        protocol.setLineMode(b"one\r\nmore\r\ntwo\r\n")
        assert protocol.lines == [b"one", b"more", b"two", b"three"]

    def test_there_and_back_in_one_callback(self) -> None:
        def both(self: Any) -> None:
            self.setRawMode()
            self.setLineMode()

        protocol = connected(Lines(both=both))
        protocol.dataReceived(b"both\r\nboth\r\nnext\r\n")
        assert protocol.lines == [b"both", b"both", b"next"]

    def test_the_buffer_can_be_cleared(self) -> None:
        taken: list[bytes] = []
        protocol = connected(Lines(clear=lambda self: taken.append(self.clearLineBuffer())))
        assert protocol.clearLineBuffer() == b""
        protocol.dataReceived(b"clear\r\ntwo\r\nthr")
        protocol.dataReceived(b"ee\r\nfo")
        assert protocol.lines == [b"clear", b"ee"]
        assert taken == [b"two\r\nthr"]
        assert protocol.clearLineBuffer() == b"fo"

    def test_the_buffer_has_what_was_received_in_a_pause(self) -> None:
        protocol = connected(Lines(wait=LineReceiver.pauseProducing))
        for piece in (b"wait\r\none", b"\r\ntwo", b""):
            protocol.dataReceived(piece)
        assert protocol.clearLineBuffer() == b"one\r\ntwo"
        protocol.resumeProducing()
        assert protocol.lines == [b"wait"]

    def test_the_buffer_is_cleared_in_order(self) -> None:
        taken: list[bytes] = []
        protocol = connected(Lines(clear=lambda self: taken.append(self.clearLineBuffer())))
        protocol.pauseProducing()
        for piece in (b"clear\r\none\r\nt", b"wo\r\n", b"three"):
            protocol.dataReceived(piece)
        protocol.resumeProducing()
        assert taken == [b"one\r\ntwo\r\nthree"]
        assert protocol.lines == [b"clear"]


class Literals(Lines):
    """A line that is a number is followed by so many bytes."""

    missing = 0

    def __init__(self) -> None:
        super().__init__()
        self.strings: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        if line.isdigit():
            self.missing = int(line)
            self.strings.append(b"")
            self.setRawMode()
        else:
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        self.strings[-1] += data[: self.missing]
        extra = data[self.missing :]
        self.missing -= len(data) - len(extra)
        if not self.missing:
            self.setLineMode(extra)


class TestPauses:
    def test_a_pause_holds_before_the_next_line(self) -> None:
        for pieces in divisions(b"one\r\nwait\r\ntwo\r\nwait\r\nthree\r\n"):
            protocol = connected(Lines(wait=LineReceiver.pauseProducing))
            for piece in pieces:
                protocol.dataReceived(piece)
            assert protocol.lines == [b"one", b"wait"]
            assert protocol.transport.producerState == "paused"
            protocol.resumeProducing()
            assert protocol.lines == [b"one", b"wait", b"two", b"wait"]
            protocol.resumeProducing()
            assert protocol.lines[4:] == [b"three"]
            assert protocol.transport.producerState == "producing"

    def test_a_pause_in_raw_mode(self) -> None:
        protocol = connected(Lines(raw=LineReceiver.setRawMode))
        protocol.dataReceived(b"raw\r\n")
        protocol.pauseProducing()
        protocol.dataReceived(b"abc")
        assert protocol.raw == b""
        protocol.resumeProducing()
        assert protocol.raw == b"abc"

    def test_resumed_in_the_same_callback(self) -> None:
        def blink(self: Any) -> None:
            self.pauseProducing()
            self.resumeProducing()

        protocol = connected(Lines(blink=blink))
        protocol.dataReceived(b"blink\r\nblink\r\nend\r\n")
        assert protocol.lines == [b"blink", b"blink", b"end"]

    def test_a_transport_that_delivers_while_it_is_resumed(self) -> None:
        protocol = connected(Lines(wait=LineReceiver.pauseProducing))
        protocol.dataReceived(b"wait\r\none\r\ntw")
        protocol.transport.resumeProducing = lambda: protocol.dataReceived(b"o\r\n")
        protocol.resumeProducing()
        assert protocol.lines == [b"wait", b"one", b"two"]

    def test_nothing_is_delivered_after_the_connection_was_lost(self) -> None:
        protocol = connected(Lines(wait=LineReceiver.pauseProducing))
        protocol.dataReceived(b"wait\r\ntwo\r\n")
        protocol.transport.connected = False
        protocol.resumeProducing()
        assert protocol.lines == [b"wait"]

    def test_the_end_of_production_is_the_end_of_the_connection(self) -> None:
        protocol = connected(Lines(stop=LineReceiver.stopProducing))
        protocol.dataReceived(b"stop\r\ntwo\r\n")
        assert protocol.lines == [b"stop"]
        assert protocol.transport.disconnecting


class TestLimits:
    def test_a_line_that_is_too_long_loses_the_connection(self) -> None:
        for pieces in divisions(b"ok\r\n1234567\r\nno\r\n"):
            protocol = connected(Lines())
            protocol.MAX_LENGTH = 6
            deliver(protocol, pieces)
            assert protocol.lines == [b"ok"]
            assert [kind for kind, _ in protocol.got] == ["line", "long"]
            assert protocol.transport.disconnecting

    def test_what_is_too_long_is_told_with_all_that_follows(self) -> None:
        protocol = connected(Lines(wait=LineReceiver.pauseProducing))
        protocol.MAX_LENGTH = 6
        protocol.dataReceived(b"wait\r\n12345")
        protocol.dataReceived(b"67\r\nno")
        protocol.dataReceived(b" more\r\n")
        protocol.resumeProducing()
        assert protocol.got[1:] == [("long", b"1234567\r\nno more\r\n")]

    def test_an_override_may_go_on_with_lines(self) -> None:
        class Tolerant(Lines):
            MAX_LENGTH = 6

            def lineLengthExceeded(self, line: bytes) -> None:
                self.keep("long", line)
                self.setLineMode(line.partition(b"\r\n")[2])

        protocol = connected(Tolerant())
        protocol.dataReceived(b"1234567\r\nok\r\n7654321\r\nfine\r\n")
        assert protocol.lines == [b"ok", b"fine"]
        protocol.dataReceived(b"next\r\n")
        assert protocol.lines == [b"ok", b"fine", b"next"]

    def test_an_override_may_go_on_with_raw_bytes(self) -> None:
        class Switching(Lines):
            MAX_LENGTH = 6

            def lineLengthExceeded(self, line: bytes) -> None:
                self.setRawMode()

        protocol = connected(Switching())
        protocol.dataReceived(b"ok\r\n12345678")
        protocol.dataReceived(b"raw\r\n")
        assert protocol.got == [("line", b"ok"), ("raw", b"raw\r\n")]

    def test_a_limit_holds_from_the_next_line_on(self) -> None:
        for pieces in divisions(b"more\r\n12345678\r\nless\r\n123456\r\n"):
            protocol = connected(
                Lines(
                    more=lambda self: setattr(self, "MAX_LENGTH", 8),
                    less=lambda self: setattr(self, "MAX_LENGTH", 5),
                )
            )
            protocol.MAX_LENGTH = 4
            deliver(protocol, pieces)
            assert protocol.lines == [b"more", b"12345678", b"less"]
            assert protocol.transport.disconnecting

    def test_a_delimiter_holds_from_the_next_byte_on(self) -> None:
        for pieces in divisions(b"unix\r\na\nb\r\nlong\nc\r\nEND"):
            protocol = connected(
                Lines(
                    unix=lambda self: setattr(self, "delimiter", b"\n"),
                    long=lambda self: setattr(self, "delimiter", b"\r\nEND"),
                )
            )
            assert deliver(protocol, pieces).lines == [b"unix", b"a", b"b\r", b"long", b"c"]

    def test_a_limit_that_shrinks_below_what_waits(self) -> None:
        protocol = connected(Lines())
        protocol.dataReceived(b"1234567")
        protocol.MAX_LENGTH = 2
        protocol.dataReceived(b"8\r\n")
        assert protocol.got == [("long", b"12345678\r\n")]

    def test_limits_that_are_computed(self) -> None:
        class Computing(Lines):
            @property
            def MAX_LENGTH(self) -> int:  # type: ignore[override]
                return 3 + len(self.got)

            @property
            def delimiter(self) -> bytes:  # type: ignore[override]
                return b"-" * (1 + len(self.got) % 2)

        protocol = connected(Computing())
        protocol.dataReceived(b"123-1-34--123456-too long")
        assert protocol.lines == [b"123", b"1-34", b"123456"][: len(protocol.lines)]
        assert protocol.transport.disconnecting


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


class Strings:
    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.on: dict[bytes, Callable[[Any], object]] = {}

    def stringReceived(self, string: bytes) -> None:
        self.got.append(string)
        if string in self.on:
            self.on[string](self)


class Netstrings(Strings, NetstringReceiver):
    pass


class Int8(Strings, Int8StringReceiver):
    MAX_LENGTH = 100


class Int16(Strings, Int16StringReceiver):
    MAX_LENGTH = 100


class Int32(Strings, Int32StringReceiver):
    MAX_LENGTH = 100


INTEGERS: dict[int, Callable[[], Any]] = {8: Int8, 16: Int16, 32: Int32}
STRINGS = {0: Netstrings, **INTEGERS}


def encoded(kind: int, *strings: bytes) -> bytes:
    sender = connected(STRINGS[kind]())
    for string in strings:
        sender.sendString(string)
    return sender.transport.value()


class TestStrings:
    """What netstrings and counted strings have in common."""

    @pytest.fixture(params=STRINGS, ids=lambda kind: f"int{kind}" if kind else "netstring")
    def kind(self, request: pytest.FixtureRequest) -> int:
        return int(request.param)

    def test_strings_in_every_division(self, kind: int) -> None:
        for pieces in divisions(encoded(kind, b"one", b"", b"three")):
            assert deliver(connected(STRINGS[kind]()), pieces).got == [b"one", b"", b"three"]

    def test_it_works_without_a_transport(self, kind: int) -> None:
        protocol = STRINGS[kind]()
        protocol.dataReceived(encoded(kind, b"one"))
        assert protocol.got == [b"one"]

    def test_a_pause_holds_before_the_next_string(self, kind: int) -> None:
        for pieces in divisions(encoded(kind, b"one", b"wait", b"two")):
            protocol = connected(STRINGS[kind]())
            protocol.on[b"wait"] = Receiver.pauseProducing
            deliver(protocol, pieces)
            assert protocol.got == [b"one", b"wait"]
            protocol.resumeProducing()
            assert protocol.got == [b"one", b"wait", b"two"]

    def test_nothing_is_delivered_after_the_connection_was_told_to_end(self, kind: int) -> None:
        for pieces in divisions(encoded(kind, b"one", b"quit", b"two")):
            protocol = connected(STRINGS[kind]())
            protocol.on[b"quit"] = lambda self: self.transport.loseConnection()
            for piece in pieces:
                protocol.dataReceived(piece)
            assert protocol.got == [b"one", b"quit"]

    def test_a_limit_holds_from_the_next_string_on(self, kind: int) -> None:
        for pieces in divisions(encoded(kind, b"more", b"12345678", b"less", b"123456")):
            protocol = connected(STRINGS[kind]())
            protocol.MAX_LENGTH = 4
            protocol.on[b"more"] = lambda self: setattr(self, "MAX_LENGTH", 8)
            protocol.on[b"less"] = lambda self: setattr(self, "MAX_LENGTH", 5)
            deliver(protocol, pieces)
            assert protocol.got == [b"more", b"12345678", b"less"]
            assert protocol.transport.disconnecting

    def test_a_string_that_is_too_long_loses_the_connection(self, kind: int) -> None:
        for pieces in divisions(encoded(kind, b"one", b"x" * 11, b"two")):
            protocol = connected(STRINGS[kind]())
            protocol.MAX_LENGTH = 10
            for piece in pieces:
                protocol.dataReceived(piece)
            assert protocol.got == [b"one"]
            assert protocol.transport.disconnecting

    def test_what_is_to_be_overridden_says_so(self, kind: int) -> None:
        base = STRINGS[kind].__mro__[2]
        with pytest.raises(NotImplementedError):
            base().stringReceived(b"x")

    def test_the_base_has_no_format(self) -> None:
        receiver = basic._StringReceiver()
        with pytest.raises(NotImplementedError):
            receiver.dataReceived(b"x")
        with pytest.raises(NotImplementedError):
            receiver._fault_found(basic.Fault("", b""))


class TestNetstringReceiver:
    @pytest.mark.parametrize("wrong", [b"01:a,", b"-1:,", b"1:ab", b"a", b":", b"100000:"])
    def test_a_bad_one_loses_the_connection_and_is_logged_without_a_traceback(
        self, wrong: bytes, caplog: pytest.LogCaptureFixture
    ) -> None:
        protocol = connected(Netstrings())
        with caplog.at_level(logging.INFO):
            protocol.dataReceived(b"2:ok," + wrong + b"2:no,")
        assert protocol.got == [b"ok"]
        assert protocol.brokenPeer
        assert protocol.transport.disconnecting
        (record,) = caplog.records
        assert record.levelno == logging.INFO
        assert record.exc_info is None
        assert record.getMessage().startswith("Netstrings: ")

    def test_a_good_peer_is_not_broken(self) -> None:
        protocol = connected(Netstrings())
        protocol.dataReceived(b"2:ok,1:")
        assert not protocol.brokenPeer


class TestIntNStringReceiver:
    def test_what_does_not_fit_the_prefix_is_not_sent(self) -> None:
        protocol = connected(Int8())
        protocol.sendString(b"x" * 255)
        with pytest.raises(StringTooLongError, match="256 does not fit 1 byte"):
            protocol.sendString(b"x" * 256)
        assert protocol.transport.value() == b"\xff" + b"x" * 255

    def test_a_format_of_one_s_own(self) -> None:
        class Little(Strings, IntNStringReceiver):
            structFormat = "<H"
            prefixLength = struct.calcsize(structFormat)

        protocol = connected(Little())
        protocol.sendString(b"hello")
        assert protocol.transport.value() == b"\5\0hello"
        protocol.dataReceived(b"\2\0hi")
        assert protocol.got == [b"hi"]

    def test_the_length_is_told(self) -> None:
        class Telling(Int16):
            def lengthLimitExceeded(self, length: int) -> None:
                self.got.append(b"%d is too long" % length)

        for pieces in divisions(b"\0\1a\0\x65" + b"x" * 5):
            protocol = deliver(connected(Telling()), pieces)
            assert protocol.got == [b"a", b"101 is too long"]
            protocol.dataReceived(b"\0\1b")
            assert protocol.got == [b"a", b"101 is too long"]

    def test_an_override_may_raise_the_limit(self) -> None:
        class Generous(Int16):
            def lengthLimitExceeded(self, length: int) -> None:
                self.MAX_LENGTH = length

        stream = encoded(16, b"a", b"x" * 101, b"b", b"y" * 102, b"c")
        for pieces in divisions(stream):
            protocol = deliver(connected(Generous()), pieces)
            assert protocol.got == [b"a", b"x" * 101, b"b", b"y" * 102, b"c"]


class TestLineOnlyReceiver:
    def test_lines(self) -> None:
        class Only(LineOnlyReceiver):
            MAX_LENGTH = 6

            def __init__(self) -> None:
                self.got: list[bytes] = []

            def lineReceived(self, line: bytes) -> None:
                self.got.append(line)

        for pieces in divisions(b"one\r\n\r\ntwo\r\n1234567\r\nno\r\n"):
            protocol = deliver(connected(Only()), pieces)
            assert protocol.got == [b"one", b"", b"two"]
            assert protocol.transport.disconnecting


class TestStatefulStringProtocol:
    class Greeter(StatefulStringProtocol, NetstringReceiver):
        def __init__(self) -> None:
            self.names: list[bytes] = []

        def proto_init(self, string: bytes) -> str:
            assert string == b"hello"
            return "name"

        def proto_name(self, string: bytes) -> str:
            self.names.append(string)
            return "done" if string == b"end" else "name"

    def test_states_in_every_division(self) -> None:
        for pieces in divisions(b"5:hello,3:one,3:two,3:end,4:more,"):
            protocol = deliver(connected(self.Greeter()), pieces)
            assert protocol.names == [b"one", b"two", b"end"]
            assert protocol.state == "done"
            assert protocol.transport.disconnecting

    def test_a_state_without_a_method_is_a_fault_of_the_program(self) -> None:
        protocol = connected(self.Greeter())
        protocol.state = "lost"
        with pytest.raises(AttributeError, match="proto_lost"):
            protocol.dataReceived(b"1:x,")


class Asking(StringTransport):
    """Asks a pull producer for the first data at once, as a connection does."""

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        super().registerProducer(producer, streaming)
        producer.resumeProducing()

    def ask(self, times: int = 1) -> None:
        for _ in range(times):
            self.producer.resumeProducing()


class TestFileSender:
    def send(self, data: bytes, transform: Any = None) -> tuple[Any, Any]:
        transport = Asking()
        sender = FileSender()
        sender.CHUNK_SIZE = 4
        return sender.beginFileTransfer(io.BytesIO(data), transport, transform), transport

    def test_a_chunk_for_each_time_it_is_asked(self) -> None:
        done, transport = self.send(b"123456789")
        assert not transport.streaming
        assert transport.value() == b"1234"
        transport.ask(2)
        assert transport.value() == b"123456789"
        assert not done.called
        transport.ask()
        assert result_of(done) == b"9"
        assert transport.producer is None

    def test_an_empty_file_is_sent_at_once(self) -> None:
        done, transport = self.send(b"")
        assert result_of(done) == b""
        assert transport.producer is None
        assert transport.value() == b""

    def test_each_chunk_is_transformed(self) -> None:
        done, transport = self.send(b"abcdefgh", bytes.upper)
        transport.ask(2)
        assert transport.value() == b"ABCDEFGH"
        assert result_of(done) == b"H"

    def test_a_chunk_that_becomes_nothing_is_passed_over(self) -> None:
        done, transport = self.send(b"----abcd----", lambda chunk: chunk.replace(b"-", b""))
        assert transport.value() == b"abcd"
        transport.ask()
        assert transport.value() == b"abcd"
        assert result_of(done) == b"d"

    def test_a_file_that_cannot_be_read(self) -> None:
        transport = Asking()
        file = io.BytesIO(b"x")
        file.close()
        done = FileSender().beginFileTransfer(file, transport)
        assert failure_of(done).check(ValueError)
        assert transport.producer is None

    def test_a_transform_that_fails(self) -> None:
        done, transport = self.send(b"12345678", lambda chunk: chunk if chunk == b"1234" else 1 / 0)
        transport.ask()
        assert failure_of(done).check(ZeroDivisionError)
        assert transport.value() == b"1234"

    def test_a_consumer_that_stops(self) -> None:
        done, transport = self.send(b"12345678")
        transport.producer.pauseProducing()
        transport.producer.stopProducing()
        assert failure_of(done).check(TransferStopped)


def result_of(deferred: Deferred[Any]) -> Any:
    results: list[Any] = []
    deferred.addBoth(results.append)
    (result,) = results
    return result


def failure_of(deferred: Deferred[Any]) -> Failure:
    failure = result_of(deferred)
    assert isinstance(failure, Failure)
    return failure


SIZE = 100_000


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
