"""Work in threads: each once, in order, in its own context, and told in time."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextvars import ContextVar
from typing import Any

import pytest

from reactorlib.protocols.http.threadwork import IN_A_ROW, LATENCY, ThreadWork
from reactorlib.testing import MemoryReactorClock
from reactorlib.threadpool import ThreadPool

PATIENCE = 60


@pytest.fixture
def pool() -> Iterator[ThreadPool]:
    pool = ThreadPool(0, 2)
    pool.start()
    yield pool
    pool.stop()


class Held:
    """A pool that calls when it is told to; `refuses` as one does that has no thread."""

    def __init__(self) -> None:
        self.calls: list[Any] = []
        self.refuses = False

    def callInThread(self, function: Any) -> None:
        if self.refuses:
            raise RuntimeError("no thread")
        self.calls.append(function)

    def run(self) -> None:
        while self.calls:
            self.calls.pop(0)()


def made() -> tuple[Any, Any, ThreadWork]:
    reactor, pool = MemoryReactorClock(), Held()
    return reactor, pool, ThreadWork(reactor, pool)  # type: ignore[arg-type]


def test_work_is_done_once_in_order_each_in_its_context() -> None:
    name: ContextVar[int] = ContextVar("name")
    done: list[tuple[int, int]] = []

    def work(number: int) -> None:
        done.append((number, name.get()))
        name.set(-1)

    reactor, pool, threads = made()
    for number in range(3 * IN_A_ROW):
        name.set(number)
        threads.do(lambda number=number: work(number))  # type: ignore[misc]
    assert pool.calls == []
    reactor.advance(0)
    assert len(pool.calls) == 1
    pool.run()
    assert done == [(number, number) for number in range(3 * IN_A_ROW)]


def test_others_of_the_pool_have_their_turn() -> None:
    order: list[str] = []
    reactor, pool, threads = made()
    for _ in range(IN_A_ROW + 1):
        threads.do(lambda: order.append("work"))
    reactor.advance(0)
    pool.calls.append(lambda: order.append("other"))
    pool.run()
    assert order.index("other") <= IN_A_ROW
    assert len(order) == IN_A_ROW + 2


def test_news_is_told_when_no_work_is_left_or_after_a_time() -> None:
    told: list[str] = []
    reactor, pool, threads = made()
    threads.do(lambda: threads.tell(lambda: told.append("first")))
    threads.do(lambda: None)
    reactor.advance(0)
    context, work = threads._work.popleft()
    context.run(work)
    reactor.advance(0)
    assert told == []  # there is more work: whoever does that may tell of both
    reactor.advance(LATENCY)
    assert told == ["first"]
    reactor.advance(LATENCY)  # as long as work waits
    pool.run()
    threads.tell(lambda: told.append("second"))
    reactor.advance(0)
    assert told == ["first", "second"]
    reactor.advance(LATENCY)
    assert not reactor.getDelayedCalls()


def test_work_that_blocks_keeps_no_other_from_its_thread(pool: ThreadPool) -> None:
    reactor = MemoryReactorClock()
    threads = ThreadWork(reactor, pool)
    gate, done = threading.Event(), threading.Event()
    threads.do(lambda: gate.wait(PATIENCE))
    threads.do(done.set)
    reactor.advance(0)
    assert done.wait(PATIENCE)
    gate.set()


def test_where_no_thread_is_to_be_had_the_next_work_tries_again() -> None:
    done: list[int] = []
    reactor, pool, threads = made()
    pool.refuses = True
    threads.do(lambda: done.append(1))
    with pytest.raises(RuntimeError):
        reactor.advance(0)
    pool.refuses = False
    threads.do(lambda: done.append(2))
    reactor.advance(0)
    pool.run()
    assert done == [1, 2]
