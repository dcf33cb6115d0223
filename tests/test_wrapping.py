"""What passes through a wrapper, both ways, and what a wrapping factory keeps."""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface import directlyProvides
from zope.interface.verify import verifyObject

from reactorlib.interfaces import (
    IConsumer,
    IHalfCloseableProtocol,
    IHandshakeListener,
    IProtocol,
    IProtocolFactory,
    ITCPTransport,
)
from reactorlib.protocol import Factory
from reactorlib.protocols.basic import LineReceiver
from reactorlib.protocols.policies import (
    LimitConnectionsByPeer,
    ProtocolWrapper,
    ThrottlingFactory,
    TrafficLoggingFactory,
    WrappingFactory,
)
from reactorlib.testing import AccumulatingProtocol, Link
from tests.wrapped import (
    DONE,
    Accumulating,
    HalfCloseable,
    Listener,
    Producer,
    address,
    connect,
)


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

    def test_a_double_of_a_transport_needs_no_reactor(self) -> None:
        class Transport:
            disconnecting = False

        wrapper = WrappingFactory(Accumulating()).buildProtocol(address())
        wrapper.makeConnection(Transport())
        assert wrapper.wrappedProtocol.made

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
        begun: list[Any] = []

        class Beginning(ProtocolWrapper):
            def connectionMade(self) -> None:
                begun.append(self)

        factory = WrappingFactory(Accumulating())
        factory.protocol = Beginning
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
        assert begun == [wrapper]
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
            assert not getattr(factory, "connectionCount", 0)

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
