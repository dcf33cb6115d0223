"""Terminals under an engine: their end, and output where to be readable means input."""

from __future__ import annotations

import os
import tty

from reactorlib.backends.events import PIPE, WRITER
from reactorlib.testing.contract.engine_base import EngineParts, pattern
from reactorlib.testing.contract.engine_driver import EngineDriver


class EngineTerminals(EngineParts):
    """The master of a terminal is a PIPE, what one types at is a WRITER that is paused."""

    def test_the_last_one_to_close_a_terminal_ends_its_master(self, driver: EngineDriver) -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        handle = driver.add(master, PIPE)
        handle.write(b"typed")
        driver.turn()
        assert os.read(slave, 9) == b"typed"
        os.write(slave, b"last words")
        os.close(slave)
        driver.until_lost(handle)
        assert handle.received == b"last words"
        assert handle.lost == 0

    def test_input_is_no_sign_that_nobody_sees_the_output(self, driver: EngineDriver) -> None:
        master, slave = os.openpty()
        tty.setraw(slave)
        handle = driver.add(os.dup(slave), WRITER)
        handle.pause()
        os.write(master, b"typed")
        driver.expect_quiet()
        data = pattern(100_000)
        handle.write(data)
        driver.turn()
        handle.lose()
        driver.expect_quiet()
        received = bytearray()
        while len(received) < len(data):
            received += os.read(master, len(data))
            driver.turn()
        driver.until_lost(handle)
        assert handle.lost == 0
        assert received == data
        assert os.read(slave, 9) == b"typed"
        os.close(slave)
        os.close(master)
