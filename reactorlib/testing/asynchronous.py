"""How the pytest plugin runs a test that is a coroutine function or returns a Deferred.

A test with a reactor runs on that, in real time, and is given up after its
timeout. A test without one, but with a clock, runs in the time of that: while
the test waits, the clock jumps from one delayed call to the next, and a wait
for what can never happen fails at once.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from inspect import iscoroutine
from time import monotonic
from typing import Any

import pytest

from reactorlib.base import ReactorBase
from reactorlib.defer import Deferred, ensureDeferred, maybeDeferred
from reactorlib.failure import Failure
from reactorlib.testing.link import step
from reactorlib.testing.waiting import run_until


class AsynchronousTest:
    """One test: `fixtures` are those it was given, by name; `timeout` is in seconds."""

    def __init__(self, fixtures: Mapping[str, Any], timeout: float) -> None:
        reactor = fixtures.get("reactor")
        # A fixture of this name may be another's, with another kind of reactor.
        self._reactor = reactor if isinstance(reactor, ReactorBase) else None
        self._clock: Any = fixtures.get("memory_reactor")
        self._timeout = timeout

    def run(self, function: Callable[[], Any]) -> None:
        """Call a coroutine function, on the reactor if there is one, and wait for its end."""
        __tracebackhide__ = True
        under_way: list[Deferred[Any]] = []

        def begin() -> None:
            under_way.append(maybeDeferred(function))
            under_way[0].chainDeferred(done)

        def cancel(_: object) -> None:
            for each in under_way:
                each.cancel()

        done: Deferred[Any] = Deferred(cancel)
        if self._reactor is None:
            begin()
        else:
            self._reactor.callWhenRunning(begin)
        self._wait_for(done)

    def finish(self, result: Any) -> Any:
        """Wait for what a test has returned; what is nothing to wait for comes back."""
        __tracebackhide__ = True
        if iscoroutine(result):
            result = ensureDeferred(result)
        if not isinstance(result, Deferred):
            return result
        return self._wait_for(result)

    def _wait_for(self, deferred: Deferred[Any]) -> None:
        __tracebackhide__ = True
        outcome: list[Any] = []

        def end(result: Any) -> Any:
            outcome.append(result)
            return result

        deferred.addBoth(end)
        try:
            if self._reactor is not None:
                run_until(self._reactor, deferred, self._timeout, "the test did not end")
            else:
                self._jump_until(deferred)
        except pytest.fail.Exception as late:
            if outcome:
                raise
            deferred.cancel()  # ... which raises where the test waits
            raise late from _exception(outcome)
        finally:
            deferred.cancel()

    def _jump_until(self, deferred: Deferred[Any]) -> None:
        __tracebackhide__ = True
        outcome: list[Any] = []
        deferred.addBoth(outcome.append)
        until = monotonic() + self._timeout
        while not outcome:
            if not step(self._clock):
                pytest.fail("the test waits for what never happens: nothing is due on its clock")
            if monotonic() > until:
                pytest.fail(f"the test did not end within {self._timeout:g} s")
        if isinstance(outcome[0], Failure):
            outcome[0].raiseException()


def _exception(outcome: list[Any]) -> BaseException | None:
    return outcome[0].value if outcome and isinstance(outcome[0], Failure) else None
