"""TLS endpoints, as objects and as strings, and the PROXY header that goes before TLS."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reactorlib import error
from reactorlib.address import HostnameAddress, IPv4Address
from reactorlib.endpoints import (
    SSL4ClientEndpoint,
    SSL4ServerEndpoint,
    TCP4ClientEndpoint,
    TCP4ServerEndpoint,
    clientFromString,
    quoteStringArgument,
    serverFromString,
    wrapClientTLS,
    wrapServerTLS,
)
from reactorlib.protocols.haproxy import proxyClientEndpoint, proxyEndpoint
from reactorlib.protocols.proxyheader import ProxyHeader, encode_block
from reactorlib.testing.certificates import Authority
from reactorlib.testing.contract.tcp_peers import (
    Net,
    Recorder,
    RecordingFactory,
    Refuser,
    closed_port,
    echo,
)
from reactorlib.testing.contract.tls_peers import NAME, Settings
from tests.deferreds import results_of
from tests.on_backends import OnEveryBackend

HOST = "127.0.0.1"
CLIENT = IPv4Address("TCP", "192.0.2.1", 56324)
SERVER = IPv4Address("TCP", "203.0.113.9", 443)


@pytest.fixture(scope="module")
def settings(tmp_path_factory: pytest.TempPathFactory) -> Settings:
    return Settings(Authority(tmp_path_factory.mktemp("authority")))


def greet(protocol: Recorder) -> None:
    """A `made` hook."""
    protocol.transport.write(b"hello")


def fields(kind: str, *args: object, **kwargs: object) -> str:
    """An endpoint's string."""
    named = (f"{name}={quoteStringArgument(str(value))}" for name, value in kwargs.items())
    return ":".join([kind, *map(str, args), *named])


class TestTLS(OnEveryBackend):
    def listen(self, net: Net, endpoint: Any) -> Any:
        """The port of an endpoint, and the factory behind it."""
        factory = RecordingFactory(lambda: Recorder(data=echo))
        port = self.run_until(net.reactor, endpoint.listen(factory))
        net.ports.append(port)
        return port, factory

    def talk(self, net: Net, endpoint: Any, server: RecordingFactory) -> Any:
        """The protocol of the server's side, after a client there has got its answer."""
        client = RecordingFactory(lambda: Recorder(made=greet))
        protocol = self.run_until(net.reactor, endpoint.connect(client))
        assert [protocol] == client.protocols
        net.turn_until(lambda: protocol.received == b"hello")
        assert protocol.transport.TLS
        served = server.protocols[-1]
        assert served.transport.TLS
        assert served.transport.protocol is served
        protocol.transport.loseConnection()
        net.until_lost(protocol, served)
        assert protocol.reason.check(error.ConnectionDone)
        return served

    @pytest.mark.parametrize("wrapped_client", [True, False])
    @pytest.mark.parametrize("wrapped_server", [True, False])
    def test_objects(
        self, net: Net, settings: Settings, wrapped_client: bool, wrapped_server: bool
    ) -> None:
        place: Any = SSL4ServerEndpoint(net.reactor, 0, settings.server(), interface=HOST)
        if wrapped_server:
            place = TCP4ServerEndpoint(net.reactor, 0, interface=HOST)
            place = wrapServerTLS(settings.server(), place)
        port, server = self.listen(net, place)
        target: Any = SSL4ClientEndpoint(net.reactor, HOST, port.port, settings.client())
        if wrapped_client:
            target = TCP4ClientEndpoint(net.reactor, HOST, port.port)
            target = wrapClientTLS(settings.client(), target)
        self.talk(net, target, server)
        assert server.calls[:2] == ["start", "building"]

    @pytest.mark.parametrize("kind", ["tls", "ssl"])
    @pytest.mark.parametrize("one_file", [True, False])
    def test_strings(
        self, net: Net, settings: Settings, tmp_path: Path, kind: str, one_file: bool
    ) -> None:
        own = settings.own
        if one_file:
            both = tmp_path / "both.pem"
            both.write_bytes(
                b"".join(Path(each).read_bytes() for each in (own.privateKey, own.certificate))
            )
            files = {"privateKey": both}
        else:
            files = {"privateKey": own.privateKey, "certKey": own.certificate}
        text = fields(kind, 0, interface=HOST, **files)
        port, server = self.listen(net, serverFromString(net.reactor, text))
        text = fields(kind, HOST, port.port, trustRoots=settings.authority.root, hostname=NAME)
        self.talk(net, clientFromString(net.reactor, text), server)

    def test_certificates_of_clients(self, net: Net, settings: Settings) -> None:
        own, root = settings.own, settings.authority.root
        text = fields(
            "tls",
            0,
            interface=HOST,
            privateKey=own.privateKey,
            certKey=own.certificate,
            caCerts=root,
        )
        port, server = self.listen(net, serverFromString(net.reactor, text))
        theirs = settings.authority.issue("client.example")
        text = fields(
            "tls",
            HOST,
            port.port,
            trustRoots=root,
            certificate=theirs.certificate,
            privateKey=theirs.privateKey,
        )
        served = self.talk(net, clientFromString(net.reactor, text), server)
        assert served.calls == ["made", "data", "lost"]

    def test_a_certificate_of_another_host(self, net: Net, settings: Settings) -> None:
        port, _ = self.listen(
            net, SSL4ServerEndpoint(net.reactor, 0, settings.server(), interface=HOST)
        )
        text = fields("tls", HOST, port.port, trustRoots=settings.authority.root, hostname="other")
        factory = RecordingFactory(Recorder)
        self.run_until(net.reactor, clientFromString(net.reactor, text).connect(factory))
        net.until_lost(*factory.protocols)
        assert factory.protocols[0].reason.check(error.CertificateError, error.VerifyError)

    @pytest.mark.parametrize("wrapped", [True, False])
    def test_cancelling(self, net: Net, settings: Settings, wrapped: bool) -> None:
        target: Any = SSL4ClientEndpoint(net.reactor, HOST, 5, settings.client())
        if wrapped:
            target = wrapClientTLS(settings.client(), TCP4ClientEndpoint(net.reactor, HOST, 5))
        connecting = target.connect(RecordingFactory())
        results = results_of(connecting)
        connecting.cancel()
        (failure,) = results
        assert isinstance(failure, error.ConnectingCancelledError)
        expected = IPv4Address("TCP", HOST, 5)
        assert failure.address == (expected if wrapped else HostnameAddress(HOST.encode(), 5))
        net.turn()
        assert net.reactor.sinks == {}

    def test_nobody_is_there(self, net: Net, settings: Settings) -> None:
        number = closed_port(net)[1]
        target = wrapClientTLS(settings.client(), TCP4ClientEndpoint(net.reactor, HOST, number))
        with pytest.raises(error.ConnectionRefusedError):
            self.run_until(net.reactor, target.connect(RecordingFactory()))

    def test_a_factory_that_makes_nothing(self, net: Net, settings: Settings) -> None:
        target = wrapClientTLS(
            settings.client(), TCP4ClientEndpoint(net.reactor, HOST, net.listen().port)
        )
        with pytest.raises(error.NoProtocol):
            self.run_until(net.reactor, target.connect(Refuser()))

    def test_a_context_that_is_none(self, net: Net, logged_errors: Any) -> None:
        target = wrapClientTLS(object(), TCP4ClientEndpoint(net.reactor, HOST, net.listen().port))
        with pytest.raises(TypeError, match="SSLContext"):
            self.run_until(net.reactor, target.connect(RecordingFactory()))
        assert len(logged_errors.take(TypeError)) == 1

    @pytest.mark.parametrize("byte_by_byte", [True, False])
    def test_the_header_goes_before_tls(
        self, net: Net, settings: Settings, byte_by_byte: bool
    ) -> None:
        """On the wire it is plain; what comes with it belongs to TLS."""
        place = TCP4ServerEndpoint(net.reactor, 0, interface=HOST)
        port, server = self.listen(net, proxyEndpoint(wrapServerTLS(settings.server(), place)))
        target = wrapClientTLS(settings.client(), TCP4ClientEndpoint(net.reactor, HOST, port.port))
        served = self.talk(
            net, proxyClientEndpoint(target, 2 - byte_by_byte, CLIENT, SERVER), server
        )
        assert served.transport.getPeer() == CLIENT
        relay = net.listener()
        number = relay.getsockname()[1]
        target = wrapClientTLS(settings.client(), TCP4ClientEndpoint(net.reactor, HOST, number))
        connecting = proxyClientEndpoint(target, 2, CLIENT, SERVER).connect(
            RecordingFactory(lambda: Recorder(made=greet))
        )
        protocol = self.run_until(net.reactor, connecting)
        between = relay.accept()[0]
        net.sockets.append(between)
        header = encode_block(ProxyHeader(CLIENT, SERVER))
        began = net.read(between, len(header) + 50)
        assert began.startswith(header)
        assert began[len(header)] == 0x16  # a record of the hand-shake
        onward = net.dial(port)
        if byte_by_byte:
            for byte in began:
                onward.sendall(bytes([byte]))
                net.turn(1)
        else:
            onward.sendall(began)
        between.setblocking(False)
        onward.setblocking(False)
        while protocol.received != b"hello":
            net.turn(1)
            for one, other in ((between, onward), (onward, between)):
                try:
                    other.sendall(one.recv(65536))
                except BlockingIOError:
                    continue
        assert server.protocols[-1].transport.getPeer() == CLIENT
        assert server.protocols[-1].transport.getHost() == SERVER
        protocol.transport.abortConnection()
        onward.close()
        net.until_lost(protocol, server.protocols[-1])

    def test_strings_with_a_header(self, net: Net, settings: Settings) -> None:
        own = settings.own
        text = fields(
            "haproxy:tls", 0, interface=HOST, privateKey=own.privateKey, certKey=own.certificate
        )
        port, server = self.listen(net, serverFromString(net.reactor, text))
        text = fields("haproxy:tls", HOST, port.port, trustRoots=settings.authority.root, version=1)
        served = self.talk(net, clientFromString(net.reactor, text), server)
        assert served.calls == ["made", "data", "lost"]

    def test_a_header_within_tls(self, net: Net, settings: Settings) -> None:
        """By hand: an endpoint that is TLS all through."""
        place = SSL4ServerEndpoint(net.reactor, 0, settings.server(), interface=HOST)
        port, server = self.listen(net, proxyEndpoint(place))
        target = SSL4ClientEndpoint(net.reactor, HOST, port.port, settings.client())
        served = self.talk(net, proxyClientEndpoint(target, 2, CLIENT, SERVER), server)
        assert served.transport.getPeer() == CLIENT
