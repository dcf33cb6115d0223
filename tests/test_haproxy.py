"""The PROXY protocol on connections: who is believed, what ends one, what a client sends."""

from __future__ import annotations

import logging
import socket
from pathlib import Path
from typing import Any

import pytest

from reactorlib import error
from reactorlib.address import IPv4Address, IPv6Address, UNIXAddress
from reactorlib.protocol import Factory
from reactorlib.protocols import haproxy
from reactorlib.protocols.haproxy import (
    HAProxyWrappingFactory,
    networks,
    proxyEndpoint,
)
from reactorlib.protocols.proxyheader import ProxyHeader, encode_block, encode_line
from reactorlib.testing.contract.tcp_peers import (
    HalfCloser,
    Net,
    Recorder,
    RecordingFactory,
    Refuser,
    echo,
    factory_of,
    raises,
    reset,
)
from tests.on_backends import OnEveryBackend

CLIENT = IPv4Address("TCP", "192.0.2.1", 56324)
SERVER = IPv4Address("TCP", "203.0.113.9", 443)
HEADER = ProxyHeader(CLIENT, SERVER)
UNKNOWN = b"PROXY UNKNOWN\r\n"
LOCAL = encode_block(ProxyHeader())

FORMS = pytest.mark.parametrize("header", [encode_line(HEADER), encode_block(HEADER)])


def listening(net: Net, build: Any = Recorder, **options: Any) -> tuple[Any, RecordingFactory]:
    """A port behind a proxy, and the factory behind it."""
    factory = factory_of(build)
    return net.listen(HAProxyWrappingFactory(factory, **options)), factory


def introduced(net: Net, header: bytes, build: Any = Recorder) -> tuple[Any, Any]:
    """A protocol whose connection began so, and its peer."""
    port, factory = listening(net, build)
    peer = net.dial(port)
    peer.sendall(header)
    net.turn_until(lambda: factory.protocols)
    return factory.protocols[0], peer


class TestServer(OnEveryBackend):
    @FORMS
    def test_the_connection_is_the_client_s(self, net: Net, header: bytes) -> None:
        protocol, peer = introduced(net, header + b"hello", lambda: Recorder(data=echo))
        assert protocol.transport.getPeer() == CLIENT
        assert protocol.transport.getHost() == SERVER
        assert CLIENT.host in repr(protocol.transport)
        assert protocol.transport.protocol is protocol
        assert net.read(peer, 5) == b"hello"
        assert net.ask(peer, b"more") == b"more"
        peer.close()
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionDone)
        assert protocol.transport.getPeer() == CLIENT

    @FORMS
    def test_byte_by_byte(self, net: Net, header: bytes) -> None:
        port, factory = listening(net, lambda: Recorder(data=echo))
        peer = net.dial(port)
        for byte in header + b"hello":
            peer.sendall(bytes([byte]))
            net.turn(2)
        assert net.read(peer, 5) == b"hello"
        assert factory.addresses == [CLIENT]

    @pytest.mark.parametrize("header", [UNKNOWN, LOCAL])
    def test_the_proxy_speaks_for_itself(self, net: Net, header: bytes) -> None:
        protocol, peer = introduced(net, header)
        own = IPv4Address("TCP", *peer.getsockname())
        assert protocol.transport.getPeer() == own
        assert protocol.transport.getHost() == IPv4Address("TCP", *peer.getpeername())

    def test_nothing_is_between_before_the_header_is_complete(self, net: Net) -> None:
        port, factory = listening(net)
        peer = net.dial(port)
        peer.sendall(encode_line(HEADER)[:-1])
        net.turn(5)
        assert factory.addresses == []
        assert len(net.reactor.getDelayedCalls()) == 1
        peer.sendall(b"\n")
        net.turn_until(lambda: factory.protocols)
        assert net.reactor.getDelayedCalls() == []

    def test_paths(self, net: Net) -> None:
        header = ProxyHeader(UNIXAddress(b"/run/client"), UNIXAddress(None))
        protocol, _ = introduced(net, encode_block(header))
        assert protocol.transport.getPeer() == header.source
        assert protocol.transport.getHost() == header.destination

    def test_a_protocol_that_pauses_gets_nothing_early(self, net: Net) -> None:
        def pause(protocol: Recorder) -> None:
            protocol.transport.pauseProducing()

        protocol, peer = introduced(net, encode_line(HEADER) + b"one", lambda: Recorder(made=pause))
        peer.sendall(b"two")
        net.turn(5)
        assert protocol.received == b""
        protocol.transport.resumeProducing()
        net.turn_until(lambda: protocol.received == b"onetwo")

    def test_a_protocol_that_ends_gets_nothing(self, net: Net) -> None:
        def lose(protocol: Recorder) -> None:
            protocol.transport.loseConnection()

        protocol, peer = introduced(net, encode_line(HEADER) + b"one", lambda: Recorder(made=lose))
        assert net.read_all(peer) == b""
        peer.close()
        net.until_lost(protocol)
        assert protocol.calls == ["made", "lost"]

    def test_an_end_that_comes_with_the_header(self, net: Net) -> None:
        port, factory = listening(net, lambda: Recorder(data=echo))
        peer = net.dial(port)
        peer.sendall(encode_line(HEADER) + b"hello")
        peer.shutdown(socket.SHUT_WR)
        assert net.read_all(peer) == b"hello"
        net.until_lost(*factory.protocols)
        assert factory.protocols[0].calls == ["made", "data", "lost"]

    def test_half_an_end_that_comes_with_the_header(self, net: Net) -> None:
        port, factory = listening(net, HalfCloser)
        peer = net.dial(port)
        peer.sendall(encode_line(HEADER) + b"hello")
        peer.shutdown(socket.SHUT_WR)
        net.turn_until(lambda: factory.protocols)
        protocol = factory.protocols[0]
        net.until_called(protocol, "read_lost")
        protocol.transport.write(b"later")
        protocol.transport.loseConnection()
        assert net.read_all(peer) == b"later"

    def test_a_factory_that_refuses(self, net: Net) -> None:
        port, factory = listening(net, Refuser())
        peer = net.dial(port)
        peer.sendall(encode_line(HEADER))
        assert net.read_all(peer) == b""
        assert factory.addresses == [CLIENT]

    @pytest.mark.parametrize("hook", ["building", "made", "data"])
    def test_a_fault_costs_its_own_connection(
        self, net: Net, logged_errors: Any, hook: str
    ) -> None:
        hooks: Any = {hook: raises}
        build = RecordingFactory(**hooks) if hook == "building" else lambda: Recorder(**hooks)
        port, _ = listening(net, build)
        peer = net.dial(port)
        peer.sendall(encode_line(HEADER) + b"hello")
        assert net.is_reset(peer)
        assert len(logged_errors.take()) == 1
        assert port.connected

    def test_the_wrapped_factory_is_started_and_stopped(self, net: Net) -> None:
        port, factory = listening(net)
        assert factory.calls == ["start"]
        stopped = port.stopListening()
        net.turn_until(lambda: stopped.called)
        assert factory.calls == ["start", "stop"]

    def test_it_is_told_of_overload(self) -> None:
        wrapped = RecordingFactory()
        HAProxyWrappingFactory(wrapped).overloaded(OSError("full"))
        assert wrapped.calls == ["overloaded"]
        assert getattr(HAProxyWrappingFactory(Factory()), "overloaded", None) is None


class TestBadInput(OnEveryBackend):
    @pytest.fixture(autouse=True)
    def everything_is_logged(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(haproxy, "LOG_INTERVAL", 0)
        monkeypatch.setattr(haproxy, "SHORTEST_TIMEOUT", 0.01)

    def refused(self, net: Net, log: pytest.LogCaptureFixture, port: Any, peer: Any) -> str:
        """The one line of the log on a connection that was refused; the port still answers."""
        assert end_of(net, peer) == b""
        (record,) = log.records
        assert record.levelno == logging.WARNING
        assert record.exc_info is None
        assert net.reactor.getDelayedCalls() == []
        log.clear()
        good = net.dial(port)
        good.sendall(UNKNOWN)
        wrapped = port.factory.wrappedFactory
        net.turn_until(lambda: wrapped.protocols)
        return record.getMessage()

    @pytest.mark.parametrize(
        ("data", "reason"),
        [
            (b"GET / HTTP/1.1\r\n\r\n", "begins with b'GET"),
            (b"\x16\x03\x01", "begins with"),
            (b"PROXY TCP4 nonsense\r\n", "not a line of version 1"),
            (b"PROXY UNKNOWN" + b"x" * 200, "107 bytes"),
            (encode_block(HEADER)[:12] + b"\x21\x11\xff\xff", "16384 are allowed"),
            (encode_block(HEADER)[:12] + b"\x22\x11\x00\x00", "0x22"),
        ],
    )
    def test_what_is_no_header(
        self, net: Net, log: pytest.LogCaptureFixture, data: bytes, reason: str
    ) -> None:
        port, factory = listening(net)
        peer = net.dial(port)
        peer.sendall(data + b"and more")
        text = self.refused(net, log, port, peer)
        assert reason in text
        assert repr(IPv4Address("TCP", "127.0.0.1", 0))[:-2] in text
        assert len(factory.protocols) == 1

    def test_a_fault_after_a_part(self, net: Net, log: pytest.LogCaptureFixture) -> None:
        port, _ = listening(net)
        peer = net.dial(port)
        peer.sendall(b"PROXY ")
        net.turn(5)
        peer.sendall(b"nobody\r\n")
        assert "nobody" in self.refused(net, log, port, peer)

    @pytest.mark.parametrize("data", [b"", b"PROXY TCP4 192.0.2.1"])
    def test_an_end_before_the_header_s(
        self, net: Net, log: pytest.LogCaptureFixture, data: bytes
    ) -> None:
        port, _ = listening(net)
        peer = net.dial(port)
        peer.sendall(data)
        peer.shutdown(socket.SHUT_WR)
        assert "before the header did" in self.refused(net, log, port, peer)

    @pytest.mark.parametrize("data", [b"", b"PROXY TCP4 192.0.2.1"])
    def test_no_header_in_time(self, net: Net, log: pytest.LogCaptureFixture, data: bytes) -> None:
        port, _ = listening(net, timeout=0.02)
        peer = net.dial(port)
        peer.sendall(data)
        assert "no header within 0.02 seconds" in self.refused(net, log, port, peer)

    def test_a_reset_before_the_header(self, net: Net) -> None:
        port, factory = listening(net)
        peer = net.dial(port)
        peer.sendall(b"PROXY ")
        net.turn_until(net.reactor.getDelayedCalls)
        reset(peer)
        net.turn_until(lambda: not net.reactor.getDelayedCalls())
        assert factory.addresses == []

    def test_a_source_that_is_not_trusted(self, net: Net, log: pytest.LogCaptureFixture) -> None:
        port, factory = listening(net, trusted="192.0.2.0/24, 127.0.0.7")
        peer = net.dial(port)
        peer.sendall(encode_line(HEADER) + b"hello")
        assert end_of(net, peer) == b""
        (record,) = log.records
        assert "127.0.0.1" in record.getMessage()
        assert "not a trusted proxy" in record.getMessage()
        assert factory.addresses == []
        trusted = net.new_socket()
        trusted.bind(("127.0.0.7", 0))
        trusted.connect((port.getHost().host, port.port))
        trusted.sendall(encode_line(HEADER))
        net.turn_until(lambda: factory.protocols)
        assert factory.addresses == [CLIENT]

    def test_a_flood_of_bad_connections_is_logged_in_few_lines(
        self, net: Net, log: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        now = 1000.0
        monkeypatch.setattr(haproxy, "LOG_INTERVAL", 1.0)
        monkeypatch.setattr(haproxy, "monotonic", lambda: now)
        port, _ = listening(net, trusted="192.0.2.1")
        for _ in range(20):
            end_of(net, net.dial(port))
        assert len(log.records) == 1
        now += 1
        end_of(net, net.dial(port))
        assert len(log.records) == 2
        assert log.messages[1].startswith("20 connections")


class TestOtherNetworks(OnEveryBackend):
    def test_ipv6(self, net: Net) -> None:
        factory = RecordingFactory()
        port = net.listen(HAProxyWrappingFactory(factory), interface="::1")
        net.dial(port).sendall(encode_line(HEADER))
        net.turn_until(lambda: factory.protocols)
        assert factory.addresses == [CLIENT]

    def test_ipv4_that_comes_as_ipv6(self, net: Net) -> None:
        """From a socket for both, as systemd makes them."""
        factory = RecordingFactory()
        with socket.create_server(("::", 0), family=socket.AF_INET6, dualstack_ipv6=True) as sock:
            number = sock.getsockname()[1]
            net.ports.append(
                net.reactor.adoptStreamPort(
                    sock.fileno(), sock.family, HAProxyWrappingFactory(factory)
                )
            )
        peer = net.new_socket()
        peer.connect(("127.0.0.1", number))
        peer.sendall(UNKNOWN)
        net.turn_until(lambda: factory.protocols)
        assert factory.addresses[0].host == "::ffff:127.0.0.1"

    def test_a_path(self, net: Net, tmp_path: Path) -> None:
        path, factory = str(tmp_path / "socket"), RecordingFactory()
        wrapping = HAProxyWrappingFactory(factory, trusted=[])
        with socket.socket(socket.AF_UNIX) as sock:
            sock.bind(path)
            sock.listen()
            net.ports.append(net.reactor.adoptStreamPort(sock.fileno(), sock.family, wrapping))
        peer = net.new_socket(socket.AF_UNIX)
        peer.connect(path)
        peer.sendall(encode_block(HEADER))
        net.turn_until(lambda: factory.protocols)
        assert factory.addresses == [CLIENT]


def end_of(net: Net, peer: socket.socket) -> bytes:
    """What a peer reads until the end of its connection, of whichever kind."""
    try:
        return net.read_all(peer)
    except ConnectionResetError:
        return b""


@pytest.mark.parametrize("timeout", [0, -1, 2.9])
def test_a_header_that_was_lost_once_must_have_time_to_be_sent_again(timeout: float) -> None:
    assert haproxy.SHORTEST_TIMEOUT == 3 <= haproxy.TIMEOUT
    with pytest.raises(ValueError, match="3 seconds or more, not"):
        HAProxyWrappingFactory(Factory(), timeout=timeout)
    with pytest.raises(ValueError, match="3 seconds or more, not"):
        proxyEndpoint(None, timeout=timeout)


class TestTrust:
    def test_networks(self) -> None:
        assert list(map(str, networks("10.0.0.0/8, 192.0.2.1,::1"))) == [
            "10.0.0.0/8",
            "192.0.2.1/32",
            "::1/128",
        ]
        assert networks(networks("10.0.0.0/8")) == networks(["10.0.0.0/8"])
        assert list(map(str, networks("*"))) == ["0.0.0.0/0", "::/0"]
        assert networks([]) == []

    @pytest.mark.parametrize("wrong", ["", "10.0.0.1/8", "example.com", "10.0.0.0/8,", "*,::1"])
    def test_what_is_no_network(self, wrong: str) -> None:
        with pytest.raises(ValueError, match=r"network|host bits"):
            HAProxyWrappingFactory(Factory(), wrong)
        with pytest.raises(ValueError, match=r"network|host bits"):
            proxyEndpoint(None, wrong)

    @pytest.mark.parametrize(
        ("trusted", "host", "believed"),
        [
            (haproxy.LOOPBACK, "127.0.0.1", True),
            (haproxy.LOOPBACK, "127.255.0.1", True),
            (haproxy.LOOPBACK, "10.0.0.1", False),
            (haproxy.LOOPBACK, "192.168.0.1", False),
            (haproxy.LOOPBACK, "8.8.8.8", False),
            ("*", "8.8.8.8", True),
            ("10.0.0.0/8", "10.255.255.255", True),
            ("10.0.0.0/8", "11.0.0.0", False),
            ("10.0.0.0/8", "127.0.0.1", False),
            ([], "127.0.0.1", False),
        ],
    )
    def test_who_is_believed(self, trusted: Any, host: str, believed: bool) -> None:
        factory = HAProxyWrappingFactory(Factory(), trusted)
        for address in (
            IPv4Address("TCP", host, 1),
            IPv6Address("TCP", f"::ffff:{host}", 1),
        ):
            assert (factory.buildProtocol(address) is not None) == believed

    def test_a_path_is_believed_and_nobody_is_not(self) -> None:
        assert HAProxyWrappingFactory(Factory(), []).buildProtocol(UNIXAddress(None)) is not None
        assert HAProxyWrappingFactory(Factory(), "*").buildProtocol(None) is None

    def test_who_is_believed_of_ipv6(self) -> None:
        factory = HAProxyWrappingFactory(Factory())
        assert factory.buildProtocol(IPv6Address("TCP", "::1", 1)) is not None
        assert factory.buildProtocol(IPv6Address("TCP", "fe80::1", 1)) is None
        everybody = HAProxyWrappingFactory(Factory(), "*")
        assert everybody.buildProtocol(IPv6Address("TCP", "2001:db8::1", 1)) is not None
