"""Receivers of netstrings and of counted strings, as a user's subclass meets them."""

from __future__ import annotations

import logging
import struct

import pytest

from reactorlib.protocols import basic
from reactorlib.protocols.basic import (
    IntNStringReceiver,
    NetstringReceiver,
    StatefulStringProtocol,
    StringTooLongError,
)
from reactorlib.protocols.receiver import Receiver
from tests.pieces import divisions
from tests.receivers import STRINGS, Int8, Int16, Netstrings, Strings, connected, deliver, encoded


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

    def test_echoes_in_a_batch_are_what_was_sent(self, kind: int) -> None:
        strings = [b"%d" % number * (number % 100) for number in range(200)]
        protocol = connected(STRINGS[kind]())
        protocol.stringReceived = protocol.sendString
        protocol.MAX_LENGTH = 1000
        stream = encoded(kind, *(string[:255] for string in strings))
        protocol.dataReceived(stream)
        assert protocol.transport.value() == stream

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
