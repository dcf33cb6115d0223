"""How an engine's streams are ended from this side."""

from __future__ import annotations

import itertools
import os
import socket
from collections.abc import Callable
from errno import ECONNABORTED, ECONNRESET, EPIPE

import pytest

from reactorlib.backends.events import EOF, LOST, NOTIFY_EOF, SHUT
from reactorlib.testing.contract.engine_base import (
    EngineParts,
    at_least_descriptors,
    pattern,
    reset,
)
from reactorlib.testing.contract.engine_driver import EngineDriver, Handle

WAYS: dict[str, Callable[[Handle], None]] = {
    "lose": Handle.lose,
    "abort": Handle.abort,
    "shut": Handle.shut,
    "pause": Handle.pause,
}


class EngineEnds(EngineParts):
    """`lose` delivers everything first, `abort` nothing; each ends in one EVENT_LOST."""

    def test_lose_delivers_what_was_written(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        data = pattern(3_000_000)
        handle.write(data)
        handle.lose()
        assert driver.read(peer, len(data)) == data
        driver.read_end(peer)
        driver.until_lost(handle)
        assert handle.lost == 0

    def test_lose_delivers_to_a_peer_whose_upload_is_unread(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.pause()
        driver.turn()
        upload = bytes(1 << 20)
        sent = driver.send_some(peer, upload)
        answer = pattern(300_000)
        handle.write(answer)
        handle.lose()
        driver.until_lost(handle)
        while sent < len(upload):
            sent += driver.send_some(peer, upload[sent:])
            driver.turn()
        assert driver.read(peer, len(answer)) == answer
        driver.read_end(peer)
        assert handle.lost == 0

    def test_a_flood_while_closing_is_read_and_dropped(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.write(bytes(10_000_000))
        handle.lose()
        driver.turn()
        for _ in range(200):
            driver.send_some(peer, bytes(100_000))
            driver.turn()
        assert not handle.received
        driver.read(peer, 10_000_000)
        driver.until_lost(handle)
        assert handle.lost == 0

    def test_after_lose_the_peers_end_is_awaited(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.lose()
        driver.until_lost(handle)
        driver.read_end(peer)
        driver.expect_quiet()
        assert driver.engine.counters()["lingering"] == driver.engine.counters()["open"] == 1
        peer.close()
        driver.until(lambda: driver.engine.counters()["open"] == 0)
        assert driver.engine.counters()["lingering"] == 0

    def test_a_reset_after_lose_tells_nothing_more(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.lose()
        driver.until_lost(handle)
        peer.sendall(b"x")
        reset(peer)
        driver.until(lambda: driver.engine.counters()["open"] == 0)
        driver.expect_quiet()

    def test_many_end_in_any_order_after_lose(self, driver: EngineDriver) -> None:
        pairs = [driver.connection() for _ in range(20)]
        for handle, _ in pairs:
            handle.lose()
        driver.until_lost(*(handle for handle, _ in pairs))
        for index in [0, 19, 10, 11, 9, *range(20)]:
            pairs[index][1].close()
            driver.turn(0.01)
        driver.until(lambda: driver.engine.counters()["open"] == 0)

    def test_lose_after_a_reset_is_lost_once(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        reset(peer)
        handle.lose()
        driver.until_lost(handle)
        assert handle.lost in (0, ECONNRESET, EPIPE)
        driver.until(lambda: driver.engine.counters()["open"] == 0)

    def test_lose_after_the_peers_end_closes_at_once(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.notify(NOTIFY_EOF)
        peer.shutdown(socket.SHUT_WR)
        driver.until(lambda: handle.count(EOF))
        handle.lose()
        driver.until_lost(handle)
        assert driver.engine.counters()["open"] == 0

    @pytest.mark.parametrize("written", [0, 10, 20_000, 10_000_000])
    def test_abort_resets(self, driver: EngineDriver, written: int) -> None:
        handle, peer = driver.connection()
        handle.write(bytes(written))
        handle.abort()
        assert handle.write(b"x") == -EPIPE
        driver.until_lost(handle)
        assert handle.lost == ECONNABORTED
        assert driver.engine.counters()["open"] == 0
        driver.read_reset(peer)

    def test_abort_ends_what_lose_has_begun(self, driver: EngineDriver) -> None:
        handle, _ = driver.connection()
        handle.write(bytes(10_000_000))
        handle.lose()
        driver.turn()
        driver.expect_quiet()
        handle.abort()
        driver.until_lost(handle)
        assert handle.lost == ECONNABORTED

    def test_shut_sends_the_end_after_what_was_written(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        data = pattern(2_000_000)
        handle.write(data)
        handle.shut()
        assert handle.write(b"x") == -EPIPE
        assert driver.read(peer, len(data)) == data
        driver.read_end(peer)
        assert handle.count(SHUT) == 1
        handle.shut()
        driver.expect_quiet()
        peer.sendall(b"still heard")
        driver.until(lambda: handle.received == b"still heard")
        peer.close()
        driver.until_lost(handle)
        assert handle.lost == 0

    def test_lose_after_shut(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        handle.shut()
        driver.until(lambda: handle.count(SHUT))
        handle.lose()
        driver.until_lost(handle)
        peer.close()
        driver.until(lambda: driver.engine.counters()["open"] == 0)

    @pytest.mark.parametrize("ways", tuple(itertools.permutations(WAYS, 3)), ids="-".join)
    def test_any_sequence_of_ends_is_lost_once(
        self, driver: EngineDriver, ways: tuple[str, ...]
    ) -> None:
        for together, written, peer_ends in itertools.product(
            (True, False), (0, 500_000), (True, False)
        ):
            handle, peer = driver.pair()
            handle.notify(NOTIFY_EOF)
            handle.write(bytes(written))
            if peer_ends:
                peer.shutdown(socket.SHUT_WR)
                driver.turn(0.01)
            for way in ways:
                WAYS[way](handle)
                if not together:
                    driver.turn()
            if "abort" not in ways:
                driver.read(peer, written)
            peer.close()
            driver.until_lost(handle)
        driver.until(lambda: driver.engine.counters()["open"] == 0)

    def _many_pairs(self, driver: EngineDriver, count: int) -> list[tuple[Handle, socket.socket]]:
        if self.descriptor_limit is not None:
            count = min(count, self.descriptor_limit * 2 // 5)
        with at_least_descriptors(2 * count + 200):
            return [driver.pair() for _ in range(count)]

    def test_thousands_end_in_one_turn(self, driver: EngineDriver) -> None:
        pairs = self._many_pairs(driver, 2_000)
        handles = [handle for handle, _ in pairs]
        for handle in handles:
            handle.notify(NOTIFY_EOF)
        for _, theirs in pairs:
            theirs.close()
        driver.until(lambda: all(handle.count(EOF) for handle in handles))
        for handle in handles:
            handle.shut()
            handle.lose()
        driver.until_lost(*handles)
        assert {tuple(kind for kind, *_ in handle.events) for handle in handles} <= {
            (EOF, LOST),
            (EOF, SHUT, LOST),
        }
        assert driver.engine.counters()["open"] == 0

    def test_nobody_is_told_after_a_pause_however_much_ends(self, driver: EngineDriver) -> None:
        """More ends than a turn can report, and behind them a pause."""
        pairs = self._many_pairs(driver, 5_000)
        handles = [handle for handle, _ in pairs]
        last, peer = driver.connection()
        driver.turn()
        for handle in handles:
            handle.abort()
        driver.turn()
        peer.sendall(b"x")
        last.pause()
        driver.until_lost(*handles)
        driver.expect_quiet()
        last.resume()
        driver.until(lambda: last.received)

    # The other side holds a copy

    def test_a_copy_held_elsewhere_brings_no_events(self, driver: EngineDriver) -> None:
        """A child that has inherited the descriptor, say."""
        for end in (Handle.abort, Handle.lose):
            handle, peer = driver.connection()
            copy = os.dup(handle.descriptor)
            end(handle)
            driver.until_lost(handle)
            if end is Handle.lose:
                peer.shutdown(socket.SHUT_WR)
                driver.until(lambda: driver.engine.counters()["open"] == 0)
            else:
                peer.sendall(b"x")
            driver.expect_quiet()
            os.close(copy)
