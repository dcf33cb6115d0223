"""What the TLS contracts stand on: an authority, settings, and a Net whose peers speak TLS."""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Iterator
from time import monotonic
from typing import Any

import pytest

from reactorlib.protocol import ClientFactory, Factory
from reactorlib.ssl import CertificateOptions, ClientContextFactory
from reactorlib.testing.certificates import Authority
from reactorlib.testing.contract.base import ContractBase, LoggedErrors
from reactorlib.testing.contract.tcp_peers import (
    LOOPBACK,
    Net,
    Recorder,
    RecordingFactory,
    TCPContractBase,
    echo,
    factory_of,
)
from reactorlib.testing.contract.transport_networks import TCPNetwork
from reactorlib.testing.tlspeer import TLSPeer

NAME = "server.example"


class Settings:
    """An authority, what it has signed for a server, and what its clients need.

    `newest` is the version of TLS that both sides speak, if they can.
    """

    def __init__(
        self, authority: Authority, newest: ssl.TLSVersion = ssl.TLSVersion.TLSv1_3
    ) -> None:
        self.authority = authority
        self._newest = newest
        self.own = authority.issue(NAME, LOOPBACK, "::1")

    def server(self, own: Any = None, **options: Any) -> CertificateOptions:
        own = own or self.own
        made = CertificateOptions(own.privateKey, own.certificate, **options)
        made.getContext().maximum_version = self._newest
        return made

    def client(self, hostname: str | None = NAME, **options: Any) -> ClientContextFactory:
        made = ClientContextFactory(hostname, self.authority.root, **options)
        made.getContext().maximum_version = self._newest
        return made


class TLSNet(Net):
    """Ports that begin with TLS, and peers that do; all else is as on a Net."""

    def __init__(self, contract: ContractBase, reactor: Any, settings: Settings) -> None:
        super().__init__(contract, reactor)
        self.settings = settings
        self.server = settings.server()
        self.client = settings.client()
        self.peers: list[TLSPeer] = []
        self.factories: list[Any] = []

    def turn(self, times: int = 3) -> None:
        for peer in self.peers:
            with contextlib.suppress(OSError):
                peer.flush()
        super().turn(times)

    def listen(
        self,
        build: Any = Recorder,
        interface: str = LOOPBACK,
        contextFactory: Any = None,
        **options: Any,
    ) -> Any:
        factory = factory_of(build)
        context = contextFactory or self.server
        return self.keep(
            self.reactor.listenSSL(0, factory, context, interface=interface, **options)
        )

    def dial(self, port: Any, context: ssl.SSLContext | None = None) -> Any:
        """A peer; the hand-shake is done on both sides."""
        peer = TLSPeer(self.dial_plain(port), context or self.client.getContext(), NAME)
        self.peers.append(peer)
        self.shake(peer)
        return peer

    def shake(self, peer: TLSPeer) -> None:
        """Do the hand-shake with a peer."""
        peer.shake(lambda: self.turn(1))
        self.turn()
        peer.drain()

    def dial_plain(self, port: Any) -> socket.socket:
        """A peer that has not begun TLS."""
        return super().dial(port)

    def pair(self, build: Any = Recorder, interface: str = LOOPBACK) -> tuple[Any, Any]:
        port = self.listen(build, interface)
        peer = self.dial(port)
        return port.factory.protocols[-1], peer

    def pieces(self, peer: Any, data: bytes = b"") -> Iterator[bytes]:
        """A part of a record can be read, and is nothing yet."""
        until = monotonic() + self._contract.patience
        peer.setblocking(False)
        rest = memoryview(data)
        while True:
            self.turn(1)
            if monotonic() > until:
                pytest.fail("nothing came to the peer")
            with contextlib.suppress(BlockingIOError):
                if rest:
                    rest = rest[peer.send(rest) :]
            with contextlib.suppress(BlockingIOError):
                piece = peer.recv(1 << 16)
                if not piece:
                    return
                yield piece

    def plain_pair(self, build: Any = Recorder) -> tuple[Any, socket.socket]:
        """A protocol that waits for TLS, and its peer that has not begun it."""
        port = self.listen(build)
        return self.accepted(port, self.dial_plain(port))

    def connect(self, port: Any, factory: Any, contextFactory: Any = None, **options: Any) -> Any:
        """A connector to a port, or to a plain listener."""
        host = port.getsockname() if isinstance(port, socket.socket) else port.getHost()
        address = (host.host, host.port) if hasattr(host, "host") else host[:2]
        context = contextFactory or self.client
        self.factories.append(factory)
        return self.reactor.connectSSL(*address, factory, context, **options)

    def close(self) -> None:
        for protocol in (each for factory in self.factories for each in factory.protocols):
            protocol.hooks.clear()
            if protocol.connected:
                protocol.transport.abortConnection()
        super().close()


class TLSNetwork(TCPNetwork):
    """Real connections over TLS, both ends of them on one reactor."""

    def __init__(self, reactor: Any, logged_errors: LoggedErrors, settings: Settings) -> None:
        super().__init__(reactor, logged_errors)
        self._server, self._client = settings.server(), settings.client()

    def connect(self) -> None:
        ours, theirs = self.ours, self.theirs
        factory, client = (
            Factory.forProtocol(lambda: ours),
            ClientFactory.forProtocol(lambda: theirs),
        )
        port = self.reactor.listenSSL(0, factory, self._server, interface=LOOPBACK)
        self._ports.append(port)
        self.reactor.connectSSL(LOOPBACK, port.getHost().port, client, self._client)
        self.until(lambda: ours.connected and theirs.connected)


AUTHORITY = pytest.StashKey[Authority]()


class TLSContractBase(TCPContractBase):
    """A ContractBase with a TLSNet."""

    newest = ssl.TLSVersion.TLSv1_3

    @pytest.fixture
    def settings(
        self, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
    ) -> Settings:
        """What all tests of a run take their certificates from."""
        stash = request.config.stash
        if AUTHORITY not in stash:
            stash[AUTHORITY] = Authority(tmp_path_factory.mktemp("authority"))
        return Settings(stash[AUTHORITY], self.newest)

    @pytest.fixture
    def net(self, reactor: Any, settings: Settings) -> Iterator[TLSNet]:
        """Ports and peers on the reactor of the test."""
        net = TLSNet(self, reactor, settings)
        yield net
        net.close()

    def ends(self, net: TLSNet, server: Any, client: Any, **options: Any) -> tuple[Any, Any]:
        """A Recorder for each side of a connection made with these context factories."""
        port = net.listen(lambda: Recorder(data=echo), contextFactory=server)
        theirs = Recorder(made=lambda it: it.transport.write(b"hello"))
        net.connect(port, RecordingFactory(lambda: theirs), client, **options)
        net.turn_until(lambda: theirs.received or theirs.reason)
        net.turn_until(lambda: port.factory.protocols)
        return port.factory.protocols[0], theirs

    def check_alive(self, net: TLSNet, port: Any) -> None:
        """The port still serves."""
        port.factory.protocol = lambda: Recorder(data=echo)
        assert net.ask(net.dial(port), b"alive") == b"alive"
