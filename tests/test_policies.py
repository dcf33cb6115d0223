"""Limits of connections, traffic in logs, and policies in policies."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from reactorlib.error import ConnectionAborted
from reactorlib.failure import Failure
from reactorlib.protocol import Protocol
from reactorlib.protocols.policies import (
    LimitConnectionsByPeer,
    LimitTotalConnectionsFactory,
    SpewingFactory,
    ThrottlingFactory,
    TimeoutFactory,
    TrafficLoggingFactory,
)
from reactorlib.testing import AccumulatingProtocol, Link
from tests.wrapped import (
    DONE,
    Accumulating,
    address,
    connect,
)


class TestLimitConnectionsByPeer:
    def test_each_peer_has_so_many(self) -> None:
        factory = LimitConnectionsByPeer(Accumulating())
        factory.maxConnectionsPerPeer = 2
        (first, _), (second, _) = (connect(factory, address(port=port)) for port in (1, 2))
        assert factory.buildProtocol(address(port=3)) is None
        other, _ = connect(factory, address("10.0.0.2"))
        assert factory.peerConnections == {"10.0.0.1": 2, "10.0.0.2": 1}
        first.connectionLost(DONE)
        assert factory.buildProtocol(address()) is not None
        other.connectionLost(DONE)
        second.connectionLost(DONE)
        assert dict(factory.peerConnections) == {"10.0.0.1": 1}

    def test_a_peer_that_has_become_another_is_still_the_one_that_was_counted(self) -> None:
        factory = LimitConnectionsByPeer(Accumulating())
        wrapper, transport = connect(factory)
        transport.peerAddr = address("10.9.9.9")
        wrapper.connectionLost(DONE)
        assert not factory.peerConnections
        assert not factory.protocols

    def test_peers_without_a_host_are_told_apart_by_their_address(self) -> None:
        factory = LimitConnectionsByPeer(Accumulating())
        factory.maxConnectionsPerPeer = 1
        assert factory.buildProtocol("one") is not None
        assert factory.buildProtocol("one") is None
        assert factory.buildProtocol("two") is not None


class TestLimitTotalConnectionsFactory:
    def make(self, limit: int | None, overflow: Any = None) -> Any:
        factory = LimitTotalConnectionsFactory()
        factory.protocol = AccumulatingProtocol
        factory.connectionLimit = limit
        factory.overflowProtocol = overflow
        return factory

    def test_what_comes_beyond_the_limit_is_refused(self) -> None:
        factory = self.make(1)
        wrapper, _ = connect(factory)
        assert wrapper.wrappedProtocol.factory is factory
        assert factory.buildProtocol(address()) is None
        assert factory.connectionCount == 1
        wrapper.connectionLost(DONE)
        assert factory.connectionCount == 0
        assert factory.buildProtocol(address()) is not None

    def test_or_told_so(self) -> None:
        class Sorry(Protocol):
            def connectionMade(self) -> None:
                self.transport.write(b"full")
                self.transport.loseConnection()

        factory = self.make(1, Sorry)
        connect(factory)
        sorry, transport = connect(factory)
        assert transport.value() == b"full"
        assert sorry.wrappedProtocol.factory is factory
        assert factory.connectionCount == 2
        sorry.connectionLost(DONE)
        assert factory.connectionCount == 1

    def test_no_limit(self) -> None:
        factory = self.make(None)
        for _ in range(100):
            connect(factory)
        assert factory.connectionCount == 100


class TestSpewing:
    def test_all_is_logged(self, caplog: pytest.LogCaptureFixture) -> None:
        wrapper, transport = connect(SpewingFactory(Accumulating()))
        with caplog.at_level(logging.INFO):
            wrapper.dataReceived(b"in")
            wrapper.write(bytearray(b"out"))
            wrapper.writeSequence([b"more", b" out"])
        messages = [record.getMessage() for record in caplog.records]
        assert messages == ["Received: b'in'", "Sending: b'out'", "Sending: b'more out'"]
        assert transport.value() == b"outmore out"
        assert wrapper.wrappedProtocol.data == b"in"


class TestTrafficLogging:
    @pytest.fixture
    def prefix(self, tmp_path: Path) -> str:
        return str(tmp_path / "traffic")

    def test_a_file_for_each_connection(self, prefix: str) -> None:
        factory = TrafficLoggingFactory(Accumulating(), prefix)
        (one, transport), (two, _) = connect(factory), connect(factory)
        one.dataReceived(b"in")
        one.write(b"out")
        one.writeSequence(iter([b"more", b"\n"]))
        one.loseConnection()
        one.connectionLost(Failure(ConnectionAborted()))
        two.connectionLost(DONE)
        lines = Path(f"{prefix}-1").read_text().splitlines()
        assert lines[:5] == ["*", "C 1: b'in'", "S 1: b'out'", "SV 1: [b'more', b'\\n']", "S 1: *"]
        assert "ConnectionAborted" in lines[5]
        assert Path(f"{prefix}-2").read_text().startswith("*\nC 2: ")
        assert transport.value() == b"outmore\n"
        assert one.logfile.closed

    def test_long_data_is_shortened(self, prefix: str) -> None:
        factory = TrafficLoggingFactory(Accumulating(), prefix, lengthLimit=15)
        wrapper, transport = connect(factory)
        wrapper.dataReceived(b"x" * 15)
        wrapper.dataReceived(b"abcd" * 4)
        wrapper.write(b"abcd" * 4)
        wrapper.connectionLost(DONE)
        lines = Path(f"{prefix}-1").read_text().splitlines()
        shortened = "b'abc<... elided>'"
        assert lines[1:4] == [f"C 1: {b'x' * 15!r}", f"C 1: {shortened}", f"S 1: {shortened}"]
        assert transport.value() == b"abcd" * 4

    def test_the_numbers_can_begin_again(self, prefix: str) -> None:
        factory = TrafficLoggingFactory(Accumulating(), prefix)
        for _ in range(2):
            wrapper, _ = connect(factory)
            wrapper.dataReceived(b"x")
            wrapper.connectionLost(DONE)
            factory.resetCounter()
        assert not Path(f"{prefix}-2").exists()


class TestTogether:
    def test_policies_in_policies(self) -> None:
        """Timeout over throttling over a limit by peer, on a simulated network."""
        link = Link(seed=3)
        limited = LimitConnectionsByPeer(Accumulating())
        throttled = ThrottlingFactory(limited, readLimit=1000)
        factory = TimeoutFactory(throttled, 5)
        client, server = AccumulatingProtocol(), factory.buildProtocol(address())
        link.connect(client, server)
        innermost = server.wrappedProtocol.wrappedProtocol.wrappedProtocol
        client.transport.write(b"x" * 3000)
        link.advance(1)
        assert innermost.data == b"x" * 3000
        assert not innermost.transport.transport.receiving
        link.advance(2.5)
        assert innermost.transport.transport.receiving
        innermost.transport.write(b"answer")
        link.advance(4.9)
        assert client.data == b"answer"
        assert not client.closed
        link.advance(1)
        assert client.closed
        assert innermost.closed
        assert [*factory.protocols, *throttled.protocols, *limited.protocols] == []
        assert not link.clock.getDelayedCalls()
