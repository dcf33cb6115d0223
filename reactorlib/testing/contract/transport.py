"""ITCPTransport, for real connections and for their doubles alike.

Each class is one capability. `TransportContract` has all of them, and runs on
the TCP connections of a reactor; the doubles of `reactorlib.testing` take what
they can do and override `network`. Who makes a transport does the same.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib.congestion import (
    BACKLOG_MESSAGES,
    CONNECTION_BACKLOG,
    CONNECTION_BLOCKED,
    CONNECTION_CLEARED,
)
from reactorlib.interfaces import IAddress, IConsumer, ITCPTransport
from reactorlib.testing.contract.base import ContractBase, LoggedErrors
from reactorlib.testing.contract.tcp_peers import Producer, raises
from reactorlib.testing.contract.transport_ends import Ending, HalfClosing, PullProducing, Receiving
from reactorlib.testing.contract.transport_networks import Network, TCPNetwork


class Writing:
    """What is written arrives, and nothing else does."""

    def test_it_provides_its_interfaces(self, network: Network) -> None:
        ours, _ = network.pair()
        assert verifyObject(ITCPTransport, ours.transport)
        assert verifyObject(IConsumer, ours.transport)

    def test_it_knows_its_addresses(self, network: Network) -> None:
        ours, _ = network.pair()
        host, peer = ours.transport.getHost(), ours.transport.getPeer()
        assert verifyObject(IAddress, host)
        assert verifyObject(IAddress, peer)
        assert (host.type, peer.type) == ("TCP", "TCP")
        assert host != peer

    def test_writes_keep_their_order(self, network: Network) -> None:
        ours, _ = network.pair()
        for piece in (b"one ", bytearray(b"two "), memoryview(b"three "), b""):
            ours.transport.write(piece)
        ours.transport.writeSequence(iter([b"four ", bytearray(b"five")]))
        network.until(lambda: network.arrived() == b"one two three four five")

    def test_a_write_takes_a_copy(self, network: Network) -> None:
        ours, _ = network.pair()
        data = bytearray(b"before")
        ours.transport.write(data)
        data[:] = b"after!"
        network.until(lambda: network.arrived() == b"before")

    @pytest.mark.parametrize("data", ["text", 5, None, [b"list"]])
    def test_what_is_not_bytes_is_refused(self, network: Network, data: Any) -> None:
        ours, _ = network.pair()
        transport = ours.transport
        for refused in (transport.write, lambda data: transport.writeSequence([b"some", data])):
            with pytest.raises(TypeError, match=f"bytes.*{type(data).__name__}") as caught:
                refused(data)
            assert ("encode" in str(caught.value)) == isinstance(data, str)
        transport.write(b"fine")
        network.until(lambda: network.arrived() == b"fine")

    def test_much_arrives_whole(self, network: Network) -> None:
        ours, _ = network.pair()
        data = bytes(range(256)) * (len(network.plenty) // 256)
        ours.transport.write(data)
        network.until(lambda: len(network.arrived()) == len(data))
        assert network.arrived() == data
        assert ours.transport.bufferedBytes == 0

    def test_nothing_is_written_after_the_end_of_writing(self, network: Network) -> None:
        ours, _ = network.pair()
        ours.transport.write(b"last")
        ours.transport.loseWriteConnection()
        ours.transport.write(b"dropped")
        network.until(lambda: network.arrived() == b"last")
        network.settle()
        assert network.arrived() == b"last"

    def test_nothing_is_written_after_an_abort(self, network: Network) -> None:
        ours, _ = network.pair()
        ours.transport.abortConnection()
        ours.transport.write(b"dropped")
        assert ours.transport.bufferedBytes == 0
        network.settle()
        assert network.arrived() == b""

    def test_options_of_the_socket(self, network: Network) -> None:
        ours, _ = network.pair()
        transport = ours.transport
        assert (transport.getTcpNoDelay(), transport.getTcpKeepAlive()) == (True, False)
        transport.setTcpNoDelay(False)
        transport.setTcpKeepAlive(True)
        assert (transport.getTcpNoDelay(), transport.getTcpKeepAlive()) == (False, True)
        sock = transport.getHandle()
        host, peer = transport.getHost(), transport.getPeer()
        assert sock.getsockname() == (host.host, host.port)
        assert sock.getpeername() == (peer.host, peer.port)


class Leaving:
    """The end is told later."""

    def test_the_end_is_never_told_inside_the_call(self, network: Network) -> None:
        for how in ("loseConnection", "abortConnection", "stopProducing"):
            ours, _ = network.pair()
            getattr(ours.transport, how)()
            assert ours.transport.disconnecting
            assert ours.calls == ["made"]


class Producing:
    """Producers, water marks, congestion."""

    def test_a_push_producer_is_paused_above_high_and_resumed_when_drained(
        self, network: Network
    ) -> None:
        ours, _ = network.pair()
        transport, producer = ours.transport, Producer()
        network.block()
        transport.setWriteBufferLimits(high=100, low=50)
        transport.registerProducer(producer, True)
        transport.write(network.plenty)
        transport.write(b"more")
        assert producer.calls == ["pause"]
        network.settle()
        assert producer.calls == ["pause"]
        assert transport.bufferedBytes > 100
        network.unblock()
        network.until(lambda: producer.calls == ["pause", "resume"])
        network.until(lambda: transport.bufferedBytes == 0)
        network.settle()
        assert producer.calls == ["pause", "resume"]

    def test_a_producer_that_comes_late_is_paused_at_once(self, network: Network) -> None:
        ours, _ = network.pair()
        producer = Producer()
        network.block()
        ours.transport.setWriteBufferLimits(high=100)
        ours.transport.write(network.plenty)
        ours.transport.registerProducer(producer, True)
        assert producer.calls == ["pause"]

    @pytest.mark.parametrize("streaming", [True, False])
    def test_one_producer_at_a_time(self, network: Network, streaming: bool) -> None:
        ours, _ = network.pair()
        ours.transport.registerProducer(Producer(), streaming)
        with pytest.raises(RuntimeError, match="registered already"):
            ours.transport.registerProducer(Producer(), streaming)
        ours.transport.unregisterProducer()
        ours.transport.registerProducer(Producer(), streaming)

    @pytest.mark.parametrize(
        "limits", [{"high": 10, "low": 11}, {"high": 10, "cap": 9}, {"low": -1}, {"cap": 2**32}]
    )
    def test_limits_that_do_not_rise(self, network: Network, limits: dict[str, int]) -> None:
        ours, _ = network.pair()
        with pytest.raises(ValueError, match="must rise"):
            ours.transport.setWriteBufferLimits(**limits)

    def test_past_the_cap_the_connection_is_given_up(self, network: Network) -> None:
        ours, _ = network.pair()
        network.block()
        ours.transport.setWriteBufferLimits(high=50, cap=100)
        ours.transport.write(b"x" * 100)
        assert not ours.transport.disconnecting
        ours.transport.write(network.plenty)
        assert ours.transport.disconnecting

    def test_blocked_and_cleared_take_turns(self, network: Network) -> None:
        ours, _ = network.pair()
        seen: list[tuple[int, int]] = []
        network.block()
        ours.transport.monitorCongestion(lambda *args: seen.append(args))
        ours.transport.write(network.plenty)
        ours.transport.write(b"another")
        network.until(lambda: seen)
        network.settle()
        assert seen[0] in ((CONNECTION_BLOCKED, 1), (CONNECTION_BLOCKED, 2))
        network.unblock()
        network.until(lambda: ours.transport.bufferedBytes == 0)
        statuses = [status for status, _ in seen]
        assert statuses[::2] == [CONNECTION_BLOCKED] * (len(seen) // 2)
        assert statuses[1::2] == [CONNECTION_CLEARED] * (len(seen) // 2)

    def test_a_backlog_is_told_when_it_is_there_and_when_it_is_gone(self, network: Network) -> None:
        ours, _ = network.pair()
        seen: list[tuple[int, int]] = []
        network.block()
        ours.transport.write(network.plenty)
        ours.transport.monitorCongestion(lambda *args: seen.append(args))
        for _ in range(BACKLOG_MESSAGES + 5):
            ours.transport.write(b"x")
        network.settle()
        network.unblock()
        network.until(lambda: (CONNECTION_BACKLOG, 0) in seen)
        backlog = [each for each in seen if each[0] == CONNECTION_BACKLOG]
        assert backlog == [(CONNECTION_BACKLOG, BACKLOG_MESSAGES), (CONNECTION_BACKLOG, 0)]

    def test_nobody_is_told_who_ignores_it(self, network: Network) -> None:
        ours, _ = network.pair()
        network.block()
        ours.transport.monitorCongestion(raises)
        ours.transport.ignoreCongestion()
        ours.transport.write(network.plenty)
        network.settle()
        network.unblock()
        network.until(lambda: ours.transport.bufferedBytes == 0)


class ConnectedTransports(
    Writing, Leaving, Producing, PullProducing, Receiving, Ending, HalfClosing
):
    """All that transports with two ends can do."""


class TransportContract(ContractBase, ConnectedTransports):
    """The whole contract on TCP connections of the reactor under test."""

    @pytest.fixture
    def network(self, reactor: Any, logged_errors: LoggedErrors) -> Iterator[Network]:
        """Both ends on one reactor."""
        network = TCPNetwork(reactor, logged_errors)
        yield network
        network.close()
