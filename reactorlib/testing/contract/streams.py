"""What a reactor does for its connections: faults, ways out, nested turns, the end of a run."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from typing import Any

import pytest

from reactorlib import error
from reactorlib.failure import Failure
from reactorlib.protocol import Factory, Protocol, connectionDone
from reactorlib.testing.contract.base import ContractBase, LoggedErrors, Pairs

Reaction = Callable[["Recorder", bytes], object]


class Recorder(Protocol):
    """Keeps what it was told, and does what the test wants when data comes."""

    def __init__(self, reaction: Reaction) -> None:
        self.reaction = reaction
        self.received: list[bytes] = []
        self.lost: list[Failure] = []

    def dataReceived(self, data: bytes) -> None:
        self.received.append(data)
        self.reaction(self, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost.append(reason)


class RecorderFactory(Factory):
    """Makes a Recorder of each connection."""

    def __init__(self, reaction: Reaction) -> None:
        self.reaction = reaction

    def buildProtocol(self, addr: Any) -> Recorder:
        return Recorder(self.reaction)


def keep(protocol: Recorder, data: bytes) -> None:
    """The reaction of one that only listens."""


# Callbacks are dispatched in two ways: measured and not.
both_ways = pytest.mark.parametrize("threshold", [None, 1000.0], ids=["unmeasured", "measured"])


class StreamsContract(ContractBase):
    """Connections on pairs of sockets: one end is the reactor's, the other the test's."""

    def adopt(
        self, reactor: Any, pairs: Pairs, reaction: Reaction = keep
    ) -> tuple[Recorder, socket.socket]:
        """A connection of the reactor's, and the other end of it."""
        ours, theirs = pairs()
        factory = RecorderFactory(reaction)
        protocol = reactor.adoptStreamConnection(ours.fileno(), ours.family, factory)
        ours.close()
        theirs.settimeout(self.patience)
        return protocol, theirs

    @both_ways
    @pytest.mark.parametrize("fault", [ZeroDivisionError, GeneratorExit])
    def test_a_fault_costs_its_own_connection_only(
        self,
        reactor: Any,
        pairs: Pairs,
        logged_errors: LoggedErrors,
        threshold: float | None,
        fault: type[BaseException],
    ) -> None:
        def fail(protocol: Recorder, data: bytes) -> None:
            raise fault

        reactor.slowCallbackThreshold = threshold
        bad, bad_peer = self.adopt(reactor, pairs, fail)
        good, good_peer = self.adopt(reactor, pairs, lambda it, data: it.transport.write(data))
        bad_peer.send(b"x")
        good_peer.send(b"y")
        self.turn_until(reactor, lambda: bad.lost and good.received)
        reactor.iterate()
        assert [reason.type for reason in bad.lost] == [fault]
        assert len(logged_errors.take(fault)) == 1
        assert good_peer.recv(10) == b"y"
        assert good.lost == []
        good_peer.close()
        self.turn_until(reactor, lambda: good.lost)

    @both_ways
    def test_the_way_out_loses_no_data(
        self, reactor: Any, pairs: Pairs, threshold: float | None
    ) -> None:
        def leave(protocol: Recorder, data: bytes) -> None:
            raise SystemExit

        reactor.slowCallbackThreshold = threshold
        ends = [self.adopt(reactor, pairs, leave) for _ in range(3)]
        for _, peer in ends:
            peer.send(b"x")
        for _ in ends:
            with pytest.raises(SystemExit):
                self.run_guarded(reactor)
        assert [protocol.received for protocol, _ in ends] == [[b"x"]] * 3
        assert [protocol.lost for protocol, _ in ends] == [[]] * 3
        for _, peer in ends:
            peer.close()

    @both_ways
    def test_nested_turns_keep_data_whole_and_in_order(
        self, reactor: Any, pairs: Pairs, threshold: float | None
    ) -> None:
        """What the outer turn has read must outlive the inner ones' reading."""

        def nest(protocol: Recorder, data: bytes) -> None:
            number = len(protocol.received)
            if number < 4:
                peers[protocol].send(bytes([65 + number]) * 20_000)
                reactor.iterate()

        reactor.slowCallbackThreshold = threshold
        peers = dict(self.adopt(reactor, pairs, nest) for _ in range(10))
        for peer in peers.values():
            peer.send(b"A" * 20_000)
        expected = b"".join(bytes([65 + number]) * 20_000 for number in range(4))
        self.turn_until(
            reactor, lambda: all(sum(map(len, it.received)) == len(expected) for it in peers)
        )
        assert {b"".join(protocol.received) for protocol in peers} == {expected}
        for peer in peers.values():
            peer.close()

    @both_ways
    def test_a_pause_by_another_connection_of_the_turn_holds(
        self, reactor: Any, pairs: Pairs, threshold: float | None
    ) -> None:
        def pause_the_others(protocol: Recorder, data: bytes) -> None:
            for other, _ in ends:
                if other is not protocol:
                    other.transport.pauseProducing()

        reactor.slowCallbackThreshold = threshold
        ends = [self.adopt(reactor, pairs, pause_the_others) for _ in range(3)]
        for _, peer in ends:
            peer.send(b"first")
        self.turn_until(reactor, lambda: any(protocol.received for protocol, _ in ends))
        for _, peer in ends:
            peer.send(b"second")
        reactor.iterate()
        reactor.iterate()
        assert sum(bool(protocol.received) for protocol, _ in ends) == 1
        for protocol, _ in ends:
            protocol.reaction = keep
            protocol.transport.resumeProducing()
        self.turn_until(
            reactor, lambda: all(b"".join(it.received) == b"firstsecond" for it, _ in ends)
        )
        for _, peer in ends:
            peer.close()

    def test_a_slow_connection_is_named(
        self, reactor: Any, pairs: Pairs, caplog: pytest.LogCaptureFixture
    ) -> None:
        reactor.slowCallbackThreshold = 0.0
        protocol, peer = self.adopt(reactor, pairs)
        peer.send(b"x")
        self.turn_until(reactor, lambda: protocol.received)
        assert any("dataReceived of" in text and "Recorder" in text for text in caplog.messages)
        peer.close()

    def test_a_fault_in_connectionLost_is_logged_once(
        self, reactor: Any, pairs: Pairs, logged_errors: LoggedErrors
    ) -> None:
        class Failing(Recorder):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                super().connectionLost(reason)
                raise ZeroDivisionError

        protocol, peer = self.adopt(reactor, pairs)
        protocol.__class__ = Failing
        peer.close()
        self.turn_until(reactor, lambda: protocol.lost)
        reactor.iterate()
        assert len(protocol.lost) == 1
        assert len(logged_errors.take(ZeroDivisionError)) == 1

    # The end of a run

    def test_what_was_written_leaves_before_the_run_ends(self, reactor: Any, pairs: Pairs) -> None:
        protocol, peer = self.adopt(reactor, pairs)
        data = bytes(range(256)) * 8000
        got: list[bytes] = []

        def read() -> None:
            got.extend(iter(lambda: peer.recv(100_000), b""))
            peer.close()

        def write() -> None:
            reader.start()
            protocol.transport.write(data)
            reactor.stop()

        reader = threading.Thread(target=read)
        reactor.callWhenRunning(write)
        self.run_guarded(reactor)
        reader.join()
        assert b"".join(got) == data
        assert [reason.type for reason in protocol.lost] == [error.ConnectionDone]

    def test_a_peer_that_does_not_read_holds_up_no_end(self, reactor: Any, pairs: Pairs) -> None:
        protocol, _peer = self.adopt(reactor, pairs)
        reactor.callWhenRunning(protocol.transport.write, bytes(10_000_000))
        reactor.callWhenRunning(reactor.stop)
        before = reactor.seconds()
        self.run_guarded(reactor)
        assert reactor.seconds() - before < self.patience / 2
        assert [reason.type for reason in protocol.lost] == [error.ConnectionLost]

    def test_a_fault_at_the_end_of_a_run_costs_nobody_else(
        self, reactor: Any, pairs: Pairs, logged_errors: LoggedErrors
    ) -> None:
        class Failing(Recorder):
            def connectionLost(self, reason: Failure = connectionDone) -> None:
                raise ZeroDivisionError

        ends = [self.adopt(reactor, pairs) for _ in range(3)]
        ends[0][0].__class__ = Failing
        reactor.callWhenRunning(reactor.stop)
        for _, peer in ends:
            peer.shutdown(socket.SHUT_WR)
        self.run_guarded(reactor)
        assert [len(protocol.lost) for protocol, _ in ends] == [0, 1, 1]
        assert [peer.recv(1) for _, peer in ends] == [b""] * 3
        assert len(logged_errors.take(ZeroDivisionError)) == 1
