"""Policies: what passes through a wrapper, and what each of them adds."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest
from zope.interface import directlyProvides, implementer
from zope.interface.verify import verifyObject

from reactorlib.address import IPv4Address
from reactorlib.error import ConnectionAborted, ConnectionDone
from reactorlib.failure import Failure
from reactorlib.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    ITCPTransport,
)
from reactorlib.protocol import Factory, Protocol
from reactorlib.protocols.basic import LineReceiver
from reactorlib.protocols.policies import (
    LimitConnectionsByPeer,
    LimitTotalConnectionsFactory,
    ProtocolWrapper,
    SpewingFactory,
    ThrottlingFactory,
    TimeoutFactory,
    TimeoutMixin,
    TrafficLoggingFactory,
    WrappingFactory,
)
from reactorlib.task import Clock
from reactorlib.testing import AccumulatingProtocol, Link, StringTransport

DONE = Failure(ConnectionDone())


def address(host: str = "10.0.0.1", port: int = 1234) -> IPv4Address:
    return IPv4Address("TCP", host, port)


class Accumulating(Factory):
    protocol = AccumulatingProtocol
    noisy = False


class Events(AccumulatingProtocol):
    """Writes down what it is told besides data."""

    def __init__(self) -> None:
        self.events: list[str] = []

    def readConnectionLost(self) -> None:
        self.events.append("read")

    def writeConnectionLost(self) -> None:
        self.events.append("write")

    def handshakeCompleted(self) -> None:
        self.events.append("handshake")


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Events):
    pass


@implementer(IHandshakeListener)
class Listener(Events):
    pass


class Producer:
    """Writes down what it is told; a pull producer writes a byte each time."""

    def __init__(self, consumer: Any = None) -> None:
        self.consumer = consumer
        self.events: list[str] = []

    def pauseProducing(self) -> None:
        self.events.append("pause")

    def resumeProducing(self) -> None:
        self.events.append("resume")

    def stopProducing(self) -> None:
        self.events.append("stop")


def connect(factory: Any, peer: Any = None, **options: Any) -> tuple[Any, Any]:
    """A connection of a wrapping factory: the wrapper and the real transport."""
    wrapper = factory.buildProtocol(peer or address())
    transport = StringTransport(peerAddress=peer, **options)
    wrapper.makeConnection(transport)
    return wrapper, transport


class TestProtocolWrapper:
    @pytest.fixture
    def wrapper(self) -> Any:
        return connect(WrappingFactory(Accumulating()))[0]

    def test_it_is_a_transport_and_a_protocol(self, wrapper: Any) -> None:
        for interface in (ITCPTransport, IConsumer, IProtocol):
            assert interface.providedBy(wrapper)
        assert verifyObject(IProtocol, wrapper)
        assert wrapper.wrappedProtocol.transport is wrapper
        assert wrapper.wrappedProtocol.factory is wrapper.factory.wrappedFactory

    def test_before_it_is_connected(self) -> None:
        wrapper = WrappingFactory(Accumulating()).buildProtocol(address())
        assert not wrapper.connected
        assert verifyObject(IProtocol, wrapper)
        assert not ITCPTransport.providedBy(wrapper)
        assert wrapper.factory.protocols == {}

    def test_data_and_the_end_pass_up(self, wrapper: Any) -> None:
        protocol = wrapper.wrappedProtocol
        assert protocol.made
        wrapper.dataReceived(b"data")
        assert list(wrapper.factory.protocols) == [wrapper]
        wrapper.connectionLost(DONE)
        assert protocol.data == b"data"
        assert protocol.closedReason is DONE
        assert wrapper.wrappedProtocol is None
        assert not wrapper.factory.protocols

    def test_everything_a_transport_can_do_passes_down(self, wrapper: Any) -> None:
        transport = wrapper.transport
        wrapper.write(b"one ")
        wrapper.writeSequence([b"two ", b"three"])
        assert transport.value() == b"one two three"
        assert wrapper.getPeer() == transport.getPeer()
        assert wrapper.getHost() == transport.getHost()
        assert wrapper.reactor is transport.reactor
        assert (wrapper.connected, wrapper.disconnecting) == (True, False)
        producer = Producer()
        wrapper.registerProducer(producer, True)
        transport.block()
        wrapper.setWriteBufferLimits(high=10)
        wrapper.write(b"x" * 20)
        assert wrapper.bufferedBytes == 20
        assert producer.events == ["pause"]
        wrapper.unregisterProducer()
        assert transport.producer is None
        seen: list[int] = []
        wrapper.monitorCongestion(lambda status, pending: seen.append(status))
        transport.unblock()
        assert seen
        wrapper.ignoreCongestion()
        wrapper.pauseProducing()
        assert transport.producerState == "paused"
        wrapper.resumeProducing()
        assert transport.producerState == "producing"
        wrapper.loseConnection()
        assert (wrapper.disconnecting, transport.disconnecting) == (True, True)
        wrapper.abortConnection()
        assert transport.disconnected

    def test_what_no_transport_has_is_an_error(self, wrapper: Any) -> None:
        with pytest.raises(AttributeError, match="frobnicate"):
            wrapper.frobnicate()

    def test_its_name_in_the_log(self, wrapper: Any) -> None:
        assert wrapper.logPrefix() == "AccumulatingProtocol (ProtocolWrapper)"
        directlyProvides(wrapper.wrappedProtocol)
        wrapper.wrappedProtocol = object()
        assert wrapper.logPrefix() == "object (ProtocolWrapper)"

    def test_half_close_both_ways(self) -> None:
        """On a simulated network, through two wrappers."""

        half = HalfCloseable()
        inner = WrappingFactory(Factory.forProtocol(lambda: half))
        wrapper = WrappingFactory(inner).buildProtocol(address())
        assert IHalfCloseableProtocol.providedBy(wrapper)
        peer = HalfCloseable()
        link = Link(seed=1)
        link.connect(peer, wrapper)
        peer.transport.write(b"question")
        peer.transport.loseWriteConnection()
        link.run()
        assert (half.data, half.events) == (b"question", ["read"])
        half.transport.write(b"answer")
        half.transport.loseWriteConnection()
        link.run()
        assert peer.data == b"answer"
        assert half.events == ["read", "write"]
        assert half.closed
        assert peer.closed

    def test_a_protocol_that_cares_for_nothing_more_is_told_nothing_more(
        self, wrapper: Any
    ) -> None:
        assert not IHalfCloseableProtocol.providedBy(wrapper)
        assert not IHandshakeListener.providedBy(wrapper)

    def test_the_hand_shake_is_told(self) -> None:
        listener = Listener()
        wrapper, _ = connect(WrappingFactory(Factory.forProtocol(lambda: listener)))
        assert IHandshakeListener.providedBy(wrapper)
        wrapper.handshakeCompleted()
        assert listener.events == ["handshake"]

    def test_a_protocol_that_takes_over_is_wrapped_as_well(self) -> None:
        factory = WrappingFactory(Accumulating())
        wrapper = factory.buildProtocol(address())
        link = Link(seed=2)
        peer = AccumulatingProtocol()
        link.connect(peer, wrapper)
        before = wrapper.wrappedProtocol
        after = HalfCloseable()
        before.transport.handOver(after, b"rest ")
        peer.transport.write(b"more")
        peer.transport.loseWriteConnection()
        link.run()
        assert after.made
        assert after.transport is wrapper
        assert (before.data, after.data) == (b"", b"rest more")
        assert after.events == ["read"]
        after.transport.loseConnection()
        link.run()
        assert after.closed
        assert not before.closed
        assert not factory.protocols

    def test_a_line_receiver_in_a_wrapper_sends_line_by_line(self) -> None:
        """It could be corked otherwise, and the wrapper would see something else than it sent."""

        class EchoLines(LineReceiver):
            def lineReceived(self, line: bytes) -> None:
                self.sendLine(line)

        class Counting(ProtocolWrapper):
            def __init__(self, factory: Any, protocol: Any) -> None:
                super().__init__(factory, protocol)
                self.writes: list[bytes] = []

            def write(self, data: bytes) -> None:
                self.writes.append(data)
                super().write(data)

        factory = WrappingFactory(Factory.forProtocol(EchoLines))
        factory.protocol = Counting
        wrapper, transport = connect(factory)
        wrapper.dataReceived(b"a\r\n" * 20)
        assert wrapper.writes == [b"a\r\n"] * 20
        assert transport.value() == b"a\r\n" * 20


class TestWrappingFactory:
    def test_it_starts_and_stops_what_it_wraps(self) -> None:
        events: list[str] = []

        class Inner(Accumulating):
            def startFactory(self) -> None:
                events.append("start")

            def stopFactory(self) -> None:
                events.append("stop")

        factory = WrappingFactory(Inner())
        assert verifyObject(IProtocolFactory, factory)
        factory.doStart()
        factory.doStart()
        factory.doStop()
        assert events == ["start"]
        factory.doStop()
        assert events == ["start", "stop"]
        assert factory.logPrefix() == "Inner (WrappingFactory)"

    def test_a_factory_that_refuses_is_obeyed(self) -> None:
        class Refusing(Factory):
            def buildProtocol(self, addr: Any) -> None:
                return None

        for factory in (
            WrappingFactory(Refusing()),
            ThrottlingFactory(Refusing()),
            LimitConnectionsByPeer(Refusing()),
            TrafficLoggingFactory(Refusing(), "/nowhere/at/all"),
        ):
            assert factory.buildProtocol(address()) is None

    def test_a_client_factory_is_told_everything(self) -> None:
        told: list[Any] = []

        class Inner(Accumulating):
            def startedConnecting(self, connector: Any) -> None:
                told.append(connector)

            def clientConnectionFailed(self, connector: Any, reason: Any) -> None:
                told.append((connector, reason))

            clientConnectionLost = clientConnectionFailed

        factory = WrappingFactory(Inner())
        factory.startedConnecting(1)
        factory.clientConnectionFailed(2, 3)
        factory.clientConnectionLost(4, 5)
        assert told == [1, (2, 3), (4, 5)]

    def test_a_factory_is_told_of_overload_if_it_wants_to_know(self) -> None:
        told: list[Exception] = []
        inner = Accumulating()
        factory = WrappingFactory(inner)
        factory.overloaded(OSError())
        inner.overloaded = told.append  # type: ignore[attr-defined]
        factory.overloaded(OSError(24, ""))
        assert [error.errno for error in told] == [24]  # type: ignore[attr-defined]


class TestTimeoutMixin:
    class Timing(TimeoutMixin, AccumulatingProtocol):
        pass

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def protocol(self, clock: Clock) -> Any:
        protocol = self.Timing()
        protocol.makeConnection(StringTransport(reactor=clock))
        return protocol

    def test_the_connection_is_lost_when_the_time_is_over(
        self, protocol: Any, clock: Clock
    ) -> None:
        assert protocol.setTimeout(5) is None
        clock.advance(4.9)
        assert not protocol.transport.disconnecting
        clock.advance(0.2)
        assert protocol.transport.disconnecting
        assert not clock.getDelayedCalls()

    def test_activity_begins_it_anew(self, protocol: Any, clock: Clock) -> None:
        protocol.setTimeout(5)
        for _ in range(3):
            clock.advance(4)
            protocol.resetTimeout()
        assert not protocol.transport.disconnecting
        clock.advance(5)
        assert protocol.transport.disconnecting
        protocol.resetTimeout()
        assert not clock.getDelayedCalls()

    def test_another_length_holds_from_now(self, protocol: Any, clock: Clock) -> None:
        protocol.setTimeout(5)
        assert protocol.setTimeout(10) == 5
        assert protocol.timeOut == 10
        clock.advance(9)
        assert not protocol.transport.disconnecting
        clock.advance(1)
        assert protocol.transport.disconnecting

    def test_none_is_none(self, protocol: Any, clock: Clock) -> None:
        assert protocol.setTimeout(None) is None
        protocol.setTimeout(5)
        assert protocol.setTimeout(None) == 5
        protocol.resetTimeout()
        assert not clock.getDelayedCalls()

    def test_what_happens_can_be_chosen_and_begun_again(self, clock: Clock) -> None:
        class Patient(self.Timing):  # type: ignore[name-defined, misc]
            warnings = 0

            def timeoutConnection(self) -> None:
                self.warnings += 1
                self.setTimeout(1)

        protocol = Patient()
        protocol.makeConnection(StringTransport(reactor=clock))
        protocol.setTimeout(1)
        clock.pump([1, 1, 1])
        assert protocol.warnings == 3

    def test_the_clock_can_be_another(self) -> None:
        clock = Clock()

        class Own(self.Timing):  # type: ignore[name-defined, misc]
            def callLater(self, period: float, func: Any) -> Any:
                return clock.callLater(period, func)

        protocol = Own()
        protocol.makeConnection(StringTransport())
        protocol.setTimeout(1)
        clock.advance(1)
        assert protocol.transport.disconnecting


class TestTimeoutFactory:
    @pytest.mark.parametrize("given", [True, False], ids=["argument", "transport"])
    def test_idle_connections_are_lost(self, given: bool) -> None:
        clock = Clock()
        factory = TimeoutFactory(Accumulating(), 10, reactor=clock if given else None)
        wrapper, transport = connect(factory, reactor=None if given else clock)
        for act in (
            lambda: wrapper.write(b"x"),
            lambda: wrapper.writeSequence([b"x"]),
            lambda: wrapper.dataReceived(b"x"),
        ):
            clock.advance(9)
            act()
        clock.advance(9.9)
        assert not transport.disconnecting
        clock.advance(0.2)
        assert transport.disconnecting
        wrapper.connectionLost(DONE)
        assert not clock.getDelayedCalls()

    def test_the_end_ends_the_timeout(self) -> None:
        clock = Clock()
        wrapper, _ = connect(TimeoutFactory(Accumulating(), reactor=clock))
        (call,) = clock.getDelayedCalls()
        assert call.getTime() == 30 * 60
        wrapper.connectionLost(DONE)
        assert not clock.getDelayedCalls()

    def test_a_protocol_can_change_its_own(self) -> None:
        clock = Clock()
        wrapper, transport = connect(TimeoutFactory(Accumulating(), 10, reactor=clock))
        protocol = wrapper.wrappedProtocol
        protocol.transport.setTimeout(20)
        assert wrapper.timeoutPeriod == 20
        clock.advance(15)
        protocol.transport.cancelTimeout()
        clock.advance(100)
        assert not transport.disconnecting

    def test_none_is_none(self) -> None:
        clock = Clock()
        connect(TimeoutFactory(Accumulating(), None, reactor=clock))
        assert not clock.getDelayedCalls()


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
        two.connectionLost(DONE)
        assert not clock.getDelayedCalls()
        assert factory.connectionCount == 0
        _, transport = connect(factory)
        clock.advance(1)
        assert transport.producerState == "producing"


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
