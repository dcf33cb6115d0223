"""The small parts of the kit: deliveries, protocols, logs, and the package that holds them."""

from __future__ import annotations

import logging
import subprocess
import sys
import unittest
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactorlib import task, testing
from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.protocol import Factory, Protocol
from reactorlib.protocols.basic import LineOnlyReceiver
from reactorlib.testing import AccumulatingProtocol, Delivery, EventLoggingObserver, deliver
from reactorlib.testing.delivery import WAYS
from tests.deferreds import result_of

DATA = b"abcdefgh"


class Pieces(Protocol):
    """Keeps the pieces it gets; `hook` is called with its transport for each."""

    def __init__(self, hook: Any = None) -> None:
        self.pieces: list[bytes] = []
        self.hook = hook

    def dataReceived(self, data: bytes) -> None:
        self.pieces.append(data)
        if self.hook:
            self.hook(self.transport)


class TestDeliver:
    @pytest.mark.parametrize(
        ("how", "expected"),
        [
            ("whole", [DATA]),
            ("bytes", [b"a", b"b", b"c", b"d", b"e", b"f", b"g", b"h"]),
            (3, [b"abc", b"defgh"]),
            ([1, 4], [b"a", b"bcd", b"efgh"]),
            ([0, 8, 9], [DATA]),
            ((), [DATA]),
        ],
    )
    def test_divides(self, how: Any, expected: list[bytes]) -> None:
        protocol = Pieces()
        assert deliver(protocol, DATA, how=how) == b""
        assert protocol.pieces == expected

    def test_is_whole_by_default(self) -> None:
        protocol = Pieces()
        deliver(protocol, DATA)
        assert protocol.pieces == [DATA]

    def test_of_nothing_is_nothing(self) -> None:
        for how in ("whole", "bytes", 0):
            protocol = Pieces()
            assert deliver(protocol, b"", how) == b""
            assert protocol.pieces == []

    def test_in_no_known_way_is_refused(self) -> None:
        with pytest.raises(ValueError, match="'sideways'"):
            deliver(Pieces(), DATA, "sideways")

    def test_connects_a_protocol_that_is_not(self) -> None:
        protocol, connected = Pieces(), Pieces()
        deliver(protocol, DATA)
        assert protocol.transport.value() == b""
        transport = testing.StringTransport()
        connected.makeConnection(transport)
        deliver(connected, DATA)
        assert connected.transport is transport

    @pytest.mark.parametrize("name", ["loseConnection", "abortConnection", "pauseProducing"])
    def test_stops_where_a_transport_would(self, name: str) -> None:
        protocol = Pieces(lambda transport: getattr(transport, name)())
        assert deliver(protocol, DATA, [3, 5]) == b"defgh"
        assert protocol.pieces == [b"abc"]
        assert deliver(protocol, DATA) == DATA

    def test_goes_on_after_a_resumption(self) -> None:
        protocol = Pieces(lambda transport: transport.pauseProducing())
        rest = deliver(protocol, DATA, 3)
        protocol.transport.resumeProducing()
        assert deliver(protocol, rest) == b""
        assert protocol.pieces == [b"abc", b"defgh"]

    @given(st.binary(max_size=50), st.lists(st.integers(0, 60)).map(sorted))
    def test_loses_nothing(self, data: bytes, cuts: list[int]) -> None:
        protocol = Pieces()
        assert deliver(protocol, data, cuts) == b""
        assert b"".join(protocol.pieces) == data


class Lines(LineOnlyReceiver):
    """Keeps its lines."""

    def __init__(self) -> None:
        self.lines: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        self.lines.append(line)


class TestDelivery:
    def test_tries_all_ways(self) -> None:
        pieces = {
            way: [protocol.pieces for protocol in Delivery(way)(Pieces, b"abc")] for way in WAYS
        }
        assert pieces == {
            "whole": [[b"abc"]],
            "bytes": [[b"a", b"b", b"c"]],
            "splits": [[b"a", b"bc"], [b"ab", b"c"]],
        }
        assert repr(Delivery("bytes")) == "Delivery('bytes')"

    @pytest.mark.parametrize("way", WAYS)
    def test_a_framer_does_not_care(self, way: str) -> None:
        for protocol in Delivery(way)(Lines, b"one\r\ntwo\r\n\r\n"):
            assert protocol.lines == [b"one", b"two", b""]


class TestAccumulatingProtocol:
    def test_keeps_what_happens(self) -> None:
        protocol = AccumulatingProtocol()
        assert (protocol.made, protocol.data, protocol.closed) == (0, b"", 0)
        protocol.makeConnection(testing.StringTransport())
        protocol.dataReceived(b"a")
        protocol.dataReceived(b"b")
        reason = Failure(ValueError())
        protocol.connectionLost(reason)
        assert (protocol.made, protocol.data, protocol.closed) == (1, b"ab", 1)
        assert protocol.closedReason is reason

    def test_fires_its_deferreds_once(self) -> None:
        factory = Factory.forProtocol(AccumulatingProtocol)
        made = factory.protocolConnectionMade = Deferred()  # type: ignore[attr-defined]
        for _ in range(2):
            protocol = factory.buildProtocol(None)
            protocol.makeConnection(testing.StringTransport())
            closed = protocol.closedDeferred = Deferred()
            protocol.connectionLost()
            protocol.connectionLost()
            assert result_of(closed) is None
        assert isinstance(result_of(made), AccumulatingProtocol)


class TestEventLoggingObserver:
    def test_is_the_sequence_of_its_records(self) -> None:
        observer = EventLoggingObserver()
        records = [logging.LogRecord("a", 10, "", 1, str(n), (), None) for n in range(3)]
        for record in records:
            observer(record)
        assert len(observer) == 3
        assert list(observer) == records
        assert (observer[0], observer[1:]) == (records[0], records[1:])
        assert records[2] in observer

    def test_is_removed_with_its_test(self) -> None:
        publisher = logging.getLogger("tests.published")
        publisher.setLevel(logging.DEBUG)

        class Case(unittest.TestCase):
            def runTest(self) -> None:
                self.observer = EventLoggingObserver.createWithCleanup(self, publisher)
                publisher.debug("seen")

        case = Case()
        case.run()
        publisher.debug("not seen")
        assert [record.getMessage() for record in case.observer] == ["seen"]
        assert publisher.handlers == []


class TestPackage:
    def test_has_what_it_says(self) -> None:
        for name in testing.__all__:
            assert getattr(testing, name).__name__ == name
        assert testing.Clock is task.Clock

    def test_says_what_it_has(self) -> None:
        assert sorted(testing.__all__) == list(testing.__all__)
        assert set(testing.__all__) == set(testing._PLACES)

    def test_has_nothing_else(self) -> None:
        with pytest.raises(AttributeError, match=r"reactorlib\.testing.*'Nothing'"):
            testing.Nothing  # noqa: B018

    def test_loads_a_name_when_it_is_asked_for(self) -> None:
        """Before coverage is measured, nothing else of the package may be imported."""
        program = (
            "import sys, reactorlib.testing.plugin\n"
            "print(*sorted(name for name in sys.modules if name.startswith('reactorlib')))\n"
            "from reactorlib.testing import Link\n"
            "assert 'reactorlib._global' not in sys.modules"
        )
        done = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True
        )
        loaded = "reactorlib reactorlib._version reactorlib.testing reactorlib.testing.plugin"
        assert done.stdout.split() == loaded.split()
