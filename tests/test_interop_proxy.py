"""The PROXY protocol with programs not written here: HAProxy on either side, curl and socat."""

from __future__ import annotations

import socket
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.backends import available
from reactorlib.endpoints import clientFromString, serverFromString, wrapServerTLS
from reactorlib.endpoints.tcp import TCP4ClientEndpoint, TCP4ServerEndpoint
from reactorlib.protocols.haproxy import (
    HAProxyWrappingFactory,
    proxyClientEndpoint,
    proxyEndpoint,
)
from reactorlib.ssl import CertificateOptions
from reactorlib.testing.certificates import Authority
from reactorlib.testing.contract.tcp_peers import Net, Recorder, RecordingFactory, echo
from tests.on_backends import OnEveryBackend
from tests.test_cli_listen import ask, line_of, serving

HAPROXY = "/usr/sbin/haproxy"
HOST = "127.0.0.1"
CLIENT = IPv4Address("TCP", "192.0.2.1", 56324)
SERVER = IPv4Address("TCP", "203.0.113.9", 443)

CONFIGURATION = """
global
    maxconn 100
defaults
    mode tcp
    timeout connect 5s
    timeout client 30s
    timeout server 30s
listen test
    bind fd@{number} {bind}
    server test {place} {options}
"""


class Proxy:
    """An HAProxy in front of a port."""

    def __init__(self, net: Any, folder: Path) -> None:
        self._net = net
        self._folder = folder
        self._process: subprocess.Popen[bytes] | None = None
        self.place: Any = None

    def start(self, place: str, options: str, bind: str = "", host: str = HOST) -> None:
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        with socket.create_server((host, 0), family=family) as sock:
            self.place = sock.getsockname()
            file = self._folder / "haproxy.cfg"
            file.write_text(
                CONFIGURATION.format(number=sock.fileno(), bind=bind, options=options, place=place)
            )
            self._process = subprocess.Popen(
                [HAPROXY, "-q", "-db", "-f", str(file)],
                pass_fds=[sock.fileno()],
                stderr=subprocess.PIPE,
            )

    def dial(self, source: str = HOST) -> socket.socket:
        """A connected peer, from that address."""
        peer = self._net.new_socket(socket.AF_INET6 if ":" in source else socket.AF_INET)
        peer.bind((source, 0))
        peer.connect(self.place)
        return peer

    def stop(self) -> None:
        if self._process is not None:
            self._process.kill()
            self._process.communicate(timeout=20)


class TestHAProxy(OnEveryBackend):
    @pytest.fixture
    def proxy(self, net: Net, tmp_path: Path) -> Iterator[Proxy]:
        proxy = Proxy(net, tmp_path)
        yield proxy
        proxy.stop()

    def listen(self, net: Net) -> tuple[Any, RecordingFactory]:
        factory = RecordingFactory(lambda: Recorder(data=echo))
        return net.listen(HAProxyWrappingFactory(factory)), factory

    @pytest.mark.parametrize(
        "options",
        [
            "send-proxy",
            "send-proxy-v2",
            "send-proxy-v2 proxy-v2-options crc32c,unique-id",
            "send-proxy-v2-ssl-cn",
        ],
    )
    @pytest.mark.parametrize("source", ["127.0.0.5", "::1"])
    def test_it_is_in_front(self, net: Net, proxy: Proxy, options: str, source: str) -> None:
        port, factory = self.listen(net)
        proxy.start(f"{HOST}:{port.port}", options, host="::1" if ":" in source else HOST)
        peer = proxy.dial(source)
        assert net.ask(peer, b"hello") == b"hello"
        kind = IPv6Address if ":" in source else IPv4Address
        assert factory.addresses == [kind("TCP", *peer.getsockname())]
        transport = factory.protocols[0].transport
        assert transport.getPeer() == kind("TCP", *peer.getsockname())
        assert transport.getHost() == kind("TCP", *proxy.place)
        peer.shutdown(socket.SHUT_WR)
        assert net.read_all(peer) == b""
        net.until_lost(*factory.protocols)

    def test_it_checks_health(self, net: Net, proxy: Proxy) -> None:
        """A check is a header that says LOCAL, and nothing more."""
        port, factory = self.listen(net)
        proxy.start(f"{HOST}:{port.port}", "send-proxy-v2 check-send-proxy check inter 20ms")
        net.turn_until(lambda: len(factory.addresses) >= 3)
        hosts = {address.host for address in factory.addresses}
        assert hosts == {HOST}
        proxy.stop()
        net.turn_until(lambda: all(protocol.reason for protocol in factory.protocols))

    @pytest.mark.parametrize("version", ["send-proxy", "send-proxy-v2"])
    def test_its_header_goes_before_tls(
        self, net: Net, proxy: Proxy, tmp_path: Path, version: str
    ) -> None:
        own = Authority(tmp_path).issue(HOST)
        place = TCP4ServerEndpoint(net.reactor, 0, interface=HOST)
        secured = proxyEndpoint(
            wrapServerTLS(CertificateOptions(own.privateKey, own.certificate), place)
        )
        factory = RecordingFactory(lambda: Recorder(data=echo))
        port = self.run_until(net.reactor, secured.listen(factory))
        net.ports.append(port)
        proxy.start(f"{HOST}:{port.port}", f"{version} ssl verify none")
        peer = proxy.dial("127.0.0.6")
        assert net.ask(peer, b"hello") == b"hello"
        assert factory.protocols[0].transport.TLS
        assert factory.protocols[0].transport.getPeer().host == "127.0.0.6"

    @pytest.mark.parametrize("version", [1, 2])
    def test_it_believes_our_header(self, net: Net, proxy: Proxy, version: int) -> None:
        """We say for whom we connect; HAProxy says it again to our server."""
        port, served = self.listen(net)
        proxy.start(f"{HOST}:{port.port}", "send-proxy-v2", "accept-proxy")
        client = RecordingFactory(lambda: Recorder(made=lambda it: it.transport.write(b"hello")))
        target = proxyClientEndpoint(
            TCP4ClientEndpoint(net.reactor, *proxy.place), version, CLIENT, SERVER
        )
        protocol = self.run_until(net.reactor, target.connect(client))
        net.turn_until(lambda: protocol.received == b"hello")
        assert served.addresses == [CLIENT]
        assert served.protocols[0].transport.getHost() == SERVER
        protocol.transport.loseConnection()
        net.until_lost(protocol, *served.protocols)

    @pytest.mark.parametrize("version", [1, 2])
    def test_it_believes_a_string(self, net: Net, proxy: Proxy, version: int) -> None:
        factory = RecordingFactory(lambda: Recorder(data=echo))
        place = serverFromString(net.reactor, f"haproxy:tcp:0:interface={HOST}")
        port = self.run_until(net.reactor, place.listen(factory))
        net.ports.append(port)
        proxy.start(f"{HOST}:{port.port}", "send-proxy", "accept-proxy")
        text = f"haproxy:tcp:{HOST}:{proxy.place[1]}:version={version}"
        connecting = clientFromString(net.reactor, text).connect(RecordingFactory())
        protocol = self.run_until(net.reactor, connecting)
        protocol.transport.write(b"hello")
        net.turn_until(lambda: protocol.received == b"hello")
        assert factory.addresses == [protocol.transport.getHost()]
        protocol.transport.loseConnection()
        net.until_lost(protocol, *factory.protocols)

    def test_it_is_in_front_of_a_path(self, net: Net, proxy: Proxy, tmp_path: Path) -> None:
        factory = RecordingFactory(lambda: Recorder(data=echo))
        place = serverFromString(net.reactor, f"haproxy:unix:{tmp_path}/socket")
        net.ports.append(self.run_until(net.reactor, place.listen(factory)))
        proxy.start(f"unix@{tmp_path}/socket", "send-proxy-v2")
        peer = proxy.dial("127.0.0.8")
        assert net.ask(peer, b"hello") == b"hello"
        assert factory.addresses == [IPv4Address("TCP", *peer.getsockname())]


@pytest.mark.parametrize("backend", available())
def test_haproxy_is_in_front_of_the_command_line(tmp_path: Path, backend: str) -> None:
    command = ["--reactor", backend, "echo", "--listen", "haproxy:unix:socket"]
    proxy = Proxy(None, tmp_path)
    try:
        with serving(*command, cwd=tmp_path) as process:
            line_of(process)
            proxy.start(f"unix@{tmp_path}/socket", "send-proxy-v2")
            assert ask(proxy.place) == b"hello"
    finally:
        proxy.stop()


class TestOthers(OnEveryBackend):
    def finish(self, net: Net, process: subprocess.Popen[bytes]) -> bytes:
        """What a program has said, once it has ended."""
        net.turn_until(lambda: process.poll() is not None)
        output, errors = process.communicate()
        assert process.returncode == 0, errors
        return output

    def test_curl(self, net: Net) -> None:
        def answer(protocol: Recorder, data: bytes) -> None:
            if protocol.received.endswith(b"\r\n\r\n"):
                protocol.transport.write(b"HTTP/1.0 200 OK\r\n\r\nhello")
                protocol.transport.loseConnection()

        factory = RecordingFactory(lambda: Recorder(data=answer))
        port = net.listen(HAProxyWrappingFactory(factory))
        process = subprocess.Popen(
            ["curl", "-s", "--noproxy", "*", "--haproxy-protocol", f"http://{HOST}:{port.port}/"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert self.finish(net, process) == b"hello"
        assert factory.addresses[0].host == HOST
        assert factory.protocols[0].transport.getPeer() == factory.addresses[0]

    @pytest.mark.parametrize(
        ("header", "answer"),
        [(b"PROXY UNKNOWN\r\n", b"hello"), (b"PROXY TCP4 192.0.2.1\r\n", b""), (b"", b"")],
    )
    def test_socat(self, net: Net, header: bytes, answer: bytes) -> None:
        port = net.listen(HAProxyWrappingFactory(RecordingFactory(lambda: Recorder(data=echo))))
        process = subprocess.Popen(
            ["socat", "-t", "10", "-", f"TCP:{HOST}:{port.port}"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        assert process.stdin is not None
        process.stdin.write(header + b"hello")
        process.stdin.close()
        process.stdin = None
        net.turn_until(lambda: process.poll() is not None)
        assert process.communicate()[0] == answer
        assert port.connected
