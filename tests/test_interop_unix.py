"""UNIX sockets and UDP with programs not written here: socat, and curl over a UNIX socket."""

from __future__ import annotations

import contextlib
import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest

from reactorlib.protocol import Factory
from reactorlib.protocols.basic import LineReceiver
from reactorlib.testing.contract.tcp_peers import Recorder, RecordingFactory, echo
from reactorlib.testing.contract.udp_peers import LOOPBACK, Datagrams
from reactorlib.testing.contract.udp_peers import echo as echo_datagram
from reactorlib.testing.contract.unix_peers import UNIXContractBase, UNIXNet
from tests.on_backends import EveryBackend

LARGE = bytes(range(256)) * 4096


class Page(LineReceiver):
    """As much HTTP as curl needs."""

    def lineReceived(self, line: bytes) -> None:
        if not line:
            body = b"hello over a UNIX socket\n"
            head = b"HTTP/1.1 200 OK\r\nContent-Length: %d\r\nConnection: close\r\n\r\n"
            self.transport.write(head % len(body) + body)
            self.transport.loseConnection()


@contextlib.contextmanager
def running(*command: str) -> Iterator[subprocess.Popen[bytes]]:
    """A program with pipes; it is killed in the end."""
    pipe = subprocess.PIPE
    with subprocess.Popen(command, stdin=pipe, stdout=pipe, bufsize=0) as process:
        try:
            yield process
        finally:
            process.kill()


def is_listening(name: str) -> bool:
    """Whether a UNIX socket of that name takes connections: it is bound before it does."""
    lines = Path("/proc/net/unix").read_text().splitlines()
    return any(line.split()[3] == "00010000" for line in lines if line.endswith(f" {name}"))


class TestInterop(EveryBackend, UNIXContractBase):
    def output(self, net: UNIXNet, process: subprocess.Popen[bytes], data: bytes = b"") -> bytes:
        """All that a program writes, after it was given `data`, while the reactor turns."""
        assert process.stdin is not None
        assert process.stdout is not None
        received = bytearray()
        rest, source, sink = memoryview(data), process.stdout.fileno(), process.stdin
        for each in (source, sink.fileno()):
            os.set_blocking(each, False)

        def feed() -> None:
            nonlocal rest
            with contextlib.suppress(BlockingIOError):
                while rest:
                    rest = rest[os.write(sink.fileno(), rest[:65_536]) :]
                sink.close()

        def ended() -> bool:
            if not sink.closed:
                feed()
            try:
                part = os.read(source, 1 << 16)
            except BlockingIOError:
                return False
            received.extend(part)
            return not part

        net.turn_until(ended)
        return bytes(received)

    @pytest.mark.parametrize("kind", ["UNIX-CONNECT", "ABSTRACT-CONNECT"])
    def test_socat_connects(self, net: UNIXNet, kind: str) -> None:
        name = net.name()
        prefix = "\0" if kind.startswith("ABSTRACT") else ""
        port = net.listen(lambda: Recorder(data=echo), prefix + name)
        with running("socat", "-t", "30", "-", f"{kind}:{name}") as socat:
            assert self.output(net, socat, LARGE) == LARGE
            (protocol,) = port.factory.protocols
            net.turn_until(lambda: protocol.reason)

    def test_socat_listens(self, net: UNIXNet) -> None:
        name = net.name()
        with running("socat", f"UNIX-LISTEN:{name}", "EXEC:cat"):
            net.turn_until(lambda: is_listening(name))
            factory = RecordingFactory(lambda: Recorder(made=lambda p: p.transport.write(LARGE)))
            connector = net.connect(name, factory)
            net.turn_until(lambda: factory.protocols)
            (protocol,) = factory.protocols
            net.turn_until(lambda: len(protocol.received) == len(LARGE))
            assert protocol.received == LARGE
            connector.disconnect()
            net.turn_until(lambda: factory.reasons)

    def test_socat_sends_datagrams(self, net: UNIXNet) -> None:
        protocol = Datagrams(received=echo_datagram)
        name, own = net.name(), net.name()
        net.keep(net.reactor.listenUNIXDatagram(name, protocol))
        with running("socat", "-t", "0.2", "-", f"UNIX-SENDTO:{name},bind={own}") as socat:
            assert self.output(net, socat, b"a datagram") == b"a datagram"
        assert protocol.senders == [own]

    def test_socat_over_udp(self, net: UNIXNet) -> None:
        port = net.keep(net.reactor.listenUDP(0, Datagrams(received=echo_datagram), LOOPBACK))
        with running("socat", "-t", "0.2", "-", f"UDP4:{LOOPBACK}:{port.port}") as socat:
            assert self.output(net, socat, b"a datagram") == b"a datagram"

    def test_curl(self, net: UNIXNet) -> None:
        port = net.listen(Factory.forProtocol(Page))
        command = ("curl", "--silent", "--fail", "--unix-socket", port.port, "http://localhost/")
        with running(*command) as curl:
            assert self.output(net, curl) == b"hello over a UNIX socket\n"
