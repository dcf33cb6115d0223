"""The machine inside a Deferred: callbacks that run in order, and chains of them.

Facts:

- A chain is fired once.  From then on `result` is the outcome of the last callback
  that ran: a value, a Failure, or the chain that it waits for.
- A pair (callback, errback) is one callback; None passes the result on.  The pair
  (HAND_OVER, waiter) gives the result away to a chain that waits for it.
- A chain that waits for another is paused, and unpaused by that other one.

Guarantees:

- Callbacks run in the order in which they were added, each once, and never while
  another callback of the same chain runs.
- Chains that wait for one another run in a loop: how many of them there are never
  meets the recursion limit.
- What a callback raises becomes a Failure.  It never reaches who fired the chain.
- All callbacks are let go of when the last one has run, those that ran before a pause
  at the pause.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from operator import length_hint
from typing import Any, TypeAlias

from reactorlib.defer.debugging import Watch, switch
from reactorlib.failure import Failure, failure_of_call

__all__ = ["HAND_OVER", "SPECIAL", "Callback", "CallbackChain", "bind"]

Callback: TypeAlias = Callable[[Any], Any]

HAND_OVER: Any = object()


class CallbackChain:
    """Callbacks and the result that goes through them; the base of Deferred only.

    Attributes:
        called: whether it was fired.
        paused: how many calls of `unpause` it takes before callbacks run.
        result: the current result; there is no such attribute before it was fired.
    """

    __slots__ = (
        "__weakref__",
        "_callbacks",
        "_canceller",
        "_running",
        "_watch",
        "called",
        "paused",
        "result",
    )

    called: bool
    paused: int
    result: Any
    _callbacks: list[tuple[Any, Any]] | None
    _canceller: Callable[[Any], object] | None
    _running: bool
    _watch: Watch | None

    def __init__(self, canceller: Callable[[Any], object] | None = None) -> None:
        """`canceller` is called with this object by `cancel`; it may fire it."""
        self.called = False
        self.paused = 0
        self._callbacks = None
        self._canceller = canceller
        self._running = False
        self._watch = None
        if switch.on:
            self._watch = Watch()
            self._watch.note_creator()

    def _add(self, callback: Callback | None, errback: Any) -> None:
        """Add a pair, and run it if it is time."""
        if self._callbacks is None:
            self._callbacks = [(callback, errback)]
        else:
            self._callbacks.append((callback, errback))
        if self.called:
            self._run()

    def _run(self) -> None:
        """Run all callbacks that can run, here and in the chains that wait for this."""
        waiter = self._advance()
        if waiter is not None:
            self._run_with(waiter)

    def _run_with(self, waiter: CallbackChain | None) -> None:
        """Let `waiter` go on, and whoever waits for it, before the rest of this chain."""
        current: CallbackChain = self
        unfinished: list[CallbackChain] = []
        while True:
            if waiter is not None:
                if current._callbacks is not None:
                    unfinished.append(current)
                current = waiter
            elif unfinished:
                current = unfinished.pop()
            else:
                return
            waiter = current._advance()

    def _advance(self) -> CallbackChain | None:
        """Run callbacks up to one that hands over, and return who is to go on; else None."""
        if self._running:
            return None
        result = self.result
        failed = isinstance(result, Failure)
        callbacks = self._callbacks
        if callbacks is not None and not self.paused:
            self._running = True
            remaining = iter(callbacks)  # it sees what the callbacks add to the list
            for callback, errback in remaining:
                if callback is HAND_OVER:
                    ready = errback._receive(result)
                    self.result = result = None
                    if self._watch is not None:
                        self._watch.failure = None
                    if ready:
                        self._stop(remaining)
                        return errback  # type: ignore[no-any-return]
                    failed = False
                else:
                    function = errback if failed else callback
                    if function is None:
                        continue
                    try:
                        result = function(result)
                    except BaseException as error:
                        result = failure_of_call(error)
                    failed = False
                    if isinstance(result, SPECIAL):
                        result = self._resolve(result)
                        failed = isinstance(result, Failure)
                    self.result = result
                if self.paused:
                    self._stop(remaining)
                    break
            else:
                self._running = False
                self._callbacks = None
        if failed:
            self._watch = self._watch or Watch()
            self._watch.failure = result
            # The traceback leads back to this frame: a Failure left in it would be a cycle.
            del result
        elif self._watch is not None:
            self._watch.failure = None
        return None

    def _stop(self, remaining: Iterator[Any]) -> None:
        """Keep the callbacks that remain for later."""
        self._running = False
        callbacks = self._callbacks
        left = length_hint(remaining)
        if callbacks and left:
            del callbacks[:-left]
        else:
            self._callbacks = None

    def _resolve(self, result: Any) -> Any:
        """Return what `result` of a callback comes to: itself, or what that chain has."""
        if not isinstance(result, CallbackChain):
            return result
        if result is self:
            return Failure(RuntimeError("a callback returned the Deferred that it was added to"))
        if result.called and not result.paused:
            return result._take_result()
        self._wait_for(result)
        return result

    def _wait_for(self, other: CallbackChain) -> None:
        """Stand still until `other` hands its result over."""
        self.result = other
        self.paused += 1
        other._add(HAND_OVER, self)

    def _receive(self, result: Any) -> bool:
        """Take the result that was waited for; return whether there is something to run."""
        self.result = result
        self.paused -= 1
        return True

    def _take_result(self) -> Any:
        """Give the result away, and the duty to report it."""
        result = self.result
        self.result = None
        if self._watch is not None:
            self._watch.failure = None
        return result


SPECIAL = (Failure, CallbackChain)


def bind(
    function: Callable[..., Any],
    arguments: tuple[Any, ...] | None,
    keywords: Mapping[str, Any] | None,
) -> Callback:
    """Return `function` as something to call with a result alone."""
    if not callable(function):
        raise TypeError(f"a callback must be callable, not {function!r}")
    if not arguments and not keywords:
        return function
    more = arguments or ()
    if not keywords:
        return lambda result: function(result, *more)
    return lambda result: function(result, *more, **keywords)
