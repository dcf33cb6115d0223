"""Work for threads, and news from them, in as few switches between threads as can be.

Facts, then decision:

- A switch of threads costs as much as a small request. A thread woken for each request,
  and the reactor for each answer, are several switches for each.
- A thread that is woken while the reactor is at work takes its place at the next call
  into C. So threads are woken at the end of a turn, when all is there that came in it.
- One thread is woken at a time: it takes what there is, and wakes the next one only
  if there is more. And what threads tell is collected: by the one that finds no more
  work, which wakes the reactor, or by a timer that runs while work is waiting.

It holds that work begins in the order in which it came, each in a context of its own;
that it never waits while a thread of the pool has nothing to do; that what a thread
tells waits no longer than LATENCY; that other users of the pool have their turn.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from contextvars import Context, copy_context
from typing import Any

from reactorlib.threadpool import ThreadPool

LATENCY = 0.001  # seconds
IN_A_ROW = 16  # pieces of work, before others of the pool have their turn

Call = Callable[[], object]


class ThreadWork:
    """What is done in a pool for a reactor."""

    def __init__(self, reactor: Any, threadpool: ThreadPool) -> None:
        self._reactor = reactor
        self._threadpool = threadpool
        self._work: deque[tuple[Context, Call]] = deque()
        self._news: deque[Call] = deque()
        self._asked = False  # _begin will be called
        self._starting = False  # a thread has been asked for, and has not begun
        self._collecting = False  # the timer runs

    def do(self, work: Call) -> None:
        """Have it called in a thread; it must not raise. In the reactor's thread."""
        self._work.append((copy_context(), work))
        if not self._asked:
            self._asked = True
            self._reactor.callSoon(self._begin)

    def _begin(self) -> None:
        """All that came in a turn is there."""
        self._asked = False
        if not self._collecting:
            self._collecting = True
            self._reactor.callLater(LATENCY, self._look)
        self._start()

    def _start(self) -> None:
        if not self._starting:
            self._starting = True
            try:
                self._threadpool.callInThread(self._run)
            except RuntimeError:  # the system starts no thread: the next work tries again
                self._starting = False
                raise

    def tell(self, news: Call) -> None:
        """Have it called in the reactor's thread. In any of do's."""
        self._news.append(news)
        if not self._work:
            self._reactor.callFromThread(self._collect)

    def _run(self) -> None:
        """Be one of the threads."""
        self._starting = False
        for _ in range(IN_A_ROW):
            try:
                context, work = self._work.popleft()
            except IndexError:
                return
            if self._work:
                self._start()
            context.run(work)
        if self._work:
            self._start()

    # The reactor

    def _look(self) -> None:
        # In this order: who tells something after that, and finds work, was found here.
        self._collecting = bool(self._work)
        self._collect()
        if self._collecting:
            self._reactor.callLater(LATENCY, self._look)

    def _collect(self) -> None:
        news = self._news
        while news:
            news.popleft()()
