"""What every contract class stands on: fresh reactors, and a search for what they left behind.

A subclass says by `make_engine` what is under test. Its tests take the
fixtures `reactor`, or `new_reactor` for several, and must leave nothing:

- Whatever was logged as an error and not taken by `logged_errors.take` fails
  the test. So does a failed assertion in a callback: the reactor logs it.
- Delayed calls, readers, writers, connections, ports, descriptors and threads
  that are left fail the test, by name.

Nothing here sleeps. Every wait is for something to happen, and ends as a
failure of the test after `patience` seconds.
"""

from __future__ import annotations

import logging
import os
import socket
import threading
import traceback
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any

import pytest

from reactorlib.failure import Failure
from reactorlib.posixbase import Reactor

Pairs = Callable[[], tuple[socket.socket, socket.socket]]

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


class ContractBase:
    """The base of every contract class.

    Override `make_engine`, or `make_reactor` for a reactor of another kind.
    """

    patience = 30.0

    def make_engine(self) -> Any:
        """A new engine (IEngine) of the backend under test."""
        raise NotImplementedError("a subclass says what is under test")

    def make_reactor(self) -> Any:
        """A new reactor; by default one on a new engine."""
        return Reactor(self.make_engine())

    @pytest.fixture
    def logged_errors(self) -> Iterator[LoggedErrors]:
        """The errors logged in the test; those not taken fail it."""
        errors = LoggedErrors()
        logger = logging.getLogger("reactorlib")
        logger.addHandler(errors)
        try:
            yield errors
        finally:
            logger.removeHandler(errors)
        _expect_none(errors.describe())

    @pytest.fixture
    def new_reactor(self, logged_errors: LoggedErrors) -> Iterator[Callable[[], Any]]:
        """Makes reactors, and after the test looks for what they left and closes them."""
        descriptors, threads = open_descriptors(), set(threading.enumerate())
        reactors: list[Any] = []

        def make() -> Any:
            reactors.append(self.make_reactor())
            return reactors[-1]

        yield make
        left = [each for reactor in reactors for each in self.leftovers(reactor)]
        for reactor in reactors:
            reactor.close()
        _expect_none(left + _new_descriptors(descriptors) + _new_threads(threads))

    @pytest.fixture
    def reactor(self, new_reactor: Callable[[], Any]) -> Any:
        """A fresh reactor."""
        return new_reactor()

    @pytest.fixture
    def pairs(self, new_reactor: Callable[[], Any]) -> Iterator[Pairs]:
        """Makes pairs of connected sockets, closed after the test and before its check."""
        sockets: list[socket.socket] = []

        def make() -> tuple[socket.socket, socket.socket]:
            pair = socket.socketpair()
            sockets.extend(pair)
            return pair

        yield make
        for each in sockets:
            each.close()

    def leftovers(self, reactor: Any) -> list[str]:
        """What a test has left in a reactor. Connections may still end by themselves."""
        until = monotonic() + GRACE
        while self.open_transports(reactor) and monotonic() < until:
            reactor.iterate(0.05)
        return [
            *(f"delayed call: {call!r}" for call in reactor.getDelayedCalls()),
            *(f"reader: {reader!r}" for reader in reactor.removeAll()),
            *(f"transport: {transport!r}" for transport in self.open_transports(reactor)),
        ]

    def open_transports(self, reactor: Any) -> list[Any]:
        """The connections, ports and connectors that a reactor holds."""
        watched = {id(target) for target in reactor.getReaders() + reactor.getWriters()}
        return [
            sink
            for sink in reactor.sinks.values()
            if id(getattr(sink, "target", None)) not in watched
        ]

    def run_until(self, reactor: Any, deferred: Any) -> Any:
        """Run the reactor until a Deferred fires; return its result, or raise its failure.

        The reactor is left by `crash`: no shutdown events, nothing is closed.
        """
        outcome: list[Any] = []

        def finished(result: Any) -> None:
            outcome.append(result)
            reactor.crash()

        deferred.addBoth(finished)
        if not outcome:
            self.run_guarded(reactor, f"{deferred!r} did not fire")
        if not outcome:
            pytest.fail(f"{deferred!r} did not fire before the run ended")
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()
        return outcome[0]

    def run_guarded(
        self, reactor: Any, lack: str = "nothing ended the reactor", **options: Any
    ) -> None:
        """Run the reactor, without signal handlers unless asked; fail if nothing ends it."""
        expired: list[bool] = []

        def expire() -> None:
            expired.append(True)
            reactor.crash()

        guard = reactor.callLater(self.patience, expire)
        try:
            reactor.run(**{"installSignalHandlers": False, **options})
        finally:
            if guard.active():
                guard.cancel()
        if expired:
            pytest.fail(f"{lack} within {self.patience} s")

    def turn_until(self, reactor: Any, condition: Callable[[], object]) -> None:
        """Turn a reactor that does not run until something is true."""
        until = monotonic() + self.patience
        while not condition():
            if monotonic() > until:
                pytest.fail(f"{condition!r} was not true within {self.patience} s")
            reactor.iterate(0.05)


def _new_descriptors(before: dict[int, str]) -> list[str]:
    return [
        f"descriptor {number}: {what}"
        for number, what in open_descriptors().items()
        if before.get(number) != what
    ]


def _new_threads(before: set[threading.Thread]) -> list[str]:
    new = [thread for thread in threading.enumerate() if thread not in before]
    for thread in new:
        thread.join(GRACE)
    return [f"thread {thread.name}" for thread in new if thread.is_alive()]


def _expect_none(left: list[str]) -> None:
    if left:
        pytest.fail("left behind:\n" + "\n".join(left), pytrace=False)
