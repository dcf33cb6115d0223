"""UDP ports: their life, what they receive, the sockets they adopt."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.interfaces import (
    IDatagramProtocol,
    IListeningPort,
    IReactorMulticast,
    IReactorSocket,
    IReactorUDP,
    IUDPTransport,
)
from reactorlib.protocol import DatagramProtocol
from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_peers import Fault, raises
from reactorlib.testing.contract.udp_peers import (
    HOSTS,
    LOOPBACK,
    Datagrams,
    UDPContractBase,
    UDPNet,
    at_least,
    echo,
)

BURST = 10_000
NOT_OURS = "192.0.2.1"  # of the block that no machine has: RFC 5737


class UDPPortContract(UDPContractBase):
    """Ports and what comes to them."""

    # Life

    def test_a_reactor_and_a_port_provide_their_interfaces(self, net: UDPNet) -> None:
        assert verifyObject(IReactorUDP, net.reactor)
        assert verifyObject(IReactorMulticast, net.reactor)
        assert verifyObject(IReactorSocket, net.reactor)
        port = net.listen()
        assert verifyObject(IListeningPort, port)
        assert verifyObject(IUDPTransport, port)
        assert verifyObject(IDatagramProtocol, port.protocol)

    def test_the_protocol_is_started_with_its_port_bound(self, net: UDPNet) -> None:
        bound: list[Any] = []
        protocol = Datagrams(start=lambda p: bound.append(p.transport.getHost()))
        port = net.listen(protocol)
        assert bound == [port.getHost()] == [IPv4Address("UDP", LOOPBACK, port.port)]
        assert protocol.transport is port
        assert str(port.port) in repr(port)
        assert port.logPrefix() == "Datagrams"

    def test_the_end(self, net: UDPNet) -> None:
        port = net.listen()
        protocol, number = port.protocol, port.port
        deferred = port.stopListening()
        assert port.stopListening() is deferred
        port.loseConnection()
        assert protocol.calls == ["start"]
        self.run_until(net.reactor, deferred)
        assert protocol.calls == ["start", "stop"]
        assert (protocol.transport, port.connected, port.fileno()) == (None, False, -1)
        assert port.stopListening() is None
        assert "not listening" in repr(port)
        for call in (port.getHost, port.getHandle):
            with pytest.raises(error.NotListeningError):
                call()
        port.write(b"dropped", (LOOPBACK, number))

    def test_a_port_starts_again_on_the_same_number(self, net: UDPNet) -> None:
        port = net.listen()
        number = port.port
        self.run_until(net.reactor, port.stopListening())
        port.startListening()
        assert port.getHost().port == number
        net.peer(port).send(b"again")
        net.turn_until(lambda: port.protocol.received)

    def test_what_was_written_before_the_end_is_sent(self, net: UDPNet) -> None:
        port, peer = net.listen(), net.new_socket()
        port.write(b"last words", peer.getsockname())
        port.stopListening()
        port.write(b"too late", peer.getsockname())
        assert net.receive(peer) == [b"last words"]
        net.turn_until(lambda: not port.connected)
        assert net.is_quiet(peer)

    def test_the_end_of_a_run_stops_what_is_open(self, net: UDPNet) -> None:
        port, peer = net.listen(), net.new_socket()

        def leave() -> None:
            port.write(b"last words", peer.getsockname())
            net.reactor.stop()

        net.reactor.callWhenRunning(leave)
        self.run_guarded(net.reactor)
        assert peer.recv(100) == b"last words"
        assert port.protocol.calls == ["start", "stop"]

    def test_a_start_that_fails_leaves_no_port(self, net: UDPNet) -> None:
        protocol = Datagrams(start=raises)
        with pytest.raises(Fault):
            net.reactor.listenUDP(0, protocol, LOOPBACK)
        net.turn()
        assert (protocol.calls, protocol.transport) == (["start"], None)
        assert net.reactor.sinks == {}

    def test_a_protocol_that_only_is_there(self, net: UDPNet) -> None:
        protocol, peer = net.pair(DatagramProtocol())
        peer.send(b"ignored")
        net.turn()
        protocol.connectionRefused()
        self.run_until(net.reactor, protocol.transport.stopListening())
        assert (protocol.transport, protocol.numPorts) == (None, 0)

    def test_a_protocol_has_one_port(self, net: UDPNet) -> None:
        port = net.listen()
        with pytest.raises(RuntimeError, match="port already"):
            net.reactor.listenUDP(0, port.protocol, LOOPBACK)
        net.turn()
        assert list(net.reactor.sinks.values()) == [port]
        assert port.protocol.transport is port

    @pytest.mark.parametrize(
        ("number", "interface"),
        [(0, NOT_OURS), (0, "name.invalid"), (-1, LOOPBACK), (65_536, LOOPBACK), ("x", LOOPBACK)],
    )
    def test_where_no_port_can_be(self, net: UDPNet, number: Any, interface: str) -> None:
        protocol = Datagrams()
        with pytest.raises(error.CannotListenError, match="Cannot listen"):
            net.reactor.listenUDP(number, protocol, interface)
        assert protocol.calls == []

    def test_a_port_that_is_taken(self, net: UDPNet) -> None:
        number = net.listen().port
        with pytest.raises(error.CannotListenError) as caught:
            net.reactor.listenUDP(number, Datagrams(), LOOPBACK)
        assert "EADDRINUSE" in str(caught.value)

    @pytest.mark.parametrize("size", [0, 1 << 20])
    def test_a_packet_size_that_cannot_be(self, net: UDPNet, size: int) -> None:
        with pytest.raises(OSError, match="Invalid argument"):
            net.reactor.listenUDP(0, Datagrams(), LOOPBACK, size)
        assert net.reactor.sinks == {}

    def test_what_the_engine_refuses(self, net: UDPNet, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(descriptor: int, kind: int) -> int:
            raise error.SelectLimitError(descriptor, 0)

        monkeypatch.setattr(net.reactor.engine, "add", refuse)
        with pytest.raises(error.CannotListenError, match="FD_SETSIZE"):
            net.reactor.listenUDP(0, Datagrams(), LOOPBACK)

    # Receiving

    @pytest.mark.parametrize("host", HOSTS)
    def test_datagrams_come_with_their_senders(self, net: UDPNet, host: str) -> None:
        port = net.listen(Datagrams(received=echo), host)
        kind = IPv6Address if ":" in host else IPv4Address
        assert port.getHost() == kind("UDP", host, port.port)
        peer = net.peer(port)
        sent = [b"one", b"", b"three" * 1000, b"\0"]
        for datagram in sent:
            peer.send(datagram)
        assert net.receive(peer, 4) == sent
        assert port.protocol.received == sent
        assert port.protocol.senders == [peer.getsockname()] * 4

    @pytest.mark.parametrize("host", HOSTS)
    def test_many_senders_of_one_turn_are_told_apart(self, net: UDPNet, host: str) -> None:
        port = net.listen(None, host)
        peers = [net.peer(port) for _ in range(100)]
        for number, peer in enumerate(peers):
            peer.send(b"x" * number)
        net.turn_until(lambda: len(port.protocol.received) == 100)
        assert port.protocol.senders == [peer.getsockname() for peer in peers]
        assert [len(datagram) for datagram in port.protocol.received] == list(range(100))

    def test_no_interface_is_every_ipv4_one(self, net: UDPNet) -> None:
        port = net.listen(interface="")
        for host in ("127.0.0.1", "127.0.0.2"):
            net.new_socket().sendto(host.encode(), (host, port.port))
        net.turn_until(lambda: port.protocol.received == [b"127.0.0.1", b"127.0.0.2"])

    def test_both_protocols_are_two_ports_on_one_number(self, net: UDPNet) -> None:
        four = net.listen(interface="0.0.0.0")
        six = net.keep(net.reactor.listenUDP(four.port, Datagrams(), "::"))
        net.new_socket().sendto(b"4", (LOOPBACK, four.port))
        net.new_socket("::1").sendto(b"6", ("::1", four.port))
        net.turn_until(lambda: four.protocol.received and six.protocol.received)
        assert (four.protocol.received, six.protocol.received) == ([b"4"], [b"6"])

    @pytest.mark.parametrize("size", [1, 100, 60_000])
    def test_what_is_longer_than_a_packet_is_cut(self, net: UDPNet, size: int) -> None:
        port = net.listen(maxPacketSize=size)
        peer = net.peer(port)
        for length in (size - 1, size, size + 1, 1):
            peer.send(b"x" * length)
        net.turn_until(lambda: len(port.protocol.received) == 4)
        lengths = [len(datagram) for datagram in port.protocol.received]
        assert lengths == [size - 1, size, size, 1]

    @pytest.mark.parametrize("host", HOSTS)
    def test_datagrams_that_fill_their_room_leave_each_other_alone(
        self, net: UDPNet, host: str
    ) -> None:
        """They are taken side by side, and the senders' names come among them."""
        port = net.listen(interface=host, maxPacketSize=100)
        peers = [net.peer(port) for _ in range(20)]
        expected = [bytes([number]) * 100 for number in range(len(peers))]
        for peer, datagram in zip(peers, expected, strict=True):
            peer.send(datagram)
        net.turn_until(at_least(port.protocol.received, len(peers)))
        assert port.protocol.received == expected
        assert port.protocol.senders == [peer.getsockname() for peer in peers]

    def test_a_burst_comes_whole_and_in_order(self, net: UDPNet) -> None:
        port = net.listen()
        peer, received = net.peer(port), port.protocol.received
        for number in range(BURST):
            peer.send(b"%d" % number)
            if number % 100 == 99:  # so many the kernel keeps
                net.turn_until(at_least(received, number + 1))
        assert received == [b"%d" % number for number in range(BURST)]

    def test_a_flood_leaves_time_for_others(self, net: UDPNet) -> None:
        """So many of a turn and no more: what waits is delivered, but later."""
        port, other = net.listen(), net.listen()
        peer, other_peer = net.peer(port), net.peer(other)
        for _ in range(250):
            peer.send(b"flood")
        other_peer.send(b"mine")
        net.turn(1)
        assert 0 < len(port.protocol.received) < 250
        assert other.protocol.received == [b"mine"]
        net.turn_until(lambda: len(port.protocol.received) == 250)

    # Callbacks

    def test_no_datagram_comes_after_the_end(self, net: UDPNet) -> None:
        protocol, peer = net.pair(Datagrams(received=lambda p, *_: p.transport.stopListening()))
        for _ in range(50):
            peer.send(b"x")
        net.turn_until(lambda: "stop" in protocol.calls)
        assert protocol.calls == ["start", "received", "stop"]

    def test_a_fault_is_logged_once_and_the_port_lives(
        self, net: UDPNet, logged_errors: LoggedErrors
    ) -> None:
        protocol, peer = net.pair(Datagrams(received=raises))
        peer.send(b"one")
        net.turn_until(lambda: protocol.received)
        assert len(logged_errors.take(Fault)) == 1
        protocol.hooks["received"] = echo
        peer.send(b"two")
        assert net.receive(peer) == [b"two"]

    def test_a_fault_at_the_end_is_logged(self, net: UDPNet, logged_errors: LoggedErrors) -> None:
        port = net.listen(Datagrams(stop=raises))
        self.run_until(net.reactor, port.stopListening())
        assert len(logged_errors.take(Fault)) == 1
        assert not port.connected

    def test_a_nested_turn_keeps_order(self, net: UDPNet) -> None:
        def nest(protocol: Datagrams, datagram: bytes, addr: Any) -> None:
            if len(protocol.received) % 10 == 0:
                net.reactor.iterate(0)

        protocol, peer = net.pair(Datagrams(received=nest))
        for number in range(200):
            peer.send(b"%d" % number)
        net.turn_until(lambda: len(protocol.received) == 200)
        assert protocol.received == [b"%d" % number for number in range(200)]

    def test_a_descriptor_that_was_closed_behind_the_reactors_back(
        self, net: UDPNet, logged_errors: LoggedErrors
    ) -> None:
        port = net.listen()
        os.close(port.fileno())
        net.listen()  # the number comes back
        net.turn_until(lambda: not port.connected)
        assert port.protocol.calls == ["start", "stop"]
        (record,) = logged_errors.take()
        assert "EBADF" in record.getMessage()

    # Adopted sockets

    @pytest.mark.parametrize("host", HOSTS)
    def test_a_socket_is_adopted_and_stays_its_owners(self, net: UDPNet, host: str) -> None:
        owned, peer = net.new_socket(host), net.new_socket(host)
        protocol = Datagrams(received=echo)
        port = net.reactor.adoptDatagramPort(owned.fileno(), owned.family, protocol)
        assert port.getHost().port == owned.getsockname()[1]
        peer.sendto(b"adopted", owned.getsockname())
        assert net.receive(peer) == [b"adopted"]
        self.run_until(net.reactor, port.stopListening())
        peer.sendto(b"owned", owned.getsockname())
        assert owned.recv(100) == b"owned"

    def test_a_connected_socket_is_adopted(self, net: UDPNet) -> None:
        owned, peer = net.new_socket(), net.new_socket()
        owned.connect(peer.getsockname())
        port = net.keep(
            net.reactor.adoptDatagramPort(owned.fileno(), owned.family, Datagrams(), 100)
        )
        port.write(b"to whom it is connected")
        assert net.receive(peer) == [b"to whom it is connected"]
        peer.sendto(b"x" * 101, owned.getsockname())
        net.turn_until(lambda: port.protocol.received == [b"x" * 100])

    def test_what_is_no_socket_is_not_adopted(self, net: UDPNet) -> None:
        protocol = Datagrams()
        with open(os.devnull) as file, pytest.raises(OSError, match=r".*"):
            net.reactor.adoptDatagramPort(file.fileno(), socket.AF_INET, protocol)
        with pytest.raises(error.UnsupportedAddressFamily):
            net.reactor.adoptDatagramPort(net.new_socket().fileno(), socket.AF_UNSPEC, protocol)
        assert protocol.calls == []
