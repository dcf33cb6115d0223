"""Endpoints on every backend: listening, connecting once, cancelling, and every way to fail."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from reactorlib.defer import Deferred
from reactorlib.endpoints import (
    AdoptedStreamServerEndpoint,
    HostnameEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    TCP6ClientEndpoint,
    TCP6ServerEndpoint,
    UNIXClientEndpoint,
    clientFromString,
    connectProtocol,
    serverFromString,
)
from reactorlib.endpoints.connecting import connect_once
from reactorlib.interfaces import (
    IHalfCloseableProtocol,
    IProtocol,
    IProtocolFactory,
    IStreamClientEndpoint,
    IStreamServerEndpoint,
)
from reactorlib.protocol import Factory
from reactorlib.testing.contract.tcp_peers import (
    Fault,
    HalfCloser,
    Net,
    Recorder,
    RecordingFactory,
    Refuser,
    black_hole,
    closed_port,
    echo,
    raises,
)
from tests.deferreds import results_of
from tests.on_backends import OnEveryBackend
from tests.resolvers import Resolver

HOST = "127.0.0.1"


def greet(protocol: Recorder) -> None:
    """A `made` hook."""
    protocol.transport.write(b"hello")


class EndpointTests(OnEveryBackend):
    def listen(self, net: Net, endpoint: Any, build: Any = None) -> Any:
        """The port of an endpoint."""
        factory = RecordingFactory(build or (lambda: Recorder(data=echo)))
        verifyObject(IStreamServerEndpoint, endpoint)
        port = self.run_until(net.reactor, endpoint.listen(factory))
        net.ports.append(port)
        return port

    def connect(self, net: Net, endpoint: Any, factory: Any) -> Any:
        """The protocol of a connection there."""
        verifyObject(IStreamClientEndpoint, endpoint)
        return self.run_until(net.reactor, endpoint.connect(factory))

    def end(self, net: Net, *protocols: Any) -> None:
        for protocol in protocols:
            protocol.transport.loseConnection()
        net.until_lost(*protocols)


class TestServers(EndpointTests):
    @pytest.mark.parametrize(
        ("kind", "interface"),
        [
            (TCP4ServerEndpoint, HOST),
            (TCP4ServerEndpoint, ""),
            (TCP6ServerEndpoint, "::1"),
            (TCP6ServerEndpoint, "::"),
        ],
    )
    def test_listening(self, net: Net, kind: Any, interface: str) -> None:
        port = self.listen(net, kind(net.reactor, 0, interface=interface))
        host = {"": "0.0.0.0"}.get(interface, interface)
        assert port.getHost().host == host
        assert net.ask(net.dial(port), b"hello") == b"hello"

    def test_ipv6_is_on_all_by_default(self, net: Net) -> None:
        assert self.listen(net, TCP6ServerEndpoint(net.reactor, 0)).getHost().host == "::"

    def test_more_than_once(self, net: Net) -> None:
        endpoint = serverFromString(net.reactor, f"tcp:0:interface={HOST}")
        one, two = (self.listen(net, endpoint) for _ in range(2))
        assert one.getHost() != two.getHost()

    @pytest.mark.parametrize("interface", [HOST, "192.0.2.1", "not an address"])
    def test_where_one_cannot_listen(self, net: Net, interface: str) -> None:
        taken = net.listener().getsockname()[1]
        endpoint = TCP4ServerEndpoint(net.reactor, taken, interface=interface)
        factory = RecordingFactory()
        with pytest.raises(error.CannotListenError):
            self.run_until(net.reactor, endpoint.listen(factory))
        assert factory.calls == []

    def test_an_adopted_socket(self, net: Net) -> None:
        sock = socket.create_server((HOST, 0))
        place, number = sock.getsockname(), sock.detach()
        endpoint = AdoptedStreamServerEndpoint(net.reactor, number, socket.AF_INET)
        port = self.listen(net, endpoint)
        assert port.getHost() == IPv4Address("TCP", *place)
        with pytest.raises(OSError, match="Bad file descriptor"):
            os.fstat(number)
        assert net.ask(net.dial(port), b"hello") == b"hello"
        with pytest.raises(error.AlreadyListened, match=str(number)):
            self.run_until(net.reactor, endpoint.listen(Factory()))

    def test_a_descriptor_that_is_gone(self, net: Net) -> None:
        endpoint = AdoptedStreamServerEndpoint(net.reactor, 9999, socket.AF_INET)
        with pytest.raises(OSError, match="Bad file descriptor"):
            self.run_until(net.reactor, endpoint.listen(Factory()))

    @pytest.mark.parametrize("family", [socket.AF_INET, socket.AF_INET6])
    def test_a_descriptor_by_number(self, net: Net, family: int) -> None:
        host = "::1" if family == socket.AF_INET6 else HOST
        sock = socket.create_server((host, 0), family=family)
        os.set_inheritable(sock.fileno(), True)
        number = sock.detach()
        endpoint = serverFromString(net.reactor, f"fd:{number}")
        assert not os.get_inheritable(number)
        port = self.listen(net, endpoint)
        assert net.ask(net.dial(port), b"hello") == b"hello"


class TestClients(EndpointTests):
    @pytest.mark.parametrize("kind", [TCP4ClientEndpoint, TCP6ClientEndpoint, HostnameEndpoint])
    @pytest.mark.parametrize("host", [HOST, "::1"])
    def test_numbers(self, net: Net, kind: Any, host: str) -> None:
        port = net.listen(lambda: Recorder(data=echo), interface=host)
        client = RecordingFactory(lambda: Recorder(made=greet))
        endpoint = kind(net.reactor, host, port.getHost().port)
        protocol = self.connect(net, endpoint, client)
        assert [protocol] == client.protocols
        assert protocol.transport.getPeer() == port.getHost()
        assert client.addresses == [port.getHost()]
        net.turn_until(lambda: protocol.received == b"hello")
        self.end(net, protocol)
        assert client.calls == ["start", "building", "stop"]
        assert host in repr(endpoint)

    @pytest.mark.parametrize(
        ("kind", "types"),
        [
            (HostnameEndpoint, None),
            (TCP4ClientEndpoint, [IPv4Address]),
            (TCP6ClientEndpoint, [IPv6Address]),
        ],
    )
    def test_names(self, net: Net, kind: Any, types: Any) -> None:
        resolver = Resolver()
        net.reactor.installNameResolver(resolver)
        port = net.listen(interface="::1" if types == [IPv6Address] else HOST)
        connecting = kind(net.reactor, b"a.name", port.port).connect(RecordingFactory())
        assert resolver.calls == [("a.name", port.port, types, "TCP")]
        resolver.answer(port.getHost())
        self.end(net, self.run_until(net.reactor, connecting))

    def test_the_delay_between_attempts(self, net: Net, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr("reactorlib.race.HEAD_START", 1000)
        resolver, port = Resolver(), net.listen()
        net.reactor.installNameResolver(resolver)
        black_hole(net, ("127.0.0.2", port.port))
        endpoint = HostnameEndpoint(net.reactor, "a.name", port.port, attemptDelay=0.01)
        begun = net.reactor.seconds()
        connecting = endpoint.connect(RecordingFactory())
        resolver.answer(IPv4Address("TCP", "127.0.0.2", port.port), port.getHost())
        self.end(net, self.run_until(net.reactor, connecting))
        assert net.reactor.seconds() - begun >= 0.01

    def test_a_string(self, net: Net) -> None:
        port = net.listen()
        endpoint = clientFromString(
            net.reactor, f"tcp:{HOST}:{port.port}:timeout=5:bindAddress=127.0.0.9"
        )
        protocol = self.connect(net, endpoint, RecordingFactory())
        assert protocol.transport.getHost().host == "127.0.0.9"
        self.end(net, protocol)

    def test_nobody_is_there(self, net: Net) -> None:
        number, factory = closed_port(net)[1], RecordingFactory()
        with pytest.raises(error.ConnectionRefusedError):
            self.connect(net, TCP4ClientEndpoint(net.reactor, HOST, number), factory)
        assert factory.calls == ["start", "stop"]

    def test_a_name_without_addresses(self, net: Net) -> None:
        resolver = Resolver()
        net.reactor.installNameResolver(resolver)
        connecting = HostnameEndpoint(net.reactor, "a.name", 1).connect(RecordingFactory())
        resolver.answer(reason="mine")
        with pytest.raises(error.DNSLookupError, match=r"a\.name: mine"):
            self.run_until(net.reactor, connecting)

    def test_a_timeout(self, net: Net) -> None:
        endpoint = TCP4ClientEndpoint(net.reactor, *black_hole(net), timeout=0.01)
        with pytest.raises(error.TimeoutError):
            self.connect(net, endpoint, RecordingFactory())

    def test_a_port_that_is_none(self, net: Net) -> None:
        with pytest.raises(error.ConnectError, match="0 to 65535"):
            self.connect(net, TCP4ClientEndpoint(net.reactor, HOST, 65536), RecordingFactory())

    @pytest.mark.parametrize(
        ("host", "address"),
        [
            (HOST, IPv4Address("TCP", HOST, 5)),
            ("::1", IPv6Address("TCP", "::1", 5)),
            ("a.name", HostnameAddress(b"a.name", 5)),
        ],
    )
    def test_cancelling(self, net: Net, host: str, address: Any) -> None:
        net.reactor.installNameResolver(Resolver())
        factory = RecordingFactory()
        connecting = HostnameEndpoint(net.reactor, host, 5).connect(factory)
        results = results_of(connecting)
        connecting.cancel()
        (failure,) = results
        assert isinstance(failure, error.ConnectingCancelledError)
        assert failure.address == address
        net.turn()
        assert factory.calls == ["start", "stop"]
        assert net.reactor.sinks == {}
        assert net.reactor.getDelayedCalls() == []

    def test_cancelling_too_late(self, net: Net) -> None:
        port = net.listen()
        connecting = HostnameEndpoint(net.reactor, HOST, port.port).connect(RecordingFactory())
        protocol = self.run_until(net.reactor, connecting)
        connecting.cancel()
        net.turn()
        assert protocol.transport.connected
        self.end(net, protocol)

    def test_a_factory_that_makes_nothing(self, net: Net) -> None:
        endpoint = HostnameEndpoint(net.reactor, HOST, net.listen().port)
        with pytest.raises(error.NoProtocol, match="Refuser"):
            self.connect(net, endpoint, Refuser())

    def test_a_factory_that_raises(self, net: Net) -> None:
        endpoint = HostnameEndpoint(net.reactor, HOST, net.listen().port)
        with pytest.raises(Fault):
            self.connect(net, endpoint, RecordingFactory(building=raises))

    def test_a_protocol_that_raises(self, net: Net, logged_errors: Any) -> None:
        factory = RecordingFactory(lambda: Recorder(made=raises))
        endpoint = HostnameEndpoint(net.reactor, HOST, net.listen().port)
        with pytest.raises(Fault):
            self.connect(net, endpoint, factory)
        assert len(logged_errors.take(Fault)) == 1
        net.until_lost(*factory.protocols)
        assert factory.protocols[0].reason.check(Fault)

    def test_a_protocol_that_ends_at_once(self, net: Net) -> None:
        def lose(protocol: Recorder) -> None:
            protocol.transport.loseConnection()

        factory = RecordingFactory(lambda: Recorder(made=lose))
        endpoint = HostnameEndpoint(net.reactor, HOST, net.listen().port)
        self.end(net, self.connect(net, endpoint, factory))

    def test_half_an_end(self, net: Net) -> None:
        def lose(protocol: Recorder, data: bytes = b"") -> None:
            protocol.transport.loseWriteConnection()

        port = net.listen(lambda: Recorder(data=lose))
        client = RecordingFactory(HalfCloser)
        protocol = self.connect(net, HostnameEndpoint(net.reactor, HOST, port.port), client)
        protocol.transport.write(b"go")
        net.until_called(protocol, "read_lost")
        assert protocol.transport.connected
        self.end(net, protocol)
        assert protocol.calls == ["made", "read_lost", "lost"]

    def test_one_protocol(self, net: Net) -> None:
        protocol = Recorder()
        connecting = connectProtocol(
            HostnameEndpoint(net.reactor, HOST, net.listen().port), protocol
        )
        assert self.run_until(net.reactor, connecting) is protocol
        self.end(net, protocol)


class FakeConnector:
    """A connector that never gets anywhere."""

    stopped = 0

    def getDestination(self) -> Any:
        return UNIXAddress(b"/run/a")

    def stopConnecting(self) -> None:
        self.stopped += 1


class TestWithoutAReactor:
    """What client endpoints share."""

    def start(self, factory: Any) -> tuple[Any, Deferred[Any]]:
        """The factory that the reactor would be given, and the Deferred."""
        given: list[Any] = []
        deferred = connect_once(given.append, factory)
        return given[0], deferred

    def test_the_factory_stands_for_the_wrapped_one(self) -> None:
        wrapped = RecordingFactory()
        factory, _ = self.start(wrapped)
        verifyObject(IProtocolFactory, factory)
        assert factory.wrappedFactory is wrapped
        assert factory.noisy is False
        factory.overloaded(OSError())
        assert wrapped.calls == ["overloaded"]

    def test_the_protocol_stands_for_the_wrapped_one(self) -> None:
        class Named(HalfCloser):
            def logPrefix(self) -> str:
                return "mine"

        factory, _ = self.start(RecordingFactory(Named))
        protocol = factory.buildProtocol(None)
        verifyObject(IProtocol, protocol)
        assert IHalfCloseableProtocol.providedBy(protocol)
        assert protocol.logPrefix() == "mine"
        plain, _ = self.start(RecordingFactory())
        assert not IHalfCloseableProtocol.providedBy(plain.buildProtocol(None))

    def test_a_cancelled_attempt_names_the_connector_s_address(self) -> None:
        factory, deferred = self.start(RecordingFactory())
        connector = FakeConnector()
        factory.startedConnecting(connector)
        results = results_of(deferred)
        deferred.cancel()
        factory.clientConnectionFailed(connector, None)
        assert results[0].address == connector.getDestination()
        assert connector.stopped == 1

    def test_a_connection_that_is_made_after_all(self) -> None:
        factory, deferred = self.start(RecordingFactory())
        factory.startedConnecting(FakeConnector())
        results = results_of(deferred)
        deferred.cancel()
        factory.buildProtocol(None).makeConnection(None)
        assert len(results) == 1

    def test_what_starting_raises(self) -> None:
        def start(factory: Any) -> None:
            raise AttributeError("this reactor has no connectUNIX")

        assert isinstance(results_of(connect_once(start, Factory()))[0], AttributeError)

    def test_a_reactor_that_cannot(self) -> None:
        connecting = UNIXClientEndpoint(object(), "/run/a").connect(Factory())
        assert "connectUNIX" in str(results_of(connecting)[0])
        listening = TCP4ServerEndpoint(object(), 0).listen(Factory())
        assert "listenTCP" in str(results_of(listening)[0])
