"""What the contracts of datagram ports stand on: protocols that write down, and plain sockets."""

from __future__ import annotations

import socket
from collections.abc import Callable, Iterator, Sequence
from typing import Any

import pytest

from reactorlib.protocol import DatagramProtocol
from reactorlib.testing.contract.base import ContractBase
from reactorlib.testing.contract.nets import BaseNet

LOOPBACK = "127.0.0.1"
HOSTS = [LOOPBACK, "::1"]
Hook = Callable[..., object]


class Datagrams(DatagramProtocol):
    """Writes down its calls; `hooks` by a call's name run in it.

    The names are `start`, `received`, `refused` and `stop`.
    """

    noisy = False

    def __init__(self, **hooks: Hook) -> None:
        self.calls: list[str] = []
        self.received: list[bytes] = []
        self.senders: list[Any] = []
        self.hooks = hooks

    def startProtocol(self) -> None:
        self.note("start")

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self.received.append(datagram)
        self.senders.append(addr)
        self.note("received", datagram, addr)

    def connectionRefused(self) -> None:
        self.note("refused")

    def stopProtocol(self) -> None:
        self.note("stop")

    def note(self, name: str, *arguments: object) -> None:
        self.calls.append(name)
        if name in self.hooks:
            self.hooks[name](self, *arguments)


def echo(protocol: Datagrams, datagram: bytes, addr: Any) -> None:
    """A `received` hook."""
    protocol.transport.write(datagram, addr)


def at_least(items: Sequence[Any], count: int) -> Callable[[], bool]:
    """A condition: there are so many."""
    return lambda: len(items) >= count


class UDPNet(BaseNet):
    """Ports, plain sockets and waiting, for one reactor. `close` ends all it made."""

    def listen(self, protocol: Any = None, interface: str = LOOPBACK, **options: Any) -> Any:
        """A port that the system chose."""
        protocol = Datagrams() if protocol is None else protocol
        return self.keep(self.reactor.listenUDP(0, protocol, interface, **options))

    def new_socket(self, host: str = LOOPBACK, port: int = 0) -> socket.socket:
        """A plain socket on that address."""
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        self.sockets.append(socket.socket(family, socket.SOCK_DGRAM))
        self.sockets[-1].bind((host, port))
        self.sockets[-1].setblocking(False)
        return self.sockets[-1]

    def peer(self, port: Any) -> socket.socket:
        """A plain socket that is connected to a port."""
        host = port.getHost()
        peer = self.new_socket(host.host)
        peer.connect((host.host, host.port))
        return peer

    def pair(self, protocol: Any = None, interface: str = LOOPBACK) -> tuple[Any, socket.socket]:
        """A protocol that the reactor serves, and a socket connected to its port."""
        port = self.listen(protocol, interface)
        return port.protocol, self.peer(port)

    def is_quiet(self, sock: socket.socket) -> bool:
        """Whether nothing more comes to a socket in some turns."""
        self.turn()
        try:
            sock.recv(1)
        except BlockingIOError:
            return True
        return False


class UDPContractBase(ContractBase):
    """A ContractBase with a UDPNet."""

    @pytest.fixture
    def net(self, reactor: Any) -> Iterator[UDPNet]:
        """Ports and sockets on the reactor of the test."""
        net = UDPNet(self, reactor)
        yield net
        net.close()
