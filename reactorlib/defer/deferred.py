"""Deferred: a result that is not there yet, and the callbacks that wait for it.

How callbacks run is in reactorlib.defer.chain; this is what users call.

Guarantees:

- A Deferred is fired once, and a Deferred is never its result.
- The canceller is let go of as soon as the Deferred fires.
- Awaiting one that has a result takes no turn through its callbacks, and an exception
  that is raised by it is not kept alive by the frames of this module.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator, Mapping
from typing import (
    TYPE_CHECKING,
    Any,
    ClassVar,
    Concatenate,
    Generic,
    ParamSpec,
    TypeVar,
    overload,
)

from reactorlib.defer.chain import SPECIAL, CallbackChain, bind
from reactorlib.defer.debugging import Watch, switch
from reactorlib.defer.errors import AlreadyCalledError, CancelledError
from reactorlib.defer.futures import fire_with_future, future_of
from reactorlib.defer.timeout import Clock, cancelled_to_timed_out
from reactorlib.failure import Failure

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

__all__ = ["Deferred"]

T = TypeVar("T")
U = TypeVar("U")
V = TypeVar("V")
P = ParamSpec("P")


class Deferred(CallbackChain, Generic[T]):
    """A result that will come later.

    Attributes:
        called: whether it was fired.
        paused: how many calls of `unpause` it takes before callbacks run.
        result: the current result; there is no such attribute before it was fired.
    """

    __slots__ = ()

    # Set by reactorlib.defer.coroutine, which is built upon this module.
    _start_coroutine: ClassVar[Callable[[Any], Deferred[Any]]]

    @overload
    def addCallbacks(
        self,
        callback: Callable[..., Deferred[U]],
        errback: Callable[..., Deferred[U] | Failure | U] | None = None,
        callbackArgs: tuple[Any, ...] | None = None,
        callbackKeywords: Mapping[str, Any] | None = None,
        errbackArgs: tuple[Any, ...] | None = None,
        errbackKeywords: Mapping[str, Any] | None = None,
    ) -> Deferred[U]: ...

    @overload
    def addCallbacks(
        self,
        callback: Callable[..., Deferred[U] | Failure | U],
        errback: Callable[..., Deferred[V] | Failure | V] | None = None,
        callbackArgs: tuple[Any, ...] | None = None,
        callbackKeywords: Mapping[str, Any] | None = None,
        errbackArgs: tuple[Any, ...] | None = None,
        errbackKeywords: Mapping[str, Any] | None = None,
    ) -> Deferred[U | V]: ...

    def addCallbacks(
        self,
        callback: Callable[..., Any],
        errback: Callable[..., Any] | None = None,
        callbackArgs: tuple[Any, ...] | None = None,
        callbackKeywords: Mapping[str, Any] | None = None,
        errbackArgs: tuple[Any, ...] | None = None,
        errbackKeywords: Mapping[str, Any] | None = None,
    ) -> Deferred[Any]:
        """Add what to call with the result, and what to call with a Failure instead.

        One of them is called.  What it returns is the next result; what it raises
        becomes a Failure; if it returns a Deferred, its result is waited for.
        Without `errback` a Failure is passed on.  Returns this Deferred.

        Raises TypeError when one of them cannot be called.
        """
        on_value = bind(callback, callbackArgs, callbackKeywords)
        on_failure = None if errback is None else bind(errback, errbackArgs, errbackKeywords)
        self._add(on_value, on_failure)
        return self

    @overload
    def addCallback(
        self, callback: Callable[Concatenate[T, P], Deferred[U]], *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[U]: ...

    @overload
    def addCallback(
        self,
        callback: Callable[Concatenate[T, P], Deferred[U] | Failure | U],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Deferred[U]: ...

    def addCallback(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Add what to call with the result and `args` and `kwargs`; see `addCallbacks`."""
        if args or kwargs or not callable(callback):
            callback = bind(callback, args, kwargs)
        callbacks = self._callbacks
        if callbacks is None:
            self._callbacks = [(callback, None)]
        else:
            callbacks.append((callback, None))
        if self.called:
            self._run()
        return self

    @overload
    def addErrback(
        self,
        errback: Callable[Concatenate[Failure, P], Deferred[U]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Deferred[T | U]: ...

    @overload
    def addErrback(
        self,
        errback: Callable[Concatenate[Failure, P], Deferred[U] | Failure | U],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Deferred[T | U]: ...

    def addErrback(self, errback: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Add what to call with a Failure and `args` and `kwargs`; see `addCallbacks`."""
        self._add(None, bind(errback, args, kwargs))
        return self

    @overload
    def addBoth(
        self,
        callback: Callable[Concatenate[T | Failure, P], T | Failure],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Deferred[T]: ...

    @overload
    def addBoth(
        self,
        callback: Callable[Concatenate[T | Failure, P], Deferred[U]],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Deferred[U]: ...

    @overload
    def addBoth(
        self,
        callback: Callable[Concatenate[T | Failure, P], Deferred[U] | Failure | U],
        *args: P.args,
        **kwargs: P.kwargs,
    ) -> Deferred[U]: ...

    def addBoth(self, callback: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Add what to call with the result or the Failure; see `addCallbacks`."""
        bound = bind(callback, args, kwargs)
        self._add(bound, bound)
        return self

    def addTimeout(
        self,
        timeout: float,
        clock: Clock,
        onTimeoutCancel: Callable[[T | Failure, float], Any] | None = None,
    ) -> Deferred[T]:
        """Cancel this Deferred unless it has a result within `timeout` seconds.

        After that the CancelledError is replaced by a TimeoutError, or the result
        by what `onTimeoutCancel(result, timeout)` returns or raises.  Callbacks that
        were added before count as part of what is timed.  Returns this Deferred.
        """
        timed_out = False

        def expire() -> None:
            nonlocal timed_out
            timed_out = True
            self.cancel()

        def settle(result: T | Failure) -> Any:
            if delayed.active():
                delayed.cancel()
            if timed_out:
                return (onTimeoutCancel or cancelled_to_timed_out)(result, timeout)
            return result

        delayed = clock.callLater(timeout, expire)
        return self.addBoth(settle)

    def chainDeferred(self, d: Deferred[T]) -> Deferred[None]:
        """Fire `d` with the result of this Deferred, which goes on with None."""
        return self.addCallbacks(d.callback, d.errback)

    def callback(self, result: T | Failure) -> None:
        """Fire with `result`; a Failure does what `errback` does.

        Raises AlreadyCalledError when this Deferred was fired before, except once
        after `cancel` where there is no canceller, and TypeError when `result` is a
        Deferred: return that from a callback instead.
        """
        special = isinstance(result, SPECIAL)
        if special and not isinstance(result, Failure):
            raise TypeError("a Deferred cannot be fired with a Deferred")
        if self.called:
            self._refuse()
            return
        if switch.on:
            self._watch = self._watch or Watch()
            self._watch.note_invoker()
        if self._canceller is not None and self._canceller is not _ignore_next:
            self._canceller = None
        self.called = True
        self.result = result
        if special or self._callbacks is not None:
            waiter = self._advance()
            if waiter is not None:
                self._run_with(waiter)

    def errback(self, fail: Failure | BaseException | None = None) -> None:
        """Fire with a Failure: `fail`, or that of the exception being handled.

        Raises AlreadyCalledError as `callback` does, and NoCurrentExceptionError when
        `fail` is None and no exception is being handled.
        """
        Deferred.callback(self, fail if isinstance(fail, Failure) else Failure(fail))

    def pause(self) -> None:
        """Run no further callback until `unpause` was called as often as this."""
        self.paused += 1

    def unpause(self) -> None:
        """Undo one `pause`, and run the callbacks if it was the last one."""
        self.paused -= 1
        if self.called and not self.paused:
            self._run()

    def cancel(self) -> None:
        """Say that the result is no longer wanted.

        Not fired yet: the canceller is called, and if it does not fire this Deferred,
        or there is none, CancelledError does; without a canceller the next `callback`
        or `errback` is ignored.  Waiting for another Deferred: that one is cancelled.
        Deferreds that wait for one another in a circle are past cancelling.
        """
        passed: set[Deferred[Any]] = set()
        target: Deferred[Any] = self
        while (awaited := target._awaits()) is not None:
            if awaited in passed:
                return
            passed.add(awaited)
            target = awaited
        if target is not self:
            target.cancel()
        elif not self.called:
            self._cancel()

    def __await__(self) -> Generator[Deferred[Any], Any, T]:
        if not self.called or self.paused:
            received: T = yield self
            return received
        result: T | Failure = self.result
        if not isinstance(result, Failure):
            return result
        if self._watch is not None:
            self._watch.failure = None
        # The frame of this generator will be part of the traceback: a variable left in
        # it would be a cycle.
        try:
            raise result.as_exception()
        finally:
            del self, result

    __iter__ = __await__

    def asFuture(self, loop: AbstractEventLoop) -> Future[T]:
        """Return an asyncio future of `loop` that gets the result of this Deferred.

        It takes the result away: this Deferred goes on with None.  Cancelling the
        future cancels this Deferred.
        """
        return future_of(self, loop)

    @classmethod
    def fromFuture(cls, future: Future[T]) -> Deferred[T]:
        """Return a Deferred that gets the result of an asyncio future.

        Cancelling the Deferred cancels the future; the Deferred fires when asyncio
        has told the outcome of that.
        """
        cancelled: Deferred[T] = Deferred()

        def cancel(deferred: Deferred[T]) -> None:
            future.cancel()
            deferred.called = True
            deferred._canceller = None
            deferred._wait_for(cancelled)

        deferred = cls(cancel)
        fire_with_future(deferred, cancelled, future)
        return deferred

    @classmethod
    def fromCoroutine(
        cls, coro: Coroutine[Deferred[Any], Any, U] | Generator[Deferred[Any], Any, U]
    ) -> Deferred[U]:
        """Run a coroutine that awaits Deferreds; return a Deferred of what it returns.

        It runs at once, up to the first Deferred that has no result, and in a copy
        of the current context.  Cancelling the Deferred cancels what is awaited.

        Raises NotACoroutineError when `coro` is something else.
        """
        return cls._start_coroutine(coro)

    def __repr__(self) -> str:
        if not self.called:
            state = ""
        elif isinstance(self.result, Deferred):
            state = f" waiting on Deferred at {id(self.result):#x}"
        else:
            state = f" current result: {self.result!r}"
        return f"<{type(self).__name__} at {id(self):#x}{state}>"

    def _awaits(self) -> Deferred[Any] | None:
        """Return the Deferred that this one waits for."""
        if self.called and isinstance(self.result, Deferred):
            return self.result
        return None

    def _cancel(self) -> None:
        """Fire because of a cancel."""
        if self._canceller is None:
            self._canceller = _ignore_next
            self.errback(CancelledError())
        else:
            self._canceller(self)
            if not self.called:
                self.errback(CancelledError())

    def _refuse(self) -> None:
        """Answer an attempt to fire a second time."""
        if self._canceller is not _ignore_next:
            raise AlreadyCalledError(self._watch.describe() if self._watch is not None else "")
        self._canceller = None


def _ignore_next(deferred: Deferred[Any]) -> None:
    """Stand where the canceller was: the next attempt to fire is to be ignored."""
