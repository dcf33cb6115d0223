"""What a test leaves behind: in its reactors, in the process, and in the log.

Delayed calls, readers, writers, connections, ports, descriptors and threads are
found and named. This serves the fixtures of the pytest plugin and of the
contract suites.
"""

from __future__ import annotations

import logging
import os
import threading
import traceback
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

import pytest

# How long, in seconds, ending threads and connections may take after a test.
GRACE = 5.0


class LoggedErrors(logging.Handler):
    """The errors that the package logs while a test runs."""

    def __init__(self) -> None:
        super().__init__(logging.ERROR)
        self.records: list[logging.LogRecord] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.records.append(record)

    def take(self, kind: type[BaseException] = BaseException) -> list[logging.LogRecord]:
        """Remove and return those with an exception of this kind, or all by default."""
        taken = [record for record in self.records if isinstance(_exception(record), kind)]
        if kind is BaseException:
            taken = self.records
        self.records = [record for record in self.records if record not in taken]
        return taken

    def describe(self) -> list[str]:
        """What is left, with the tracebacks."""
        return [_describe(record) for record in self.records]


def _exception(record: logging.LogRecord) -> BaseException | None:
    return record.exc_info[1] if record.exc_info else None


def _describe(record: logging.LogRecord) -> str:
    error = _exception(record)
    trace = "" if error is None else "\n" + "".join(traceback.format_exception(error))
    return f"logged: {record.getMessage()}{trace}"


@contextmanager
def recorded_errors() -> Iterator[LoggedErrors]:
    """The errors logged meanwhile, for the test to take."""
    errors = LoggedErrors()
    logger = logging.getLogger("reactorlib")
    logger.addHandler(errors)
    try:
        yield errors
    finally:
        logger.removeHandler(errors)


def open_descriptors() -> dict[int, str]:
    """This process's descriptors, each with what it is as far as the system tells."""
    found = {}
    for number in map(int, os.listdir("/dev/fd")):
        try:
            found[number] = _what_is(number)
        except OSError:  # it was the one that listed the directory
            continue
    return found


def _what_is(number: int) -> str:
    status = os.fstat(number)
    try:
        return os.readlink(f"/proc/self/fd/{number}")
    except FileNotFoundError:
        return f"mode {status.st_mode:o}, device {status.st_dev}, inode {status.st_ino}"


class FreshReactors:
    """The reactors of one test, and what the process had open before it."""

    def __init__(self, make: Callable[[], Any], grace: float) -> None:
        self._make = make
        self._grace = grace
        self._descriptors = open_descriptors()
        self._threads = set(threading.enumerate())
        self._reactors: list[Any] = []

    def new(self) -> Any:
        """One more reactor."""
        self._reactors.append(self._make())
        return self._reactors[-1]

    def close(self) -> list[str]:
        """Close all of them; what the test has left, by name.

        Threads, and connections that may end by themselves, get the time of grace.
        """
        left = [each for reactor in self._reactors for each in leftovers(reactor, self._grace)]
        for reactor in self._reactors:
            reactor.close()
        return left + self._new_descriptors() + self._new_threads()

    def _new_descriptors(self) -> list[str]:
        return [
            f"descriptor {number}: {what}"
            for number, what in open_descriptors().items()
            if self._descriptors.get(number) != what
        ]

    def _new_threads(self) -> list[str]:
        new = [thread for thread in threading.enumerate() if thread not in self._threads]
        for thread in new:
            thread.join(self._grace)
        return [f"thread {thread.name}" for thread in new if thread.is_alive()]


def leftovers(reactor: Any, grace: float) -> list[str]:
    """What is left in a reactor when its connections have had `grace` seconds to end."""
    until = monotonic() + grace
    while open_transports(reactor) and monotonic() < until:
        reactor.iterate(0.05)
    return [
        *(f"delayed call: {call!r}" for call in reactor.getDelayedCalls()),
        *(f"reader: {reader!r}" for reader in reactor.removeAll()),
        *(f"transport: {transport!r}" for transport in open_transports(reactor)),
    ]


def open_transports(reactor: Any) -> list[Any]:
    """The connections, ports and connectors that a reactor holds."""
    watched = {id(target) for target in reactor.getReaders() + reactor.getWriters()}
    return [
        sink for sink in reactor.sinks.values() if id(getattr(sink, "target", None)) not in watched
    ]


def expect_none(left: list[str]) -> None:
    """Fail the test with the names of what is left."""
    if left:
        pytest.fail("left behind:\n" + "\n".join(left), pytrace=False)
