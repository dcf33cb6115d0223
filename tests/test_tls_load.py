"""Much over TLS: memory stays where it is, and nothing of a connection outlives it."""

from __future__ import annotations

import gc
import os
import zlib
from collections.abc import Callable
from pathlib import Path

import pytest

from reactorlib.protocol import Protocol
from reactorlib.stream import HIGH_WATER
from reactorlib.testing.contract.tcp_peers import (
    LOOPBACK,
    MEGABYTE,
    MUCH,
    Producer,
    Recorder,
    RecordingFactory,
    reset,
)
from reactorlib.testing.contract.tls_peers import TLSContractBase, TLSNet
from reactorlib.testing.tlspeer import TLSPeer
from reactorlib.tlssession import Session
from tests.on_backends import on_every_backend

ALL = 100 * MEGABYTE
PIECE = os.urandom(MEGABYTE // 4)
SEALED = len(PIECE) + len(PIECE) // 16384 * 64  # in records, with what each adds
GROWTH = 4 * MEGABYTE  # what a process may grow by for other reasons


def resident() -> int:
    """The memory of this process, in bytes."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * os.sysconf("SC_PAGE_SIZE")


class Sender(Protocol):
    """Sends ALL as fast as it may, and adds up what comes."""

    def __init__(self) -> None:
        self.sent = self.received = 0
        self.sum = zlib.crc32(b"")
        self.most = 0  # bytes that waited
        self.running = True

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, True)
        self.transport.reactor.callSoon(self.resumeProducing)

    def pauseProducing(self) -> None:
        self.running = False

    def resumeProducing(self) -> None:
        self.running = True
        while self.running and self.sent < ALL:
            self.sent += len(PIECE)
            self.transport.write(PIECE)
            self.most = max(self.most, self.transport.bufferedBytes)

    def stopProducing(self) -> None:
        self.running = False

    def dataReceived(self, data: bytes) -> None:
        self.received += len(data)
        self.sum = zlib.crc32(data, self.sum)


def sum_of_all() -> int:
    """Of what a Sender sends."""
    total = 0
    for _ in range(ALL // len(PIECE)):
        total = zlib.crc32(PIECE, total)
    return total


def sessions() -> int:
    """How many there are in this process."""
    return sum(type(each) is Session for each in gc.get_objects())


def refuse(net: TLSNet) -> Recorder:
    """A client that does not accept its server's certificate."""
    client = RecordingFactory()
    net.connect(net.listen(), client, net.settings.client("other.example"))
    net.turn_until(lambda: client.protocols)
    protocol: Recorder = client.protocols[0]
    return protocol


def garble(net: TLSNet) -> Recorder:
    protocol, plain = net.plain_pair()
    plain.sendall(b"GET / HTTP/1.1\r\n")
    return protocol


def exceed(net: TLSNet) -> Recorder:
    port = net.listen(contextFactory=net.settings.server(handshakeTimeout=0.01))
    protocol, _ = net.accepted(port, net.dial_plain(port))
    protocol.transport.write(b"unsent")
    return protocol


def ended_by(how: Callable[[TLSPeer], object]) -> Callable[[TLSNet], Recorder]:
    """A connection that its peer ends, with something unsent and a producer."""

    def end(net: TLSNet) -> Recorder:
        protocol, peer = net.pair()
        protocol.transport.registerProducer(Producer(), True)
        protocol.transport.monitorCongestion(lambda *_: None)
        protocol.transport.write(MUCH)
        net.turn()
        how(peer)
        return protocol

    return end


ENDS = {
    "close": ended_by(TLSPeer.close),
    "cut": ended_by(TLSPeer.cut),
    "reset": ended_by(reset),
    "refuse": refuse,
    "garble": garble,
    "exceed": exceed,
}


class Load(TLSContractBase):
    def test_much_goes_both_ways_in_little_memory(self, net: TLSNet) -> None:
        accepted, connected = RecordingFactory(Sender), RecordingFactory(Sender)
        port = net.listen(accepted)
        net.reactor.connectSSL(LOOPBACK, port.getHost().port, connected, net.client)
        net.turn_until(lambda: accepted.protocols and connected.protocols)
        ends = [accepted.protocols[0], connected.protocols[0]]
        net.turn_until(lambda: min(end.received for end in ends) > ALL // 10)
        before, most = resident(), 0

        def is_done() -> bool:
            nonlocal most
            most = max(most, resident())
            return all(end.received >= ALL for end in ends)

        net.turn_until(is_done)
        assert most - before < GROWTH
        for end in ends:
            assert (end.received, end.sum) == (ALL, sum_of_all())
            assert end.most <= HIGH_WATER + SEALED
            end.transport.abortConnection()

    @pytest.mark.parametrize("end", ENDS)
    def test_no_session_outlives_its_connection(self, net: TLSNet, end: str) -> None:
        """Nor does one wait for the collector of cycles."""
        gc.collect()
        before = sessions()
        gc.disable()
        try:
            protocol = ENDS[end](net)
            assert sessions() > before
            net.until_lost(protocol)
            net.turn_until(lambda: sessions() == before)
        finally:
            gc.enable()


globals().update(on_every_backend(Load))
