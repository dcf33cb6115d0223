"""Files over sockets: by the kernel in clear text, the same bytes over TLS."""

from __future__ import annotations

import gzip
import os
import shutil
import socket
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from reactorlib.interfaces import ISendfileTransport
from reactorlib.protocols.filesender import TransferStopped
from reactorlib.protocols.http.encoding import EncodingResourceWrapper
from reactorlib.protocols.http.resource import Resource
from reactorlib.protocols.http.server import NOT_DONE_YET, Site
from reactorlib.protocols.http.static import File
from reactorlib.testing.certificates import Authority
from reactorlib.testing.contract.base import open_descriptors
from reactorlib.testing.contract.tcp_peers import (
    LOOPBACK,
    MEGABYTE,
    Net,
    RecordingFactory,
    TCPContractBase,
    reset,
)
from reactorlib.testing.contract.tls_peers import NAME, Settings
from tests.backends import BACKENDS
from tests.webserver import answers

GET = b"GET %b HTTP/1.1\r\nHost: x\r\n\r\n"
LAST = b"GET %b HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n"
LARGE = os.urandom(3 * MEGABYTE + 5)


def open_files(root: Path) -> list[str]:
    """The files below it that are open here."""
    return [each for each in open_descriptors().values() if each.startswith(str(root))]


class Sends(Resource):
    """Sends a file of its own making."""

    isLeaf = True

    def __init__(self, file: Any, count: int | None = None, length: int | None = None) -> None:
        super().__init__()
        self.file, self.count, self.length = file, count, length
        self.outcome: list[Any] = []

    def render_GET(self, request: Any) -> Any:
        if self.length is not None:
            request.setResponseHeader(b"Content-Length", b"%d" % self.length)
        request.write(b"before ")
        sent = request.writeFile(self.file, self.count)
        sent.addBoth(self.outcome.append)
        sent.addBoth(lambda _: request.finish())
        return NOT_DONE_YET


@pytest.fixture
def root() -> Iterator[Path]:
    with tempfile.TemporaryDirectory() as folder:
        (Path(folder) / "large").write_bytes(LARGE)
        (Path(folder) / "small").write_bytes(b"small")
        yield Path(folder)


class TestFiles(TCPContractBase):
    def make_engine(self) -> Any:
        return BACKENDS["epoll"]()

    def connect(self, net: Net, resource: Any) -> socket.socket:
        """The peer of a connection to a site."""
        return net.dial(net.listen(Site(resource)))

    def ask(self, net: Net, resource: Any, request: bytes) -> bytes:
        peer = self.connect(net, resource)
        peer.sendall(request)
        return net.read_all(peer)

    def test_one_connection(self, net: Net, root: Path) -> None:
        said = self.ask(net, File(root), (GET + GET + LAST) % (b"/large", b"/small", b"/large"))
        assert [body for _, _, body in answers(said)] == [LARGE, b"small", LARGE]

    def test_parts(self, net: Net, root: Path) -> None:
        fields = b"Range: bytes=5-1000000,1000002-\r\nConnection: close"
        said = self.ask(net, File(root), b"GET /large HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % fields)
        ((_, _, body),) = answers(said)
        assert LARGE[5:1_000_001] in body
        assert LARGE[1_000_002:] + b"\r\n--" in body

    def test_what_the_kernel_sends(self, net: Net, root: Path) -> None:
        with (root / "large").open("rb") as file:
            file.read(7)
            for resource, body in (
                (Sends(file, 100_000, 100_007), LARGE[7:100_007]),
                (Sends(file, None, len(LARGE)), LARGE[7:]),
            ):
                file.seek(7)
                said = self.ask(net, resource, LAST % b"/")
                assert answers(said)[0][2] == b"before " + body
                assert resource.outcome == [len(body)]

    def test_what_is_read(self, net: Net, root: Path) -> None:
        with gzip.open(root / "x.gz", "wb") as packed:
            packed.write(LARGE)
        with gzip.open(root / "x.gz") as unpacked, (root / "large").open("rb") as plain:
            for resource in (Sends(unpacked, None, len(LARGE) + 7), Sends(plain)):
                said = self.ask(net, resource, LAST % b"/")
                assert answers(said)[0][2] == b"before " + LARGE
                assert resource.outcome == [len(LARGE)]

    def test_until_the_end_of_the_connection(self, net: Net, root: Path) -> None:
        with (root / "large").open("rb") as file:
            said = self.ask(net, Sends(file), b"GET / HTTP/1.0\r\n\r\n")
        assert said.partition(b"\r\n\r\n")[2] == b"before " + LARGE

    def test_what_is_written_before(self, net: Net, root: Path) -> None:
        with (root / "large").open("r+b") as file:
            file.write(b"new")
            file.seek(0)
            said = self.ask(net, Sends(file, 10, 17), LAST % b"/")
        assert answers(said)[0][2] == b"before new" + LARGE[3:10]

    def test_coded_it_is_not_the_kernels(self, net: Net, root: Path) -> None:
        (root / "large.txt").write_bytes(LARGE)
        site = EncodingResourceWrapper(File(root))
        request = b"GET /large.txt HTTP/1.0\r\nAccept-Encoding: gzip\r\n\r\n"
        head, _, body = self.ask(net, site, request).partition(b"\r\n\r\n")
        assert b"Content-Encoding: gzip" in head
        assert b"Content-Length" not in head
        assert gzip.decompress(body) == LARGE
        plain = self.ask(net, site, LAST % b"/large.txt")
        assert answers(plain)[0][2] == LARGE

    def test_a_pipe(self, net: Net) -> None:
        reader, writer = os.pipe()
        os.write(writer, b"data")
        os.close(writer)
        with os.fdopen(reader, "rb") as file:
            said = self.ask(net, Sends(file, None, 11), LAST % b"/")
        assert answers(said)[0][2] == b"before data"

    def test_more_than_was_announced(self, net: Net, root: Path, logged_errors: Any) -> None:
        with (root / "large").open("rb") as file:
            self.connect_and_fail(net, Sends(file, 100, 20))
        logged_errors.take(ValueError)

    def connect_and_fail(self, net: Net, resource: Any) -> None:
        peer = self.connect(net, resource)
        peer.sendall(GET % b"/")
        assert net.is_reset(peer)

    def test_it_shrinks(
        self, net: Net, root: Path, logged_errors: Any, caplog: pytest.LogCaptureFixture
    ) -> None:
        os.truncate(root / "large", 64 * MEGABYTE)
        peer = self.connect(net, File(root))
        peer.sendall((GET + GET) % (b"/large", b"/small"))
        net.read(peer, 100_000)
        os.truncate(root / "large", MEGABYTE)
        rest = net.read_all(peer)
        assert len(rest) < 64 * MEGABYTE
        assert b"HTTP/1.1" not in rest
        assert len(caplog.records) == 1
        assert "short of its Content-Length" in caplog.text
        logged_errors.take()

    @pytest.mark.parametrize("requests", [1, 2])
    def test_the_client_goes(self, net: Net, root: Path, requests: int) -> None:
        os.truncate(root / "large", 64 * MEGABYTE)
        peer = self.connect(net, File(root))
        peer.sendall(GET % b"/large" * requests)
        net.read(peer, 100_000)
        reset(peer)
        net.turn_until(lambda: not open_files(root))

    def test_who_sends_a_file_learns_it(self, net: Net, root: Path) -> None:
        os.truncate(root / "large", 64 * MEGABYTE)
        with (root / "large").open("rb") as file:
            resource = Sends(file, None, 64 * MEGABYTE + 7)
            peer = self.connect(net, resource)
            peer.sendall(GET % b"/")
            net.read(peer, 1)
            reset(peer)
            net.turn_until(lambda: resource.outcome)
        assert resource.outcome[0].check(TransferStopped)

    def test_over_tls(self, net: Net, root: Path, tmp_path: Path) -> None:
        settings, factory = Settings(Authority(tmp_path)), RecordingFactory()
        port = net.reactor.listenSSL(0, Site(File(root)), settings.server(), interface=LOOPBACK)
        net.ports.append(port)
        client = settings.client(NAME)
        net.reactor.connectSSL(LOOPBACK, port.getHost().port, factory, client)
        net.turn_until(lambda: factory.protocols and factory.protocols[0].connected)
        (protocol,) = factory.protocols
        assert not ISendfileTransport.providedBy(protocol.transport)
        with pytest.raises(RuntimeError, match="encrypt"):
            protocol.transport.sendFile(0, 0, 1)
        protocol.transport.write((GET + LAST) % (b"/large", b"/small"))
        net.until_lost(protocol)
        assert [body for _, _, body in answers(bytes(protocol.received))] == [LARGE, b"small"]


PROGRAM = """
import sys
from reactorlib.backends.engine import Engine
from reactorlib.posixbase import Reactor
from reactorlib.protocol import ClientFactory, Protocol
from reactorlib.protocols.http.server import Site
from reactorlib.protocols.http.static import File

reactor = Reactor(Engine("epoll"))

class Client(Protocol):
    received = b""
    def connectionMade(self):
        self.transport.write(b"GET /large HTTP/1.0\\r\\n\\r\\n")
    def dataReceived(self, data):
        self.received += data
    def connectionLost(self, reason):
        print(len(self.received.partition(b"\\r\\n\\r\\n")[2]))
        reactor.stop()

port = reactor.listenTCP(0, Site(File(sys.argv[1])), interface="127.0.0.1")
factory = ClientFactory()
factory.protocol = Client
reactor.connectTCP("127.0.0.1", port.getHost().port, factory)
reactor.run()
"""


@pytest.mark.parametrize("refused", [None, "EINVAL", "ENOSYS"])
def test_the_kernel_sends_or_it_is_read(root: Path, tmp_path: Path, refused: str | None) -> None:
    tracer = shutil.which("strace")
    assert tracer, "install strace: this test looks at system calls with it"
    trace = tmp_path / "trace"
    command = [tracer, "-f", "-o", str(trace), "-e", "trace=sendfile,pread64,setsockopt"]
    if refused:
        command += ["-e", f"inject=sendfile:error={refused}"]
    arguments = [*command, sys.executable, "-c", PROGRAM, str(root)]
    ran = subprocess.run(arguments, capture_output=True, text=True, check=True)
    assert int(ran.stdout) == len(LARGE)
    calls = trace.read_text()
    assert calls.count("sendfile(") > 1
    corked = [line.count("[1]") for line in calls.splitlines() if "TCP_CORK" in line]
    assert corked[0] == 1
    assert corked[-1] == 0
    assert (calls.count("pread64(") > len(LARGE) // 16_384) == bool(refused)
