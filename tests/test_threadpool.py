"""The thread pool: what runs where, how many threads there are, errors, the end."""

from __future__ import annotations

import gc
import logging
import threading
import weakref
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from queue import SimpleQueue
from threading import Barrier, Event, Thread
from typing import Any

import pytest

from reactorlib.failure import Failure
from reactorlib.threadpool import ThreadPool

PATIENCE = 20.0  # seconds; reached only when a test fails


@pytest.fixture
def make_pool() -> Iterator[Callable[..., ThreadPool]]:
    pools: list[ThreadPool] = []
    before = threading.active_count()

    def make(*args: Any, **kw: Any) -> ThreadPool:
        pools.append(ThreadPool(*args, **kw))
        return pools[-1]

    yield make
    for pool in pools:
        pool.stop()
    assert threading.active_count() == before


@pytest.fixture
def pool(make_pool: Callable[..., ThreadPool]) -> ThreadPool:
    pool = make_pool(0, 4, "test")
    pool.start()
    return pool


class Blockers:
    """Functions that occupy threads until they are released."""

    def __init__(self, pool: ThreadPool, number: int) -> None:
        self.released = Event()
        entered = Barrier(number + 1)

        def block() -> None:
            entered.wait(PATIENCE)
            assert self.released.wait(PATIENCE)

        for _ in range(number):
            pool.callInThread(block)
        entered.wait(PATIENCE)


def result_of(pool: ThreadPool, func: Callable[..., Any], *args: Any, **kw: Any) -> Any:
    """Call in a thread; the pair that the callback got."""
    results: SimpleQueue[tuple[bool, Any]] = SimpleQueue()
    pool.callInThreadWithCallback(lambda *outcome: results.put(outcome), func, *args, **kw)
    return results.get(timeout=PATIENCE)


class TestCalling:
    def test_a_call_runs_in_a_thread_of_the_pool_with_its_arguments(self, pool: ThreadPool) -> None:
        def where(*args: object, **kw: object) -> tuple[Any, ...]:
            return threading.current_thread(), args, kw

        succeeded, (thread, args, kw) = result_of(pool, where, 1, key="value")
        assert succeeded is True
        assert thread in pool.threads
        assert (args, kw) == ((1,), {"key": "value"})

    def test_keyword_arguments_never_collide_with_the_pool(self, pool: ThreadPool) -> None:
        _, kw = result_of(pool, lambda **kw: kw, context=1, work=2, result=3, name=4)
        assert kw == {"context": 1, "work": 2, "result": 3, "name": 4}

    def test_callInThread(self, pool: ThreadPool) -> None:
        seen: SimpleQueue[int] = SimpleQueue()
        pool.callInThread(seen.put, 1)
        assert seen.get(timeout=PATIENCE) == 1

    def test_what_was_raised_is_given_as_a_failure(
        self, pool: ThreadPool, caplog: pytest.LogCaptureFixture
    ) -> None:
        def failing() -> None:
            raise LookupError("the reason")

        succeeded, failure = result_of(pool, failing)
        assert succeeded is False
        assert isinstance(failure, Failure)
        assert failure.check(LookupError)
        assert "failing" in failure.getTraceback()
        assert caplog.records == []

    @pytest.mark.parametrize("exception", [LookupError, SystemExit, GeneratorExit])
    def test_what_was_raised_is_logged_once_when_nobody_asked(
        self,
        make_pool: Callable[..., ThreadPool],
        caplog: pytest.LogCaptureFixture,
        exception: type[BaseException],
    ) -> None:
        def failing() -> None:
            raise exception

        pool = make_pool(1, 1)
        pool.start()
        pool.callInThread(failing)
        assert result_of(pool, lambda: 1) == (True, 1)
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("reactorlib", logging.ERROR)
        assert "failing" in record.getMessage()
        assert record.exc_info is not None
        assert record.exc_info[0] is exception

    def test_a_raising_callback_is_logged_and_ends_no_thread(
        self, make_pool: Callable[..., ThreadPool], caplog: pytest.LogCaptureFixture
    ) -> None:
        def failing(succeeded: bool, result: object) -> None:
            raise LookupError

        pool = make_pool(1, 1)
        pool.start()
        pool.callInThreadWithCallback(failing, lambda: None)
        assert result_of(pool, lambda: 1) == (True, 1)
        assert len(caplog.records) == 1
        assert len(pool.threads) == 1

    def test_a_call_runs_in_a_copy_of_the_callers_context(self, pool: ThreadPool) -> None:
        variable: ContextVar[str] = ContextVar("variable", default="default")

        def read_and_set() -> str:
            found = variable.get()
            variable.set("set in the thread")
            return found

        token = variable.set("set by the caller")
        try:
            assert result_of(pool, read_and_set) == (True, "set by the caller")
            assert result_of(pool, read_and_set) == (True, "set by the caller")
            assert variable.get() == "set by the caller"
        finally:
            variable.reset(token)

    def test_a_waiting_thread_holds_nothing(self, make_pool: Callable[..., ThreadPool]) -> None:
        class Held:
            pass

        pool = make_pool(1, 1)
        pool.start()
        held = Held()
        reference = weakref.ref(held, lambda _: released.set())
        released = Event()
        result_of(pool, lambda given: given, held)
        del held
        gc.collect()
        assert released.wait(PATIENCE)
        assert reference() is None

    def test_one_thread_keeps_the_order(self, make_pool: Callable[..., ThreadPool]) -> None:
        pool = make_pool(1, 1)
        pool.start()
        seen: list[int] = []
        for number in range(1000):
            pool.callInThread(seen.append, number)
        pool.stop()
        assert seen == list(range(1000))

    def test_calls_from_many_threads_are_all_made(self, pool: ThreadPool) -> None:
        seen: SimpleQueue[int] = SimpleQueue()

        def submit() -> None:
            for number in range(500):
                pool.callInThread(seen.put, number)

        submitters = [Thread(target=submit) for _ in range(4)]
        for thread in submitters:
            thread.start()
        for thread in submitters:
            thread.join()
        pool.stop()
        assert sorted(seen.get_nowait() for _ in range(seen.qsize())) == sorted(
            list(range(500)) * 4
        )


class TestSize:
    def test_the_minimum_is_there_from_the_start(
        self, make_pool: Callable[..., ThreadPool]
    ) -> None:
        pool = make_pool(3, 5, "few")
        assert pool.threads == []
        pool.start()
        assert len(pool.threads) == 3
        assert all("few" in thread.name for thread in pool.threads)
        assert len({thread.name for thread in pool.threads}) == 3
        assert not any(thread.daemon for thread in pool.threads)

    def test_threads_are_made_on_demand_up_to_the_maximum_and_then_work_waits(
        self, pool: ThreadPool
    ) -> None:
        blockers = Blockers(pool, 4)
        seen: SimpleQueue[str] = SimpleQueue()
        pool.callInThread(seen.put, "waited")
        assert len(pool.threads) == len(pool.working) == 4
        assert pool.waiters == []
        assert seen.empty()
        blockers.released.set()
        assert seen.get(timeout=PATIENCE) == "waited"
        assert len(pool.threads) == 4

    def test_no_thread_is_made_while_one_is_free(
        self, make_pool: Callable[..., ThreadPool]
    ) -> None:
        pool = make_pool(3, 10)
        pool.start()
        blockers = Blockers(pool, 2)
        assert result_of(pool, lambda: 1) == (True, 1)
        assert len(pool.threads) == 3
        blockers.released.set()

    def test_working_and_waiters(self, make_pool: Callable[..., ThreadPool]) -> None:
        pool = make_pool(3, 3)
        pool.start()
        blockers = Blockers(pool, 2)
        assert len(pool.working) == 2
        assert len(pool.waiters) == 1
        assert set(pool.working + pool.waiters) == set(pool.threads)
        blockers.released.set()

    def test_work_given_before_the_start_gets_its_threads(
        self, make_pool: Callable[..., ThreadPool]
    ) -> None:
        pool = make_pool(0, 2)
        together = Barrier(3)
        for _ in range(2):
            pool.callInThread(together.wait, PATIENCE)
        assert pool.threads == []
        pool.start()
        together.wait(PATIENCE)

    def test_a_higher_maximum_serves_what_waits(self, make_pool: Callable[..., ThreadPool]) -> None:
        pool = make_pool(0, 1)
        pool.start()
        together = Barrier(3)
        for _ in range(2):
            pool.callInThread(together.wait, PATIENCE)
        pool.adjustPoolsize(maxthreads=2)
        together.wait(PATIENCE)
        assert (pool.min, pool.max) == (0, 2)

    def test_a_higher_minimum_starts_threads(self, pool: ThreadPool) -> None:
        pool.adjustPoolsize(minthreads=2)
        assert len(pool.threads) == 2

    def test_a_lower_maximum_ends_idle_threads(self, make_pool: Callable[..., ThreadPool]) -> None:
        pool = make_pool(4, 4)
        pool.start()
        threads = pool.threads.copy()
        pool.adjustPoolsize(1, 1)
        for thread in threads[:-1]:
            if thread not in pool.threads:
                thread.join(PATIENCE)
        pool.stop()
        assert not any(thread.is_alive() for thread in threads)

    def test_a_lower_maximum_holds_while_work_waits(
        self, make_pool: Callable[..., ThreadPool]
    ) -> None:
        pool = make_pool(0, 4)
        pool.start()
        blockers = Blockers(pool, 4)
        threads = pool.threads.copy()
        pool.adjustPoolsize(maxthreads=1)
        found: SimpleQueue[Thread] = SimpleQueue()
        for _ in range(100):
            pool.callInThread(lambda: found.put(threading.current_thread()))
        blockers.released.set()
        used = {found.get(timeout=PATIENCE) for _ in range(100)}
        assert len(used) == 1
        ended = [thread for thread in threads if thread not in used]
        for thread in ended:
            thread.join(PATIENCE)
        assert set(pool.threads) == used

    def test_changing_the_size_of_a_pool_at_rest_starts_nothing(self) -> None:
        pool = ThreadPool(1, 2)
        pool.adjustPoolsize(3, 4)
        assert (pool.min, pool.max, pool.threads) == (3, 4, [])

    @pytest.mark.parametrize(("least", "most"), [(-1, 5), (6, 5)])
    def test_impossible_sizes_are_refused(self, least: int, most: int) -> None:
        with pytest.raises(ValueError, match="minimum"):
            ThreadPool(least, most)
        pool = ThreadPool(1, 2)
        with pytest.raises(ValueError, match="minimum"):
            pool.adjustPoolsize(least, most)
        assert (pool.min, pool.max) == (1, 2)

    def test_when_the_system_starts_no_more_threads_work_waits(
        self, pool: ThreadPool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        blockers = Blockers(pool, 1)
        monkeypatch.setattr(Thread, "start", refuse_to_start)
        seen: SimpleQueue[int] = SimpleQueue()
        pool.callInThread(seen.put, 1)
        assert len(pool.threads) == 1
        blockers.released.set()
        assert seen.get(timeout=PATIENCE) == 1

    def test_when_the_system_starts_no_thread_at_all_the_caller_is_told(
        self, pool: ThreadPool, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        seen: list[int] = []
        with monkeypatch.context() as patch:
            patch.setattr(Thread, "start", refuse_to_start)
            with pytest.raises(RuntimeError, match="no thread"):
                pool.callInThread(seen.append, 1)
        pool.callInThread(seen.append, 2)
        pool.stop()
        assert seen == [2]


def refuse_to_start(thread: Thread) -> None:
    raise RuntimeError("no thread for you")


class TestEnd:
    def test_stop_waits_for_the_work_and_ends_the_threads(self, pool: ThreadPool) -> None:
        seen: list[int] = []
        blockers = Blockers(pool, 4)
        for number in range(100):
            pool.callInThread(seen.append, number)
        threads = pool.threads.copy()
        blockers.released.set()
        pool.stop()
        assert sorted(seen) == list(range(100))
        assert pool.threads == pool.waiters == pool.working == []
        assert not any(thread.is_alive() for thread in threads)
        assert pool.joined
        assert not pool.started

    def test_after_the_end_calls_are_dropped(self, pool: ThreadPool) -> None:
        seen: list[int] = []
        pool.stop()
        pool.callInThread(seen.append, 1)
        pool.start()
        pool.callInThread(seen.append, 2)
        pool.stop()
        assert seen == [2]

    def test_a_pool_that_was_never_started_drops_its_work_at_the_end(
        self, make_pool: Callable[..., ThreadPool]
    ) -> None:
        seen: list[int] = []
        pool = make_pool(1, 1)
        pool.callInThread(seen.append, 1)
        pool.stop()
        pool.start()
        pool.callInThread(seen.append, 2)
        pool.stop()
        assert seen == [2]

    def test_a_pool_can_be_started_again(self, pool: ThreadPool) -> None:
        for _ in range(3):
            assert result_of(pool, lambda: 1) == (True, 1)
            pool.stop()
            pool.stop()
            pool.start()
            assert pool.started
            assert not pool.joined

    def test_dumpStats(self, pool: ThreadPool, caplog: pytest.LogCaptureFixture) -> None:
        blockers = Blockers(pool, 1)
        with caplog.at_level(logging.INFO, "reactorlib"):
            pool.dumpStats()
        blockers.released.set()
        waiters, workers, total = (record.getMessage() for record in caplog.records)
        assert waiters == "waiters: []"
        assert "PoolThread-test-0" in workers
        assert "PoolThread-test-0" in total
