"""`reactorlib.run`: a coroutine function from its start to its end."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from typing import Any, TypeVar

import reactorlib
from reactorlib.defer import CancelledError, Deferred, maybeDeferred
from reactorlib.failure import Failure

_T = TypeVar("_T")


class _Main:
    """One coroutine function under way, and what came of it."""

    def __init__(self, start: Callable[[], Any]) -> None:
        self._start = start
        self._under_way: Deferred[Any] | None = None
        self.outcome: list[Any] = []
        self.interrupted = False

    def begin(self, reactor: Any) -> None:
        self._under_way = maybeDeferred(self._start)
        self._under_way.addBoth(self.outcome.append)
        self._under_way.addBoth(lambda _: None if self.interrupted else reactor.stop())

    def interrupt(self) -> Deferred[Any] | None:
        """The reactor is being stopped: cancel, and let the coroutine clean up."""
        if self.outcome or self._under_way is None:
            return None
        self.interrupted = True
        self._under_way.cancel()
        return self._under_way


def run(
    main: Callable[..., Coroutine[Any, Any, _T] | Deferred[_T]], *args: Any, reactor: Any = None
) -> _T:
    """Run `main(reactor, *args)` to its end and return its result.

    `reactor` is by default the process's one; it is running while `main` does,
    and can be run again afterwards. What `main` raises is raised here. When the
    reactor is stopped first, by Ctrl-C for one, `main` is cancelled, and
    KeyboardInterrupt is raised unless it ends in another way.
    """
    chosen = reactor if reactor is not None else reactorlib.reactor
    under_way = _Main(lambda: main(chosen, *args))
    chosen.callWhenRunning(under_way.begin, chosen)
    trigger = chosen.addSystemEventTrigger("before", "shutdown", under_way.interrupt)
    try:
        chosen.run()
    finally:
        _remove(chosen, trigger)
    if not under_way.outcome:
        raise KeyboardInterrupt
    outcome = under_way.outcome[0]
    if not isinstance(outcome, Failure):
        result: _T = outcome
        return result
    if under_way.interrupted and outcome.check(CancelledError):
        raise KeyboardInterrupt
    raise outcome.as_exception()


def _remove(reactor: Any, trigger: Any) -> None:
    try:
        reactor.removeSystemEventTrigger(trigger)
    except ValueError:
        """It ran: triggers are used up."""
