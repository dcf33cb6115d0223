"""Connections in trouble: faults of callbacks, calls from inside of them, rude peers."""

from __future__ import annotations

import gc
import os
import socket
from collections.abc import Callable
from typing import Any

import psutil
import pytest

from reactorlib import error
from reactorlib.connection import Connection
from reactorlib.protocol import ClientFactory, Factory, Protocol
from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_peers import (
    LOOPBACK,
    MEGABYTE,
    MUCH,
    Fault,
    HalfCloser,
    Net,
    Recorder,
    RecordingFactory,
    TCPContractBase,
    await_input,
    echo,
    raises,
    reset,
)

BURSTS, BURST = 100, 100


class Brief(Protocol):
    """Answers once and closes."""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)
        self.transport.loseConnection()


class BriefClient(Protocol):
    """Asks, and lets the other side close."""

    def connectionMade(self) -> None:
        self.transport.write(b"x" * 100)


class BriefClients(ClientFactory):
    """Counts the ends of its connections."""

    protocol = BriefClient
    noisy = False
    ended = 0

    def clientConnectionLost(self, connector: Any, reason: Any) -> None:
        assert reason.check(error.ConnectionDone)
        self.ended += 1


def two_of_one_turn(net: Net, data: Callable[[Recorder, Recorder, bytes], object]) -> list[Any]:
    """Two connections whose data comes in the same turn; `data(own, other, bytes)` runs in it."""
    protocols: list[Any] = []

    def hook(protocol: Recorder, received: bytes) -> None:
        other = protocols[1 - protocols.index(protocol)]
        data(protocol, other, received)

    factory = RecordingFactory(lambda: Recorder(data=hook))
    port = net.listen(factory)
    peers = [net.dial(port), net.dial(port)]
    net.turn_until(lambda: len(factory.protocols) == 2)
    protocols += factory.protocols
    for peer in peers:
        peer.sendall(b"same turn")
    await_input(*(protocol.transport for protocol in protocols))
    net.turn(1)
    assert any(protocol.received for protocol in protocols)
    return [*protocols, *peers]


class HazardContract(TCPContractBase):
    """Connections in trouble. `most_memory`: what 10,000 of them may leave, in bytes."""

    most_memory = 1_500_000

    # Faults of callbacks

    @pytest.mark.parametrize("name", ["made", "data", "read_lost", "write_lost", "lost"])
    def test_a_fault_is_logged_once_and_costs_its_own_connection(
        self, net: Net, logged_errors: LoggedErrors, name: str
    ) -> None:
        port = net.listen(lambda: Recorder(data=echo))
        other, other_peer = net.accepted(port, net.dial(port))
        factory = RecordingFactory(lambda: HalfCloser(**{name: raises}))
        peer = net.dial(net.listen(factory))
        peer.sendall(b"data")
        net.turn_until(lambda: factory.protocols)
        (protocol,) = factory.protocols
        if name == "write_lost":
            protocol.transport.loseWriteConnection()
        if name == "lost":
            protocol.transport.abortConnection()
        if name == "read_lost":
            peer.shutdown(socket.SHUT_WR)
        assert net.ask(other_peer, b"undisturbed") == b"undisturbed"
        assert net.is_reset(peer) or name == "write_lost"
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionAborted if name == "lost" else Fault)
        assert protocol.calls.count("lost") == 1
        assert len(logged_errors.take(Fault)) == 1
        assert other.reason is None

    def test_data_does_not_come_after_a_fault(self, net: Net, logged_errors: LoggedErrors) -> None:
        protocol, peer = net.pair(lambda: Recorder(data=raises))
        peer.sendall(b"x" * MEGABYTE)
        net.until_lost(protocol)
        assert protocol.calls == ["made", "data", "lost"]
        assert len(logged_errors.take(Fault)) == 1

    # Calls from inside callbacks

    @pytest.mark.parametrize("how", ["abortConnection", "loseConnection"])
    def test_an_end_in_connectionMade(self, net: Net, how: str) -> None:
        def end(protocol: Recorder) -> None:
            getattr(protocol.transport, how)()

        factory = RecordingFactory(lambda: Recorder(made=end))
        peer = net.dial(net.listen(factory))
        peer.sendall(b"too late")
        net.turn_until(lambda: factory.protocols)
        assert net.is_reset(peer) == (how == "abortConnection")
        net.until_lost(factory.protocols[0])
        assert factory.protocols[0].calls == ["made", "lost"]

    @pytest.mark.parametrize("how", ["abortConnection", "loseConnection", "stopProducing"])
    def test_no_data_comes_after_an_end_in_dataReceived(self, net: Net, how: str) -> None:
        protocol, peer = net.pair(lambda: Recorder(data=lambda p, _: getattr(p.transport, how)()))
        peer.sendall(b"x" * MEGABYTE)
        peer.close()
        net.until_lost(protocol)
        assert protocol.calls == ["made", "data", "lost"]

    @pytest.mark.parametrize("how", ["abortConnection", "loseConnection"])
    def test_another_connection_of_the_turn_is_ended(self, net: Net, how: str) -> None:
        def end(own: Recorder, other: Recorder, data: bytes) -> None:
            getattr(other.transport, how)()

        *protocols, first_peer, second_peer = two_of_one_turn(net, end)
        first_peer.close()
        second_peer.close()
        net.until_lost(*protocols)
        calls = sorted(protocol.calls for protocol in protocols)
        assert calls == [["made", "data", "lost"], ["made", "lost"]]

    @pytest.mark.parametrize("later", [b", and later", b""])
    def test_a_pause_holds_what_was_read_and_what_follows(self, net: Net, later: bytes) -> None:
        paused: list[Any] = []

        def pause(own: Recorder, other: Recorder, data: bytes) -> None:
            if not paused:
                paused.append(other)
                other.transport.pauseProducing()

        *protocols, first_peer, second_peer = two_of_one_turn(net, pause)
        (held,) = paused
        peer = (first_peer, second_peer)[protocols.index(held)]
        peer.sendall(later)
        peer.close()
        net.turn(3)
        assert held.calls == ["made"]
        net.reactor.callLater(0, held.transport.resumeProducing)
        net.until_lost(held)
        assert held.received == b"same turn" + later
        assert held.calls == ["made", *["data"] * (1 + bool(later)), "lost"]

    @pytest.mark.parametrize("action", ["pauseProducing", "loseConnection", "abortConnection", ""])
    def test_what_a_callback_does_to_data_that_was_held(
        self, net: Net, logged_errors: LoggedErrors, action: str
    ) -> None:
        """`action` is done in the delivery of the first held data; empty raises."""
        paused: list[Any] = []

        def react(own: Recorder, other: Recorder, data: bytes) -> None:
            if not paused:
                paused.append(other)
                other.transport.pauseProducing()
            elif own is paused[0]:
                getattr(own.transport, action)()

        two_of_one_turn(net, react)
        (held,) = paused
        held.transport.hold(b"more")
        held.transport.resumeProducing()
        net.turn_until(lambda: held.received)
        net.turn()
        assert held.received == b"same turn"
        if action == "pauseProducing":
            held.transport.resumeProducing()
            net.turn_until(lambda: held.received == b"same turnmore")
            held.transport.resumeProducing()
        assert len(logged_errors.take(AttributeError)) == (not action)

    def test_a_connection_may_be_lost_in_the_delivery_of_what_was_held(self, net: Net) -> None:
        paused: list[Any] = []

        def react(own: Recorder, other: Recorder, data: bytes) -> None:
            if not paused:
                paused.append(other)
                other.transport.pauseProducing()
            elif own is paused[0]:
                own.transport.abortConnection()
                net.until_lost(own)

        two_of_one_turn(net, react)
        (held,) = paused
        held.transport.hold(b"more")
        held.transport.resumeProducing()
        net.until_lost(held)
        net.turn()
        assert held.calls == ["made", "data", "lost"]

    @pytest.mark.parametrize("pausing", [True, False])
    def test_what_is_handed_over_comes_before_what_is_held(self, net: Net, pausing: bool) -> None:
        paused: list[Any] = []
        hooks = {"made": lambda p: p.transport.pauseProducing()} if pausing else {}
        heir = Recorder(**hooks)

        def react(own: Recorder, other: Recorder, data: bytes) -> None:
            if not paused:
                paused.append(other)
                other.transport.pauseProducing()
            elif own is paused[0]:
                own.transport.handOver(heir, b"rest, ")

        two_of_one_turn(net, react)
        transport = paused[0].transport
        transport.hold(b"held")
        transport.resumeProducing()
        net.turn_until(lambda: heir.calls)
        heir.transport.resumeProducing()
        net.turn_until(lambda: heir.received == b"rest, held")

    def test_a_nested_turn_keeps_order(self, net: Net) -> None:
        def nest(own: Recorder, other: Recorder, data: bytes) -> None:
            net.reactor.iterate(0)

        first, second, first_peer, second_peer = two_of_one_turn(net, nest)
        for number in range(20):
            for peer in (first_peer, second_peer):
                peer.sendall(b"%d," % number)
            net.turn(1)
        expected = b"same turn" + b"".join(b"%d," % number for number in range(20))
        net.turn_until(lambda: first.received == second.received == expected)
        first_peer.close()
        second_peer.close()
        net.turn_until(lambda: first.reason and second.reason)
        assert (first.calls.count("lost"), second.calls.count("lost")) == (1, 1)

    def test_a_nested_turn_may_end_the_connection(self, net: Net) -> None:
        def nest(protocol: Recorder, data: bytes) -> None:
            peer.close()
            net.until_lost(protocol)
            protocol.transport.write(data)
            protocol.transport.loseConnection()

        protocol, peer = net.pair(lambda: Recorder(data=nest))
        peer.sendall(b"x")
        net.until_lost(protocol)
        assert protocol.calls == ["made", "data", "lost"]

    # Rude peers

    def test_a_reset_before_the_first_callback(self, net: Net) -> None:
        factory = RecordingFactory(lambda: Recorder(made=lambda p: p.transport.write(b"hello")))
        peer = net.dial(net.listen(factory))
        address = peer.getsockname()
        reset(peer)
        net.turn_until(lambda: factory.protocols and factory.protocols[0].reason)
        (protocol,) = factory.protocols
        assert protocol.calls == ["made", "lost"]
        assert protocol.reason.check(error.ConnectionLost)
        assert (factory.addresses[0].host, factory.addresses[0].port) == address

    @pytest.mark.parametrize("sending", [True, False])
    def test_a_reset_in_the_middle(self, net: Net, sending: bool) -> None:
        protocol, peer = net.pair()
        if sending:
            protocol.transport.write(MUCH)
            net.read(peer, 1000)
        else:
            peer.sendall(b"half of a body")
            net.turn_until(lambda: protocol.received)
        reset(peer)
        net.until_lost(protocol)
        assert protocol.reason.type is error.ConnectionLost
        assert protocol.calls.count("lost") == 1

    def test_data_and_fin_together(self, net: Net) -> None:
        factory = RecordingFactory()
        peer = net.dial(net.listen(factory))
        peer.sendall(b"last words")
        peer.close()
        net.turn_until(lambda: factory.protocols and factory.protocols[0].reason)
        assert factory.protocols[0].received == b"last words"
        assert factory.protocols[0].calls == ["made", "data", "lost"]
        assert factory.protocols[0].reason.check(error.ConnectionDone)

    def test_what_a_peer_asked_for_before_its_fin_is_answered(self, net: Net) -> None:
        protocol, peer = net.pair(lambda: Recorder(data=echo))
        peer.sendall(b"x" * 300_000)
        peer.shutdown(socket.SHUT_WR)
        assert net.read_all(peer) == b"x" * 300_000
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionDone)

    def test_an_early_answer_arrives_although_the_upload_is_not_read(self, net: Net) -> None:
        def refuse(protocol: Recorder, data: bytes) -> None:
            protocol.transport.write(b"x" * 300_000)
            protocol.transport.loseConnection()

        protocol, peer = net.pair(lambda: Recorder(data=refuse))
        assert net.read(peer, 300_001, b"y" * 4 * MEGABYTE) == b"x" * 300_000
        assert protocol.calls == ["made", "data", "lost"]

    def test_a_silent_peer_is_cut_off_by_its_protocols_own_timeout(self, net: Net) -> None:
        def start(protocol: Recorder) -> None:
            protocol.transport.write(MUCH)
            net.reactor.callLater(0.01, protocol.transport.abortConnection)

        protocol, _ = net.pair(lambda: Recorder(made=start))
        net.until_lost(protocol)
        assert protocol.calls == ["made", "lost"]
        assert protocol.reason.check(error.ConnectionAborted)

    def test_a_descriptor_that_was_closed_behind_the_reactors_back(self, net: Net) -> None:
        protocol, _ = net.pair()
        for _ in range(5):
            net.dial(net.ports[0])
        os.close(protocol.transport.getHandle().fileno())
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionFdescWentAway)
        net.turn_until(lambda: len(net.ports[0].factory.protocols) == 6)

    def test_ten_thousand_connections_leave_nothing(self, net: Net) -> None:
        reactor, port = net.reactor, net.listen(Factory.forProtocol(Brief))
        for _ in range(BURSTS // 5):
            self.burst(net, port)
        before = self.memory()
        for _ in range(BURSTS * 4 // 5):
            self.burst(net, port)
        net.turn_until(lambda: reactor.engine.counters()["open"] == 1)
        assert self.memory() - before < self.most_memory
        assert not any(isinstance(each, Connection) for each in gc.get_objects())
        assert list(reactor.sinks.values()) == [port]

    def burst(self, net: Net, port: Any) -> None:
        """A hundred connections, made and ended."""
        clients = BriefClients()
        for _ in range(BURST):
            net.reactor.connectTCP(LOOPBACK, port.port, clients)
        net.turn_until(lambda: clients.ended == BURST)

    def memory(self) -> int:
        """Bytes of this process in memory."""
        gc.collect()
        return int(psutil.Process().memory_info().rss)
