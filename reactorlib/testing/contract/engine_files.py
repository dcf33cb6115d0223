"""Files among what an engine's streams write."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from errno import EISDIR, EMFILE
from typing import IO

import pytest

from reactorlib.backends.events import FILE_SENT, NOTIFY_EMPTIED
from reactorlib.testing.contract.engine_base import EngineParts, only_descriptors, pattern
from reactorlib.testing.contract.engine_driver import EngineDriver, Handle

SIZE = (1 << 20) * 5 // 2
CONTENT = pattern(SIZE)


def send(handle: Handle, file: IO[bytes], offset: int, count: int) -> bool:
    return bool(handle.driver.engine.send_file(handle.number, file.fileno(), offset, count))


def told(handle: Handle) -> list[tuple[int, int]]:
    """Bytes and errno of each file that has ended."""
    return [event[1:] for event in handle.events if event[0] == FILE_SENT]


class EngineFiles(EngineParts):
    """A file leaves in its place; its descriptor is closed however it ends."""

    @pytest.fixture
    def file(self) -> Iterator[IO[bytes]]:
        with tempfile.TemporaryFile() as file:
            file.write(CONTENT)
            file.flush()
            yield file

    @pytest.mark.parametrize("kind", ["connection", "pair"])
    def test_files_and_writes_keep_their_order(
        self, file: IO[bytes], driver: EngineDriver, kind: str
    ) -> None:
        handle, peer = getattr(driver, kind)()
        handle.notify(NOTIFY_EMPTIED)
        expected = b""
        for number in range(12):
            handle.write(CONTENT[: number * 3_000])
            assert send(handle, file, number, SIZE - 11)
            expected += CONTENT[: number * 3_000] + CONTENT[number : number + SIZE - 11]
        assert (handle.buffered, handle.sent) == (len(expected), 0)
        assert driver.read(peer, len(expected)) == expected
        driver.until(lambda: len(told(handle)) == 12)
        assert told(handle) == [(SIZE - 11, 0)] * 12
        assert (handle.buffered, handle.sent) == (0, len(expected))
        driver.expect_quiet()

    def test_a_file_that_ends_early(self, driver: EngineDriver, file: IO[bytes]) -> None:
        handle, peer = driver.connection()
        assert send(handle, file, SIZE - 4, 10)
        assert send(handle, file, SIZE + 1, 10)
        handle.write(b"after")
        assert driver.read(peer, 9) == CONTENT[-4:] + b"after"
        assert told(handle) == [(4, 0), (0, 0)]
        assert (handle.buffered, handle.sent) == (0, 25)

    def test_what_cannot_be_read(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        directory = os.open("/", os.O_RDONLY)
        assert driver.engine.send_file(handle.number, directory, 0, 10)
        os.close(directory)
        handle.write(b"after")
        assert driver.read(peer, 5) == b"after"
        assert told(handle) == [(0, EISDIR)]

    @pytest.mark.parametrize("end", ["abort", "detach", "close"])
    def test_no_descriptor_is_left(self, file: IO[bytes], driver: EngineDriver, end: str) -> None:
        handle, _ = driver.pair()
        for _ in range(10):
            assert send(handle, file, 0, SIZE)
        driver.turn()
        if end == "abort":
            handle.abort()
            driver.until_lost(handle)
            assert not send(handle, file, 0, 1)
        elif end == "detach":
            os.close(handle.detach())

    def test_files_do_not_count_for_the_water_marks(
        self, file: IO[bytes], driver: EngineDriver
    ) -> None:
        handle, _ = driver.pair()
        driver.engine.set_limits(handle.number, 10, 20, 30)
        assert send(handle, file, 0, SIZE)
        assert handle.write(b"x" * 20) == 0
        assert handle.write(b"x" * 10) == 1

    def test_what_is_refused(self, file: IO[bytes], driver: EngineDriver) -> None:
        handle, _ = driver.connection()
        engine = driver.engine
        listener, _ = driver.listener()
        for number, offset, count in (
            (listener.number, 0, 1),
            (handle.number, -1, 1),
            (handle.number, 0, 0),
            (handle.number, 1, 2**63 - 1),
        ):
            with pytest.raises(OSError, match="Invalid"):
                engine.send_file(number, file.fileno(), offset, count)
        with only_descriptors(0), pytest.raises(OSError) as refusal:  # noqa: PT011
            engine.send_file(handle.number, file.fileno(), 0, 1)
        assert refusal.value.errno == EMFILE
        handle.shut()
        assert not send(handle, file, 0, 1)
