"""What the TCP contracts stand on: protocols that write down what happens, and plain peers.

A peer is a socket in the test's own thread. Whoever reads from one here turns
the reactor meanwhile, so that a test needs no second thread.
"""

from __future__ import annotations

import select
import socket
import struct
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest
from zope.interface import implementer

from reactorlib.failure import Failure
from reactorlib.interfaces import IHalfCloseableProtocol
from reactorlib.protocol import ClientFactory, Protocol
from reactorlib.testing.contract.base import ContractBase
from reactorlib.testing.contract.nets import BaseNet

LOOPBACK = "127.0.0.1"
MEGABYTE = 1 << 20
MUCH = b"x" * 8 * MEGABYTE  # more than any kernel takes at once
Hook = Callable[..., object]


class Fault(Exception):
    """What a test's own callback raises."""


def raises(*_: object) -> None:
    """A hook with a fault."""
    raise Fault("a fault of the test's own")


class Recorder(Protocol):
    """Writes down its calls; `hooks` by a call's name (`made`, `data`, `lost`) run in it."""

    def __init__(self, **hooks: Hook) -> None:
        self.calls: list[str] = []
        self.received = bytearray()
        self.reason: Any = None
        self.hooks = hooks

    def connectionMade(self) -> None:
        self.note("made")

    def dataReceived(self, data: bytes) -> None:
        self.received += data
        self.note("data", data)

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.reason = reason
        self.note("lost", reason)

    def note(self, name: str, *arguments: object) -> None:
        self.calls.append(name)
        if name in self.hooks:
            self.hooks[name](self, *arguments)


@implementer(IHalfCloseableProtocol)
class HalfCloser(Recorder):
    """A Recorder with `read_lost` and `write_lost`."""

    def readConnectionLost(self) -> None:
        self.note("read_lost")

    def writeConnectionLost(self) -> None:
        self.note("write_lost")


def echo(protocol: Protocol, data: bytes) -> None:
    """A `data` hook."""
    protocol.transport.write(data)


class RecordingFactory(ClientFactory):
    """Writes down its calls and keeps its protocols.

    `hooks`: `started`, `building`, `failed`, `lost`, `overloaded`, `start`, `stop`.
    """

    noisy = False

    def __init__(self, build: Callable[[], Any] = Recorder, **hooks: Hook) -> None:
        self.protocol = build
        self.hooks = hooks
        self.calls: list[str] = []
        self.protocols: list[Any] = []
        self.addresses: list[Any] = []
        self.reasons: list[Any] = []

    def note(self, name: str, *arguments: object) -> None:
        self.calls.append(name)
        if name in self.hooks:
            self.hooks[name](*arguments)

    def startFactory(self) -> None:
        self.note("start")

    def stopFactory(self) -> None:
        self.note("stop")

    def startedConnecting(self, connector: Any) -> None:
        self.note("started", connector)

    def buildProtocol(self, addr: Any) -> Any:
        self.addresses.append(addr)
        self.note("building")
        self.protocols.append(super().buildProtocol(addr))
        return self.protocols[-1]

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self.reasons.append(reason)
        self.note("failed", connector)

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        self.reasons.append(reason)
        self.note("lost", connector)

    def overloaded(self, reason: Exception) -> None:
        self.reasons.append(reason)
        self.note("overloaded")


def factory_of(build: Any) -> Any:
    """Itself if it is a factory, else a RecordingFactory of the protocols that it makes."""
    return build if hasattr(build, "buildProtocol") else RecordingFactory(build)


class Refuser(RecordingFactory):
    """A factory that refuses every connection."""

    def buildProtocol(self, addr: Any) -> Any:
        self.addresses.append(addr)


class Producer:
    """Writes down what a consumer tells it; `hooks`: `pause`, `resume`, `stop`."""

    def __init__(self, **hooks: Hook) -> None:
        self.calls: list[str] = []
        self.hooks = hooks

    def note(self, name: str) -> None:
        self.calls.append(name)
        if name in self.hooks:
            self.hooks[name]()

    def pauseProducing(self) -> None:
        self.note("pause")

    def resumeProducing(self) -> None:
        self.note("resume")

    def stopProducing(self) -> None:
        self.note("stop")


def reset(peer: socket.socket) -> None:
    """Close with RST."""
    peer.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    peer.close()


def await_input(*sockets: Any) -> None:
    """Wait until each of them, or of the connections' own sockets, can be read."""
    for each in sockets:
        sock = each.getHandle() if hasattr(each, "getHandle") else each
        assert select.select([sock], [], [], 10)[0], f"nothing came to {sock}"


class Net(BaseNet):
    """Ports, peers and waiting, for one reactor. `close` ends all it made."""

    def listen(self, build: Any = Recorder, interface: str = LOOPBACK, **options: Any) -> Any:
        """A port that the system chose; `build` makes protocols, or is a factory."""
        factory = factory_of(build)
        return self.keep(self.reactor.listenTCP(0, factory, interface=interface, **options))

    def new_socket(self, family: int = socket.AF_INET) -> socket.socket:
        self.sockets.append(socket.socket(family, socket.SOCK_STREAM))
        self.sockets[-1].settimeout(10)
        return self.sockets[-1]

    def listener(self, address: tuple[str, int] = (LOOPBACK, 0), backlog: int = 5) -> socket.socket:
        """A plain listening socket."""
        listener = self.new_socket(socket.AF_INET6 if ":" in address[0] else socket.AF_INET)
        listener.bind(address)
        listener.listen(backlog)
        return listener

    def dial(self, port: Any) -> socket.socket:
        """A connected peer; the port need not have accepted it yet."""
        host = port.getHost()
        peer = self.new_socket(socket.AF_INET6 if ":" in host.host else socket.AF_INET)
        peer.connect((host.host, host.port))
        return peer

    def pair(self, build: Any = Recorder, interface: str = LOOPBACK) -> tuple[Any, socket.socket]:
        """A protocol that the reactor serves, and its peer."""
        port = self.listen(build, interface)
        return self.accepted(port, self.dial(port))

    def accepted(self, port: Any, peer: socket.socket) -> tuple[Any, socket.socket]:
        """The newest protocol of the port, once it is connected, and the peer."""
        protocols, before = port.factory.protocols, len(port.factory.protocols)
        self.turn_until(lambda: len(protocols) > before and protocols[-1].connected)
        return protocols[-1], peer

    def connect(self, port: Any, factory: Any, **options: Any) -> Any:
        """A connector to a port, or to a plain listener."""
        host = port.getsockname() if isinstance(port, socket.socket) else port.getHost()
        address = (host.host, host.port) if hasattr(host, "host") else host[:2]
        return self.reactor.connectTCP(*address, factory, **options)

    def until_lost(self, *protocols: Any) -> None:
        """Turn until connectionLost was called on each Recorder."""
        self.turn_until(lambda: all(protocol.reason for protocol in protocols))

    def until_called(self, protocol: Any, name: str) -> None:
        """Turn until a Recorder was called so."""
        self.turn_until(lambda: name in protocol.calls)

    def pieces(self, peer: socket.socket, data: bytes = b"") -> Iterator[bytes]:
        """What comes to a peer until its end, while it sends `data` and the reactor turns."""
        until = monotonic() + self._contract.patience
        peer.setblocking(False)
        rest = memoryview(data)
        while True:
            self.reactor.iterate(0)
            if monotonic() > until:
                pytest.fail("nothing came to the peer")
            readable, writable, _ = select.select([peer], [peer] if rest else [], [], 0.001)
            if writable:
                rest = rest[peer.send(rest) :]
            if readable:
                piece = peer.recv(1 << 16)
                if not piece:
                    return
                yield piece

    def read(self, peer: socket.socket, size: int, data: bytes = b"") -> bytes:
        """At least so many bytes, if they come before the end; sends `data` meanwhile."""
        received = bytearray()
        for piece in self.pieces(peer, data):
            received += piece
            if len(received) >= size:
                break
        return bytes(received)

    def read_all(self, peer: socket.socket) -> bytes:
        """All until the end. Raises ConnectionResetError."""
        return b"".join(self.pieces(peer))

    def is_reset(self, peer: socket.socket) -> bool:
        """Whether the connection ends with RST, not with FIN."""
        try:
            self.read_all(peer)
        except ConnectionResetError:
            return True
        return False

    def ask(self, peer: socket.socket, data: bytes) -> bytes:
        """Send, and read as much at the same time."""
        return self.read(peer, len(data), data)


def closed_port(net: Net) -> tuple[str, int]:
    """An address at which nothing listens, and nobody else will: it is bound."""
    bound = net.new_socket()
    bound.bind((LOOPBACK, 0))
    host, number = bound.getsockname()
    return host, number


def black_hole(net: Net, address: tuple[str, int] = (LOOPBACK, 0)) -> tuple[str, int]:
    """An address at which a connection is neither made nor refused: a queue that is full."""
    listener = net.listener(address, backlog=0)
    for _ in range(8):
        filler = net.new_socket()
        filler.setblocking(False)
        filler.connect_ex(listener.getsockname())
    host, number = listener.getsockname()
    return host, number


class TCPContractBase(ContractBase):
    """A ContractBase with a Net."""

    @pytest.fixture
    def net(self, reactor: Any) -> Iterator[Net]:
        """Ports and peers on the reactor of the test."""
        net = Net(self, reactor)
        yield net
        net.close()
