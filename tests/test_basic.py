"""Line receivers, as a user's subclass meets them."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.protocols.basic import LineOnlyReceiver, LineReceiver
from reactorlib.protocols.receiver import Receiver
from tests.pieces import divisions
from tests.receivers import Lines, Literals, connected, deliver


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

    def test_what_was_sent_may_be_changed_afterwards(self) -> None:
        buffer = bytearray()

        def reuse(self: Any) -> None:
            buffer[:] = b"%d" % len(self.got)
            self.sendLine(buffer)

        protocol = connected(Lines(x=reuse))
        protocol.dataReceived(b"x\r\n" * 10)
        assert protocol.transport.value() == b"".join(b"%d\r\n" % n for n in range(1, 11))

    def test_what_cannot_be_sent_is_told_where_it_is_sent(self) -> None:
        def wrong(self: Any) -> None:
            with pytest.raises(TypeError):
                self.sendLine("text")
            self.sendLine(b"bytes")

        protocol = connected(Lines(x=wrong))
        protocol.dataReceived(b"x\r\n" * 10)
        assert protocol.transport.value() == b"bytes\r\n" * 10

    def test_a_producer_that_sends_lines_until_it_is_paused_is_paused(self) -> None:
        class Producing(Lines):
            """As a push producer does: it begins in the middle of a batch of lines."""

            full = False

            def lineReceived(self, line: bytes) -> None:
                self.transport.block()
                producer = Pauses(self)
                self.transport.registerProducer(producer, True)
                while not self.full:
                    self.sendLine(b"x" * 1000)
                self.transport.unregisterProducer()
                self.transport.loseConnection()

        class Pauses:
            def __init__(self, protocol: Producing) -> None:
                self.protocol = protocol

            def pauseProducing(self) -> None:
                self.protocol.full = True

        protocol = connected(Producing())
        protocol.dataReceived(b"x\r\n" * 10)
        assert 65_536 < len(protocol.transport.value()) < 2 * 65_536 + 64 * 1002

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
