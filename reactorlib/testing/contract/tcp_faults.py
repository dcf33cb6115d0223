"""Peers that vanish, end without reading, or send byte by byte; copies that others hold."""

from __future__ import annotations

import ctypes
import os
import socket
import struct
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest

from reactorlib import error
from reactorlib.failure import Failure
from reactorlib.protocols.basic import Int16StringReceiver, LineReceiver, NetstringReceiver
from reactorlib.protocols.timeouts import TimeoutMixin
from reactorlib.testing.contract.system import forked
from reactorlib.testing.contract.tcp_peers import (
    MUCH,
    HalfCloser,
    Net,
    Recorder,
    TCPContractBase,
)

SO_ATTACH_FILTER = 26
NOTHING_PASSES = struct.pack("HBBI", 0x06, 0, 0, 0)  # BPF_RET, 0 bytes


def cut_off(*sockets: socket.socket) -> None:
    """From now on nothing that is sent to them arrives, and nobody is told."""
    program = ctypes.create_string_buffer(NOTHING_PASSES)
    for each in sockets:
        pointer = struct.pack("HP", 1, ctypes.addressof(program))
        each.setsockopt(socket.SOL_SOCKET, SO_ATTACH_FILTER, pointer)


class Impatient(TimeoutMixin, Recorder):
    """Gives a peer up that is silent; `written` is on its way then, `how` is the end."""

    written = b""
    how = "loseConnection"

    def connectionMade(self) -> None:
        super().connectionMade()
        self.setTimeout(0.1)

    def dataReceived(self, data: bytes) -> None:
        super().dataReceived(data)
        self.resetTimeout()
        self.transport.write(self.written)

    def timeoutConnection(self) -> None:
        self.note("timed out")
        getattr(self.transport, self.how)()

    def connectionLost(self, reason: Failure) -> None:  # type: ignore[override]
        self.setTimeout(None)
        super().connectionLost(reason)


@contextmanager
def child_with_copies() -> Iterator[None]:
    """Meanwhile a forked child holds a copy of every descriptor."""
    reader, writer = os.pipe()
    child = forked()
    if child == 0:
        os.close(writer)
        os.read(reader, 1)
        os._exit(0)
    os.close(reader)
    try:
        yield
    finally:
        os.close(writer)
        os.waitpid(child, 0)


def expect_rest(net: Net, seconds: float = 0.05) -> None:
    """The reactor has nothing to do: after a few turns at the latest, one waits."""
    for _ in range(10):
        begun = monotonic()
        net.reactor.iterate(seconds)
        if monotonic() - begun >= seconds:
            return
    pytest.fail("turns come back at once")


def deliver(net: Net, peer: socket.socket, data: bytes) -> None:
    """Send, and turn until it was read."""
    counters = net.reactor.engine.counters
    expected = counters()["received"] + len(data)
    peer.sendall(data)
    net.turn_until(lambda: counters()["received"] == expected)


class Lines(LineReceiver):
    """Keeps its frames, as the two below do."""

    def __init__(self) -> None:
        self.frames: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        self.frames.append(line)


class Netstrings(NetstringReceiver):
    def __init__(self) -> None:
        super().__init__()
        self.frames: list[bytes] = []

    def stringReceived(self, string: bytes) -> None:
        self.frames.append(string)


class Strings(Int16StringReceiver):
    def __init__(self) -> None:
        super().__init__()
        self.frames: list[bytes] = []

    def stringReceived(self, string: bytes) -> None:
        self.frames.append(string)


class FaultContract(TCPContractBase):
    """Faults of the network and of the neighbourhood."""

    # Ended, and not reading

    @pytest.mark.parametrize("build", [Recorder, HalfCloser])
    def test_a_peer_that_has_ended_and_does_not_read_is_waited_for(
        self, net: Net, build: Callable[[], Any]
    ) -> None:
        """Without a busy loop; it gets all that was written as soon as it reads."""
        protocol, peer = net.pair(build)
        protocol.transport.write(MUCH)
        net.turn()
        peer.shutdown(socket.SHUT_WR)
        told = ["made", "read_lost"] if build is HalfCloser else ["made"]
        expect_rest(net)
        assert protocol.calls == told
        assert protocol.transport.bufferedBytes > 0
        assert net.read(peer, len(MUCH)) == MUCH
        if build is HalfCloser:
            expect_rest(net)
            protocol.transport.loseConnection()
        net.until_lost(protocol)
        assert protocol.calls == [*told, "lost"]
        assert protocol.reason.check(error.ConnectionDone)

    @pytest.mark.parametrize("build", [Recorder, HalfCloser])
    def test_one_that_never_reads_can_be_given_up(self, net: Net, build: Callable[[], Any]) -> None:
        protocol, peer = net.pair(build)
        protocol.transport.write(MUCH)
        peer.shutdown(socket.SHUT_WR)
        expect_rest(net)
        protocol.transport.abortConnection()
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionAborted)

    @pytest.mark.parametrize("build", [Recorder, HalfCloser])
    def test_the_end_of_one_that_never_reads_is_told(
        self, net: Net, build: Callable[[], Any]
    ) -> None:
        protocol, peer = net.pair(build)
        protocol.transport.write(MUCH)
        peer.shutdown(socket.SHUT_WR)
        expect_rest(net)
        peer.close()
        net.until_lost(protocol)
        assert protocol.reason.type is error.ConnectionLost
        assert protocol.calls.count("lost") == 1

    # Gone without a word

    @pytest.mark.skipif(sys.platform != "linux", reason="socket filters are of Linux")
    @pytest.mark.parametrize(
        ("how", "written"),
        [("loseConnection", b""), ("loseConnection", b"answer"), ("abortConnection", MUCH)],
        ids=["idle", "answering", "blocked"],
    )
    def test_a_half_open_peer_is_ended_by_a_timeout(
        self, net: Net, how: str, written: bytes
    ) -> None:
        """What either side sends is dropped."""
        protocol, peer = net.pair(Impatient)
        protocol.how, protocol.written = how, written
        cut_off(protocol.transport.getHandle(), peer)
        peer.sendall(b"never arrives")
        if written:
            protocol.transport.write(written)
        net.until_lost(protocol)
        assert protocol.calls == ["made", "timed out", "lost"]
        expected = error.ConnectionDone if how == "loseConnection" else error.ConnectionAborted
        assert protocol.reason.check(expected)
        expect_rest(net)

    # A copy elsewhere

    @pytest.mark.parametrize("how", ["loseConnection", "abortConnection"])
    def test_a_copy_in_a_child_brings_no_events(self, net: Net, how: str) -> None:
        protocol, peer = net.pair()
        other, other_peer = net.accepted(net.ports[0], net.dial(net.ports[0]))
        with child_with_copies():
            getattr(protocol.transport, how)()
            net.until_lost(protocol)
            if how == "loseConnection":
                peer.shutdown(socket.SHUT_WR)
                net.turn_until(lambda: net.reactor.engine.counters()["lingering"] == 0)
            else:
                peer.sendall(b"nobody listens")
            expect_rest(net)
            other_peer.sendall(b"served")
            net.turn_until(lambda: other.received == b"served")
        assert protocol.calls == ["made", "lost"]

    # Single bytes

    @pytest.mark.parametrize(
        ("build", "stream"),
        [
            (Lines, b"first\r\n\r\nthird, longer\r\n" * 10),
            (Netstrings, b"5:first,0:,14:third, longer!," * 10),
            (Strings, b"\0\x05first\0\0\0\x0dthird, longer" * 10),
        ],
        ids=["lines", "netstrings", "int16"],
    )
    def test_frames_are_the_same_byte_by_byte(
        self, net: Net, build: Callable[[], Any], stream: bytes
    ) -> None:
        whole, peer = net.pair(build)
        peer.sendall(stream)
        net.turn_until(lambda: len(whole.frames) == 30)
        single, peer = net.pair(build)
        for number in range(len(stream)):
            deliver(net, peer, stream[number : number + 1])
        assert single.frames == whole.frames
