"""What the contracts of UNIX sockets stand on: names in a folder of their own, plain sockets."""

from __future__ import annotations

import itertools
import socket
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reactorlib.protocol import ClientFactory, Factory
from reactorlib.testing.contract.tcp_peers import Net, Recorder, TCPContractBase, factory_of
from reactorlib.testing.contract.transport_networks import TCPNetwork
from reactorlib.testing.leaks import LoggedErrors


class UNIXNet(Net):
    """Ports, peers and waiting, for one reactor; all names are in `folder`."""

    def __init__(self, contract: Any, reactor: Any, folder: str) -> None:
        super().__init__(contract, reactor)
        self.folder = Path(folder)
        self._numbers = itertools.count()

    def name(self) -> str:
        """A new one."""
        return str(self.folder / f"socket{next(self._numbers)}")

    def listen(  # type: ignore[override]
        self, build: Any = Recorder, name: str | bytes = "", **options: Any
    ) -> Any:
        """A port; `build` makes protocols, or is a factory."""
        factory = factory_of(build)
        return self.keep(self.reactor.listenUNIX(name or self.name(), factory, **options))

    def new_socket(self, kind: int = socket.SOCK_STREAM) -> socket.socket:
        self.sockets.append(socket.socket(socket.AF_UNIX, kind))
        self.sockets[-1].settimeout(10)
        return self.sockets[-1]

    def listener(  # type: ignore[override]
        self, name: str | bytes = "", backlog: int = 5
    ) -> socket.socket:
        """A plain listening socket."""
        listener = self.new_socket()
        listener.bind(name or self.name())
        listener.listen(backlog)
        return listener

    def dial(self, port: Any) -> socket.socket:
        """A connected peer; the port need not have accepted it yet."""
        peer = self.new_socket()
        peer.connect(port.getHost().name)
        return peer

    def pair(  # type: ignore[override]
        self, build: Any = Recorder, **options: Any
    ) -> tuple[Any, socket.socket]:
        """A protocol that the reactor serves, and its peer."""
        port = self.listen(build, **options)
        return self.accepted(port, self.dial(port))

    def connect(self, port: Any, factory: Any, **options: Any) -> Any:
        """A connector to a port, a plain listener, or a name."""
        if isinstance(port, socket.socket):
            port = port.getsockname()
        name = port if isinstance(port, str | bytes) else port.getHost().name
        return self.reactor.connectUNIX(name, factory, **options)

    # Datagrams

    def bound(self, name: str | bytes = "") -> socket.socket:
        """A plain datagram socket with a name."""
        sock = self.new_socket(socket.SOCK_DGRAM)
        sock.bind(name or self.name())
        sock.setblocking(False)
        return sock


class UNIXContractBase(TCPContractBase):
    """A ContractBase with a UNIXNet."""

    @pytest.fixture
    def net(self, reactor: Any) -> Iterator[UNIXNet]:
        """Ports and peers on the reactor of the test."""
        with tempfile.TemporaryDirectory(prefix="reactorlib") as folder:
            net = UNIXNet(self, reactor, folder)
            yield net
            net.close()


class UNIXNetwork(TCPNetwork):
    """The same over UNIX sockets."""

    def __init__(self, reactor: Any, logged_errors: LoggedErrors, folder: str) -> None:
        super().__init__(reactor, logged_errors)
        self._names = (f"{folder}/socket{number}" for number in itertools.count())

    def connect(self) -> None:
        ours, theirs = self.ours, self.theirs
        name = next(self._names)
        factory = Factory.forProtocol(lambda: ours)
        self._ports.append(self.reactor.listenUNIX(name, factory))
        self.reactor.connectUNIX(name, ClientFactory.forProtocol(lambda: theirs))
        self.until(lambda: ours.connected and theirs.connected)


Names = Callable[[UNIXNet], Any]
NAMES: dict[str, Names] = {
    "path": lambda net: net.name(),
    "bytes": lambda net: net.name().encode(),
    "abstract": lambda net: "\0" + net.name(),
}
every_kind_of_name = pytest.mark.parametrize("make_name", NAMES.values(), ids=NAMES)
