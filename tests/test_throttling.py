"""Limits of bandwidth."""

from __future__ import annotations

import pytest

from reactorlib.protocols.policies import (
    ThrottlingFactory,
)
from reactorlib.task import Clock
from tests.wrapped import (
    DONE,
    Accumulating,
    Producer,
    address,
    connect,
)


class TestThrottlingFactory:
    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    def test_too_many_connections_are_refused(self, clock: Clock) -> None:
        factory = ThrottlingFactory(Accumulating(), maxConnectionCount=2, reactor=clock)
        first, _ = connect(factory)
        connect(factory)
        assert factory.buildProtocol(address()) is None
        assert factory.connectionCount == 2
        first.connectionLost(DONE)
        assert factory.buildProtocol(address()) is not None

    def test_without_a_limit_nothing_is_checked(self, clock: Clock) -> None:
        connect(ThrottlingFactory(Accumulating(), reactor=clock))
        assert not clock.getDelayedCalls()

    def test_reading_waits_until_the_average_is_back(self, clock: Clock) -> None:
        factory = ThrottlingFactory(Accumulating(), readLimit=10)
        (one, first), (_, second) = connect(factory, reactor=clock), connect(factory, reactor=clock)
        one.dataReceived(b"x" * 10)
        clock.advance(1)
        assert first.producerState == "producing"
        one.dataReceived(b"x" * 25)
        clock.advance(1)
        assert (first.producerState, second.producerState) == ("paused", "paused")
        assert factory.readsThrottled
        _, late = connect(factory, reactor=clock)
        assert late.producerState == "paused"
        clock.advance(1.4)
        assert first.producerState == "paused"
        clock.advance(0.2)
        assert {t.producerState for t in (first, second, late)} == {"producing"}
        assert not factory.readsThrottled

    def test_what_passes_while_it_is_held_counts_afterwards(self, clock: Clock) -> None:
        factory = ThrottlingFactory(Accumulating(), readLimit=10, reactor=clock)
        wrapper, transport = connect(factory)
        wrapper.dataReceived(b"x" * 50)
        clock.advance(1)
        wrapper.dataReceived(b"x" * 50)  # was on its way
        clock.pump([1, 1, 1, 1.5])
        assert transport.producerState == "paused"
        clock.pump([1, 1, 1])
        assert transport.producerState == "paused"
        clock.advance(1)
        assert transport.producerState == "producing"

    def test_a_protocol_s_own_pause_outlasts_the_limit_s(self, clock: Clock) -> None:
        factory = ThrottlingFactory(Accumulating(), readLimit=10, reactor=clock)
        wrapper, transport = connect(factory)
        wrapper.pauseProducing()
        wrapper.dataReceived(b"x" * 20)
        clock.advance(1)
        clock.advance(1)
        assert transport.producerState == "paused"
        wrapper.resumeProducing()
        assert transport.producerState == "producing"

    def test_a_protocol_cannot_resume_what_the_limit_holds(self, clock: Clock) -> None:
        factory = ThrottlingFactory(Accumulating(), readLimit=10, reactor=clock)
        wrapper, transport = connect(factory)
        wrapper.dataReceived(b"x" * 20)
        clock.advance(1)
        wrapper.pauseProducing()
        wrapper.resumeProducing()
        wrapper.resumeProducing()
        assert transport.producerState == "paused"
        clock.advance(1)
        assert transport.producerState == "producing"

    def test_writing_waits_where_there_is_a_producer(self, clock: Clock) -> None:
        factory = ThrottlingFactory(Accumulating(), writeLimit=10, reactor=clock)
        (one, transport), (other, _) = connect(factory), connect(factory)
        producer = Producer()
        one.registerProducer(producer, True)
        other.write(b"x" * 15)
        other.writeSequence([b"x", b"y" * 9])
        clock.advance(1)
        assert producer.events == ["pause"]
        assert factory.writesThrottled
        late = Producer()
        other.registerProducer(late, True)
        assert late.events == ["pause"]
        clock.advance(1.4)
        assert producer.events == ["pause"]
        clock.advance(0.2)
        assert producer.events == late.events == ["pause", "resume"]
        transport.producer.stopProducing()
        assert producer.events[-1] == "stop"

    def test_what_is_written_while_it_is_held_counts_afterwards(self, clock: Clock) -> None:
        factory = ThrottlingFactory(Accumulating(), writeLimit=10, reactor=clock)
        wrapper, _ = connect(factory)
        producer = Producer()
        wrapper.registerProducer(producer, True)
        wrapper.write(b"x" * 50)
        clock.advance(1)
        wrapper.write(b"x" * 50)
        clock.pump([1, 1, 1, 1])
        assert producer.events == ["pause", "resume", "pause"]
        clock.pump([1] * 4)
        assert producer.events == ["pause", "resume", "pause", "resume"]

    def test_a_full_transport_outlasts_the_limit(self, clock: Clock) -> None:
        factory = ThrottlingFactory(Accumulating(), writeLimit=10, reactor=clock)
        wrapper, transport = connect(factory)
        producer = Producer()
        wrapper.registerProducer(producer, True)
        transport.block()
        wrapper.setWriteBufferLimits(high=5)
        wrapper.write(b"x" * 20)
        clock.pump([1, 1, 1])
        assert producer.events == ["pause"]
        transport.unblock()
        assert producer.events == ["pause", "resume"]

    def test_a_pull_producer_waits_for_its_turn(self, clock: Clock) -> None:
        factory = ThrottlingFactory(Accumulating(), writeLimit=10, reactor=clock)
        wrapper, transport = connect(factory)
        producer = Producer()
        wrapper.registerProducer(producer, False)
        transport.producer.resumeProducing()
        wrapper.write(b"x" * 20)
        clock.advance(1)
        transport.producer.resumeProducing()
        assert producer.events == ["resume"]
        clock.advance(1)
        assert producer.events == ["resume", "resume"]
        wrapper.write(b"x" * 20)
        clock.pump([1, 1])
        assert producer.events == ["resume", "resume"]
        transport.producer.stopProducing()
        assert producer.events[-1] == "stop"

    def test_a_second_producer_is_refused_and_the_first_one_stays(self, clock: Clock) -> None:
        factory = ThrottlingFactory(Accumulating(), writeLimit=10, reactor=clock)
        wrapper, transport = connect(factory)
        first, second = Producer(), Producer()
        wrapper.registerProducer(first, True)
        with pytest.raises(RuntimeError):
            wrapper.registerProducer(second, True)
        wrapper.write(b"x" * 20)
        clock.advance(1)
        assert first.events == ["pause"]
        wrapper.unregisterProducer()
        clock.advance(1)
        assert first.events == ["pause"]
        assert transport.producer is None

    def test_the_last_connection_ends_all_calls(self, clock: Clock) -> None:
        factory = ThrottlingFactory(Accumulating(), readLimit=1, writeLimit=1, reactor=clock)
        (one, _), (two, _) = connect(factory), connect(factory)
        one.dataReceived(b"x" * 20)
        one.write(b"x" * 20)
        clock.advance(1)
        one.connectionLost(DONE)
        assert len(clock.getDelayedCalls()) == 4
        two.dataReceived(b"x" * 20)
        two.connectionLost(DONE)
        assert not clock.getDelayedCalls()
        assert factory.connectionCount == 0
        _, transport = connect(factory)
        clock.advance(1)
        assert transport.producerState == "producing"
