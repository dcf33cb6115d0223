"""What can go wrong with a hand-shake by the peer's fault, and what it costs others: nothing.

Each fault has an error of its own kind.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from datetime import datetime, timezone
from pathlib import Path
from typing import Any

import pytest

from reactorlib import error
from reactorlib.ssl import ClientContextFactory, optionsForClientTLS
from reactorlib.testing.certificates import Authority
from reactorlib.testing.contract.tcp_peers import (
    LOOPBACK,
    Recorder,
    RecordingFactory,
    echo,
    reset,
)
from reactorlib.testing.contract.tls_peers import NAME, Settings, TLSContractBase, TLSNet
from reactorlib.testing.tlspeer import TLSPeer

PAST = datetime(2001, 1, 1, tzinfo=timezone.utc)
HANDSHAKE = b"\x16"  # the first byte of its records
FLOOD = 200


class PeerFaultsContract(TLSContractBase):
    """A hand-shake that fails."""

    # It speaks something else

    @pytest.mark.parametrize(
        "data", [b"GET / HTTP/1.0\r\n\r\n", b"\0" * 100, b"\x16\x03\x01\0\x05hello"]
    )
    def test_a_peer_that_speaks_plain_text(self, net: TLSNet, data: bytes) -> None:
        protocol, peer = net.plain_pair()
        peer.sendall(data)
        net.until_lost(protocol)
        assert protocol.reason.type is error.NotTLSError
        assert protocol.calls == ["made", "lost"]
        assert net.read_all(peer)[:1] in (b"\x15", b"")  # an alert
        self.check_alive(net, net.ports[-1])

    def test_a_server_that_speaks_plain_text(self, net: TLSNet) -> None:
        listener = net.listener()
        factory = RecordingFactory()
        connector = net.connect(listener, factory)
        net.turn_until(lambda: factory.protocols)
        peer, _ = listener.accept()
        net.sockets.append(peer)
        peer.sendall(b"220 mail.example ESMTP\r\n")
        net.until_lost(factory.protocols[0])
        assert factory.protocols[0].reason.type is error.NotTLSError
        assert factory.calls == ["start", "started", "building", "lost", "stop"]
        assert factory.reasons == [factory.protocols[0].reason]
        assert connector.state == "disconnected"

    # It does not finish

    @pytest.mark.parametrize("end", [socket.socket.close, reset])
    @pytest.mark.parametrize("size", [0, 3, 50, None])
    def test_half_a_handshake(
        self, net: TLSNet, size: int | None, end: Callable[[socket.socket], object]
    ) -> None:
        """Of None: all of its first words, and none after the answer."""
        protocol, plain = net.plain_pair()
        plain.sendall(self.hello(net, plain)[:size])
        if size is None:
            assert net.read(plain, 1)[:1] == HANDSHAKE
        net.turn()
        end(plain)
        net.until_lost(protocol)
        expected = error.ConnectionLost if end is reset else error.HandshakeCutError
        assert protocol.reason.type is expected
        assert protocol.calls == ["made", "lost"]
        assert net.reactor.getDelayedCalls() == []
        self.check_alive(net, net.ports[-1])

    def hello(self, net: TLSNet, plain: socket.socket) -> bytes:
        """A client's first words."""
        peer = TLSPeer(plain, net.client.getContext(), NAME)
        with contextlib.suppress(ssl.SSLWantReadError):
            peer.tls.do_handshake()
        words: bytes = peer._outgoing.read()
        return words

    @pytest.mark.parametrize("answer", [b"", b"\x16\x03\x03"])
    def test_a_server_that_ends_in_it(self, net: TLSNet, answer: bytes) -> None:
        factory, peer = self.silent_server(net, net.client)
        peer.sendall(answer)
        net.read(peer, 1)
        peer.close()
        net.until_lost(*factory.protocols)
        assert factory.protocols[0].reason.type is error.HandshakeCutError
        assert factory.calls == ["start", "started", "building", "lost", "stop"]

    def silent_server(self, net: TLSNet, client: Any) -> tuple[RecordingFactory, socket.socket]:
        """A client's factory, and the connection at a server that speaks no TLS."""
        listener, factory = net.listener(), RecordingFactory()
        net.connect(listener, factory, client)
        net.turn_until(lambda: factory.protocols and factory.protocols[0].connected)
        peer, _ = listener.accept()
        net.sockets.append(peer)
        return factory, peer

    @pytest.mark.parametrize("waiting", [b"", b"unsent"])
    def test_a_handshake_that_never_ends(self, net: TLSNet, waiting: bytes) -> None:
        port = net.listen(contextFactory=net.settings.server(handshakeTimeout=0.01))
        protocol, peer = net.accepted(port, net.dial_plain(port))
        protocol.transport.write(waiting)
        if waiting:
            protocol.transport.loseConnection()
        net.until_lost(protocol)
        assert protocol.reason.type is error.HandshakeTimeoutError
        assert "0.01 seconds" in protocol.reason.getErrorMessage()
        assert net.is_reset(peer)

    def test_a_server_that_never_answers(self, net: TLSNet) -> None:
        client = net.settings.client(handshakeTimeout=0.01)
        factory, peer = self.silent_server(net, client)
        net.until_lost(*factory.protocols)
        assert factory.protocols[0].reason.type is error.HandshakeTimeoutError
        assert factory.reasons == [factory.protocols[0].reason]
        assert net.is_reset(peer)

    def test_a_handshake_that_began_late_and_never_ends(self, net: TLSNet) -> None:
        begin = net.settings.server(handshakeTimeout=0.01)
        factory = RecordingFactory(
            lambda: Recorder(data=lambda it, _: it.transport.startTLS(begin))
        )
        net.ports.append(net.reactor.listenTCP(0, factory, interface=LOOPBACK))
        peer = net.dial_plain(net.ports[-1])
        peer.sendall(b"STARTTLS\n")
        net.turn_until(lambda: factory.protocols)
        net.until_lost(*factory.protocols)
        assert factory.protocols[0].reason.type is error.HandshakeTimeoutError
        assert net.is_reset(peer)

    def test_the_time_allowed(self, net: TLSNet) -> None:
        net.plain_pair()
        begun = net.reactor.seconds()
        (call,) = net.reactor.getDelayedCalls()
        assert 29 < call.getTime() - begun <= 30
        net.ports[-1].factory.protocols[0].transport.abortConnection()
        port = net.listen(contextFactory=net.settings.server(handshakeTimeout=None))
        protocol, _ = net.accepted(port, net.dial_plain(port))
        net.turn()
        assert net.reactor.getDelayedCalls() == []
        assert protocol.calls == ["made"]

    def test_the_time_goes_on_while_bytes_drip(self, net: TLSNet) -> None:
        protocol, peer = net.plain_pair()
        (call,) = net.reactor.getDelayedCalls()
        due = call.getTime()
        for byte in self.hello(net, peer)[:20]:
            peer.send(bytes([byte]))
            net.turn(1)
        assert net.reactor.getDelayedCalls() == [call]
        assert call.getTime() == due
        protocol.transport.abortConnection()

    def test_a_flood_of_halves_is_cut_while_others_are_served(self, net: TLSNet) -> None:
        port = net.listen(lambda: Recorder(data=echo))
        served = net.dial(port)
        flood = [net.dial_plain(port) for _ in range(FLOOD)]
        hello = self.hello(net, flood[0])
        for number, peer in enumerate(flood):
            peer.sendall(hello[: (0, 1, 100)[number % 3]])
        net.turn_until(lambda: len(port.factory.protocols) == 1 + FLOOD)
        halves = port.factory.protocols[1:]
        assert net.ask(served, b"still served") == b"still served"
        assert net.ask(net.dial(port), b"so is who comes") == b"so is who comes"
        assert not any(half.reason for half in halves)
        assert len(net.reactor.getDelayedCalls()) == FLOOD
        for call in net.reactor.getDelayedCalls():
            call.reset(0)  # the time is over
        net.until_lost(*halves)
        assert {half.reason.type for half in halves} == {error.HandshakeTimeoutError}
        assert all(net.is_reset(peer) for peer in flood)
        assert net.reactor.getDelayedCalls() == []
        assert net.ask(served, b"still served") == b"still served"

    # It is not who it should be

    def test_an_unknown_authority(self, net: TLSNet, strangers: Settings) -> None:
        ours, theirs = self.ends(net, strangers.server(), net.client)
        net.until_lost(ours, theirs)
        assert theirs.reason.check(error.PeerVerifyError)
        assert "unable to get local issuer" in theirs.reason.getErrorMessage()
        assert ours.reason.check(error.CertificateError)
        assert "unknown ca" in ours.reason.getErrorMessage()
        assert theirs.received == b""
        net.dial(net.ports[-1], strangers.client().getContext())

    @pytest.fixture
    def strangers(self, tmp_path: Path) -> Settings:
        """Those of an authority that the others do not know."""
        return Settings(Authority(tmp_path))

    def test_another_name(self, net: TLSNet) -> None:
        client = net.settings.client("other.example")
        ours, theirs = self.ends(net, net.server, client)
        net.until_lost(ours, theirs)
        assert theirs.reason.check(error.PeerVerifyError)
        assert "not valid for 'other.example'" in theirs.reason.getErrorMessage()
        assert ours.reason.check(error.CertificateError)
        self.check_alive(net, net.ports[-1])

    def test_the_name_is_the_host_unless_there_is_another(self, net: TLSNet) -> None:
        _, theirs = self.ends(net, net.server, net.settings.client(None))
        assert theirs.received == b"hello"

    def test_an_expired_certificate(self, net: TLSNet) -> None:
        server = net.settings.server(net.settings.authority.issue(NAME, not_after=PAST))
        ours, theirs = self.ends(net, server, net.client)
        net.until_lost(ours, theirs)
        assert theirs.reason.type is error.CertificateExpiredError
        assert ours.reason.check(error.CertificateError)
        assert "expired" in ours.reason.getErrorMessage()
        assert theirs.received == b""
        patient = net.settings.client().getContext()
        patient.check_hostname, patient.verify_mode = False, ssl.CERT_NONE
        net.dial(net.ports[-1], patient)

    def test_the_system_is_asked_whom_to_trust(self, net: TLSNet) -> None:
        """A client that was told nothing verifies."""
        for default in (ClientContextFactory(NAME), optionsForClientTLS(NAME)):
            ours, theirs = self.ends(net, net.server, default)
            net.until_lost(ours, theirs)
            assert theirs.reason.check(error.PeerVerifyError)
            assert theirs.received == b""

    @pytest.mark.parametrize(
        ("of_strangers", "not_after", "kind"),
        [(True, None, error.PeerVerifyError), (False, PAST, error.CertificateExpiredError)],
    )
    def test_a_clients_certificate_that_is_not_accepted(
        self, net: TLSNet, strangers: Settings, of_strangers: bool, not_after: Any, kind: Any
    ) -> None:
        authority = (strangers if of_strangers else net.settings).authority
        own = authority.issue("client.example", not_after=not_after)
        server = net.settings.server(trustRoot=net.settings.authority.root)
        ours, theirs = self.ends(net, server, net.settings.client(clientCertificate=own))
        net.until_lost(ours, theirs)
        assert ours.reason.type is kind
        assert ours.received == b""
        assert theirs.reason.check(error.CertificateError)
        good = net.settings.authority.issue("client.example")
        client = Recorder(made=lambda it: it.transport.write(b"good"))
        shows = net.settings.client(clientCertificate=good)
        net.connect(net.ports[-1], RecordingFactory(lambda: client), shows)
        net.turn_until(lambda: client.received == b"good")

    def test_nothing_in_common(self, net: TLSNet) -> None:
        old, new = net.settings.client().getContext(), net.settings.server().getContext()
        old.maximum_version = ssl.TLSVersion.TLSv1_2
        new.maximum_version = new.minimum_version = ssl.TLSVersion.TLSv1_3
        ours, theirs = self.ends(net, new, old)
        net.until_lost(ours, theirs)
        assert [each.reason.type for each in (ours, theirs)] == [error.SSLError] * 2
        assert "unsupported protocol" in ours.reason.getErrorMessage()
        assert "protocol version" in theirs.reason.getErrorMessage()

    def test_a_server_without_a_certificate(self, net: TLSNet) -> None:
        ours, theirs = self.ends(net, ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), net.client)
        net.until_lost(ours, theirs)
        assert "no certificate" in ours.reason.getErrorMessage()
