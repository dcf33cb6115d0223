"""StringTransport and its kin: what they have beyond the transport contract."""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import IPv4Address
from reactorlib.congestion import CONNECTION_BACKLOG, CONNECTION_BLOCKED, CONNECTION_CLEARED
from reactorlib.interfaces import IConsumer, IPushProducer, ITCPTransport
from reactorlib.protocol import ClientFactory, Protocol
from reactorlib.testing import (
    AccumulatingProtocol,
    Clock,
    MemoryReactorClock,
    StringIOWithoutClosing,
    StringTransport,
    StringTransportWithDisconnection,
)
from reactorlib.testing.contract.tcp_peers import Fault, HalfCloser, Producer, Recorder, raises


class TestStringTransport:
    def test_provides_its_interfaces(self) -> None:
        for interface in (ITCPTransport, IConsumer, IPushProducer):
            assert verifyObject(interface, StringTransport())

    def test_keeps_what_is_written(self) -> None:
        transport = StringTransport()
        transport.write(b"one ")
        transport.writeSequence([b"two ", b"three"])
        assert transport.value() == transport.io.getvalue() == b"one two three"
        transport.clear()
        assert transport.value() == b""
        transport.write(b"four")
        assert transport.value() == b"four"

    def test_keeps_what_is_written_while_it_is_being_closed(self) -> None:
        transport = StringTransport()
        transport.loseConnection()
        transport.write(b"late")
        assert transport.value() == b"late"

    def test_the_ends_only_set_flags(self) -> None:
        def flags(transport: StringTransport) -> tuple[bool, bool, bool]:
            return transport.connected, transport.disconnecting, transport.disconnected

        closed, aborted = StringTransport(), StringTransport()
        assert flags(closed) == (True, False, False)
        closed.loseConnection()
        aborted.abortConnection()
        assert flags(closed) == (True, True, False)
        assert flags(aborted) == (True, True, True)

    def test_its_addresses_can_be_chosen(self) -> None:
        host, peer = IPv4Address("TCP", "127.0.0.1", 1), IPv4Address("TCP", "127.0.0.2", 2)
        transport = StringTransport(host, peer)
        assert (transport.getHost(), transport.getPeer()) == (host, peer)
        transport.hostAddr = peer
        assert transport.getHost() == peer
        assert StringTransport().getHost() == IPv4Address("TCP", "10.0.0.1", 12345)
        assert StringTransport().getPeer() == IPv4Address("TCP", "192.168.1.1", 54321)

    def test_its_reactor_is_a_clock_or_the_tests_own(self) -> None:
        called: list[int] = []
        transport = StringTransport()
        transport.reactor.callLater(1, called.append, 1)
        assert isinstance(transport.reactor.clock, Clock)
        transport.reactor.advance(1)
        assert called == [1]
        reactor = MemoryReactorClock()
        StringTransport(reactor=reactor).reactor.connectTCP("host", 1, ClientFactory())
        assert len(reactor.tcpClients) == 1

    def test_names_itself_and_its_protocol(self) -> None:
        transport = StringTransport()
        assert repr(transport) == "<StringTransport of StringTransport>"
        transport.connect_to(Protocol())
        assert repr(transport) == "<StringTransport of Protocol>"

    def test_tells_the_state_of_its_producing(self) -> None:
        transport = StringTransport()
        assert (transport.producerState, transport.receiving) == ("producing", True)
        transport.pauseProducing()
        assert (transport.producerState, transport.receiving) == ("paused", False)
        transport.resumeProducing()
        assert (transport.producerState, transport.receiving) == ("producing", True)
        transport.stopProducing()
        assert (transport.producerState, transport.receiving) == ("stopped", False)
        assert transport.disconnecting

    @pytest.mark.parametrize("name", ["pauseProducing", "resumeProducing"])
    def test_is_not_paused_or_resumed_when_it_is_being_closed(self, name: str) -> None:
        strict, lenient = StringTransport(), StringTransport(lenient=True)
        stopped = StringTransport(lenient=True)
        strict.loseConnection()
        lenient.loseConnection()
        stopped.stopProducing()
        with pytest.raises(RuntimeError, match="closed"):
            getattr(strict, name)()
        with pytest.raises(RuntimeError, match="stop"):
            getattr(stopped, name)()
        getattr(lenient, name)()


class TestProducers:
    def test_are_remembered(self) -> None:
        transport = StringTransport()
        assert (transport.producer, transport.streaming) == (None, None)
        for streaming in (True, False):
            producer = Producer()
            transport.registerProducer(producer, streaming)
            assert (transport.producer, transport.streaming) == (producer, streaming)
            transport.unregisterProducer()
            assert (transport.producer, transport.streaming) == (None, None)
            assert producer.calls == []

    def test_that_are_not_registered_cannot_be_unregistered(self) -> None:
        with pytest.raises(RuntimeError, match="none is registered"):
            StringTransport().unregisterProducer()

    def test_that_pull_are_asked_when_what_waited_has_left(self) -> None:
        transport, producer = StringTransport(), Producer()
        transport.registerProducer(producer, False)
        transport.block()
        transport.write(b"x")
        assert producer.calls == []
        transport.unblock()
        assert producer.calls == ["resume"]


class TestBlocking:
    def test_a_blocked_transport_is_congested(self) -> None:
        transport, producer = StringTransport(), Producer()
        seen: list[tuple[int, int]] = []
        transport.registerProducer(producer, True)
        transport.setWriteBufferLimits(high=300)
        transport.monitorCongestion(lambda *args: seen.append(args))
        transport.write(b"x" * 1000)
        assert (transport.bufferedBytes, seen, producer.calls) == (0, [], [])
        transport.block()
        for _ in range(301):
            transport.write(b"x")
        assert transport.bufferedBytes == 301
        assert seen == [(CONNECTION_BLOCKED, 1), (CONNECTION_BACKLOG, 256)]
        assert producer.calls == ["pause"]
        transport.unblock()
        assert transport.bufferedBytes == 0
        assert seen[2:] == [(CONNECTION_CLEARED, 0), (CONNECTION_BACKLOG, 0)]
        assert producer.calls == ["pause", "resume"]
        assert len(transport.value()) == 1301

    def test_nothing_is_told_where_nothing_waited(self) -> None:
        transport = StringTransport()
        transport.monitorCongestion(raises)
        transport.block()
        transport.unblock()

    def test_what_a_callback_raises_is_the_tests(self) -> None:
        transport = StringTransport()
        transport.monitorCongestion(raises)
        transport.block()
        with pytest.raises(Fault):
            transport.write(b"x")


class TestWithDisconnection:
    def connected(self, protocol: Any) -> StringTransportWithDisconnection:
        transport = StringTransportWithDisconnection()
        transport.protocol = protocol
        protocol.makeConnection(transport)
        return transport

    def test_tells_the_protocol_of_the_end_once(self) -> None:
        protocol = AccumulatingProtocol()
        transport = self.connected(protocol)
        transport.loseConnection()
        assert protocol.closedReason is not None
        assert protocol.closedReason.check(error.ConnectionDone)
        assert not transport.connected
        protocol.closed = 0
        transport.loseConnection()
        transport.abortConnection()
        assert protocol.closed == 0

    def test_tells_an_abort(self) -> None:
        protocol = Recorder()
        self.connected(protocol).abortConnection()
        assert protocol.reason.check(error.ConnectionAborted)

    def test_tells_that_the_cap_was_reached(self) -> None:
        protocol = Recorder()
        transport = self.connected(protocol)
        transport.block()
        transport.setWriteBufferLimits(high=1, cap=1)
        transport.write(b"12")
        assert protocol.reason.check(error.ConnectionAborted)
        assert "cap" in protocol.reason.getErrorMessage()

    def test_stops_its_producer_and_those_that_come_late(self) -> None:
        protocol, producer = Recorder(), Producer()
        transport = self.connected(protocol)
        transport.registerProducer(producer, True)
        transport.loseConnection()
        assert producer.calls == ["stop"]
        transport.registerProducer(producer, False)
        assert producer.calls == ["stop", "stop"]

    def test_drops_what_is_written_after_the_end(self) -> None:
        transport = self.connected(Recorder())
        transport.loseConnection()
        transport.write(b"late")
        assert transport.value() == b""

    def test_an_end_of_writing_is_no_end(self) -> None:
        protocol = HalfCloser()
        transport = self.connected(protocol)
        transport.loseWriteConnection()
        assert protocol.reason is None


def test_a_file_that_stays_open() -> None:
    file = StringIOWithoutClosing()
    file.write(b"kept")
    file.close()
    assert file.getvalue() == b"kept"
