"""What waits to be sent: producers (IConsumer), water marks and the cap."""

from __future__ import annotations

import contextlib
import random
import socket

import psutil
import pytest

from reactorlib import error
from reactorlib.stream import HIGH_WATER
from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_peers import (
    MEGABYTE,
    MUCH,
    Fault,
    HalfCloser,
    Net,
    Producer,
    Recorder,
    TCPContractBase,
    echo,
    raises,
)


class OutputContract(TCPContractBase):
    """The way out of a connection, and who feeds it."""

    # Push producers

    def test_a_push_producer_is_paused_above_high_and_resumed_when_drained(self, net: Net) -> None:
        transport, producer = net.pair()[0].transport, Producer()
        transport.registerProducer(producer, True)
        transport.setWriteBufferLimits(high=100, low=50)
        transport.write(b"x" * 100)
        assert producer.calls == []
        for _ in range(3):
            transport.write(b"x")
            assert producer.calls == ["pause"]
        net.turn()
        assert producer.calls == ["pause", "resume"]
        transport.write(b"x" * 101)
        assert producer.calls == ["pause", "resume", "pause"]

    def test_the_default_marks(self, net: Net) -> None:
        transport, producer = net.pair()[0].transport, Producer()
        transport.registerProducer(producer, True)
        for _ in range(64):
            transport.write(b"x" * 1024)
        assert (producer.calls, transport.bufferedBytes) == ([], 65_536)
        transport.write(b"x")
        assert (producer.calls, transport.bufferedBytes) == (["pause"], 65_537)

    def test_a_producer_stays_paused_down_to_the_low_mark(self, net: Net) -> None:
        protocol, peer = net.pair()
        transport, producer = protocol.transport, Producer()
        low = MEGABYTE
        transport.setWriteBufferLimits(high=2 * MEGABYTE, low=low)
        transport.registerProducer(producer, True)
        transport.write(MUCH)
        net.turn()
        assert producer.calls == ["pause"]
        for _ in net.pieces(peer):
            assert (transport.bufferedBytes <= low) == (producer.calls == ["pause", "resume"])
            if transport.bufferedBytes == 0:
                break

    def test_a_producer_that_comes_late_is_paused_at_once(self, net: Net) -> None:
        transport, producer = net.pair()[0].transport, Producer()
        transport.write(MUCH)
        transport.registerProducer(producer, True)
        assert producer.calls == ["pause"]

    def test_one_producer_at_a_time(self, net: Net) -> None:
        transport, first = net.pair()[0].transport, Producer()
        transport.registerProducer(first, True)
        with pytest.raises(RuntimeError, match="registered already"):
            transport.registerProducer(Producer(), True)
        transport.unregisterProducer()
        transport.registerProducer(Producer(), True)
        transport.write(MUCH)
        assert first.calls == []

    @pytest.mark.parametrize("streaming", [True, False])
    def test_a_lost_connection_stops_its_producer(self, net: Net, streaming: bool) -> None:
        protocol, peer = net.pair()
        late, producer = Producer(), Producer(stop=lambda: protocol.note("stop"))
        protocol.transport.registerProducer(producer, streaming)
        peer.close()
        net.until_lost(protocol)
        assert protocol.calls == ["made", "stop", "lost"]
        protocol.transport.registerProducer(late, streaming)
        protocol.transport.registerProducer(late, streaming)
        assert late.calls == ["stop", "stop"]

    def test_lose_connection_waits_for_the_producer(self, net: Net) -> None:
        protocol, peer = net.pair()
        transport, producer = protocol.transport, Producer()
        transport.registerProducer(producer, True)
        transport.loseConnection()
        net.turn(5)
        transport.write(b"the rest")
        peer.send(b"nobody listens")
        assert net.read(peer, 8) == b"the rest"
        transport.write(b", all of it")
        transport.unregisterProducer()
        assert net.read_all(peer) == b", all of it"
        net.until_lost(protocol)
        assert protocol.calls == ["made", "lost"]
        assert producer.calls == []

    def test_what_comes_while_a_connection_waits_for_its_producer_is_dropped(
        self, net: Net
    ) -> None:
        protocol, peer = net.pair()
        process, size = psutil.Process(), 64 * MEGABYTE
        protocol.transport.registerProducer(Producer(), True)
        protocol.transport.loseConnection()
        before = process.memory_info().rss
        protocol.transport.write(b"!")
        peer.setblocking(False)
        sent = 0
        while sent < size:
            with contextlib.suppress(BlockingIOError):
                sent += peer.send(MUCH)
            net.turn(1)
        assert process.memory_info().rss - before < size / 2
        protocol.transport.unregisterProducer()
        net.until_lost(protocol)
        assert protocol.calls == ["made", "lost"]

    def test_abort_waits_for_nobody(self, net: Net) -> None:
        protocol, peer = net.pair()
        producer = Producer()
        protocol.transport.registerProducer(producer, True)
        protocol.transport.loseConnection()
        protocol.transport.abortConnection()
        assert net.is_reset(peer)
        assert producer.calls == ["stop"]

    def test_when_both_directions_have_ended_nobody_is_waited_for(self, net: Net) -> None:
        protocol, peer = net.pair(HalfCloser)
        producer = Producer()
        protocol.transport.registerProducer(producer, True)
        protocol.transport.loseWriteConnection()
        peer.shutdown(socket.SHUT_WR)
        net.until_lost(protocol)
        assert producer.calls == ["stop"]
        assert protocol.reason.check(error.ConnectionDone)

    def test_a_slow_reader_pauses_a_fast_writer(self, net: Net) -> None:
        """A connection is the producer of another one: what waits in between is bounded."""
        inner, reader = net.pair()
        waiting, pieces = [0], [0]

        def forward(protocol: Recorder, data: bytes) -> None:
            inner.transport.write(data)
            waiting.append(inner.transport.bufferedBytes)
            pieces.append(len(data))

        outer, writer = net.pair(lambda: Recorder(data=forward))
        inner.transport.registerProducer(outer.transport, True)
        writer.setblocking(False)
        data = random.Random(1).randbytes(16 * MEGABYTE)
        sent = 0
        for _ in range(200):
            with contextlib.suppress(BlockingIOError):
                sent += writer.send(data[sent : sent + MEGABYTE])
            net.turn(1)
        assert net.read(reader, sent) == data[:sent]
        assert max(waiting) <= HIGH_WATER + max(pieces)

    # Pull producers

    def test_a_pull_producer_is_asked_each_time_all_has_left(self, net: Net) -> None:
        protocol, peer = net.pair()
        transport, left = protocol.transport, [b"%06d" % number * 10_000 for number in range(50)]
        expected = b"".join(left)
        waiting: list[int] = []

        def produce() -> None:
            waiting.append(transport.bufferedBytes)
            if left:
                transport.write(left.pop(0))
            else:
                transport.unregisterProducer()

        transport.registerProducer(Producer(resume=produce), False)
        transport.loseConnection()
        assert net.read_all(peer) == expected
        assert waiting == [0] * 51

    # A producer's faults

    @pytest.mark.parametrize(("name", "streaming"), [("pause", True), ("resume", False)])
    def test_a_producer_that_raises_in_another_ones_call_costs_its_own_connection(
        self, net: Net, logged_errors: LoggedErrors, name: str, streaming: bool
    ) -> None:
        fed, _ = net.pair()

        def feed(protocol: Recorder, data: bytes) -> None:
            fed.transport.registerProducer(Producer(**{name: raises}), streaming)
            fed.transport.write(MUCH)
            echo(protocol, data)

        feeder, peer = net.pair(lambda: Recorder(data=feed))
        assert net.ask(peer, b"feed") == b"feed"
        net.until_lost(fed)
        assert fed.reason.check(Fault)
        assert len(logged_errors.take(Fault)) == 1
        assert feeder.calls == ["made", "data"]

    def test_a_producer_that_cannot_go_on(self, net: Net, logged_errors: LoggedErrors) -> None:
        protocol, peer = net.pair()
        protocol.transport.registerProducer(Producer(resume=raises), True)
        protocol.transport.write(MUCH)
        assert net.is_reset(peer)
        assert protocol.reason.check(Fault)
        assert len(logged_errors.take(Fault)) == 1

    def test_a_producer_that_cannot_stop(self, net: Net, logged_errors: LoggedErrors) -> None:
        protocol, peer = net.pair()
        protocol.transport.registerProducer(Producer(stop=raises), True)
        peer.close()
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionDone)
        protocol.transport.registerProducer(Producer(stop=raises), True)
        assert len(logged_errors.take(Fault)) == 2

    # Water marks and cap

    @pytest.mark.parametrize(
        "limits",
        [
            {"high": 10, "low": 11},
            {"high": 10, "cap": 9},
            {"low": -1},
            {"high": -1},
            {"cap": 2**32},
            {"low": 65_537},
        ],
    )
    def test_limits_that_do_not_rise(self, net: Net, limits: dict[str, int]) -> None:
        transport = net.pair()[0].transport
        with pytest.raises(ValueError, match="must rise"):
            transport.setWriteBufferLimits(**limits)
        transport.setWriteBufferLimits()

    @pytest.mark.parametrize("before", [0, 2000])
    def test_past_the_cap_the_connection_is_aborted(self, net: Net, before: int) -> None:
        protocol, peer = net.pair()
        transport, producer = protocol.transport, Producer()
        transport.registerProducer(producer, True)
        transport.write(b"x" * before)
        transport.setWriteBufferLimits(high=500, cap=1000)
        if not before:
            transport.write(b"x" * 1000)
        assert not transport.disconnecting
        transport.write(b"x")
        transport.write(b"x" * 2000)
        peer.send(b"not delivered")
        assert net.is_reset(peer)
        assert protocol.calls == ["made", "lost"]
        assert protocol.reason.check(error.ConnectionAborted)
        assert "cap" in protocol.reason.getErrorMessage()
        assert producer.calls[-1] == "stop"

    def test_buffered_bytes_are_what_the_kernel_has_not_taken(self, net: Net) -> None:
        protocol, peer = net.pair()
        transport = protocol.transport
        transport.write(b"12345")
        assert transport.bufferedBytes == 5
        net.turn()
        assert transport.bufferedBytes == 0
        transport.write(MUCH)
        net.turn()
        waiting = transport.bufferedBytes
        assert 0 < waiting < len(MUCH)
        net.read(peer, len(MUCH) + 5)
        assert transport.bufferedBytes == 0
