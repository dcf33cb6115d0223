"""What the parts of EngineContract stand on: a driven engine that leaves no descriptor open."""

from __future__ import annotations

import os
import resource
import socket
import struct
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from typing import Any

import pytest

from reactorlib.testing.contract.base import open_descriptors
from reactorlib.testing.contract.engine_driver import EngineDriver


class EngineParts:
    """The base of every part: the hook, and the fixture `driver`.

    `descriptor_limit` is the first descriptor that the engine cannot hold, if
    there is one; `patience` how many seconds a test waits for something.
    """

    descriptor_limit: int | None = None
    patience = 20.0

    def make_engine(self) -> Any:
        """A new engine (IEngine)."""
        raise NotImplementedError("a subclass says what is under test")

    @pytest.fixture
    def driver(self) -> Iterator[EngineDriver]:
        before = open_descriptors()
        driver = EngineDriver(self.make_engine(), self.patience)
        try:
            yield driver
        finally:
            driver.close()
        left = {fd: what for fd, what in open_descriptors().items() if before.get(fd) != what}
        assert not left, "descriptors left open"


def reset(sock: socket.socket) -> None:
    """Close with a reset."""
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    sock.close()


def pattern(size: int) -> bytes:
    """Bytes that show where they belong."""
    period = b"".join(number.to_bytes(3, "big") for number in range(1 << 14))
    return (period * (size // len(period) + 1))[:size]


@contextmanager
def at_most_descriptors(count: int) -> Iterator[None]:
    """Another soft limit of open descriptors for a while."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (count, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))


def at_least_descriptors(count: int) -> AbstractContextManager[None]:
    """A soft limit that lets so many descriptors be opened, for a while."""
    return at_most_descriptors(max(count, resource.getrlimit(resource.RLIMIT_NOFILE)[0]))


@contextmanager
def numbers_used_up(below: int) -> Iterator[list[int]]:
    """All descriptors below a number are taken; it gives those that may be closed."""
    taken = [os.dup(0)]
    with at_least_descriptors(below + 100):
        while taken[-1] < below:
            taken.append(os.dup(0))
        os.close(taken.pop())
        try:
            yield taken
        finally:
            for descriptor in taken:
                os.close(descriptor)


@contextmanager
def only_descriptors(spare: int) -> Iterator[None]:
    """So many descriptors can be opened, and no more."""
    top = max(open_descriptors()) + 1
    with numbers_used_up(top), at_most_descriptors(top + spare):
        yield
