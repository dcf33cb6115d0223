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

from reactorlib.defer.chain import HAND_OVER, SPECIAL
from reactorlib.defer.deferred import Deferred
from reactorlib.defer.errors import NotACoroutineError
from reactorlib.failure import Failure, failure_of_call

__all__ = ["ensureDeferred", "inlineCallbacks", "returnValue"]

T = TypeVar("T")
P = ParamSpec("P")
Driven: TypeAlias = Coroutine[Deferred[Any], Any, T] | Generator[Deferred[Any], Any, T]

_COROUTINES = (CoroutineType, GeneratorType, Coroutine)


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
        if not isinstance(coroutine, _COROUTINES):
            raise NotACoroutineError(f"{coroutine!r} is not a coroutine")
        Deferred.__init__(self)
        self._running = True
        self._awaited = None
        self._context = copy_context()
        self._coroutine = coroutine
        if self._receive(None):
            self._run()

    def _awaits(self) -> Deferred[Any] | None:
        return super()._awaits() if self._awaited is None else self._awaited

    def _cancel(self) -> None:
        """Do nothing: a coroutine that runs cannot be interrupted."""

    def _receive(self, result: Any) -> bool:
        """Let the coroutine run until it awaits or ends; return whether its end is to be told."""
        coroutine: Any = self._coroutine
        if coroutine is None:
            return super()._receive(result)
        self._awaited = None
        context = self._context
        while True:
            try:
                if isinstance(result, Failure):
                    result = context.run(coroutine.throw, result.as_exception())
                else:
                    result = context.run(coroutine.send, result)
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
                if not isinstance(result, _COROUTINES):
                    continue
                result = _CoroutineDeferred(result)
            if not result.called or result.paused:
                self._awaited = result
                if result._callbacks is None:
                    result._callbacks = [(HAND_OVER, self)]
                else:
                    result._callbacks.append((HAND_OVER, self))
                return False
            result = result._take_result()
        self._coroutine = None
        self._running = False
        self.called = True
        self.result = result
        if not isinstance(result, SPECIAL):
            return self._callbacks is not None
        if isinstance(result, Deferred):
            self.result = Failure(TypeError("a coroutine must not return a Deferred: await it"))
        return True


Deferred._start_coroutine = _CoroutineDeferred


def ensureDeferred(coro: Driven[T] | Deferred[T]) -> Deferred[T]:
    """Return `coro` if it is a Deferred, else do as `Deferred.fromCoroutine` does.

    Raises NotACoroutineError when it is neither a Deferred nor a coroutine.
    """
    return coro if isinstance(coro, Deferred) else _CoroutineDeferred(coro)


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
