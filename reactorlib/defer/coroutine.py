"""Coroutines, and generators that are used as such, driven by Deferreds.

Guarantees:

- A coroutine runs in the context (contextvars) that was current when it was started,
  in a copy of its own, whoever fires what it awaits.
- Awaiting Deferreds that have a result, however many, and coroutines that await one
  another, however deep, do not meet the recursion limit.
- An exception that a coroutine raises becomes the Failure of its Deferred; no frame of
  this module is in its traceback.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from contextvars import Context, copy_context
from functools import wraps
from types import CoroutineType, GeneratorType
from typing import Any, NoReturn, ParamSpec, TypeAlias, TypeVar

from reactorlib.defer.chain import HAND_OVER
from reactorlib.defer.deferred import Deferred
from reactorlib.defer.errors import NotACoroutineError
from reactorlib.failure import Failure, failure_of_call

__all__ = ["ensureDeferred", "inlineCallbacks", "is_coroutine", "returnValue"]

T = TypeVar("T")
P = ParamSpec("P")
Driven: TypeAlias = Coroutine[Deferred[Any], Any, T] | Generator[Deferred[Any], Any, T]


class _Return(BaseException):
    """What `returnValue` raises."""

    def __init__(self, value: object) -> None:
        super().__init__()
        self.value = value


class _CoroutineDeferred(Deferred[T]):
    """The Deferred of a coroutine, which drives it.

    While the coroutine lives it counts as running, so that no callback runs.
    """

    __slots__ = ("_awaited", "_context", "_coroutine")

    _awaited: Deferred[Any] | None
    _context: Context
    _coroutine: Driven[T] | None

    def __init__(self, coroutine: Driven[T]) -> None:
        super().__init__()
        self._running = True
        self._awaited = None
        self._context = copy_context()
        self._coroutine = coroutine
        self._receive(None)
        if self.called:
            self._run()

    def cancel(self) -> None:
        """Cancel what the coroutine awaits; what comes of that is up to the coroutine."""
        if self._coroutine is None:
            super().cancel()
        elif self._awaited is not None:
            self._awaited.cancel()

    def _receive(self, result: Any) -> None:
        """Let the coroutine run until it awaits a Deferred that has no result, or ends."""
        self._awaited = None
        coroutine: Any = self._coroutine
        run = self._context.run
        while True:
            try:
                if isinstance(result, Failure):
                    result = run(coroutine.throw, result.as_exception())
                else:
                    result = run(coroutine.send, result)
            except StopIteration as stop:
                result = stop.value
                break
            except _Return as returned:
                result = returned.value
                break
            except BaseException as error:
                result = failure_of_call(error)
                break
            if not isinstance(result, Deferred):
                if not is_coroutine(result):
                    continue
                result = _CoroutineDeferred(result)
            if not result.called or result.paused:
                self._awaited = result
                result._add(HAND_OVER, self)
                return
            result = result._take_result()
        self._coroutine = None
        self._running = False
        self.called = True
        if isinstance(result, Deferred):
            result = Failure(TypeError("a coroutine must not return a Deferred: await it"))
        self.result = result


def _start(coroutine: Driven[T]) -> Deferred[T]:
    if not is_coroutine(coroutine):
        raise NotACoroutineError(f"{coroutine!r} is not a coroutine")
    return _CoroutineDeferred(coroutine)


Deferred._start_coroutine = _start


def is_coroutine(value: object) -> bool:
    """Return whether `value` is a coroutine or a generator, made by calling a function."""
    return isinstance(value, (CoroutineType, GeneratorType, Coroutine))


def ensureDeferred(coro: Driven[T] | Deferred[T]) -> Deferred[T]:
    """Return `coro` if it is a Deferred, else do as `Deferred.fromCoroutine` does.

    Raises NotACoroutineError when it is neither a Deferred nor a coroutine.
    """
    return coro if isinstance(coro, Deferred) else _start(coro)


def inlineCallbacks(
    f: Callable[P, Generator[Deferred[Any], Any, T]],
) -> Callable[P, Deferred[T]]:
    """Make a generator function one that returns a Deferred of what it returns.

    The generator yields Deferreds and gets their results, a Failure as an exception.
    It may yield a coroutine or a generator, which is awaited, or any other value,
    which it gets back.  Apart from that it is as in `Deferred.fromCoroutine`.

    The function that results raises TypeError when `f` does not return a generator.
    """

    @wraps(f)
    def start(*args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
        generator: object
        try:
            generator = f(*args, **kwargs)
        except _Return:
            generator = "returnValue()"
        if not isinstance(generator, GeneratorType):
            raise TypeError(f"inlineCallbacks needs {f!r} to make a generator, not {generator!r}")
        return _CoroutineDeferred(generator)

    return start


def returnValue(val: object) -> NoReturn:
    """Return `val` from an inlineCallbacks generator; ``return val`` does the same."""
    raise _Return(val)
