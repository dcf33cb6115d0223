"""A connection as a socket: its addresses and options, where it comes from, the reactor's end."""

from __future__ import annotations

import gc
import os
import socket
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.interfaces import IConsumer, ITCPTransport
from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_peers import (
    MEGABYTE,
    Fault,
    Net,
    Recorder,
    RecordingFactory,
    Refuser,
    TCPContractBase,
    echo,
    raises,
    reset,
)


class SocketContract(TCPContractBase):
    """What a transport tells of its socket, and where sockets come from."""

    def test_a_transport_provides_its_interfaces(self, net: Net) -> None:
        protocol, _ = net.pair()
        assert verifyObject(ITCPTransport, protocol.transport)
        assert verifyObject(IConsumer, protocol.transport)
        assert protocol.transport.reactor is net.reactor
        assert protocol.transport.logPrefix() == "Recorder"
        assert "Recorder" in repr(protocol.transport)

    def test_addresses(self, net: Net) -> None:
        for interface, kind in (("127.0.0.1", IPv4Address), ("::1", IPv6Address)):
            protocol, peer = net.pair(interface=interface)
            transport = protocol.transport
            here, there = kind("TCP", *peer.getpeername()), kind("TCP", *peer.getsockname())
            assert (transport.getHost(), transport.getPeer()) == (here, there)
            peer.close()
            net.until_lost(protocol)
            assert transport.getPeer() == there
            with pytest.raises(error.ConnectionClosed):
                transport.getHost()

    def test_options(self, net: Net) -> None:
        protocol, peer = net.pair()
        transport = protocol.transport
        assert (transport.getTcpNoDelay(), transport.getTcpKeepAlive()) == (True, False)
        transport.setTcpNoDelay(False)
        transport.setTcpKeepAlive(1)
        assert (transport.getTcpNoDelay(), transport.getTcpKeepAlive()) == (False, True)
        reset(peer)
        net.until_lost(protocol)
        for option in (transport.getTcpNoDelay, transport.getTcpKeepAlive, transport.getHandle):
            with pytest.raises(error.ConnectionClosed):
                option()
        with pytest.raises(error.ConnectionClosed):
            transport.setTcpNoDelay(True)

    def test_the_handle_is_the_socket_until_the_end(self, net: Net) -> None:
        protocol, peer = net.pair()
        handle = protocol.transport.getHandle()
        assert protocol.transport.getHandle() is handle
        assert handle.getpeername() == peer.getsockname()
        handle.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        assert protocol.transport.getTcpKeepAlive()
        reset(peer)
        net.until_lost(protocol)
        assert handle.fileno() == -1

    def test_a_handle_that_is_forgotten_closes_nothing(self, new_reactor: Any) -> None:
        reactor = new_reactor()
        net = Net(self, reactor)
        protocol, peer = net.pair()
        number = protocol.transport.getHandle().fileno()
        reactor.close()
        os.dup2(peer.fileno(), number)
        del protocol, net
        gc.collect()
        os.close(number)
        peer.close()

    # Adopted connections

    def test_a_connected_socket_is_adopted_and_stays_its_owners(self, net: Net) -> None:
        listener = net.listener()
        peer = net.new_socket()
        peer.connect(listener.getsockname())
        owned, _ = listener.accept()
        factory = RecordingFactory(lambda: Recorder(data=echo))
        protocol = net.reactor.adoptStreamConnection(owned.fileno(), socket.AF_INET, factory)
        owned.close()
        assert protocol.calls == ["made"]
        assert factory.addresses == [protocol.transport.getPeer()]
        assert protocol.transport.getPeer() == IPv4Address("TCP", *peer.getsockname())
        assert protocol.transport.getTcpNoDelay()
        assert net.ask(peer, b"adopted") == b"adopted"

    def test_adoption_that_fails_leaves_nothing(
        self, net: Net, logged_errors: LoggedErrors
    ) -> None:
        adopt = net.reactor.adoptStreamConnection
        listener, peer = net.listener(), net.new_socket()
        peer.connect(listener.getsockname())
        assert adopt(peer.fileno(), socket.AF_INET, Refuser()) is None
        with pytest.raises(Fault):
            adopt(peer.fileno(), socket.AF_INET, RecordingFactory(building=raises))
        with pytest.raises(OSError, match=r".*"):
            adopt(listener.fileno(), socket.AF_INET, RecordingFactory())
        protocol = adopt(
            peer.fileno(), socket.AF_INET, RecordingFactory(lambda: Recorder(made=raises))
        )
        net.until_lost(protocol)
        assert protocol.reason.check(Fault)
        assert len(logged_errors.take(Fault)) == 1

    # The reactor's end

    def test_a_reactor_that_stops_delivers_and_closes(self, net: Net) -> None:
        protocol, peer = net.pair()
        protocol.transport.write(b"goodbye")
        net.reactor.callWhenRunning(net.reactor.stop)
        peer.shutdown(socket.SHUT_WR)
        self.run_guarded(net.reactor)
        assert protocol.reason.check(error.ConnectionDone)
        assert peer.recv(100) == b"goodbye"

    def test_a_reactor_that_stops_waits_for_nobody_long(
        self, net: Net, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("reactorlib.base.FAREWELL", 0.05)
        protocol, _ = net.pair()
        protocol.transport.write(b"x" * 16 * MEGABYTE)
        net.reactor.callWhenRunning(net.reactor.stop)
        self.run_guarded(net.reactor)
        assert protocol.reason.type is error.ConnectionLost
        assert "stopped" in protocol.reason.getErrorMessage()
