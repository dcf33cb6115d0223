"""The writing side of an engine's streams."""

from __future__ import annotations

import hashlib
import random
import socket
from errno import EBADF, ECONNRESET, ENOBUFS, EPIPE
from time import process_time
from typing import Any

import pytest

from reactorlib.backends.events import (
    BLOCKED,
    CLEARED,
    DRAINED,
    EMPTIED,
    EOF,
    NOTIFY_CONGESTION,
    NOTIFY_EMPTIED,
    NOTIFY_EOF,
    STREAM,
)
from reactorlib.testing.contract.engine_base import EngineParts, pattern, reset
from reactorlib.testing.contract.engine_driver import EngineDriver

MEGABYTE = 1 << 20


class EngineOutput(EngineParts):
    """What is accepted leaves in order; how much waits is known and bounded."""

    @pytest.mark.parametrize("size", [1, 100, 4_096, 16_383, 16_384, 70_000, MEGABYTE])
    def test_writes_of_any_size_arrive(self, driver: EngineDriver, size: int) -> None:
        handle, peer = driver.connection()
        data = pattern(max(size * 20, 2 * MEGABYTE) // size * size if size > 100 else size * 5_000)
        for start in range(0, len(data), size):
            assert handle.write(data[start : start + size]) >= 0
        assert handle.buffered + handle.sent == len(data)
        assert driver.read(peer, len(data)) == data
        assert (handle.buffered, handle.sent) == (0, len(data))
        assert driver.engine.counters()["sent"] == len(data)

    def test_writes_of_mixed_sizes_stay_in_order(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        chance = random.Random(4)
        sent, received = hashlib.sha256(), hashlib.sha256()
        total = read = 0
        peer.setblocking(False)
        while total < 8 * MEGABYTE:
            for _ in range(chance.randrange(12)):
                data = chance.randbytes(chance.choice([1, 7, 300, 5_000, 20_000, 100_000]))
                assert handle.write(data) >= 0
                sent.update(data)
                total += len(data)
            driver.turn()
            try:
                part = peer.recv(chance.choice([1, 1_000, 300_000]))
                received.update(part)
                read += len(part)
            except BlockingIOError:
                continue
        received.update(driver.read(peer, total - read))
        assert sent.digest() == received.digest()

    def test_nothing_leaves_before_the_turn_but_all_in_one_go(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        for number in range(100):
            handle.write(b"%02d" % number)
        assert handle.buffered == 200
        driver.turn()
        assert len(peer.recv(1_000)) == 200

    def test_a_large_write_takes_along_what_waits(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        small, large = pattern(100), pattern(20_000)
        assert handle.write(small) == 0
        assert (handle.buffered, handle.sent) == (100, 0)
        assert handle.write(large) == 0
        assert handle.buffered + handle.sent == 20_100
        assert handle.sent > 100  # before any turn
        assert driver.read(peer, 20_100) == small + large
        assert driver.engine.counters()["sent"] == 20_100

    def test_a_large_write_waits_behind_what_has_to(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        total = 0
        while not handle.buffered:
            handle.write(pattern(MEGABYTE))
            total += MEGABYTE
        driver.turn()
        sent = handle.sent
        handle.write(pattern(MEGABYTE))
        assert handle.sent == sent
        assert driver.read(peer, total + MEGABYTE) == pattern(MEGABYTE) * (total // MEGABYTE + 1)

    def test_an_empty_write_is_nothing(self, driver: EngineDriver) -> None:
        handle, _ = driver.connection()
        handle.notify(NOTIFY_EMPTIED)
        assert handle.write(b"") == 0
        driver.expect_quiet()

    def test_a_peer_that_does_not_read_costs_no_turns(self, driver: EngineDriver) -> None:
        handle, _ = driver.connection()
        handle.write(bytes(10 * MEGABYTE))
        driver.turn()
        driver.expect_quiet()
        assert 0 < handle.buffered < 10 * MEGABYTE
        handle.write(b"more")
        driver.expect_quiet()

    @pytest.mark.parametrize("mask", [0, NOTIFY_EOF])
    @pytest.mark.parametrize("make", [EngineDriver.connection, EngineDriver.pair])
    @pytest.mark.parametrize("paused", [True, False])
    def test_a_peer_that_has_ended_and_does_not_read_costs_no_turns(
        self, driver: EngineDriver, paused: bool, make: Any, mask: int
    ) -> None:
        """Nor is it forgotten: it gets all as soon as it reads."""
        handle, peer = make(driver)
        handle.notify(mask)
        data = pattern(10 * MEGABYTE)
        handle.write(data)
        if paused:
            handle.pause()
        driver.turn()
        peer.shutdown(socket.SHUT_WR)
        if mask and not paused:
            driver.until_told(handle, EOF)
        driver.expect_quiet()
        assert handle.buffered > 0
        assert handle.lost is None
        assert driver.read(peer, len(data)) == data
        if mask or paused:
            driver.expect_quiet()
            assert handle.lost is None
            handle.lose()
        driver.until_lost(handle)
        assert handle.lost == 0
        driver.read_end(peer)

    @pytest.mark.parametrize("mask", [0, NOTIFY_EOF])
    @pytest.mark.parametrize("make", [EngineDriver.connection, EngineDriver.pair])
    def test_a_peer_that_has_ended_and_then_closes_unread_is_lost(
        self, driver: EngineDriver, make: Any, mask: int
    ) -> None:
        handle, peer = make(driver)
        handle.notify(mask)
        handle.write(bytes(10 * MEGABYTE))
        peer.shutdown(socket.SHUT_WR)
        if mask:
            driver.until_told(handle, EOF)
        driver.expect_quiet()
        peer.close()
        driver.until_lost(handle)
        assert handle.lost in (ECONNRESET, EPIPE)

    def test_what_is_written_after_lose_leaves_before_the_end(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        data = pattern(10 * MEGABYTE)
        handle.lose()
        assert handle.write(data[:-1]) >= 0
        driver.turn()
        assert handle.write(data[-1:]) >= 0
        assert driver.read(peer, len(data)) == data
        driver.read_end(peer)
        driver.until_lost(handle)
        assert handle.write(b"late") == -EBADF

    def test_a_reset_while_output_waits_ends_it(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.write(bytes(10 * MEGABYTE))
        driver.turn()
        reset(peer)
        driver.until_lost(handle)
        assert handle.lost != 0

    @pytest.mark.parametrize("sizes", [(1,), (100_000,), (1, 100_000)])
    def test_a_write_after_a_reset_ends_it(
        self, driver: EngineDriver, sizes: tuple[int, ...]
    ) -> None:
        handle, peer = driver.connection()
        handle.pause()
        driver.turn()
        reset(peer)
        for size in sizes:
            assert handle.write(bytes(size)) in (0, 1, -EBADF)
        refused = handle.write(bytes(100_000))
        driver.until_lost(handle)
        assert handle.lost != 0
        assert refused == -EBADF  # so that nobody goes on writing for nobody

    # Water marks

    @pytest.mark.parametrize("low", [0, 100, 1_000])
    def test_the_high_water_mark_is_told_once(self, driver: EngineDriver, low: int) -> None:
        handle, peer = driver.connection()
        driver.engine.set_limits(handle.number, low, 1_000, 1 << 31)
        results = [handle.write(bytes(100)) for _ in range(30)]
        assert results == [0] * 10 + [1] + [0] * 19
        driver.until_told(handle, DRAINED)
        driver.expect_quiet()
        assert handle.count(DRAINED) == 1
        assert [handle.write(bytes(600)) for _ in range(3)] == [0, 1, 0]
        driver.until_told(handle, DRAINED, 2)
        driver.read(peer, 30 * 100 + 3 * 600)

    def test_drained_comes_at_the_low_water_mark(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        low = 2 * MEGABYTE
        driver.engine.set_limits(handle.number, low, 4 * MEGABYTE, 1 << 31)
        assert handle.write(bytes(20 * MEGABYTE)) == 1
        assert handle.write(b"x") == 0
        driver.turn()
        total = 20 * MEGABYTE + 1
        while handle.count(DRAINED) == 0:
            assert handle.buffered > low
            total -= len(driver.read(peer, 100_000))
        assert handle.buffered <= low
        driver.read(peer, total)
        assert handle.count(DRAINED) == 1

    def test_what_the_kernel_takes_at_once_is_not_above_it(self, driver: EngineDriver) -> None:
        handle, _ = driver.connection()
        driver.engine.set_limits(handle.number, 0, 20_000, 1 << 31)
        assert handle.write(bytes(30_000)) == 0
        driver.turn()
        assert handle.count(DRAINED) == 0

    @pytest.mark.parametrize("first", [10, 20_000_000])
    def test_past_the_cap_it_is_aborted(self, driver: EngineDriver, first: int) -> None:
        handle, peer = driver.connection()
        handle.write(bytes(first))
        if first > MEGABYTE:
            driver.turn()
            first = handle.buffered
        driver.engine.set_limits(handle.number, 0, 10, first)
        assert handle.write(b"x") == -ENOBUFS
        assert handle.write(b"x") == -EPIPE
        handle.leaving = True
        driver.until_lost(handle)
        assert handle.lost == ENOBUFS
        driver.read_reset(peer)

    def test_a_cap_below_what_waits_refuses_the_next_write(self, driver: EngineDriver) -> None:
        handle, _ = driver.connection()
        handle.write(bytes(10_000))
        driver.engine.set_limits(handle.number, 1, 2, 3)
        assert handle.write(b"x") == -ENOBUFS
        driver.until_lost(handle)
        assert handle.lost == ENOBUFS

    # Congestion

    def test_congestion_is_told_as_it_comes_and_goes(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.notify(NOTIFY_CONGESTION | NOTIFY_EMPTIED)
        handle.write(b"small")
        driver.turn()
        assert [event[0] for event in handle.events] == [EMPTIED]
        handle.write(bytes(10 * MEGABYTE))
        driver.turn()
        assert [event[0] for event in handle.events] == [EMPTIED, BLOCKED]
        driver.expect_quiet()
        driver.read(peer, 10 * MEGABYTE + 5)
        driver.until_told(handle, EMPTIED, 2)
        kinds = [event[0] for event in handle.events if event[0] in (BLOCKED, CLEARED)]
        assert kinds == [BLOCKED, CLEARED] * (len(kinds) // 2)
        assert handle.events[-1][0] == EMPTIED

    def test_emptied_is_told_once_for_each_time(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.notify(NOTIFY_EMPTIED)
        for number in range(1, 6):
            handle.write(bytes(10))
            handle.write(bytes(20_000))
            driver.read(peer, 20_010)
            driver.until_told(handle, EMPTIED, number)
            driver.expect_quiet(0.001)

    def test_what_was_not_asked_for_is_not_told(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.notify(NOTIFY_CONGESTION | NOTIFY_EMPTIED)
        handle.write(bytes(10 * MEGABYTE))
        handle.notify(0)
        driver.read(peer, 10 * MEGABYTE)
        driver.expect_quiet()
        assert [event for event in handle.events if event[0] != DRAINED] == []

    def test_a_long_queue_costs_no_more_than_a_short_one(self, driver: EngineDriver) -> None:
        """What waits is not moved again and again as it drains and is added to."""
        times, data = [], pattern(30 * MEGABYTE)
        for waiting in (MEGABYTE // 8, 8 * MEGABYTE):
            ours, peer = socket.socketpair()
            ours.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 4_096)  # drains in small steps
            handle = driver.add(ours, STREAM)
            driver.own(peer)
            handle.write(data[: waiting - 1_000])
            read, written = 10_000, waiting - 1_000
            assert driver.read(peer, read) == data[:read]
            begun = process_time()
            for _ in range(10_000):
                assert driver.read(peer, 2_000) == data[read : read + 2_000]
                handle.write(data[written : written + 2_000])
                read, written = read + 2_000, written + 2_000
            times.append(process_time() - begun)
            assert handle.buffered > waiting // 2
        print(times)
        assert times[1] < 3 * times[0] + 0.05
