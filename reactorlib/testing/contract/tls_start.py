"""startTLS in the middle of a stream, on either side."""

from __future__ import annotations

import contextlib
import socket
import ssl
from typing import Any

import pytest

from reactorlib import error
from reactorlib.congestion import BACKLOG_MESSAGES, CONNECTION_BACKLOG
from reactorlib.testing.contract.tcp_peers import (
    LOOPBACK,
    MEGABYTE,
    MUCH,
    HalfCloser,
    Producer,
    Recorder,
    RecordingFactory,
    echo,
)
from reactorlib.testing.contract.tls_peers import NAME, TLSContractBase, TLSNet
from reactorlib.testing.tlspeer import TLSPeer


class StartTLSContract(TLSContractBase):
    """startTLS in the middle of a stream."""

    def plain(self, net: TLSNet, build: Any = Recorder) -> tuple[Any, socket.socket]:
        """A protocol on a plain connection, and its peer."""
        factory = RecordingFactory(build)
        net.ports.append(net.reactor.listenTCP(0, factory, interface=LOOPBACK))
        return net.accepted(net.ports[-1], net.dial_plain(net.ports[-1]))

    def wrap(self, net: TLSNet, plain: socket.socket) -> Any:
        """The peer's end of it from now on."""
        context = net.client.getContext()
        peer = TLSPeer(plain, context, NAME)
        net.peers.append(peer)
        return peer

    def test_a_server_changes_over(self, net: TLSNet) -> None:
        def change(protocol: Recorder, data: bytes) -> None:
            if not protocol.transport.TLS:
                protocol.transport.write(b"go ahead\n")
                protocol.transport.startTLS(net.server)
                protocol.transport.write(b"welcome")
            else:
                echo(protocol, data)

        protocol, plain = self.plain(net, lambda: Recorder(data=change))
        transport = protocol.transport
        plain.sendall(b"STARTTLS\n")
        assert net.read(plain, 9) == b"go ahead\n"
        peer = self.wrap(net, plain)
        net.shake(peer)
        assert net.read(peer, 7) == b"welcome"
        assert net.ask(peer, b"x" * MEGABYTE) == b"x" * MEGABYTE
        assert protocol.transport is transport
        assert protocol.calls[:2] == ["made", "data"]

    @pytest.mark.parametrize("normal", [True, False])
    def test_both_sides_change_over(self, net: TLSNet, normal: bool) -> None:
        """Which one is the client is for them to say. Its first words may come too early."""
        contexts = [net.server, net.client]

        def change(protocol: Recorder, data: bytes) -> None:
            if not protocol.transport.TLS:
                connects = protocol in connected.protocols
                if not connects:
                    protocol.transport.write(b"now")
                protocol.transport.hold(data[3:])
                protocol.transport.startTLS(contexts[connects is normal], normal)
                protocol.transport.write(b"secret")

        accepted = RecordingFactory(lambda: Recorder(data=change))
        net.ports.append(net.reactor.listenTCP(0, accepted, interface=LOOPBACK))
        connected = RecordingFactory(lambda: Recorder(data=change))
        net.factories.append(connected)
        net.reactor.connectTCP(LOOPBACK, net.ports[-1].getHost().port, connected)
        net.turn_until(lambda: accepted.protocols and connected.protocols)
        ours, theirs = accepted.protocols[0], connected.protocols[0]
        theirs.transport.write(b"now")
        net.turn_until(lambda: ours.received.endswith(b"secret"))
        net.turn_until(lambda: theirs.received.endswith(b"secret"))
        client = theirs if normal else ours
        assert client.transport.getPeerCertificate().details

    def test_what_was_held_is_the_peers_handshake(self, net: TLSNet) -> None:
        protocol, plain = self.plain(net)
        protocol.transport.pauseProducing()
        peer = self.wrap(net, plain)
        with contextlib.suppress(ssl.SSLWantReadError):
            peer.tls.do_handshake()
        protocol.transport.hold(peer._outgoing.read())
        protocol.transport.startTLS(net.server)
        net.shake(peer)
        peer.send(b"hello")
        peer.announce()
        net.turn()
        assert protocol.calls == ["made"]
        protocol.transport.resumeProducing()
        net.until_lost(protocol)
        assert protocol.calls == ["made", "data", "lost"]

    def test_plain_text_that_was_held_is_not_taken_for_a_secret(self, net: TLSNet) -> None:
        """A man in the middle can put commands behind STARTTLS."""
        protocol, _plain = self.plain(net)
        protocol.transport.pauseProducing()
        protocol.transport.hold(b"injected\n")
        protocol.transport.startTLS(net.server)
        protocol.transport.resumeProducing()
        net.until_lost(protocol)
        assert protocol.reason.type is error.NotTLSError
        assert protocol.calls == ["made", "lost"]

    def test_what_was_set_before_holds_after(self, net: TLSNet) -> None:
        protocol, plain = self.plain(net, HalfCloser)
        transport, producer = protocol.transport, Producer()
        seen: list[tuple[int, int]] = []
        transport.setWriteBufferLimits(high=1000, low=500)
        transport.monitorCongestion(lambda *args: seen.append(args))
        transport.registerProducer(producer, True)
        for _ in range(10):
            transport.write(b"plain")
        transport.startTLS(net.server)
        peer = self.wrap(net, plain)
        assert net.read(plain, 50) == b"plain" * 10
        net.shake(peer)
        for _ in range(BACKLOG_MESSAGES):
            transport.write(b"1234")
        assert producer.calls == ["pause"]
        assert seen == [(CONNECTION_BACKLOG, BACKLOG_MESSAGES)]
        assert net.read(peer, 4 * BACKLOG_MESSAGES) == b"1234" * BACKLOG_MESSAGES
        assert seen[1:] == [(CONNECTION_BACKLOG, 0)]
        assert producer.calls == ["pause", "resume"]
        transport.unregisterProducer()
        peer.shutdown(socket.SHUT_WR)
        net.until_called(protocol, "read_lost")
        transport.write(b"answer")
        transport.loseConnection()
        assert net.read_all(peer) == b"answer"

    @pytest.mark.parametrize("secret", [b"", b"secret"])
    def test_a_producer_that_is_paused_goes_on_after_it(self, net: TLSNet, secret: bytes) -> None:
        protocol, plain = self.plain(net)
        producer = Producer()
        protocol.transport.registerProducer(producer, True)
        protocol.transport.write(MUCH)
        protocol.transport.startTLS(net.server)
        protocol.transport.write(secret)
        assert producer.calls == ["pause"]
        left = len(MUCH)
        while left:
            left -= len(next(net.pieces(plain)))
        peer = self.wrap(net, plain)
        net.shake(peer)
        assert not secret or net.read(peer, 6) == secret
        net.turn()
        assert producer.calls == ["pause", "resume"]

    def test_what_was_gathered_leaves_before_it(self, net: TLSNet) -> None:
        class Gatherer:
            gathered = b""

            def flush_gathered(self) -> None:
                gathered, self.gathered = self.gathered, b""
                if gathered:
                    protocol.transport.write(gathered)

            def stop_gathering(self) -> None: ...

        protocol, plain = self.plain(net)
        gatherer = Gatherer()
        assert protocol.transport.cork(gatherer)
        gatherer.gathered = b"plain"
        protocol.transport.startTLS(net.server)
        assert protocol.transport.cork(gatherer)
        gatherer.gathered = b"secret"
        protocol.transport.uncork()
        assert net.read(plain, 5) == b"plain"
        peer = self.wrap(net, plain)
        net.shake(peer)
        assert net.read(peer, 6) == b"secret"

    def test_once_is_enough(self, net: TLSNet) -> None:
        protocol, _ = net.pair()
        with pytest.raises(RuntimeError, match="speaks TLS already"):
            protocol.transport.startTLS(net.server)

    def test_after_the_end_it_does_nothing(self, net: TLSNet) -> None:
        protocol, plain = self.plain(net)
        protocol.transport.loseConnection()
        protocol.transport.startTLS(net.server)
        plain.close()
        net.until_lost(protocol)
        protocol.transport.startTLS(net.server)
        assert not protocol.transport.TLS

    def test_when_either_side_has_ended_there_is_no_handshake_to_wait_for(
        self, net: TLSNet
    ) -> None:
        protocol, plain = self.plain(net, HalfCloser)
        plain.shutdown(socket.SHUT_WR)
        net.until_called(protocol, "read_lost")
        protocol.transport.startTLS(net.server)
        protocol.transport.write(b"never sent")
        assert protocol.calls == ["made", "read_lost"]
        ended, _ = self.plain(net, HalfCloser)
        ended.transport.loseWriteConnection()
        ended.transport.startTLS(net.server)
        net.until_lost(protocol, ended)
        assert [each.reason.type for each in (protocol, ended)] == [error.HandshakeCutError] * 2

    def test_a_wrong_context_leaves_the_connection_as_it_is(self, net: TLSNet) -> None:
        protocol, plain = self.plain(net, lambda: Recorder(data=echo))
        for wrong, kind in ((None, TypeError), (net.client, error.SSLError)):
            with pytest.raises(kind):
                protocol.transport.startTLS(wrong)
        with pytest.raises(ValueError, match="hostname"):
            protocol.transport.startTLS(net.settings.client(None), False)
        assert not protocol.transport.TLS
        assert net.ask(plain, b"still plain") == b"still plain"

    def test_the_name_is_that_of_the_connector(self, net: TLSNet) -> None:
        factory = RecordingFactory(
            lambda: Recorder(made=lambda it: it.transport.startTLS(net.settings.client(None)))
        )
        net.factories.append(factory)
        port = net.listen()
        net.reactor.connectTCP(LOOPBACK, port.getHost().port, factory)
        net.turn_until(lambda: factory.protocols and factory.protocols[0].connected)
        protocol = factory.protocols[0]
        net.turn_until(lambda: protocol.transport.getPeerCertificate())
        assert protocol.transport.getPeerCertificate().details
