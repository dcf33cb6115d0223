"""A pool of threads, for functions that block.

Guarantees:

- What is handed in runs once, in the order in which it came, and in a copy of
  the context (``contextvars``) of the thread that handed it in.
- A thread is started only when no other is free, up to the maximum; beyond
  that, work waits.
- A function that raises ends no thread: its Failure goes to who asked for the
  result, or is logged once.
- A thread that waits for work holds nothing of the work it has done.
- After ``stop`` has returned, what a started pool was given is done, and no
  thread is left.  Threads are not daemons: a pool that is not stopped keeps
  the process alive.

Every method may be called from any thread, except ``stop``, which waits for
the threads of the pool and so must not be called in one of them.
"""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from functools import partial
from itertools import count
from threading import Condition, Thread, current_thread
from typing import ParamSpec, TypeAlias, TypeVar

from reactorlib.failure import Failure, failure_of_call

__all__ = ["ThreadPool"]

P = ParamSpec("P")
R = TypeVar("R")
OnResult: TypeAlias = Callable[[bool, R | Failure], object]

logger = logging.getLogger("reactorlib")


class ThreadPool:
    """Threads that call the functions they are given.

    Attributes:
        min: how many threads there are from `start` on.
        max: how many there may be.
        name: part of the name of each thread.
        started: whether the pool is at work.
        joined: whether it was stopped; it may be started again.
        threads: its threads.
    """

    def __init__(self, minthreads: int = 5, maxthreads: int = 20, name: str | None = None) -> None:
        """Make a pool that `start` sets to work.

        Raises:
            ValueError: the minimum is negative or above the maximum.
        """
        _check_limits(minthreads, maxthreads)
        self.min = minthreads
        self.max = maxthreads
        self.name = name
        self.started = False
        self.joined = False
        self.threads: list[Thread] = []
        self._busy: set[Thread] = set()
        self._jobs: deque[Callable[[], None]] = deque()
        self._numbers = count()
        # Held over everything above, and never while a job runs.
        self._changed = Condition()

    @property
    def working(self) -> list[Thread]:
        """The threads that are calling a function."""
        with self._changed:
            return [thread for thread in self.threads if thread in self._busy]

    @property
    def waiters(self) -> list[Thread]:
        """The threads that have nothing to do."""
        with self._changed:
            return [thread for thread in self.threads if thread not in self._busy]

    def start(self) -> None:
        """Start the threads, also those that work given before needs."""
        with self._changed:
            self.joined = False
            self.started = True
            self._grow()

    def stop(self) -> None:
        """Let the work be done that was given, and wait until every thread has ended.

        What is given from now on is dropped; so is what a pool was given that
        was never started.
        """
        with self._changed:
            self.joined = True
            self.started = False
            threads = self.threads.copy()
            self._changed.notify_all()
        for thread in threads:
            thread.join()
        self._jobs.clear()

    def adjustPoolsize(self, minthreads: int | None = None, maxthreads: int | None = None) -> None:
        """Change how many threads there may be; None leaves a number as it is.

        Threads above the new maximum end as soon as they have done what they are at.

        Raises:
            ValueError: the minimum is negative or above the maximum.
        """
        with self._changed:
            least = self.min if minthreads is None else minthreads
            most = self.max if maxthreads is None else maxthreads
            _check_limits(least, most)
            self.min, self.max = least, most
            self._grow()
            self._changed.notify_all()

    def callInThread(self, func: Callable[P, object], *args: P.args, **kw: P.kwargs) -> None:
        """Call a function in a thread of the pool, and log what it raises.

        Before `start` the call waits for that.  After `stop` it is dropped.
        """
        self.callInThreadWithCallback(None, func, *args, **kw)

    def callInThreadWithCallback(
        self,
        onResult: OnResult[R] | None,
        func: Callable[P, R],
        *args: P.args,
        **kw: P.kwargs,
    ) -> None:
        """Call a function in a thread of the pool, and tell what came of it.

        Before `start` the call waits for that.  After `stop` it is dropped.

        Args:
            onResult: called in that thread with (True, result), or with (False,
                Failure) when the function raised; it must not block.  With None,
                what the function raises is logged.

        Raises:
            RuntimeError: the pool has no thread, and the system starts none.
        """
        job = partial(_perform, copy_context(), partial(func, *args, **kw), onResult)
        with self._changed:
            if self.joined:
                return
            self._jobs.append(job)
            try:
                self._grow()
            except RuntimeError:
                self._jobs.pop()
                raise
            self._changed.notify()

    def dumpStats(self) -> None:
        """Log which threads wait, which work, and which there are."""
        logger.info("waiters: %s", self.waiters)
        logger.info("workers: %s", self.working)
        logger.info("total: %s", self.threads)

    def _grow(self) -> None:
        """Start the threads that are missing; fewer will do where the system starts no more."""
        if not self.started:
            return
        needed = min(self.max, max(self.min, len(self._jobs) + len(self._busy)))
        while len(self.threads) < needed:
            name = f"PoolThread-{self.name or id(self)}-{next(self._numbers)}"
            thread = Thread(target=self._work, name=name, daemon=False)
            try:
                thread.start()
            except RuntimeError:
                if not self.threads:
                    raise
                return
            self.threads.append(thread)

    def _work(self) -> None:
        """Be one of the threads."""
        thread = current_thread()
        while (job := self._next_job(thread)) is not None:
            job()
            del job

    def _next_job(self, thread: Thread) -> Callable[[], None] | None:
        """Wait for a job; None when the thread has to end."""
        with self._changed:
            self._busy.discard(thread)
            while len(self.threads) <= self.max and (self.started or self._jobs):
                if self._jobs:
                    self._busy.add(thread)
                    return self._jobs.popleft()
                self._changed.wait()
            self.threads.remove(thread)
            return None


def _check_limits(minthreads: int, maxthreads: int) -> None:
    if not 0 <= minthreads <= maxthreads:
        raise ValueError(
            f"the minimum of threads ({minthreads}) must be at least 0 "
            f"and at most the maximum ({maxthreads})"
        )


def _perform(context: Context, work: partial[R], onResult: OnResult[R] | None) -> None:
    result: R | Failure
    try:
        result = context.run(work)
        succeeded = True
    except BaseException as error:
        result = failure_of_call(error)
        succeeded = False
        if onResult is None:
            logger.error("Unhandled error in thread, in %r", work.func, exc_info=error)
    if onResult is None:
        return
    try:
        onResult(succeeded, result)
    except BaseException:
        logger.exception("Unhandled error in %r", onResult)
