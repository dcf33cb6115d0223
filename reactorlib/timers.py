"""Delayed calls: what is due, when the next one is due, and running them.

Guarantees:

- A call never runs before its time, on the clock that the queue was given.
  That clock must never go back (``time.monotonic``, not ``time.time``).
- Calls run in the order of their times; those of the same time in the order
  in which they were made.
- One run is finite: a call that is made while callbacks run waits for the next
  run, even when it is due at once.
- A callback that raises is logged once and hinders no other.  Only
  KeyboardInterrupt and SystemExit leave ``run_due``; what was still due then
  stays due.
- A cancelled call lets go of its function and arguments at once, and its place
  in the heap is reclaimed when more than half of the heap is such places.

Never thread safe: everything here belongs to the thread of its reactor.

Facts that the code rests on.  A new call is only put on a list; it enters the
heap when the queue is next asked what is due, so that one that is cancelled
before costs no sorting.  The heap holds tuples (time, sequence, call),
so that ordering never runs Python code.  An entry is live while it *is* the
``_entry`` of its call.  The time of a live entry is never later than the time
of its call: moving a call to a later time only writes the new time down, and
the entry is sorted in again when the old time has come.
"""

from __future__ import annotations

import logging
import math
import reprlib
import sys
from collections.abc import Callable
from heapq import heapify, heappop, heappush, heapreplace
from itertools import count
from typing import Any

from zope.interface import implementer

from reactorlib.error import AlreadyCalled, AlreadyCancelled
from reactorlib.interfaces import IDelayedCall

__all__ = ["DelayedCall", "TimerQueue"]

logger = logging.getLogger("reactorlib")

# With fewer dead entries than this, going through the heap is not worth it.
_COMPACTION_MINIMUM = 64

# A name of its own: callLater is made too often to look into a module.
_FOREVER = math.inf

_shorten = reprlib.Repr()
_shorten.maxstring = _shorten.maxother = 80


@implementer(IDelayedCall)
class DelayedCall:
    """A function that will be called later; made only by ``TimerQueue.callLater``.

    Attributes:
        time: when it is due, in seconds on the clock of its queue.
        func, args, kw: what will be called; gone once the call is cancelled.
    """

    # No __init__: callLater writes the attributes itself, at three quarters of the cost.
    __slots__ = ("_entry", "_queue", "args", "func", "kw", "time")

    time: float
    func: Callable[..., object]
    args: tuple[Any, ...]
    kw: dict[str, Any]
    _queue: TimerQueue
    _entry: tuple[float, int, object]

    @property
    def called(self) -> bool:
        """True from the moment the function is entered."""
        return self._entry is _CALLED

    @property
    def cancelled(self) -> bool:
        """True once the call was cancelled."""
        return self._entry is _CANCELLED

    def active(self) -> bool:
        """Return True while the call is neither made nor cancelled."""
        return not (self.called or self.cancelled)

    def getTime(self) -> float:
        """Return the time at which the call is due, in seconds on its clock."""
        return self.time

    def cancel(self) -> None:
        """Make sure that the call is never made, and release what it holds.

        Raises:
            AlreadyCancelled: it was cancelled before.
            AlreadyCalled: it was made already.
        """
        if self._entry is _FRESH:
            self._entry = _CANCELLED
        else:
            self._require_active()
            self._entry = _CANCELLED
            self._queue._entry_dies()
        del self.func, self.args, self.kw

    def reset(self, secondsFromNow: float) -> None:
        """Move the call to a time counted from now.

        Args:
            secondsFromNow: seconds; with a negative number the call is due.

        Raises:
            AlreadyCancelled: it was cancelled before.
            AlreadyCalled: it was made already.
            ValueError: the number is not finite.
        """
        time = self._queue.seconds() + secondsFromNow
        if self._entry[0] <= time < _FOREVER:
            self.time = time
        else:
            self._move_forward(time)

    def delay(self, secondsLater: float) -> None:
        """Move the call to a time counted from the one it is due at.

        Args:
            secondsLater: seconds; a negative number moves the call forward.

        Raises:
            AlreadyCancelled: it was cancelled before.
            AlreadyCalled: it was made already.
            ValueError: the number is not finite.
        """
        time = self.time + secondsLater
        if self._entry[0] <= time < _FOREVER:
            self.time = time
        else:
            self._move_forward(time)

    def _move_forward(self, time: float) -> None:
        self._require_active()
        if not math.isfinite(time):
            raise ValueError(f"a call cannot be moved to the time {time}")
        self._queue._move_forward(self, time)

    def _require_active(self) -> None:
        if self.cancelled:
            raise AlreadyCancelled(repr(self))
        if self.called:
            raise AlreadyCalled(repr(self))

    def __repr__(self) -> str:
        if self.cancelled:
            return f"<DelayedCall at {id(self):#x} cancelled>"
        name = getattr(self.func, "__qualname__", None) or _shorten.repr(self.func)
        arguments = [_shorten.repr(value) for value in self.args]
        arguments += [f"{key}={_shorten.repr(value)}" for key, value in self.kw.items()]
        state = "called" if self.called else f"due in {self.time - self._queue.seconds():.6f} s"
        return f"<DelayedCall at {id(self):#x} {name}({', '.join(arguments)}) {state}>"


# What _entry is while the call has none in the heap.  The times make `reset` and
# `delay` take their short way for a fresh call (no finite time is earlier) and
# never for a call that is no longer active (no time compares with NaN).
_FRESH = (-sys.float_info.max, 0, None)
_CALLED = (math.nan, 0, None)
_CANCELLED = (math.nan, 1, None)

_Entry = tuple[float, int, DelayedCall]


class TimerQueue:
    """The delayed calls of one reactor.

    Attributes:
        seconds: the clock; its time never goes back.
        call: makes a delayed call, for who wants to watch them; None, the
            default, simply calls the function.
    """

    __slots__ = ("_dead", "_fresh", "_heap", "_sequence", "call", "seconds")

    def __init__(
        self,
        seconds: Callable[[], float],
        call: Callable[[DelayedCall], object] | None = None,
    ) -> None:
        self.seconds = seconds
        self.call = call
        self._fresh: list[DelayedCall] = []
        self._heap: list[_Entry] = []
        self._sequence = count()
        self._dead = 0

    def callLater(
        self, delay: float, func: Callable[..., object], *args: Any, **kw: Any
    ) -> DelayedCall:
        """Call a function after a number of seconds.

        Args:
            delay: seconds from now, 0 or more.
            func: called with the other arguments.

        Raises:
            ValueError: the delay is negative or not finite.
            TypeError: the function is not callable.
        """
        if not 0.0 <= delay < _FOREVER:
            raise ValueError(f"the delay must be a finite number of seconds, 0 or more: {delay}")
        if not callable(func):
            raise TypeError(f"what is called later must be callable: {func!r}")
        call = DelayedCall()
        call.time = self.seconds() + delay
        call.func = func
        call.args = args
        call.kw = kw
        call._queue = self
        call._entry = _FRESH
        self._fresh.append(call)
        return call

    def getDelayedCalls(self) -> list[DelayedCall]:
        """Return the calls that are still to be made, in the order they will run."""
        self._sort_in()
        live = [entry for entry in self._heap if entry[2]._entry is entry]
        live.sort(key=lambda entry: (entry[2].time, entry[1]))
        return [call for _, _, call in live]

    def timeout(self) -> float | None:
        """Return how many seconds may be waited: None when no call is pending, 0.0 when one is due.

        The next call is not due before that.  It may be due later when a call
        was moved to a later time; waiting and asking again is then right.
        """
        if self._fresh:
            self._sort_in()
        now = self.seconds()
        first = self._settle(now)
        return None if first is None else max(0.0, first[0] - now)

    def run_due(self) -> int:
        """Make every call that is due at the instant this begins; return how many were made."""
        if self._fresh:
            self._sort_in()
        heap = self._heap
        if not heap or heap[0][0] > (now := self.seconds()):
            return 0
        made = 0
        while (call := self.take_due(now)) is not None:
            made += 1
            try:
                if self.call is None:
                    call.func(*call.args, **call.kw)
                else:
                    self.call(call)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:
                logger.exception("Unhandled error in %r", call)
        return made

    def take_due(self, now: float) -> DelayedCall | None:
        """Take out the first call due at a time, marked as called; None when there is none.

        The caller makes the call.  Calls made since the last `timeout` or
        `run_due` are left alone.
        """
        first = self._settle(now)
        if first is None or first[0] > now:
            return None
        heappop(self._heap)
        call = first[2]
        call._entry = _CALLED
        return call

    def _sort_in(self) -> None:
        # A finalizer may call callLater at any point of the loop: it finds the new list.
        fresh, self._fresh = self._fresh, []
        for call in fresh:
            if call._entry is _FRESH:
                call._entry = entry = (call.time, next(self._sequence), call)
                heappush(self._heap, entry)

    def _settle(self, now: float) -> _Entry | None:
        """Return the first live entry; if its time has come, it is also the time of its call."""
        heap = self._heap
        while heap:
            entry = heap[0]
            time, sequence, call = entry
            if call._entry is not entry:
                heappop(heap)
                self._dead -= 1
            elif time > now or time == call.time:
                return entry
            else:
                call._entry = entry = (call.time, sequence, call)
                heapreplace(heap, entry)
        return None

    def _move_forward(self, call: DelayedCall, time: float) -> None:
        """Give a call an entry of an earlier time, and leave the old one to die."""
        call.time = time
        call._entry = entry = (time, call._entry[1], call)
        heappush(self._heap, entry)
        self._entry_dies()

    def _entry_dies(self) -> None:
        self._dead += 1
        if self._dead >= _COMPACTION_MINIMUM and 2 * self._dead > len(self._heap):
            self._dead = 0
            self._heap[:] = [entry for entry in self._heap if entry[2]._entry is entry]
            heapify(self._heap)
