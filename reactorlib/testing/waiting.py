"""Running a reactor until something has happened, but not for ever.

Nothing here sleeps. What has not happened after `patience` seconds fails the test.
"""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic
from typing import Any

import pytest

from reactorlib.failure import Failure


def run_until(reactor: Any, deferred: Any, patience: float, lack: str = "") -> Any:
    """Run the reactor until a Deferred fires; return its result, or raise its failure.

    The reactor is left by `crash`: no shutdown events, nothing is closed. `lack`
    says what is wrong when it does not fire.
    """
    __tracebackhide__ = True
    lack = lack or f"{deferred!r} did not fire"
    outcome: list[Any] = []

    def finished(result: Any) -> None:
        outcome.append(result)
        reactor.crash()

    deferred.addBoth(finished)
    if not outcome:
        run_guarded(reactor, patience, lack)
    if not outcome:
        pytest.fail(f"{lack} before the run ended")
    if isinstance(outcome[0], Failure):
        outcome[0].raiseException()
    return outcome[0]


def run_guarded(
    reactor: Any, patience: float, lack: str = "nothing ended the reactor", **options: Any
) -> None:
    """Run the reactor, without signal handlers unless asked; fail if nothing ends it."""
    __tracebackhide__ = True
    expired: list[bool] = []

    def expire() -> None:
        expired.append(True)
        reactor.crash()

    guard = reactor.callLater(patience, expire)
    try:
        reactor.run(**{"installSignalHandlers": False, **options})
    finally:
        if guard.active():
            guard.cancel()
    if expired:
        pytest.fail(f"{lack} within {patience:g} s")


def turn_until(reactor: Any, condition: Callable[[], object], patience: float) -> None:
    """Turn a reactor that does not run until something is true."""
    __tracebackhide__ = True
    until = monotonic() + patience
    while not condition():
        if monotonic() > until:
            pytest.fail(f"{condition!r} was not true within {patience:g} s")
        reactor.iterate(0.05)
