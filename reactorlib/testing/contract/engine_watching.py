"""What an engine reports of descriptors that somebody else reads, and of pipes."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from errno import EBADF, ECONNABORTED, EPIPE

import pytest

from reactorlib.backends.events import (
    DATA,
    EOF,
    LOST,
    NOTIFY_EOF,
    PIPE,
    READABLE,
    STREAM,
    WATCHED,
    WRITABLE,
    WRITER,
)
from reactorlib.testing.contract.engine_base import EngineParts, at_least_descriptors, pattern
from reactorlib.testing.contract.engine_driver import EngineDriver, Handle


def pair(driver: EngineDriver) -> tuple[socket.socket, socket.socket]:
    """A socket to watch, and its peer."""
    ours, theirs = socket.socketpair()
    ours.setblocking(False)
    return driver.own(ours), driver.own(theirs)


class EngineWatching(EngineParts):
    """Readiness is told as asked, nothing is touched, and a vanished descriptor harms nobody."""

    def test_readiness_is_told_as_long_as_it_lasts(self, driver: EngineDriver) -> None:
        ours, theirs = pair(driver)
        handle = driver.add(ours.fileno(), WATCHED)
        theirs.sendall(b"x")
        driver.expect_quiet()
        handle.watch(True, False)
        for number in range(1, 4):
            driver.until_told(handle, READABLE, number)
        assert ours.recv(9) == b"x"
        driver.expect_quiet()
        handle.watch(True, True)
        driver.turn()
        driver.turn()
        assert handle.count(WRITABLE) == 2
        theirs.sendall(b"x")
        driver.turn()
        assert [event[0] for event in handle.events[-2:]] == [READABLE, WRITABLE]
        handle.watch(False, True)
        driver.turn()
        handle.watch(False, False)
        driver.expect_quiet()

    def test_the_peers_end_is_readable(self, driver: EngineDriver) -> None:
        ours, theirs = pair(driver)
        handle = driver.add(ours.fileno(), WATCHED)
        handle.watch(True, False)
        theirs.close()
        driver.until_told(handle, READABLE)
        assert ours.recv(9) == b""

    def test_a_pipe_without_reader_is_writable(self, driver: EngineDriver) -> None:
        reader, writer = os.pipe()
        handle = driver.add(writer, WATCHED)
        handle.watch(False, True)
        os.close(reader)
        driver.until_told(handle, WRITABLE)
        handle.detach()
        os.close(writer)

    def test_detached_it_is_told_no_more(self, driver: EngineDriver) -> None:
        ours, theirs = pair(driver)
        handle = driver.add(ours.fileno(), WATCHED)
        handle.watch(True, True)
        theirs.sendall(b"x")
        assert handle.detach() == ours.fileno()
        assert handle.detach() == -1
        driver.expect_quiet()
        again = driver.add(ours.fileno(), WATCHED)
        again.watch(True, False)
        driver.until_told(again, READABLE)

    @pytest.mark.parametrize(("end", "number"), [(Handle.lose, 0), (Handle.abort, ECONNABORTED)])
    def test_lose_and_abort_leave_the_descriptor(
        self, driver: EngineDriver, end: Callable[[Handle], None], number: int
    ) -> None:
        ours, theirs = pair(driver)
        handle = driver.add(ours.fileno(), WATCHED)
        handle.watch(True, False)
        end(handle)
        driver.until_lost(handle)
        assert handle.lost == number
        assert driver.engine.counters()["open"] == 0
        assert ours.getsockopt(socket.SOL_SOCKET, socket.SO_LINGER, 8) == bytes(8)
        ours.sendall(b"alive")
        assert theirs.recv(9) == b"alive"
        theirs.sendall(b"both ways")
        assert ours.recv(9) == b"both ways"

    def test_none_of_very_many_that_are_always_ready_is_starved(self, driver: EngineDriver) -> None:
        """More than a kernel interface is asked for at once."""
        count = 1_500 if self.descriptor_limit is None else self.descriptor_limit * 3 // 4
        reader, writer = os.pipe()
        os.write(writer, b"x")
        with at_least_descriptors(count + 200):
            handles = [driver.add(os.dup(reader), WATCHED) for _ in range(count)]
        for handle in handles:
            handle.watch(True, False)
        for _ in range(50):
            driver.turn()
        assert all(handle.count(READABLE) for handle in handles)
        for handle in handles:
            os.close(handle.detach())
        os.close(reader)
        os.close(writer)

    # Closed without a word

    def test_closed_silently_it_neither_spins_nor_hinders(self, driver: EngineDriver) -> None:
        ours, theirs = pair(driver)
        handle = driver.add(ours.fileno(), WATCHED)
        handle.watch(True, False)
        other, other_peer = driver.connection()
        driver.turn()
        ours.close()
        driver.turn(0.01)
        driver.expect_quiet()
        assert handle.lost in (None, EBADF)  # not every kernel tells
        other_peer.sendall(b"x")
        driver.until(lambda: other.received)
        handle.detach()
        driver.expect_quiet()
        theirs.close()

    def test_closed_silently_and_its_number_reused(self, driver: EngineDriver) -> None:
        ours, theirs = pair(driver)
        new, new_peer = pair(driver)
        old = driver.add(ours.fileno(), WATCHED)
        old.watch(True, False)
        driver.turn()
        theirs.sendall(b"for the old one")
        os.dup2(new.fileno(), ours.fileno())
        handle = driver.add(ours.fileno(), WATCHED)
        handle.watch(True, True)
        driver.until_lost(old)
        assert old.lost == EBADF
        assert old.count(READABLE) == 0
        driver.turn()
        assert handle.count(READABLE) == 0
        handle.watch(True, False)
        driver.expect_quiet()
        new_peer.sendall(b"x")
        driver.until_told(handle, READABLE)

    def test_a_reused_number_that_is_accepted(self, driver: EngineDriver) -> None:
        listener, address = driver.listener()
        ours, _ = pair(driver)
        old = driver.add(ours.fileno(), WATCHED)
        old.watch(True, False)
        client = driver.client(address)
        number = ours.fileno()
        ours.close()
        driver.until(lambda: listener.accepted)
        accepted = listener.accepted[0]
        assert accepted.descriptor == number
        client.sendall(b"x")
        driver.until(lambda: accepted.received)
        assert old.lost == EBADF
        assert driver.engine.counters()["open"] == 2

    def test_closed_silently_with_a_copy_elsewhere(self, driver: EngineDriver) -> None:
        """The kernel may report the copy for ever; nobody shall hear of it, nor spin."""
        for forget in (Handle.detach, Handle.lose, Handle.abort, lambda h: h.watch(False, False)):
            ours, theirs = pair(driver)
            handle = driver.add(ours.fileno(), WATCHED)
            handle.watch(True, False)
            other, other_peer = driver.connection()
            driver.turn()
            copy = ours.dup()
            ours.close()
            theirs.sendall(b"x")
            forget(handle)
            driver.turn()
            driver.expect_quiet()
            other_peer.sendall(b"x")
            driver.until_received(other, 1)
            handle.detach()
            copy.close()

    def test_a_copy_elsewhere_of_a_reused_number(self, driver: EngineDriver) -> None:
        ours, theirs = pair(driver)
        new, new_peer = pair(driver)
        old = driver.add(ours.fileno(), WATCHED)
        old.watch(True, False)
        driver.turn()
        driver.own(ours.dup())
        os.dup2(new.fileno(), ours.fileno())
        theirs.sendall(b"x")
        handle = driver.add(ours.fileno(), WATCHED)
        handle.watch(True, False)
        driver.until_lost(old)
        driver.expect_quiet()
        new_peer.sendall(b"x")
        driver.until_told(handle, READABLE)

    @pytest.mark.parametrize("again", [WATCHED, STREAM])
    def test_a_copy_that_comes_back_under_the_old_number(
        self, driver: EngineDriver, again: int
    ) -> None:
        """Some kernels have it under watch still."""
        ours, theirs = pair(driver)
        old = driver.add(ours.fileno(), WATCHED)
        old.watch(True, False)
        driver.turn()
        number, copy = ours.fileno(), driver.own(ours.dup())
        ours.close()
        old.detach()
        os.dup2(copy.fileno(), number)
        handle = driver.add(number, again)
        if again == WATCHED:
            handle.watch(True, False)
        driver.turn()
        driver.expect_quiet()
        theirs.sendall(b"x")
        driver.until(lambda: handle.events)
        assert handle.events[0][0] == (READABLE if again == WATCHED else DATA)
        handle.detach()
        os.close(number)

    def test_a_stream_closed_silently_is_lost_when_its_number_returns(
        self, driver: EngineDriver
    ) -> None:
        handle, peer = driver.connection()
        new, new_peer = pair(driver)
        number = handle.descriptor
        handle.write(b"never")
        os.dup2(new.fileno(), number)
        stream = driver.know(driver.engine.add(number, STREAM), STREAM)
        driver.until_lost(handle)
        assert handle.lost == EBADF
        stream.write(b"mine")
        driver.turn()
        assert new_peer.recv(9) == b"mine"
        assert peer.recv(9) == b""

    # Pipes

    def test_a_pipe_is_read_to_its_end(self, driver: EngineDriver) -> None:
        for mask in (0, NOTIFY_EOF):
            reader, writer = os.pipe()
            handle = driver.add(reader, PIPE)
            handle.notify(mask)
            os.write(writer, b"some")
            driver.until_received(handle, 4)
            driver.expect_quiet()
            os.write(writer, b"thing")
            os.close(writer)
            if mask:
                driver.until_told(handle, EOF)
                driver.expect_quiet()
                handle.lose()
            driver.until_lost(handle)
            assert handle.received == b"something"
            assert handle.lost == 0
        assert driver.engine.counters()["open"] == 0

    @pytest.mark.parametrize("kind", [PIPE, WRITER])
    def test_a_pipe_is_written(self, driver: EngineDriver, kind: int) -> None:
        reader, writer = os.pipe()
        handle = driver.add(writer, kind)
        data = pattern(1_000_000)
        handle.write(data)
        handle.lose()
        driver.turn()
        driver.expect_quiet()
        received = bytearray()
        while len(received) < len(data):
            received += os.read(reader, 100_000)
            driver.turn()
        driver.until_lost(handle)
        assert os.read(reader, 1) == b""
        assert received == data
        assert handle.lost == 0
        os.close(reader)

    @pytest.mark.parametrize("kind", [PIPE, WRITER])
    @pytest.mark.parametrize("waiting", [0, 1_000_000])
    def test_a_pipe_without_reader_is_lost(
        self, driver: EngineDriver, waiting: int, kind: int
    ) -> None:
        reader, writer = os.pipe()
        handle = driver.add(writer, kind)
        handle.write(bytes(waiting))
        driver.turn()
        os.close(reader)
        handle.write(b"x")
        driver.until_lost(handle)
        assert handle.lost == EPIPE
        assert handle.count(LOST) == 1

    def test_the_loss_of_a_pipes_reader_is_told_at_once(self, driver: EngineDriver) -> None:
        reader, writer = os.pipe()
        handle = driver.add(writer, WRITER)
        driver.expect_quiet()
        os.close(reader)
        driver.until_lost(handle)
        assert handle.lost == EPIPE

    @pytest.mark.parametrize("kind", [PIPE, WRITER])
    def test_a_pipe_is_aborted(self, driver: EngineDriver, kind: int) -> None:
        reader, writer = os.pipe()
        handle = driver.add(writer, kind)
        handle.write(b"never")
        handle.abort()
        driver.until_lost(handle)
        assert os.read(reader, 9) == b""
        os.close(reader)
