"""A connection over TLS: how it ends, what a pause does, turns within turns."""

from __future__ import annotations

import contextlib
import socket
import ssl

import pytest

from reactorlib import error
from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_peers import (
    MEGABYTE,
    MUCH,
    Fault,
    HalfCloser,
    Producer,
    Recorder,
    await_input,
    raises,
    reset,
)
from reactorlib.testing.contract.tls_peers import TLSContractBase, TLSNet
from reactorlib.testing.tlspeer import TLSPeer


def fill(peer: TLSPeer) -> int:
    """Send until nothing more leaves; how much that was."""
    sent = 0
    with contextlib.suppress(BlockingIOError):
        while True:
            sent += peer.send(MUCH)
    return sent


class EndingsContract(TLSContractBase):
    """Clean ends and others; pauses; a reactor that stops."""

    def test_a_cut_is_not_an_end(self, net: TLSNet) -> None:
        protocol, peer = net.pair()
        peer.send(b"all but the en")
        peer.cut()
        net.until_lost(protocol)
        assert protocol.received == b"all but the en"
        assert protocol.reason.type is error.ConnectionTruncated

    def test_a_half_closer_is_not_told_that_a_cut_is_an_end(self, net: TLSNet) -> None:
        protocol, peer = net.pair(HalfCloser)
        peer.raw.shutdown(socket.SHUT_WR)
        net.until_lost(protocol)
        assert protocol.calls == ["made", "lost"]
        assert protocol.reason.type is error.ConnectionTruncated

    def test_who_is_leaving_does_not_mind_a_cut(self, net: TLSNet) -> None:
        protocol, peer = net.pair()
        protocol.transport.registerProducer(Producer(), True)
        protocol.transport.loseConnection()
        peer.cut()
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionDone)

    def test_our_own_end_is_announced(self, net: TLSNet) -> None:
        for how in ("loseConnection", "loseWriteConnection"):
            protocol, peer = net.pair()
            getattr(protocol.transport, how)()
            assert net.read_all(peer) == b""  # or Cut

    def test_a_peer_that_ends_and_does_not_wait(self, net: TLSNet) -> None:
        """It leaves what it was sent unread, so that its close is a reset."""
        protocol, peer = net.pair()
        protocol.transport.write(b"unread")
        net.turn()
        peer.close()
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionDone)

    def test_a_reset_is_no_clean_end(self, net: TLSNet) -> None:
        protocol, peer = net.pair()
        reset(peer)
        net.until_lost(protocol)
        assert protocol.reason.type is error.ConnectionLost
        assert "ECONNRESET" in protocol.reason.getErrorMessage()

    @pytest.mark.parametrize("blocked", [False, True])
    def test_what_was_tampered_with(self, net: TLSNet, blocked: bool) -> None:
        protocol, peer = net.pair()
        if blocked:
            protocol.transport.write(MUCH)
        peer.send(b"good")
        peer.raw.send(b"\x17\x03\x03\0\x20" + b"?" * 32)
        net.until_lost(protocol)
        assert protocol.received == b"good"
        assert protocol.reason.type is error.SSLError
        assert "mac" in protocol.reason.getErrorMessage()
        if blocked:
            with pytest.raises(ConnectionResetError):
                net.read_all(peer)
        else:
            with pytest.raises(ssl.SSLError, match="alert"):
                net.read_all(peer)

    def test_what_comes_after_the_end_is_nothing(self, net: TLSNet) -> None:
        protocol, peer = net.pair(HalfCloser)
        peer.send(b"last")
        peer.announce()
        peer.raw.send(b"anything\n")
        net.until_called(protocol, "read_lost")
        net.turn()
        peer.raw.send(b"anything\n")
        net.turn()
        protocol.transport.write(b"answer")
        protocol.transport.loseWriteConnection()
        assert net.read_all(peer) == b"answer"
        net.until_lost(protocol)
        assert protocol.calls == ["made", "data", "read_lost", "write_lost", "lost"]

    # The hand-shake as a part of the stream

    def test_what_is_written_first_waits_for_it(self, net: TLSNet) -> None:
        def greet(protocol: Recorder) -> None:
            protocol.transport.write(MUCH)
            assert protocol.transport.bufferedBytes == len(MUCH)
            protocol.transport.loseConnection()
            protocol.transport.write(b"dropped")

        port = net.listen(lambda: Recorder(made=greet))
        assert net.read_all(net.dial(port)) == MUCH
        net.until_lost(port.factory.protocols[0])
        assert port.factory.protocols[0].reason.check(error.ConnectionDone)

    def test_the_end_of_writing_waits_for_it(self, net: TLSNet) -> None:
        port = net.listen(lambda: HalfCloser(made=lambda it: it.transport.loseWriteConnection()))
        peer = net.dial(port)
        assert net.read_all(peer) == b""
        peer.send(b"question")
        net.turn_until(lambda: port.factory.protocols[0].received == b"question")

    def test_without_anything_to_say_nobody_waits(self, net: TLSNet) -> None:
        protocol, plain = net.plain_pair(
            lambda: Recorder(made=lambda it: it.transport.loseConnection())
        )
        assert net.read_all(plain) == b""
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionDone)

    def test_a_pause_does_not_stop_it(self, net: TLSNet) -> None:
        port = net.listen(lambda: Recorder(made=lambda it: it.transport.pauseProducing()))
        peer = net.dial(port)
        protocol = port.factory.protocols[0]
        peer.send(b"data")
        peer.announce()
        net.turn(5)
        assert protocol.calls == ["made"]
        protocol.transport.resumeProducing()
        net.until_lost(protocol)
        assert protocol.calls == ["made", "data", "lost"]

    def test_a_pause_during_it_holds_the_peer_up_after_it(self, net: TLSNet) -> None:
        port = net.listen(lambda: Recorder(made=lambda it: it.transport.pauseProducing()))
        peer = net.dial(port)
        peer.setblocking(False)
        received = net.reactor.engine.counters()["received"]
        assert fill(peer) > MEGABYTE
        await_input(port.factory.protocols[0].transport)
        net.turn(10)
        fill(peer)
        net.turn(10)
        assert net.reactor.engine.counters()["received"] == received
        assert port.factory.protocols[0].calls == ["made"]
        port.factory.protocols[0].transport.abortConnection()

    def test_a_producer_is_paused_while_it_waits(self, net: TLSNet) -> None:
        producer = Producer()

        def feed(protocol: Recorder) -> None:
            protocol.transport.registerProducer(producer, True)
            protocol.transport.write(b"x" * 65_537)

        port = net.listen(lambda: Recorder(made=feed))
        net.accepted(port, net.dial_plain(port))
        net.turn()
        assert producer.calls == ["pause"]
        producer.calls.clear()
        assert len(net.read(net.dial(port), 65_537)) == 65_537
        assert producer.calls[-1] == "resume"

    def test_a_pull_producer_is_not_asked_by_the_handshake(self, net: TLSNet) -> None:
        producer = Producer()
        port = net.listen(
            lambda: Recorder(made=lambda it: it.transport.registerProducer(producer, False))
        )
        net.dial(port)
        assert producer.calls == ["resume"]
        port.factory.protocols[0].transport.write(b"x")
        net.turn()
        assert producer.calls == ["resume", "resume"]

    # Pauses

    def test_the_end_waits_for_every_pause(self, net: TLSNet) -> None:
        protocol, peer = net.pair(HalfCloser)
        protocol.hooks["data"] = lambda it, _: it.transport.pauseProducing()
        peer.send(b"data")
        peer.announce()
        net.until_called(protocol, "data")
        protocol.transport.resumeProducing()
        protocol.transport.pauseProducing()
        net.turn()
        assert "read_lost" not in protocol.calls
        protocol.transport.resumeProducing()
        assert "read_lost" not in protocol.calls
        net.until_called(protocol, "read_lost")
        protocol.transport.loseConnection()

    @pytest.mark.parametrize("how", ["loseConnection", "abortConnection"])
    def test_an_end_in_a_pause(self, net: TLSNet, how: str) -> None:
        protocol, peer = net.pair(HalfCloser)
        protocol.transport.pauseProducing()
        peer.send(b"data")
        peer.announce()
        net.turn()
        protocol.transport.resumeProducing()
        getattr(protocol.transport, how)()
        net.until_lost(protocol)
        assert protocol.calls[-1] == "lost"

    def test_a_fault_when_the_end_is_told_late(
        self, net: TLSNet, logged_errors: LoggedErrors
    ) -> None:
        hooks = {"data": lambda it, _: it.transport.pauseProducing(), "read_lost": raises}
        protocol, peer = net.pair(lambda: HalfCloser(**hooks))
        peer.send(b"data")
        peer.announce()
        net.until_called(protocol, "data")
        protocol.transport.resumeProducing()
        net.until_lost(protocol)
        assert protocol.reason.check(Fault)
        assert len(logged_errors.take(Fault)) == 1

    # A turn within a turn

    def test_a_nested_turn_sends_what_was_written(self, net: TLSNet) -> None:
        def ask(protocol: Recorder, data: bytes) -> None:
            if data == b"go":
                protocol.transport.write(b"question")
                net.turn()
                assert peer.recv(100) == b"question"
                peer.send(b"answer")
                net.turn()
                assert protocol.received == b"goanswer"

        protocol, peer = net.pair(lambda: Recorder(data=ask))
        peer.send(b"go")
        net.until_called(protocol, "data")
        assert protocol.calls == ["made", "data", "data"]

    def test_a_nested_turn_ends_nothing_twice(self, net: TLSNet) -> None:
        protocol, peer = net.pair(lambda: HalfCloser(data=lambda *_: net.turn()))
        peer.send(b"data")
        peer.shutdown(socket.SHUT_WR)
        net.until_called(protocol, "read_lost")
        net.turn()
        assert protocol.calls == ["made", "data", "read_lost"]
        protocol.transport.loseConnection()

    def test_an_end_that_comes_in_a_nested_turn_is_told_once(self, net: TLSNet) -> None:
        def end(protocol: Recorder, data: bytes) -> None:
            peer.announce()
            net.turn()
            assert protocol.calls == ["made", "data", "read_lost"]

        protocol, peer = net.pair(lambda: HalfCloser(data=end))
        peer.send(b"data")
        net.until_called(protocol, "read_lost")
        net.turn()
        assert protocol.calls == ["made", "data", "read_lost"]
        protocol.transport.loseConnection()

    # A reactor that stops

    def test_a_reactor_that_stops_delivers_and_announces(self, net: TLSNet) -> None:
        protocol, peer = net.pair()
        net.reactor.callWhenRunning(protocol.transport.write, b"goodbye")
        net.reactor.callWhenRunning(net.reactor.stop)
        peer.raw.shutdown(socket.SHUT_WR)
        self.run_guarded(net.reactor)
        peer.setblocking(True)
        assert peer.recv(100) == b"goodbye"
        assert peer.recv(100) == b""

    def test_a_reactor_that_stops_waits_for_no_handshake_long(
        self, net: TLSNet, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("reactorlib.base.FAREWELL", 0.05)
        protocol, _ = net.plain_pair()
        protocol.transport.write(b"unsent")
        net.reactor.callWhenRunning(net.reactor.stop)
        self.run_guarded(net.reactor)
        assert protocol.reason.type is error.ConnectionLost
        assert "stopped" in protocol.reason.getErrorMessage()
