"""Taking turns: a lock, a semaphore, and a queue whose readers wait.

Guarantees:

- Who asked first is served first.
- A waiting `acquire` or `get` that is cancelled leaves the queue; what it would have
  got goes to the next one.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Coroutine
from typing import Any, Generic, Literal, ParamSpec, TypeVar, overload

from reactorlib.defer.deferred import Deferred
from reactorlib.defer.errors import QueueOverflow, QueueUnderflow
from reactorlib.defer.shortcuts import maybeDeferred, succeed

__all__ = ["DeferredLock", "DeferredQueue", "DeferredSemaphore"]

T = TypeVar("T")
P = ParamSpec("P")
Self = TypeVar("Self", bound="_TurnTaking")


class _TurnTaking(ABC):
    """What a lock and a semaphore have in common; ``async with`` acquires and releases.

    Attributes:
        waiting: the Deferreds of those who wait, first come first.
    """

    def __init__(self) -> None:
        self.waiting: deque[Deferred[Any]] = deque()

    @abstractmethod
    def _take(self) -> bool:
        """Take a turn if one is free, and return whether one was."""

    @abstractmethod
    def release(self) -> None:
        """Give a turn back, to the one who waits longest if there is one.

        Raises RuntimeError when there is none to give back.
        """

    def acquire(self: Self) -> Deferred[Self]:
        """Return a Deferred of this object that fires when the turn is the caller's."""
        deferred: Deferred[Self] = Deferred(self.waiting.remove)
        if self._take():
            deferred.callback(self)
        else:
            self.waiting.append(deferred)
        return deferred

    @overload
    def run(
        self, f: Callable[P, Deferred[T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]: ...

    @overload
    def run(
        self, f: Callable[P, Coroutine[Deferred[Any], Any, T]], /, *args: P.args, **kwargs: P.kwargs
    ) -> Deferred[T]: ...

    @overload
    def run(self, f: Callable[P, T], /, *args: P.args, **kwargs: P.kwargs) -> Deferred[T]: ...

    def run(self, f: Callable[..., Any], /, *args: Any, **kwargs: Any) -> Deferred[Any]:
        """Acquire, call `f`, and release when the Deferred or coroutine it returns is done.

        Returns a Deferred of the result of `f`.
        """

        def call(_: object) -> Deferred[Any]:
            return maybeDeferred(f, *args, **kwargs).addBoth(self._release_and_return)

        return self.acquire().addCallback(call)

    def __aenter__(self: Self) -> Deferred[Self]:
        return self.acquire()

    def __aexit__(self, *exception: object) -> Deferred[Literal[False]]:
        self.release()
        return succeed(False)

    def _release_and_return(self, result: T) -> T:
        self.release()
        return result


class DeferredLock(_TurnTaking):
    """A lock that one holds at a time.

    Attributes:
        locked: whether it is held.
    """

    def __init__(self) -> None:
        super().__init__()
        self.locked = False

    def release(self) -> None:
        """Give the lock to the one who waits longest, or free it.

        Raises RuntimeError when it is not held.
        """
        if not self.locked:
            raise RuntimeError("a DeferredLock was released that nobody holds")
        if self.waiting:
            self.waiting.popleft().callback(self)
        else:
            self.locked = False

    def _take(self) -> bool:
        free = not self.locked
        self.locked = True
        return free


class DeferredSemaphore(_TurnTaking):
    """A lock that several hold at a time.

    Attributes:
        limit: how many can hold it.
        tokens: how many more can take it now.
    """

    def __init__(self, tokens: int) -> None:
        """`tokens` can hold it at a time.

        Raises ValueError when that is less than one.
        """
        super().__init__()
        if tokens < 1:
            raise ValueError(f"a DeferredSemaphore needs at least one token, not {tokens}")
        self.tokens = tokens
        self.limit = tokens

    def release(self) -> None:
        """Give a token to the one who waits longest, or back.

        Raises RuntimeError when all tokens are back already.
        """
        if self.tokens >= self.limit:
            raise RuntimeError("a DeferredSemaphore was released more often than acquired")
        if self.waiting:
            self.waiting.popleft().callback(self)
        else:
            self.tokens += 1

    def _take(self) -> bool:
        free = self.tokens > 0
        self.tokens -= free
        return free


class DeferredQueue(Generic[T]):
    """A queue whose `get` returns a Deferred.

    Attributes:
        size: how many objects it holds at most, None for no limit.
        backlog: how many calls of `get` may wait at a time, None for no limit.
        pending: the objects it holds.
        waiting: the Deferreds of those who wait.
    """

    def __init__(self, size: int | None = None, backlog: int | None = None) -> None:
        self.size = size
        self.backlog = backlog
        self.pending: deque[T] = deque()
        self.waiting: deque[Deferred[T]] = deque()

    def put(self, obj: T) -> None:
        """Give `obj` to the one who waits longest, or keep it.

        Raises QueueOverflow when the queue is full.
        """
        if self.waiting:
            self.waiting.popleft().callback(obj)
        elif self.size is not None and len(self.pending) >= self.size:
            raise QueueOverflow(f"the queue holds {self.size} objects already")
        else:
            self.pending.append(obj)

    def get(self) -> Deferred[T]:
        """Return a Deferred of the next object.

        Raises QueueUnderflow when too many wait already.
        """
        if self.pending:
            return succeed(self.pending.popleft())
        if self.backlog is not None and len(self.waiting) >= self.backlog:
            raise QueueUnderflow(f"{self.backlog} calls of get are waiting already")
        deferred: Deferred[T] = Deferred(self.waiting.remove)
        self.waiting.append(deferred)
        return deferred
