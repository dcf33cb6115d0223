"""Listening: IListeningPort, IReactorTCP.listenTCP and IReactorSocket.adoptStreamPort."""

from __future__ import annotations

import contextlib
import os
import select
import socket
from errno import EACCES
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.interfaces import IListeningPort, IReactorSocket, IReactorTCP
from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_peers import (
    LOOPBACK,
    Fault,
    Net,
    Recorder,
    RecordingFactory,
    Refuser,
    TCPContractBase,
    echo,
    raises,
)

NOT_OURS = "192.0.2.1"  # of the block that no machine has: RFC 5737


class PrivilegedSocket(socket.socket):
    """A socket of a user without rights."""

    def bind(self, address: Any) -> None:
        raise PermissionError(EACCES, os.strerror(EACCES))


class PortContract(TCPContractBase):
    """Ports: their addresses, their factory, their end."""

    # Addresses

    def test_a_reactor_and_a_port_provide_their_interfaces(self, reactor: Any, net: Net) -> None:
        assert verifyObject(IReactorTCP, reactor)
        assert verifyObject(IReactorSocket, reactor)
        assert verifyObject(IListeningPort, net.listen())

    def test_port_0_lets_the_system_choose(self, net: Net) -> None:
        port = net.listen()
        assert port.getHost() == IPv4Address("TCP", LOOPBACK, port.port)
        assert port.port > 0
        assert str(port.port) in repr(port)

    def test_the_factory_learns_the_address_of_the_peer(self, net: Net) -> None:
        protocol, peer = net.pair()
        host, number = peer.getsockname()
        assert protocol.factory.addresses == [IPv4Address("TCP", host, number)]

    def test_ipv6(self, net: Net) -> None:
        port = net.listen(lambda: Recorder(data=echo), "::1")
        assert port.getHost() == IPv6Address("TCP", "::1", port.port)
        protocol, peer = net.accepted(port, net.dial(port))
        assert protocol.factory.addresses == [IPv6Address("TCP", *peer.getsockname())]
        assert net.ask(peer, b"six") == b"six"

    def test_many_ipv6_peers_of_one_turn_keep_their_addresses(self, net: Net) -> None:
        port = net.listen(interface="::1", backlog=200)
        peers = [net.dial(port) for _ in range(150)]
        net.turn_until(lambda: len(port.factory.addresses) == 150)
        expected = [IPv6Address("TCP", *peer.getsockname()) for peer in peers]
        assert port.factory.addresses == expected

    def test_no_interface_is_every_ipv4_one(self, net: Net) -> None:
        port = net.listen(interface="")
        assert port.getHost().host == "0.0.0.0"
        for host in ("127.0.0.1", "127.0.0.2"):
            net.new_socket().connect((host, port.port))
        net.turn_until(lambda: len(port.factory.protocols) == 2)

    def test_dual_stack_is_two_ports_on_one_number(self, reactor: Any, net: Net) -> None:
        four = net.listen(interface="")
        net.ports.append(reactor.listenTCP(four.port, RecordingFactory(), interface="::"))
        net.new_socket().connect((LOOPBACK, four.port))
        net.new_socket(socket.AF_INET6).connect(("::1", four.port))
        net.turn_until(lambda: all(len(port.factory.protocols) == 1 for port in net.ports))

    def test_the_backlog_bounds_what_waits(self, net: Net) -> None:
        def waiting(port: Any) -> int:
            sockets = [net.new_socket() for _ in range(20)]
            for each in sockets:
                each.setblocking(False)
                each.connect_ex((LOOPBACK, port.port))
            return len(select.select([], sockets, [], 0)[1])

        assert waiting(net.listen(backlog=1)) < 20
        assert waiting(net.listen(backlog=50)) == 20

    def test_ports_share_a_number_only_if_all_of_them_say_so(self, reactor: Any, net: Net) -> None:
        port = net.listen(reusePort=True)
        again = reactor.listenTCP(port.port, RecordingFactory(), 50, LOOPBACK, reusePort=True)
        net.ports.append(again)
        assert again.getHost() == port.getHost()
        with pytest.raises(error.CannotListenError):
            reactor.listenTCP(port.port, RecordingFactory(), interface=LOOPBACK)

    # What cannot be listened on

    def test_a_port_that_is_taken(self, reactor: Any, net: Net) -> None:
        number, factory = net.listen().port, RecordingFactory()
        with pytest.raises(error.CannotListenError) as caught:
            reactor.listenTCP(number, factory, interface=LOOPBACK)
        assert (caught.value.interface, caught.value.port) == (LOOPBACK, number)
        assert isinstance(caught.value.socketError, OSError)
        text = str(caught.value)
        assert all(part in text for part in (LOOPBACK, str(number), "EADDRINUSE", "choose another"))
        assert factory.calls == []

    def test_a_privileged_port(self, reactor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(socket, "socket", PrivilegedSocket)
            with pytest.raises(error.CannotListenError, match=r"port 80: EACCES.*privileged"):
                reactor.listenTCP(80, RecordingFactory())

    @pytest.mark.parametrize(
        ("interface", "number", "text"),
        [
            (NOT_OURS, 0, "does not have that address"),
            ("\u00fc" * 64, 0, "Cannot listen"),
            ("::1\0", 0, "Cannot listen"),
            (LOOPBACK, 65536, "65535"),
            (LOOPBACK, -1, "65535"),
        ],
        ids=["not ours", "no name", "a NUL", "too high", "negative"],
    )
    def test_a_place_that_cannot_be(
        self, reactor: Any, interface: str, number: int, text: str
    ) -> None:
        factory = RecordingFactory()
        with pytest.raises(error.CannotListenError, match=text):
            reactor.listenTCP(number, factory, interface=interface)
        assert factory.calls == []

    def test_no_descriptor_for_the_port(
        self, reactor: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(socket, "socket", lambda *_: os.open("/nowhere/at/all", os.O_RDONLY))
            with pytest.raises(error.CannotListenError, match="ENOENT"):
                reactor.listenTCP(0, RecordingFactory())

    def test_what_the_engine_refuses(self, reactor: Any, monkeypatch: pytest.MonkeyPatch) -> None:
        def refuse(descriptor: int, kind: int) -> int:
            raise error.SelectLimitError(descriptor, 0)

        factory = RecordingFactory()
        with monkeypatch.context() as patched:
            patched.setattr(reactor.engine, "add", refuse)
            with pytest.raises(error.CannotListenError, match="FD_SETSIZE"):
                reactor.listenTCP(0, factory, interface=LOOPBACK)
        assert factory.calls == ["start", "stop"]

    # The factory

    def test_a_factory_starts_with_its_first_port_and_stops_with_its_last(self, net: Net) -> None:
        factory = RecordingFactory()
        first, second = net.listen(factory), net.listen(factory)
        assert (factory.calls, factory.numPorts) == (["start"], 2)
        first.stopListening()
        net.turn_until(lambda: not first.connected)
        assert (factory.calls, factory.numPorts) == (["start"], 1)
        second.stopListening()
        net.turn_until(lambda: not second.connected)
        assert (factory.calls, factory.numPorts) == (["start", "stop"], 0)

    def test_a_factory_that_makes_no_protocol_refuses(self, net: Net) -> None:
        port = net.listen(Refuser())
        for _ in range(2):
            assert net.read_all(net.dial(port)) == b""
        assert len(port.factory.addresses) == 2

    def test_a_factory_that_raises_costs_that_connection(
        self, net: Net, logged_errors: LoggedErrors
    ) -> None:
        faults = [raises]
        port = net.listen(
            RecordingFactory(
                lambda: Recorder(data=echo), building=lambda: faults and faults.pop()()
            )
        )
        assert net.is_reset(net.dial(port))
        assert len(logged_errors.take(Fault)) == 1
        assert net.ask(net.dial(port), b"next") == b"next"

    def test_a_factory_without_a_protocol_is_told_of(
        self, net: Net, logged_errors: LoggedErrors
    ) -> None:
        port = net.listen(RecordingFactory(None))  # type: ignore[arg-type]
        assert net.is_reset(net.dial(port))
        assert len(logged_errors.take(error.NoProtocol)) == 1

    def test_a_factory_that_cannot_start_leaves_nothing(self, net: Net) -> None:
        faults = [raises]
        factory = RecordingFactory(start=lambda: faults and faults.pop()())
        with pytest.raises(Fault):
            net.listen(factory)
        assert factory.numPorts == 0
        net.accepted(port := net.listen(factory), net.dial(port))
        assert factory.calls == ["start", "start", "building"]

    def test_a_factory_that_cannot_stop_delays_nothing(
        self, net: Net, logged_errors: LoggedErrors
    ) -> None:
        fired: list[Any] = []
        net.listen(RecordingFactory(stop=raises)).stopListening().addBoth(fired.append)
        net.turn_until(lambda: fired)
        assert fired == [None]
        assert len(logged_errors.take(Fault)) == 1

    # The end

    def test_stop_listening_fires_when_the_socket_is_closed(self, reactor: Any, net: Net) -> None:
        port = net.listen()
        address = (LOOPBACK, port.port)
        refused: list[bool] = []

        def dial(_: object) -> None:
            with socket.socket() as peer, contextlib.suppress(ConnectionRefusedError):
                peer.connect(address)
                return
            refused.append(True)

        deferred = port.stopListening().addCallback(dial)
        assert not deferred.called
        self.run_until(reactor, deferred)
        assert refused
        assert port.stopListening() is None
        assert "not listening" in repr(port)
        assert port.fileno() == -1
        with pytest.raises(error.NotListeningError):
            port.getHost()

    def test_to_stop_twice_is_to_stop_once(self, net: Net) -> None:
        fired: list[str] = []
        port = net.listen()
        port.stopListening().addCallback(lambda _: fired.append("first"))
        port.loseConnection().addCallback(lambda _: fired.append("second"))
        net.turn_until(lambda: not port.connected)
        assert fired == ["first", "second"]
        assert port.factory.calls == ["start", "stop"]

    def test_connections_outlive_their_port(self, net: Net) -> None:
        protocol, peer = net.pair(lambda: Recorder(data=echo))
        net.ports[0].stopListening()
        net.turn_until(lambda: not net.ports[0].connected)
        assert net.ask(peer, b"still here") == b"still here"
        assert protocol.calls == ["made", "data"]

    def test_a_port_listens_again_on_the_same_number(self, net: Net) -> None:
        port = net.listen()
        number = port.port
        port.stopListening()
        net.turn_until(lambda: not port.connected)
        port.startListening()
        assert port.getHost().port == number
        net.accepted(port, net.dial(port))
        assert port.factory.calls == ["start", "stop", "start", "building"]

    def test_a_port_may_be_stopped_by_its_factory(self, net: Net) -> None:
        port = net.listen(RecordingFactory(building=lambda: net.ports[0].stopListening()))
        protocol, _ = net.accepted(port, net.dial(port))
        net.turn_until(lambda: not port.connected)
        assert protocol.calls == ["made"]

    # Adopted sockets

    def test_a_listening_socket_is_adopted_and_stays_its_owners(
        self, reactor: Any, net: Net
    ) -> None:
        owned = net.listener()
        factory = RecordingFactory(lambda: Recorder(data=echo))
        port = reactor.adoptStreamPort(owned.fileno(), socket.AF_INET, factory)
        assert port.getHost() == IPv4Address("TCP", *owned.getsockname())
        assert factory.calls == ["start"]
        protocol, peer = net.accepted(port, net.dial(port))
        assert protocol.transport.getTcpNoDelay()
        assert net.ask(peer, b"adopted") == b"adopted"
        self.run_until(reactor, port.stopListening())
        net.new_socket().connect(owned.getsockname())
        owned.setblocking(True)
        owned.accept()[0].close()

    def test_an_ipv6_socket_is_adopted(self, reactor: Any, net: Net) -> None:
        owned = net.listener(("::1", 0))
        port = reactor.adoptStreamPort(owned.fileno(), socket.AF_INET6, RecordingFactory())
        net.ports.append(port)
        assert port.getHost() == IPv6Address("TCP", *owned.getsockname())
        net.accepted(port, net.dial(port))

    def test_what_is_no_socket_is_not_adopted(self, reactor: Any) -> None:
        factory = RecordingFactory()
        with open(os.devnull) as file, pytest.raises(OSError, match=r".*"):
            reactor.adoptStreamPort(file.fileno(), socket.AF_INET, factory)
        with pytest.raises(OSError, match=r".*"):
            reactor.adoptStreamPort(-1, socket.AF_INET, factory)
        assert factory.calls == []

    def test_a_socket_that_does_not_listen_ends_its_port(
        self, reactor: Any, net: Net, logged_errors: LoggedErrors
    ) -> None:
        factory = RecordingFactory()
        port = reactor.adoptStreamPort(net.new_socket().fileno(), socket.AF_INET, factory)
        net.turn_until(lambda: not port.connected)
        assert factory.calls == ["start", "stop"]
        (record,) = logged_errors.take()
        assert "EINVAL" in record.getMessage()
        assert port.stopListening() is None
