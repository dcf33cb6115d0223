"""Clients that send a PROXY header, and endpoints on both sides of one."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib import error
from reactorlib.address import IPv4Address
from reactorlib.endpoints import TCP4ClientEndpoint, TCP4ServerEndpoint
from reactorlib.protocol import Factory
from reactorlib.protocols.haproxy import HAProxyClientFactory, proxyClientEndpoint, proxyEndpoint
from reactorlib.protocols.proxyheader import ProxyHeader, encode_block, encode_line
from reactorlib.testing.contract.tcp_peers import Net, Recorder, RecordingFactory, Refuser, echo
from tests.on_backends import OnEveryBackend

CLIENT = IPv4Address("TCP", "192.0.2.1", 56324)
SERVER = IPv4Address("TCP", "203.0.113.9", 443)
HEADER = ProxyHeader(CLIENT, SERVER)


class TestClient(OnEveryBackend):
    @pytest.mark.parametrize(("version", "encode"), [(1, encode_line), (2, encode_block)])
    def test_it_speaks_for_itself(self, net: Net, version: int, encode: Any) -> None:
        listener = net.listener()
        factory = RecordingFactory(lambda: Recorder(made=greet))
        net.connect(listener, HAProxyClientFactory(factory, version))
        net.turn_until(lambda: factory.protocols and factory.protocols[0].connected)
        peer = listener.accept()[0]
        net.sockets.append(peer)
        own = factory.protocols[0].transport
        expected = encode(ProxyHeader(own.getHost(), own.getPeer())) + b"hello"
        assert net.read(peer, len(expected)) == expected
        peer.close()
        net.until_lost(*factory.protocols)
        assert factory.calls == ["start", "started", "building", "lost", "stop"]

    def test_it_speaks_for_another(self, net: Net) -> None:
        listener = net.listener()
        factory = RecordingFactory()
        net.connect(listener, HAProxyClientFactory(factory, 1, CLIENT, SERVER))
        net.turn_until(lambda: factory.protocols and factory.protocols[0].connected)
        peer = listener.accept()[0]
        net.sockets.append(peer)
        line = encode_line(HEADER)
        assert net.read(peer, len(line)) == line

    def test_a_factory_that_refuses(self, net: Net) -> None:
        listener, factory = net.listener(), Refuser()
        net.connect(listener, HAProxyClientFactory(factory))
        net.turn_until(lambda: factory.reasons)
        assert factory.calls == ["start", "started", "lost", "stop"]

    def test_an_address_that_cannot_be_sent(self, net: Net, logged_errors: Any) -> None:
        listener, factory = net.listener(), RecordingFactory()
        name = IPv4Address("TCP", "a.name", 1)
        net.connect(listener, HAProxyClientFactory(factory, 2, name, name))
        net.turn_until(lambda: factory.reasons)
        assert len(logged_errors.take(error.InvalidAddressError)) == 1

    def test_versions(self) -> None:
        for version in (0, 3, "1"):
            with pytest.raises(ValueError, match="1 or 2"):
                HAProxyClientFactory(Factory(), version)
            with pytest.raises(ValueError, match="1 or 2"):
                proxyClientEndpoint(None, version)

    @pytest.mark.parametrize("version", [1, 2])
    def test_endpoints_talk_to_each_other(self, net: Net, version: int) -> None:
        server = RecordingFactory(lambda: Recorder(data=echo))
        place = proxyEndpoint(TCP4ServerEndpoint(net.reactor, 0, interface="127.0.0.1"))
        port = self.run_until(net.reactor, place.listen(server))
        net.ports.append(port)
        client = RecordingFactory(lambda: Recorder(made=greet))
        target = TCP4ClientEndpoint(net.reactor, "127.0.0.1", port.getHost().port)
        connecting = proxyClientEndpoint(target, version, CLIENT, SERVER).connect(client)
        protocol = self.run_until(net.reactor, connecting)
        assert protocol is client.protocols[0]
        net.turn_until(lambda: protocol.received == b"hello")
        assert server.protocols[0].transport.getPeer() == CLIENT
        assert server.protocols[0].transport.getHost() == SERVER
        protocol.transport.loseConnection()
        net.until_lost(protocol, server.protocols[0])


def greet(protocol: Recorder) -> None:
    """A `made` hook."""
    protocol.transport.write(b"hello")
