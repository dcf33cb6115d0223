"""MemoryReactor and its kin: they write down what is asked of them."""

from __future__ import annotations

import socket
from inspect import Parameter, signature
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import IPv4Address, IPv6Address, UNIXAddress
from reactorlib.datagramprotocol import DatagramProtocol
from reactorlib.interfaces import (
    IConnector,
    IHostnameResolver,
    IHostResolution,
    IListeningPort,
    IReactorCore,
    IReactorFDSet,
    IReactorFromThreads,
    IReactorPluggableNameResolver,
    IReactorSocket,
    IReactorSSL,
    IReactorTCP,
    IReactorTime,
    IReactorUNIX,
)
from reactorlib.posixbase import Reactor
from reactorlib.protocol import ClientFactory, Factory, ReconnectingClientFactory
from reactorlib.testing import MemoryReactor, MemoryReactorClock, RaisingMemoryReactor
from tests.deferreds import result_of


@pytest.fixture
def reactor() -> MemoryReactor:
    return MemoryReactor()


def test_they_provide_their_interfaces(reactor: MemoryReactor) -> None:
    raising = (IReactorTCP, IReactorSSL, IReactorUNIX, IReactorSocket)
    for interface in (*raising, IReactorCore, IReactorFDSet, IReactorPluggableNameResolver):
        assert verifyObject(interface, reactor)
        assert verifyObject(interface, MemoryReactorClock())
    for more in (IReactorTime, IReactorFromThreads):
        assert verifyObject(more, MemoryReactorClock())
    assert verifyObject(IHostnameResolver, reactor.nameResolver)
    for interface in (*raising, IReactorPluggableNameResolver):
        assert verifyObject(interface, RaisingMemoryReactor())


class TestCore:
    def test_install_is_remembered(self, reactor: MemoryReactor) -> None:
        assert not reactor.hasInstalled
        reactor.install()
        assert reactor.hasInstalled

    def test_run_makes_the_calls_that_wait_and_stops(self, reactor: MemoryReactor) -> None:
        seen: list[Any] = []
        reactor.callWhenRunning(lambda *a, **k: seen.append((a, k, reactor.running)), 1, two=2)
        assert len(reactor.whenRunningHooks) == 1
        assert not reactor.hasRun
        reactor.run(installSignalHandlers=False)
        assert seen == [((1,), {"two": 2}, True)]
        assert (reactor.running, reactor.hasRun, reactor.hasStopped) == (False, True, True)
        reactor.callWhenRunning(seen.append, "at once")
        assert seen[1:] == ["at once"]

    def test_it_does_not_run_twice_at_a_time(self, reactor: MemoryReactor) -> None:
        reactor.callWhenRunning(reactor.run)
        with pytest.raises(AssertionError, match="running"):
            reactor.run()

    def test_crash_is_remembered(self, reactor: MemoryReactor) -> None:
        reactor.crash()
        assert (reactor.running, reactor.hasCrashed) == (False, True)

    def test_it_has_no_turns(self, reactor: MemoryReactor) -> None:
        with pytest.raises(NotImplementedError):
            reactor.iterate()

    def test_triggers_run_by_phase_and_once(self, reactor: MemoryReactor) -> None:
        seen: list[str] = []
        for phase in ("after", "during", "before"):
            reactor.addSystemEventTrigger(phase, "shutdown", seen.append, phase)
        removed = reactor.addSystemEventTrigger("before", "shutdown", seen.append, "removed")
        assert reactor.triggers["after"]["shutdown"] == [(seen.append, ("after",), {})]
        reactor.removeSystemEventTrigger(removed)
        for event in ("startup", "shutdown", "shutdown"):
            reactor.fireSystemEvent(event)
        assert seen == ["before", "during", "after"]
        with pytest.raises(ValueError, match="not in list"):
            reactor.removeSystemEventTrigger(removed)


class TestTCP:
    def test_servers_are_written_down(self, reactor: MemoryReactor) -> None:
        factory = Factory()
        port = reactor.listenTCP(80, factory)
        six = reactor.listenTCP(81, factory, 5, "::1", reusePort=True)
        assert reactor.tcpServers == [(80, factory, 50, ""), (81, factory, 5, "::1")]
        assert verifyObject(IListeningPort, port)
        assert port.getHost() == IPv4Address("TCP", "0.0.0.0", 80)
        assert six.getHost() == IPv6Address("TCP", "::1", 81)

    def test_a_port_stops_once(self, reactor: MemoryReactor) -> None:
        port = reactor.listenTCP(80, Factory())
        stopped = port.stopListening()
        assert stopped is not None
        assert result_of(stopped) is None
        assert not port.listening
        assert port.stopListening() is None
        port.startListening()
        assert port.listening

    def test_clients_are_written_down(self, reactor: MemoryReactor) -> None:
        class Recording(ClientFactory):
            def startedConnecting(self, connector: Any) -> None:
                started.append(connector)

        started: list[Any] = []
        factory = Recording()
        connector = reactor.connectTCP("host", 80, factory)
        six = reactor.connectTCP("::1", 81, factory, timeout=1, bindAddress=("", 2))
        assert reactor.tcpClients == [
            ("host", 80, factory, 30, None),
            ("::1", 81, factory, 1, ("", 2)),
        ]
        assert started == reactor.connectors == [connector, six]
        assert verifyObject(IConnector, connector)
        assert connector.getDestination() == IPv4Address("TCP", "host", 80)
        assert six.getDestination() == IPv6Address("TCP", "::1", 81)

    def test_tls_is_written_down(self, reactor: MemoryReactor) -> None:
        factory, context = ClientFactory(), object()
        port = reactor.listenSSL(443, factory, context, interface="::1", reusePort=True)
        connector = reactor.connectSSL("host", 443, factory, context, timeout=2)
        assert reactor.sslServers == [(443, factory, context, 50, "::1")]
        assert reactor.sslClients == [("host", 443, factory, context, 2, None)]
        assert port.getHost() == IPv6Address("TCP", "::1", 443)
        assert reactor.connectors == [connector]

    def test_unix_sockets_are_written_down(self, reactor: MemoryReactor) -> None:
        factory = ClientFactory()
        port = reactor.listenUNIX("/a", factory, mode=0o600)
        connector = reactor.connectUNIX("/a", factory)
        assert reactor.unixServers == [("/a", factory, 50, 0o600, False)]
        assert reactor.unixClients == [("/a", factory, 30, False)]
        assert port.getHost() == connector.getDestination() == UNIXAddress("/a")

    @pytest.mark.parametrize("name", ["listenTCP", "connectTCP", "listenSSL", "connectSSL"])
    @pytest.mark.parametrize("double", [MemoryReactor, RaisingMemoryReactor])
    def test_the_arguments_are_those_of_the_reactor(self, name: str, double: type) -> None:
        real = list(signature(getattr(Reactor, name)).parameters.values())
        fake = list(signature(getattr(double, name)).parameters.values())
        positional = [each.name for each in real if each.kind is not Parameter.KEYWORD_ONLY]
        assert [each.name for each in fake] == [*positional, "options"]

    def test_a_connector_counts(self, reactor: MemoryReactor) -> None:
        connector = reactor.connectTCP("host", 80, ClientFactory())
        assert (connector.stoppedConnecting, connector.disconnected) == (False, False)
        assert connector.connects == 0
        connector.stopConnecting()
        connector.disconnect()
        connector.connect()
        assert (connector.stoppedConnecting, connector.disconnected) == (True, True)
        assert connector.connects == 1

    def test_a_factory_reconnects_on_its_clock(self) -> None:
        reactor, factory = MemoryReactorClock(), ReconnectingClientFactory()
        factory.jitter = None
        connector = reactor.connectTCP("host", 80, factory)
        factory.clientConnectionFailed(connector, None)  # type: ignore[arg-type]
        reactor.advance(2.7)
        assert connector.connects == 0
        reactor.advance(0.1)
        assert connector.connects == 1


def test_every_name_is_this_machine(reactor: MemoryReactor) -> None:
    told: list[Any] = []

    class Receiver:
        def resolutionBegan(self, resolution: Any) -> None:
            told.append(resolution.name)
            resolution.cancel()

        def addressResolved(self, address: Any) -> None:
            told.append(address)

        def resolutionComplete(self) -> None:
            told.append("complete")

    resolution = reactor.nameResolver.resolveHostName(Receiver(), "host", 80)
    assert told == ["host", IPv4Address("TCP", "127.0.0.1", 80), "complete"]
    assert resolution.name == "host"
    assert verifyObject(IHostResolution, resolution)


def test_the_resolver_can_be_replaced(reactor: MemoryReactor) -> None:
    first, other = reactor.nameResolver, object()
    assert reactor.installNameResolver(other) is first
    assert reactor.installNameResolver(first) is other


class TestSockets:
    def test_adoptions_are_written_down(self, reactor: MemoryReactor) -> None:
        factory = Factory()
        port = reactor.adoptStreamPort(3, socket.AF_INET, factory)
        six = reactor.adoptStreamPort(4, socket.AF_INET6, factory)
        reactor.adoptStreamConnection(5, socket.AF_INET, factory)
        assert reactor.adoptedPorts == [
            (3, socket.AF_INET, factory),
            (4, socket.AF_INET6, factory),
        ]
        assert reactor.adoptedStreamConnections == [(5, socket.AF_INET, factory)]
        assert port.getHost() == IPv4Address("TCP", "0.0.0.0", 1234)
        assert six.getHost() == IPv6Address("TCP", "::", 1234)
        with pytest.raises(error.UnsupportedAddressFamily):
            reactor.adoptStreamPort(6, -1, factory)

    def test_datagrams_are_written_down(self, reactor: MemoryReactor) -> None:
        protocol = DatagramProtocol()
        port = reactor.adoptDatagramPort(7, socket.AF_INET, protocol, 1000)
        assert reactor.adoptedPorts == [(7, socket.AF_INET, protocol, 1000)]
        assert port.getHost() == IPv4Address("UDP", "0.0.0.0", 1234)
        with pytest.raises(error.UnsupportedAddressFamily):
            reactor.adoptDatagramPort(8, -1, protocol)

    def test_what_is_watched_is_known(self, reactor: MemoryReactor) -> None:
        reactor.addReader("both")
        reactor.addWriter("both")
        reactor.addWriter("writer")
        reactor.removeWriter("writer")
        reactor.removeReader("unknown")
        assert (reactor.getReaders(), reactor.getWriters()) == (["both"], ["both"])
        assert reactor.removeAll() == ["both"]
        assert reactor.removeAll() == []


def test_a_reactor_with_a_clock_calls_from_threads_at_its_next_advance() -> None:
    reactor = MemoryReactorClock()
    called: list[int] = []
    reactor.callFromThread(called.append, 1)
    reactor.callLater(2, called.append, 2)
    assert called == []
    reactor.advance(0)
    assert called == [1]
    reactor.advance(2)
    assert (called, reactor.seconds()) == ([1, 2], 2.0)


class TestRaising:
    def test_it_raises_what_it_was_told(self) -> None:
        reactor = RaisingMemoryReactor(KeyError("listen"), IndexError("connect"))
        with pytest.raises(KeyError, match="listen"):
            reactor.listenTCP(80, Factory())
        with pytest.raises(KeyError, match="listen"):
            reactor.listenSSL(443, Factory(), object())
        with pytest.raises(KeyError, match="listen"):
            reactor.listenUNIX("/a", Factory())
        with pytest.raises(KeyError, match="listen"):
            reactor.adoptStreamPort(3, socket.AF_INET, Factory())
        with pytest.raises(KeyError, match="listen"):
            reactor.adoptDatagramPort(3, socket.AF_INET, DatagramProtocol())
        with pytest.raises(IndexError, match="connect"):
            reactor.connectTCP("host", 80, ClientFactory())
        with pytest.raises(IndexError, match="connect"):
            reactor.connectSSL("host", 443, ClientFactory(), object())
        with pytest.raises(IndexError, match="connect"):
            reactor.connectUNIX("/a", ClientFactory())
        with pytest.raises(IndexError, match="connect"):
            reactor.adoptStreamConnection(3, socket.AF_INET, Factory())

    def test_it_says_so_when_it_was_told_nothing(self) -> None:
        with pytest.raises(TypeError, match="what to raise"):
            RaisingMemoryReactor().listenTCP(80, Factory())
