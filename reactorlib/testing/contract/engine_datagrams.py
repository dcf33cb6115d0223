"""What an engine does with datagram sockets, and with descriptors that are passed."""

from __future__ import annotations

import os
import socket
import struct
from errno import EBADF, EINVAL, EMSGSIZE, ENOTSOCK, EPIPE, EPROTOTYPE, ETOOMANYREFS
from itertools import pairwise
from typing import Any

import pytest

from reactorlib.backends.events import (
    DATAGRAM,
    DATAGRAM_SOCKET,
    DESCRIPTOR,
    SEND_FAILED,
    STREAM,
)
from reactorlib.testing.contract.engine_base import EngineParts
from reactorlib.testing.contract.engine_driver import LOOPBACK, EngineDriver, Handle

TO_THE_PEER = -1
MASK = (1 << 32) - 1


def packed(address: tuple[str, int]) -> int:
    """An IPv4 address as the engine takes and gives it."""
    host: int = struct.unpack("!I", socket.inet_aton(address[0]))[0]
    return address[1] << 32 | host


def plain(driver: EngineDriver, family: int = socket.AF_INET) -> socket.socket:
    """A bound datagram socket that is not in the engine."""
    sock = driver.own(socket.socket(family, socket.SOCK_DGRAM))
    sock.bind((LOOPBACK if family == socket.AF_INET else "::1", 0))
    sock.settimeout(driver.patience)
    return sock


def added(driver: EngineDriver) -> tuple[Handle, Any]:
    """A datagram socket in the engine, and its address."""
    sock = plain(driver)
    address = sock.getsockname()
    return driver.add(sock, DATAGRAM_SOCKET), address


def lengths(handle: Handle) -> list[int]:
    """Of the datagrams that have come."""
    return [first & MASK for kind, first, _ in handle.events if kind == DATAGRAM]


def send(handle: Handle, data: bytes, receiver: int = TO_THE_PEER) -> int:
    return int(handle.driver.engine.send_to(handle.number, data, len(data), receiver))


class EngineDatagrams(EngineParts):
    """Datagrams and descriptors at the seam, where a reactor adds nothing."""

    def test_a_datagram_lies_in_the_arena_with_its_sender(self, driver: EngineDriver) -> None:
        handle, address = added(driver)
        peer = plain(driver)
        peer.sendto(b"hello", address)
        driver.until_told(handle, DATAGRAM)
        (_, first, second) = handle.events[-1]
        start = first >> 32
        assert driver.engine.arena[start : start + (first & MASK)] == b"hello"
        assert second == packed(peer.getsockname())

    def test_datagrams_lie_tightly_in_the_arena(self, driver: EngineDriver) -> None:
        handle, address = added(driver)
        peer = plain(driver)
        for size in range(20):
            peer.sendto(b"x" * size, address)
        driver.until_told(handle, DATAGRAM, 20)
        places = [first for kind, first, _ in handle.events if kind == DATAGRAM]
        assert lengths(handle) == list(range(20))
        for first, after in pairwise(places):
            if after >> 32:  # of the same turn
                assert after >> 32 == (first >> 32) + (first & MASK)

    def test_a_turn_ends_before_its_records_do(self, driver: EngineDriver) -> None:
        """More datagrams wait than one turn can report: what is left comes in the next."""
        ports, peer = [added(driver) for _ in range(45)], plain(driver)
        for _, address in ports:
            for number in range(100):
                peer.sendto(b"x" * number, address)
        assert 0 < driver.turn() < 45 * 100
        for handle, _ in ports:
            driver.until_told(handle, DATAGRAM, 100)
            assert lengths(handle) == list(range(100))

    def test_a_pause_leaves_them_in_the_kernel(self, driver: EngineDriver) -> None:
        handle, address = added(driver)
        handle.pause()
        driver.turn()
        plain(driver).sendto(b"hello", address)
        driver.expect_quiet()
        handle.resume()
        driver.until_told(handle, DATAGRAM)

    def test_streams_that_never_rest_do_not_starve_large_datagrams(
        self, driver: EngineDriver
    ) -> None:
        """They fill the arena in each turn, and leave no room for the longest one."""
        pairs = [driver.pair() for _ in range(6)]
        handle, address = added(driver)
        driver.engine.set_longest(handle.number, 200_000)
        for _, peer in pairs:
            peer.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 1 << 18)
        plain(driver).sendto(b"x" * 60_000, address)
        for _ in range(5):
            for _, peer in pairs:
                driver.send_some(peer, b"y" * (1 << 18))
            driver.turn()
        assert lengths(handle) == [60_000]

    def test_what_was_queued_leaves_before_the_end(self, driver: EngineDriver) -> None:
        handle, _ = added(driver)
        peer = plain(driver)
        for number in range(100):
            assert send(handle, b"%d" % number, packed(peer.getsockname())) == 0
        assert handle.buffered
        handle.lose()
        assert send(handle, b"too late", packed(peer.getsockname())) == -EPIPE
        driver.until_lost(handle)
        assert [peer.recv(10) for _ in range(100)] == [b"%d" % number for number in range(100)]
        assert send(handle, b"x", packed(peer.getsockname())) == -EBADF

    def test_what_comes_after_lose_is_dropped(self, driver: EngineDriver) -> None:
        """A receiver that is full keeps the end waiting."""
        ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_DGRAM)
        driver.own(theirs)
        handle, queued = driver.add(ours, DATAGRAM_SOCKET), 0
        while not handle.buffered:
            assert send(handle, b"x") == 0
            queued += 1
            driver.turn()
        handle.lose()
        theirs.send(b"too late")
        driver.expect_quiet()
        for _ in range(queued):
            assert theirs.recv(9) == b"x"
            driver.turn()
        driver.until_lost(handle)
        assert handle.count(DATAGRAM) == 0

    @pytest.mark.parametrize("how", ["abort", "detach"])
    def test_what_was_queued_is_dropped_by_others(self, driver: EngineDriver, how: str) -> None:
        handle, _ = added(driver)
        peer = plain(driver)
        send(handle, b"dropped", packed(peer.getsockname()))
        left = getattr(handle, how)()
        driver.turn()
        peer.setblocking(False)
        with pytest.raises(BlockingIOError):
            peer.recv(10)
        if left is not None:
            os.close(left)

    def test_much_is_sent_at_once(self, driver: EngineDriver) -> None:
        """More than a queue holds, without a turn in between."""
        handle, _ = added(driver)
        peer = plain(driver)
        peer.setblocking(False)
        for number in range(1000):
            assert send(handle, b"%d" % number * 3000, packed(peer.getsockname())) == 0
            while True:
                try:
                    peer.recv(1 << 16)
                except BlockingIOError:
                    break
        assert handle.sent > 1 << 20

    def test_failures_are_counted_in_one_event(self, driver: EngineDriver) -> None:
        handle, _ = added(driver)
        for _ in range(100):
            send(handle, b"x", packed((LOOPBACK, 0)))
        driver.until_told(handle, SEND_FAILED)
        assert [event for event in handle.events if event[0] == SEND_FAILED] == [
            (SEND_FAILED, EINVAL, 100)
        ]
        driver.expect_quiet()

    def test_what_is_for_another_kind_is_refused(self, driver: EngineDriver) -> None:
        datagrams, _ = added(driver)
        stream, _ = driver.pair()
        engine = driver.engine
        assert datagrams.write(b"x") == -EPIPE
        datagrams.shut()
        assert send(stream, b"x") == -EINVAL
        assert engine.send_to_bytes(stream.number, b"x", 1, b"x" * 28, 28) == -EINVAL
        for call, *arguments in (
            (engine.set_longest, stream.number, 100),
            (engine.set_longest, datagrams.number, 0),
            (engine.take_descriptors, datagrams.number),
            (engine.pass_descriptor, datagrams.number, 0),
        ):
            with pytest.raises(OSError, match="Invalid"):
                call(*arguments)
        driver.expect_quiet()

    def test_what_is_no_address_and_what_is_too_long(self, driver: EngineDriver) -> None:
        handle, address = added(driver)
        for receiver in (-2, 1 << 48, -(1 << 40)):
            assert send(handle, b"x", receiver) == -EINVAL
        for size in (0, 27, 29):
            raw = b"x" * size
            assert driver.engine.send_to_bytes(handle.number, b"", 0, raw, size) == -EINVAL
        assert send(handle, bytes(1 << 20), packed(address)) == -EMSGSIZE

    def test_what_is_no_name_of_a_unix_socket(self, driver: EngineDriver) -> None:
        handle = driver.add(socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM), DATAGRAM_SOCKET)
        for size in (0, 109, 1000):
            name = b"x" * size
            assert driver.engine.send_to_bytes(handle.number, b"x", 1, name, size) == -EINVAL
        driver.expect_quiet()

    @pytest.mark.parametrize(("kind", "number"), [("file", ENOTSOCK), ("stream", EPROTOTYPE)])
    def test_only_datagram_sockets_are_taken(
        self, driver: EngineDriver, kind: str, number: int
    ) -> None:
        file = open(os.devnull) if kind == "file" else driver.server()  # noqa: SIM115
        with file, pytest.raises(OSError, match=r".*") as caught:
            driver.engine.add(file.fileno(), DATAGRAM_SOCKET)
        assert caught.value.errno == number

    # Descriptors

    def test_what_waits_for_a_byte_is_closed_with_the_engine(self, driver: EngineDriver) -> None:
        """The fixture finds what is left open."""
        stream, _ = driver.pair()
        for _ in range(20):
            assert driver.engine.pass_descriptor(stream.number, os.dup(0))

    def test_a_descriptor_goes_with_the_byte_that_is_written_next(
        self, driver: EngineDriver
    ) -> None:
        stream, peer = driver.pair()
        reader, writer = os.pipe()
        stream.write(b"before")
        assert driver.engine.pass_descriptor(stream.number, writer)
        stream.write(b"with it")
        driver.turn()
        peer.setblocking(False)
        assert socket.recv_fds(peer, 6, 4)[:2] == (b"before", [])
        data, (passed,), _, _ = socket.recv_fds(peer, 100, 4)
        assert data == b"with it"
        os.write(passed, b"x")
        os.close(passed)
        assert os.read(reader, 9) == b"x"
        assert os.read(reader, 9) == b""
        os.close(reader)

    def test_a_descriptor_that_no_byte_follows(self, driver: EngineDriver) -> None:
        stream, _ = driver.pair()
        assert driver.engine.pass_descriptor(stream.number, os.dup(0))
        stream.lose()
        driver.until_lost(stream)
        assert stream.lost == ETOOMANYREFS

    def test_a_dead_stream_takes_none(self, driver: EngineDriver) -> None:
        stream, _ = driver.pair()
        stream.abort()
        descriptor = os.dup(0)
        assert not driver.engine.pass_descriptor(stream.number, descriptor)
        driver.until_lost(stream)
        assert not driver.engine.pass_descriptor(stream.number, descriptor)
        os.close(descriptor)
        driver.engine.take_descriptors(stream.number)

    def test_what_comes_after_lose_is_closed(self, driver: EngineDriver) -> None:
        stream, peer = driver.pair()
        driver.engine.take_descriptors(stream.number)
        stream.lose()
        socket.send_fds(peer, [b"late"], [0] * 10)
        driver.until_lost(stream)
        driver.turn()
        assert stream.count(DESCRIPTOR) == 0

    def test_a_full_house_of_descriptors(self, driver: EngineDriver) -> None:
        """More than the records of one turn hold: all come, none twice."""
        streams = []
        for _ in range(20):
            stream, peer = driver.pair()
            driver.engine.take_descriptors(stream.number)
            for _ in range(3):
                socket.send_fds(peer, [b"x"], [0] * 253)
            streams.append(stream)
        for stream in streams:
            driver.until_told(stream, DESCRIPTOR, 3 * 253)
            for kind, descriptor, _ in stream.events:
                if kind == DESCRIPTOR:
                    os.close(descriptor)
            assert stream.received == b"xxx"
            assert stream.kind == STREAM
