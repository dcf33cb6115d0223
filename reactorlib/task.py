"""Work that is repeated, put off, or done in small steps; and a clock for tests.

- ``LoopingCall`` calls a function again and again, ``deferLater`` once later.
- ``Clock`` is a reactor's time that moves only when it is told to.
- ``Cooperator``, from reactorlib.cooperator, takes many iterators forward in turn.
- ``react`` runs a program from its first Deferred to its exit code.

Guarantees: a LoopingCall keeps to the ticks that its start and its interval
give, however late single calls are, and never calls twice for one tick or
while the result of a call is still to come.

The process's reactor is asked for only when something is started and no other
clock, scheduler or reactor was given; never when this module is imported.
"""

from __future__ import annotations

import logging
import math
import sys
from collections.abc import Callable, Iterable
from functools import cached_property
from typing import Any, NoReturn

from zope.interface import implementer

import reactorlib
from reactorlib.cooperator import (
    CooperativeTask,
    Cooperator,
    NotPaused,
    SchedulerError,
    SchedulerStopped,
    TaskDone,
    TaskFailed,
    TaskFinished,
    TaskStopped,
    coiterate,
    cooperate,
)
from reactorlib.defer import Deferred, maybeDeferred
from reactorlib.error import ReactorNotRunning
from reactorlib.failure import Failure
from reactorlib.interfaces import IReactorTime
from reactorlib.timers import DelayedCall, TimerQueue

__all__ = [
    "Clock",
    "CooperativeTask",
    "Cooperator",
    "LoopingCall",
    "NotPaused",
    "SchedulerError",
    "SchedulerStopped",
    "TaskDone",
    "TaskFailed",
    "TaskFinished",
    "TaskStopped",
    "coiterate",
    "cooperate",
    "deferLater",
    "react",
]

logger = logging.getLogger("reactorlib")


class LoopingCall:
    """Calls a function every so many seconds.

    When the function returns a Deferred or a coroutine, the next call waits
    for its result.  Ticks that pass meanwhile, or while the reactor is busy,
    are left out, and the next call comes at the next tick.

    Attributes:
        f, a, kw: the function and its arguments.
        clock: what measures the time (IReactorTime), by default the process's
            reactor; set it before `start`.
        running: whether the function will be, or is being, called again.
        interval: seconds between ticks; None before the first `start`.
        starttime: what ticks are counted from, on the clock.
        deferred: what `start` has returned; None when not running.
        call: the next call, if there is one.
    """

    def __init__(self, f: Callable[..., object], *a: Any, **kw: Any) -> None:
        self.f = f
        self.a = a
        self.kw = kw
        self.running = False
        self.interval: float | None = None
        self.starttime = 0.0
        self.deferred: Deferred[LoopingCall] | None = None
        self.call: Any = None
        self._counting = False
        self._tick = 0
        self._counted = 0

    @classmethod
    def withCount(cls, countCallable: Callable[[int], object]) -> LoopingCall:
        """Make one whose function is told how many ticks there were since its last call.

        That number is 1 when no tick was missed, and always with an interval of 0.
        """
        loop = cls(countCallable)
        loop._counting = True
        return loop

    @cached_property
    def clock(self) -> IReactorTime:
        clock: IReactorTime = reactorlib.reactor
        return clock

    def start(self, interval: float, now: bool = True) -> Deferred[LoopingCall]:
        """Begin to call.

        Args:
            interval: seconds; with 0 the calls follow one another as fast as
                the reactor can make them.
            now: whether the first call is made at once, or after the interval.

        Returns:
            A Deferred that fires with this object after `stop`, or with the
            Failure of the call that failed, which was the last one.

        Raises:
            ValueError: the interval is negative or not finite.
            RuntimeError: it is running already.
        """
        if self.running:
            raise RuntimeError(f"{self!r} is running already")
        if not 0 <= interval < math.inf:
            raise ValueError(f"the interval must be a finite number, 0 or more: {interval}")
        run: Deferred[LoopingCall] = Deferred()
        self.running = True
        self.interval = interval
        self.deferred = run
        self._count_from_now()
        if now:
            self._counted = -1
            self._make_call(run)
        else:
            self._schedule(run)
        return run

    def stop(self) -> None:
        """Call no more.

        Raises:
            RuntimeError: it is not running.
        """
        run = self._require_running()
        self.running = False
        if self.call is not None:
            self.call.cancel()
            self.call = None
            self._finish(run, self)

    def reset(self) -> None:
        """Leave out the next call and count the ticks from now; nothing while a call is made.

        Raises:
            RuntimeError: it is not running.
        """
        run = self._require_running()
        if self.call is not None:
            self.call.cancel()
            self._count_from_now()
            self._schedule(run)

    def _require_running(self) -> Deferred[LoopingCall]:
        if self.deferred is None or not self.running:
            raise RuntimeError(f"{self!r} is not running")
        return self.deferred

    def _count_from_now(self) -> None:
        self.starttime = self.clock.seconds()
        self._tick = self._counted = 0

    # A run is known by the Deferred that `start` gave: after `stop`, another run may
    # begin while the last call of the one before is still under way.

    def _make_call(self, run: Deferred[LoopingCall]) -> None:
        self.call = None
        count = (self._tick - self._counted,) if self._counting else ()
        self._counted = self._tick
        result = maybeDeferred(self.f, *count, *self.a, **self.kw)
        result.addCallback(self._succeeded, run).addErrback(self._failed, run)

    def _succeeded(self, result: object, run: Deferred[LoopingCall]) -> None:
        if self.running and run is self.deferred:
            self._schedule(run)
        else:
            self._finish(run, self)

    def _failed(self, failure: Failure, run: Deferred[LoopingCall]) -> None:
        if run is self.deferred:
            self.running = False
        self._finish(run, failure)

    def _finish(self, run: Deferred[LoopingCall], result: LoopingCall | Failure) -> None:
        if run is self.deferred:
            self.deferred = None
        run.callback(result)

    def _schedule(self, run: Deferred[LoopingCall]) -> None:
        now = self.clock.seconds()
        tick = self._latest_tick(now, self._tick) + 1
        wait = self.starttime + tick * (self.interval or 0.0) - now
        self.call = self.clock.callLater(max(0.0, wait), self._arrive, run, tick)

    def _arrive(self, run: Deferred[LoopingCall], tick: int) -> None:
        self._tick = self._latest_tick(self.clock.seconds(), tick)
        self._make_call(run)

    def _latest_tick(self, now: float, at_least: int) -> int:
        """The last tick that has passed.

        Rounding may put it one below the tick that a call was made for: that one counts.
        """
        if not self.interval:
            return at_least
        return max(at_least, int((now - self.starttime) / self.interval))

    def __repr__(self) -> str:
        name = getattr(self.f, "__qualname__", None) or repr(self.f)
        return f"LoopingCall<{self.interval!r}>({name}, *{self.a!r}, **{self.kw!r})"


def deferLater(
    clock: IReactorTime,
    delay: float,
    callable: Callable[..., Any] | None = None,
    *args: Any,
    **kw: Any,
) -> Deferred[Any]:
    """Return a Deferred of what a function gives when it is called later.

    Without a function the result is None.  Cancelling the Deferred cancels the
    call, or what the function has returned.

    Args:
        clock: what measures the time, such as a reactor.
        delay: seconds.
    """

    def cancel(_: Deferred[Any]) -> None:
        call.cancel()

    deferred: Deferred[Any] = Deferred(cancel)
    call = clock.callLater(delay, deferred.callback, None)
    if callable is not None:
        deferred.addCallback(lambda _: callable(*args, **kw))
    return deferred


@implementer(IReactorTime)
class Clock:
    """A reactor's time for tests: it stands still until `advance`.

    Attributes:
        rightNow: the present, in seconds.
    """

    def __init__(self) -> None:
        self.rightNow = 0.0
        self._timers = TimerQueue(self.seconds)

    def seconds(self) -> float:
        """Return the present, in seconds."""
        return self.rightNow

    def callLater(
        self, delay: float, callable: Callable[..., object], *args: Any, **kw: Any
    ) -> DelayedCall:
        """Call a function when the time was advanced by `delay` seconds; see TimerQueue."""
        return self._timers.callLater(delay, callable, *args, **kw)

    def getDelayedCalls(self) -> list[DelayedCall]:
        """Return the calls that are still to be made, in the order they will run."""
        return self._timers.getDelayedCalls()

    @property
    def calls(self) -> list[DelayedCall]:
        """The same as `getDelayedCalls()`."""
        return self.getDelayedCalls()

    def advance(self, amount: float) -> None:
        """Move the time on, and then make every call that is due.

        Calls that callbacks make are made too when they are due.  What a
        callback raises is raised here; the calls after it stay due.

        Args:
            amount: seconds, 0 or more.

        Raises:
            ValueError: the amount is negative.
        """
        if amount < 0:
            raise ValueError(f"time does not go back: {amount}")
        self.rightNow += amount
        while self._timers.timeout() == 0.0 and (call := self._timers.take_due(self.rightNow)):
            call.func(*call.args, **call.kw)

    def pump(self, timings: Iterable[float]) -> None:
        """Call `advance` with each of the amounts."""
        for amount in timings:
            self.advance(amount)


def react(
    main: Callable[..., object], argv: Iterable[object] = (), _reactor: Any = None
) -> NoReturn:
    """Run a program, and exit when the Deferred or coroutine of its function is done.

    The exit code is 0, or 1 after an error, which is logged, or what the
    function gave to SystemExit.  It is 0 also when the reactor is stopped first.

    Args:
        main: called with the reactor and `argv` once the reactor runs.
        _reactor: by default the process's reactor.

    Raises:
        SystemExit: always.
    """
    reactor = reactorlib.reactor if _reactor is None else _reactor
    code: Any = 0

    def begin() -> None:
        maybeDeferred(main, reactor, *argv).addBoth(finish)

    def finish(result: object) -> None:
        nonlocal code
        code = _exit_code(result)
        try:
            reactor.stop()
        except ReactorNotRunning:
            """It is being stopped already."""

    reactor.callWhenRunning(begin)
    reactor.run()
    sys.exit(code)


def _exit_code(result: object) -> Any:
    if not isinstance(result, Failure):
        return 0
    if isinstance(result.value, SystemExit):
        return result.value.code
    logger.error("Unhandled error in main function", exc_info=result.value)
    return 1
