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
import socket
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reactorlib.posixbase import Reactor
from reactorlib.testing import waiting
from reactorlib.testing.leaks import (
    GRACE,
    FreshReactors,
    LoggedErrors,
    expect_none,
    open_descriptors,
    recorded_errors,
)

__all__ = ["ContractBase", "LoggedErrors", "Pairs", "open_descriptors"]

Pairs = Callable[[], tuple[socket.socket, socket.socket]]


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
        with recorded_errors() as errors:
            yield errors
        expect_none(errors.describe())

    @pytest.fixture
    def new_reactor(self, logged_errors: LoggedErrors) -> Iterator[Callable[[], Any]]:
        """Makes reactors, and after the test looks for what they left and closes them."""
        reactors = FreshReactors(self.make_reactor, GRACE)
        yield reactors.new
        expect_none(reactors.close())

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

    @pytest.fixture
    def log(self, caplog: pytest.LogCaptureFixture) -> pytest.LogCaptureFixture:
        """What the package logs, from warnings on."""
        caplog.set_level(logging.WARNING, logger="reactorlib")
        return caplog

    def run_until(self, reactor: Any, deferred: Any) -> Any:
        """Run the reactor until a Deferred fires; return its result, or raise its failure.

        The reactor is left by `crash`: no shutdown events, nothing is closed.
        """
        __tracebackhide__ = True
        return waiting.run_until(reactor, deferred, self.patience)

    def run_guarded(
        self, reactor: Any, lack: str = "nothing ended the reactor", **options: Any
    ) -> None:
        """Run the reactor, without signal handlers unless asked; fail if nothing ends it."""
        __tracebackhide__ = True
        waiting.run_guarded(reactor, self.patience, lack, **options)

    def turn_until(self, reactor: Any, condition: Callable[[], object]) -> None:
        """Turn a reactor that does not run until something is true."""
        __tracebackhide__ = True
        waiting.turn_until(reactor, condition, self.patience)
