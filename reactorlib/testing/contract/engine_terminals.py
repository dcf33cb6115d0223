"""Terminals under an engine, and writers that are paused: what readiness does not mean there.

To be readable means, of the write end of a pipe, that nobody reads any more; of a
terminal that one writes to, that somebody has typed. So such a WRITER is
paused, and learns of its end by writing.
"""

from __future__ import annotations

import os
import socket
import tty
from errno import ECONNABORTED, EIO, EPIPE
from io import FileIO

import pytest

from reactorlib.backends.events import EOF, NOTIFY_EOF, PIPE, WRITER
from reactorlib.testing.contract.engine_base import EngineParts, pattern
from reactorlib.testing.contract.engine_driver import EngineDriver, Handle

PLENTY = 1_000_000


def opened(driver: EngineDriver, number: int, mode: str) -> FileIO:
    """A descriptor of the test's own, which the driver closes if the test does not."""
    return driver.own(FileIO(number, mode))


def terminal(driver: EngineDriver, raw: bool = True) -> tuple[FileIO, FileIO]:
    """The two sides of a terminal."""
    master, slave = os.openpty()
    if raw:
        tty.setraw(slave)
    return opened(driver, master, "r+"), opened(driver, slave, "r+")


def pipe(driver: EngineDriver) -> tuple[FileIO, FileIO]:
    """The read end and the write end."""
    reading, writing = os.pipe()
    return opened(driver, reading, "r"), opened(driver, writing, "w")


def drained(driver: EngineDriver, source: FileIO, size: int) -> bytes:
    """So many bytes, read while the engine turns."""
    os.set_blocking(source.fileno(), False)
    received = bytearray()

    def all_there() -> bool:
        received.extend(source.read(size) or b"")
        return len(received) >= size

    driver.until(all_there)
    return bytes(received)


class EngineTerminals(EngineParts):
    """The master of a terminal is a PIPE, what one types at is a WRITER that is paused."""

    # Terminals

    def test_the_last_one_to_close_a_terminal_ends_its_master(self, driver: EngineDriver) -> None:
        master, slave = terminal(driver)
        handle = driver.add(os.dup(master.fileno()), PIPE)
        master.close()
        handle.write(b"typed")
        driver.turn()
        assert slave.read(9) == b"typed"
        other = opened(driver, os.dup(slave.fileno()), "w")
        slave.close()
        driver.expect_quiet()
        other.write(b"last words")
        other.close()
        driver.until_lost(handle)
        assert handle.received == b"last words"
        assert handle.lost == 0

    def test_the_end_of_a_terminal_may_be_told_before_the_loss(self, driver: EngineDriver) -> None:
        master, slave = terminal(driver)
        handle = driver.add(os.dup(master.fileno()), PIPE)
        handle.notify(NOTIFY_EOF)
        slave.close()
        driver.until_told(handle, EOF)
        driver.expect_quiet()
        handle.lose()
        driver.until_lost(handle)
        assert handle.lost == 0

    def test_a_paused_master_is_told_its_end_later(self, driver: EngineDriver) -> None:
        """And does not spin until then, though the system reports it all the time."""
        master, slave = terminal(driver)
        handle = driver.add(os.dup(master.fileno()), PIPE)
        handle.pause()
        driver.turn()
        slave.write(b"last words")
        slave.close()
        driver.expect_quiet()
        handle.resume()
        driver.until_lost(handle)
        assert handle.received == b"last words"
        assert handle.lost == 0

    def test_a_hang_up_ends_who_reads_a_terminal(self, driver: EngineDriver) -> None:
        master, slave = terminal(driver)
        handle = driver.add(os.dup(slave.fileno()), PIPE)
        master.write(b"typed")
        driver.until_received(handle, 5)
        driver.expect_quiet()
        master.close()
        driver.until_lost(handle)
        assert handle.lost == 0

    def test_the_key_for_the_end_ends_who_reads_lines(self, driver: EngineDriver) -> None:
        master, slave = terminal(driver, raw=False)
        handle = driver.add(os.dup(slave.fileno()), PIPE)
        master.write(b"half a line")
        driver.expect_quiet()
        master.write(b" and the rest\n\x04")
        driver.until_lost(handle)
        assert handle.received == b"half a line and the rest\n"
        assert handle.lost == 0

    def test_much_leaves_through_a_terminal(self, driver: EngineDriver) -> None:
        """Its buffer takes a few thousand bytes at a time."""
        master, slave = terminal(driver)
        handle = driver.add(os.dup(master.fileno()), PIPE)
        data = pattern(100_000)
        handle.write(data)
        driver.turn()
        assert handle.buffered > 0
        assert drained(driver, slave, len(data)) == data
        assert handle.buffered == 0

    # Paused writers

    def test_input_is_no_sign_that_nobody_sees_the_output(self, driver: EngineDriver) -> None:
        master, slave = terminal(driver)
        handle = driver.add(os.dup(slave.fileno()), WRITER)
        handle.pause()
        master.write(b"typed")
        driver.expect_quiet()
        data = pattern(100_000)
        handle.write(data)
        driver.turn()
        handle.lose()
        driver.expect_quiet()
        assert drained(driver, master, len(data)) == data
        driver.until_lost(handle)
        assert handle.lost == 0
        assert slave.read(9) == b"typed"

    @pytest.mark.parametrize("waiting", [0, PLENTY])
    def test_a_hang_up_is_told_to_who_writes(self, driver: EngineDriver, waiting: int) -> None:
        """Without output, by the next write."""
        master, slave = terminal(driver)
        handle = driver.add(os.dup(slave.fileno()), WRITER)
        handle.pause()
        handle.write(bytes(waiting))
        driver.turn()
        master.close()
        if not waiting:
            driver.expect_quiet()
            handle.write(b"for nobody")
        driver.until_lost(handle)
        assert handle.lost == EIO

    def paused(self, driver: EngineDriver, waiting: int = 0) -> tuple[Handle, FileIO]:
        """The write end of a pipe in the engine, and its read end."""
        reading, writing = pipe(driver)
        handle = driver.add(os.dup(writing.fileno()), WRITER)
        writing.close()
        handle.pause()
        handle.write(bytes(waiting))
        driver.turn()
        return handle, reading

    def test_a_paused_writer_learns_by_resuming_that_nobody_reads(
        self, driver: EngineDriver
    ) -> None:
        handle, reading = self.paused(driver)
        reading.close()
        driver.expect_quiet()
        handle.resume()
        driver.until_lost(handle)
        assert handle.lost == EPIPE

    @pytest.mark.parametrize("waiting", [0, PLENTY])
    def test_a_paused_writer_learns_by_writing_that_nobody_reads(
        self, driver: EngineDriver, waiting: int
    ) -> None:
        handle, reading = self.paused(driver, waiting)
        reading.close()
        if not waiting:
            driver.expect_quiet()
            handle.write(b"for nobody")
        driver.until_lost(handle)
        assert handle.lost == EPIPE

    def test_a_paused_writer_ends_well_though_nobody_reads(self, driver: EngineDriver) -> None:
        """All that it had to say was taken."""
        handle, reading = self.paused(driver)
        reading.close()
        handle.lose()
        driver.until_lost(handle)
        assert handle.lost == 0

    def test_a_paused_writer_is_aborted(self, driver: EngineDriver) -> None:
        handle, reading = self.paused(driver, PLENTY)
        handle.abort()
        driver.until_lost(handle)
        assert handle.lost == ECONNABORTED
        taken = 0
        while part := reading.read(PLENTY):
            taken += len(part)
        assert 0 < taken < PLENTY

    def test_a_paused_writer_on_a_socket_hears_nothing(self, driver: EngineDriver) -> None:
        """What standard output may be: there a peer's words are no end either."""
        ours, theirs = socket.socketpair()
        driver.own(theirs)
        handle = driver.add(ours, WRITER)
        handle.pause()
        driver.turn()
        theirs.send(b"words")
        driver.expect_quiet()
        handle.write(b"answer")
        handle.lose()
        driver.until_lost(handle)
        assert theirs.recv(9) == b"answer"
        assert handle.lost == 0
