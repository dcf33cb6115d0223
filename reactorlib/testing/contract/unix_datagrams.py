"""Datagrams over UNIX sockets: IReactorUNIXDatagram."""

from __future__ import annotations

import os
import socket
import stat
from errno import ENOBUFS
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import UNIXAddress
from reactorlib.interfaces import (
    IListeningPort,
    IReactorUNIXDatagram,
    IUNIXDatagramConnectedTransport,
    IUNIXDatagramTransport,
)
from reactorlib.protocol import ConnectedDatagramProtocol
from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_peers import Fault, raises
from reactorlib.testing.contract.udp_peers import Datagrams, Hook, echo
from reactorlib.testing.contract.unix_peers import (
    UNIXContractBase,
    UNIXNet,
    every_kind_of_name,
)


class Connected(ConnectedDatagramProtocol):
    """Writes down its calls; `hooks` as of Datagrams, and `failed`."""

    noisy = False

    def __init__(self, **hooks: Hook) -> None:
        self.calls: list[str] = []
        self.received: list[bytes] = []
        self.reasons: list[Any] = []
        self.hooks = hooks

    def startProtocol(self) -> None:
        self.note("start")

    def datagramReceived(self, datagram: bytes) -> None:
        self.received.append(datagram)
        self.note("received", datagram)

    def connectionRefused(self) -> None:
        self.note("refused")

    def connectionFailed(self, failure: Any) -> None:
        self.reasons.append(failure)
        self.note("failed")

    def stopProtocol(self) -> None:
        self.note("stop")

    def note(self, name: str, *arguments: object) -> None:
        self.calls.append(name)
        if name in self.hooks:
            self.hooks[name](self, *arguments)


class UNIXDatagramContract(UNIXContractBase):
    """Ports with names, and ports that are connected to one."""

    def port(self, net: UNIXNet, protocol: Any = None, name: Any = "", **options: Any) -> Any:
        protocol = Datagrams() if protocol is None else protocol
        name = net.name() if name == "" else name
        return net.keep(net.reactor.listenUNIXDatagram(name, protocol, **options))

    def connected(self, net: UNIXNet, name: Any, protocol: Any = None, **options: Any) -> Any:
        protocol = Connected() if protocol is None else protocol
        return net.keep(net.reactor.connectUNIXDatagram(name, protocol, **options))

    def connection_failure(self, net: UNIXNet, name: Any, **options: Any) -> Any:
        """The error that the protocol is told, after the call and once."""
        protocol = Connected()
        port = net.reactor.connectUNIXDatagram(name, protocol, **options)
        assert protocol.calls == []
        net.turn_until(lambda: protocol.calls)
        assert protocol.calls == ["failed"]
        assert (protocol.transport, port.connected, net.reactor.sinks) == (None, False, {})
        return protocol.reasons[0].value

    # Ports

    @every_kind_of_name
    def test_datagrams_come_with_their_senders(self, net: UNIXNet, make_name: Any) -> None:
        name, own = make_name(net), make_name(net)
        assert verifyObject(IReactorUNIXDatagram, net.reactor)
        port = self.port(net, Datagrams(received=echo), name)
        assert verifyObject(IListeningPort, port)
        assert verifyObject(IUNIXDatagramTransport, port)
        assert port.getHost() == UNIXAddress(name)
        peer = net.bound(own)
        sent = [b"one", b"", b"three" * 1000]
        for datagram in sent:
            peer.sendto(datagram, name)
        assert net.receive(peer, 3) == sent
        assert port.protocol.received == sent
        assert port.protocol.senders == [peer.getsockname()] * 3
        assert str(port.port)[1:] in repr(port)

    def test_a_sender_without_a_name(self, net: UNIXNet) -> None:
        port, peer = self.port(net), net.new_socket(socket.SOCK_DGRAM)
        peer.sendto(b"who am I?", port.port)
        net.turn_until(lambda: port.protocol.received)
        assert port.protocol.senders == [None]

    def test_a_port_without_a_name_can_send(self, net: UNIXNet) -> None:
        port, peer = self.port(net, name=None), net.bound()
        assert port.getHost() == UNIXAddress(None)
        for data in (b"bytes", bytearray(b"bytearray"), memoryview(b"memoryview")):
            port.write(data, peer.getsockname())
        port.write(b"path in bytes", peer.getsockname().encode())
        expected = [b"bytes", b"bytearray", b"memoryview", b"path in bytes"]
        assert net.receive(peer, 4) == expected

    def test_many_senders_of_one_turn_are_told_apart(self, net: UNIXNet) -> None:
        port = self.port(net)
        peers = [net.bound() for _ in range(10)]
        for peer in peers:
            peer.sendto(peer.getsockname().encode(), port.port)
        net.turn_until(lambda: len(port.protocol.received) == 10)
        assert port.protocol.senders == [peer.getsockname() for peer in peers]
        assert [each.decode() for each in port.protocol.received] == port.protocol.senders

    def test_the_file(self, net: UNIXNet) -> None:
        port = self.port(net, mode=0o640)
        path = Path(port.port)
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        with pytest.raises(error.CannotListenError, match="exists"):
            net.reactor.listenUNIXDatagram(str(path), Datagrams())
        assert path.is_socket()
        self.run_until(net.reactor, port.stopListening())
        assert list(net.folder.iterdir()) == []
        assert port.protocol.calls == ["start", "stop"]

    @pytest.mark.parametrize("name", ["/tmp/" + "x" * 150, "/no/such/folder/socket", "/tmp/a\0b"])
    def test_names_that_cannot_be(self, net: UNIXNet, name: str) -> None:
        protocol = Datagrams()
        with pytest.raises(error.CannotListenError, match="Cannot listen on UNIX"):
            net.reactor.listenUNIXDatagram(name, protocol)
        assert protocol.calls == []
        port = self.port(net, name=None)
        for address in (name if len(name) > 100 else "", "/tmp/a\0b"):
            with pytest.raises(error.InvalidAddressError, match="name of a UNIX socket"):
                port.write(b"x", address)

    def test_a_protocol_that_cannot_start_leaves_nothing(self, net: UNIXNet) -> None:
        with pytest.raises(Fault):
            net.reactor.listenUNIXDatagram(net.name(), Datagrams(start=raises))
        net.turn()
        assert (list(net.folder.iterdir()), net.reactor.sinks) == ([], {})

    def test_too_long(self, net: UNIXNet) -> None:
        port, peer = self.port(net), net.bound()
        most = port.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - 32
        with pytest.raises(error.MessageLengthError, match=str(most)):
            port.write(b"x" * (most + 1), peer.getsockname())
        port.write(b"x" * most, peer.getsockname())
        assert net.receive(peer) == [b"x" * most]

    def test_nobody_is_there(self, net: UNIXNet, log: pytest.LogCaptureFixture) -> None:
        port, peer = self.port(net), net.bound()
        for number in range(10):
            port.write(b"lost", "/no/such/socket")
            port.write(b"%d" % number, peer.getsockname())
        assert net.receive(peer, 10) == [b"%d" % number for number in range(10)]
        assert "ENOENT" in log.messages[0]
        assert "10 datagram(s)" in log.messages[0]

    def test_a_receiver_that_is_full_holds_up_no_other(
        self, net: UNIXNet, log: pytest.LogCaptureFixture
    ) -> None:
        port, full, peer = self.port(net), net.bound(), net.bound()
        for _ in range(1000):
            port.write(b"x", full.getsockname())
        port.write(b"undisturbed", peer.getsockname())
        assert net.receive(peer) == [b"undisturbed"]
        assert "EAGAIN" in log.messages[0]
        turns = net.reactor.engine.counters()["turns"]
        net.reactor.iterate(0.01)
        assert net.reactor.engine.counters()["turns"] == turns + 1

    def test_a_socket_is_adopted(self, net: UNIXNet) -> None:
        owned, peer = net.bound(), net.bound()
        protocol = Datagrams(received=echo)
        port = net.reactor.adoptDatagramPort(owned.fileno(), socket.AF_UNIX, protocol)
        peer.sendto(b"adopted", owned.getsockname())
        assert net.receive(peer) == [b"adopted"]
        self.run_until(net.reactor, port.stopListening())
        assert os.path.exists(owned.getsockname())

    # Connected ports

    def test_a_connected_port_speaks_with_one_other(self, net: UNIXNet) -> None:
        peer, own = net.bound(), net.name()
        port = self.connected(net, peer.getsockname(), bindAddress=own, mode=0o600)
        assert verifyObject(IUNIXDatagramConnectedTransport, port)
        assert port.getHost() == UNIXAddress(own)
        assert port.getPeer() == UNIXAddress(peer.getsockname())
        assert port.protocol.transport is port
        assert stat.S_IMODE(os.stat(own).st_mode) == 0o600
        port.write(b"question")
        assert net.receive(peer) == [b"question"]
        peer.sendto(b"answer", own)
        net.turn_until(lambda: port.protocol.received == [b"answer"])
        self.run_until(net.reactor, port.stopListening())
        assert port.protocol.calls == ["start", "received", "stop"]
        assert not os.path.exists(own)

    def test_what_cannot_be_connected(self, net: UNIXNet) -> None:
        peer = net.bound()
        name = peer.getsockname()
        peer.close()
        assert isinstance(self.connection_failure(net, "/no/such/socket"), error.ConnectError)
        assert isinstance(self.connection_failure(net, name), error.ConnectionRefusedError)
        assert "too long" in str(self.connection_failure(net, "/tmp/" + "x" * 150))
        assert "EADDRINUSE" in str(
            self.connection_failure(net, net.bound().getsockname(), bindAddress=name)
        )

    def test_a_protocol_that_only_is_there(self, net: UNIXNet) -> None:
        own = net.name()
        port = self.connected(
            net, net.bound().getsockname(), ConnectedDatagramProtocol(), bindAddress=own
        )
        net.sockets[-1].sendto(b"ignored", own)
        net.turn()
        port.protocol.connectionFailed(None)

    def test_a_failure_leaves_no_file(self, net: UNIXNet) -> None:
        self.connection_failure(net, "/no/such/socket", bindAddress=net.name())
        assert list(net.folder.iterdir()) == []

    def test_a_fault_about_a_failure_is_logged(
        self, net: UNIXNet, logged_errors: LoggedErrors
    ) -> None:
        protocol = Connected(failed=raises)
        net.reactor.connectUNIXDatagram("/no/such/socket", protocol)
        net.turn_until(lambda: protocol.reasons)
        assert len(logged_errors.take(Fault)) == 1

    def test_the_peer_has_gone(self, net: UNIXNet, log: pytest.LogCaptureFixture) -> None:
        peer = net.bound()
        port = self.connected(net, peer.getsockname())
        peer.close()
        port.write(b"lost")
        net.turn_until(lambda: "refused" in port.protocol.calls)
        assert port.connected
        assert "1 datagram(s)" in log.messages[0]

    def test_a_full_receiver_is_waited_for(self, net: UNIXNet) -> None:
        """In order, without a spinning loop; up to a bound, and nothing is lost silently."""
        peer = net.bound()
        port = self.connected(net, peer.getsockname())
        written = 0
        try:
            while True:
                port.write(b"%08d" % written * 1000)
                written += 1
        except OSError as refusal:
            number = refusal.errno
        assert (number, written > 500) == (ENOBUFS, True)
        net.turn()
        turns = net.reactor.engine.counters()["turns"]
        net.reactor.iterate(0.01)
        assert net.reactor.engine.counters()["turns"] == turns + 1
        received = net.receive(peer, written)
        assert received == [b"%08d" % number * 1000 for number in range(written)]
        port.write(b"again")
        assert net.receive(peer) == [b"again"]

    def test_what_waits_is_sent_before_the_end_and_dropped_by_an_abort(self, net: UNIXNet) -> None:
        peer = net.bound()
        port = self.connected(net, peer.getsockname())
        for number in range(100):
            port.write(b"%d" % number)
        port.stopListening()
        net.turn()
        assert port.connected
        assert net.receive(peer, 100) == [b"%d" % number for number in range(100)]
        net.turn_until(lambda: not port.connected)
        port = self.connected(net, peer.getsockname())
        for number in range(100):
            port.write(b"%d" % number)
        net.turn()
        port.abandon()
        net.turn_until(lambda: not port.connected)
        assert port.protocol.calls == ["start", "stop"]
