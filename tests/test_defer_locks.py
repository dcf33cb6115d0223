"""DeferredLock, DeferredSemaphore and DeferredQueue."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.defer import (
    CancelledError,
    Deferred,
    DeferredLock,
    DeferredQueue,
    DeferredSemaphore,
    QueueOverflow,
    QueueUnderflow,
    ensureDeferred,
    succeed,
)
from tests.deferreds import Boom, boom, result_of, results_of

BOTH = pytest.mark.parametrize("make", [DeferredLock, lambda: DeferredSemaphore(1)])


@BOTH
class TestTurns:
    def test_come_in_the_order_of_asking(self, make: Any) -> None:
        lock = make()
        assert result_of(lock.acquire()) is lock
        order: list[int] = []
        for number in range(3):
            lock.acquire().addCallback(lambda _, number=number: order.append(number))
        assert order == []
        for expected in ([0], [0, 1], [0, 1, 2]):
            lock.release()
            assert order == expected
        lock.release()
        assert result_of(lock.acquire()) is lock

    def test_cannot_be_given_back_too_often(self, make: Any) -> None:
        lock = make()
        with pytest.raises(RuntimeError):
            lock.release()
        lock.acquire()
        lock.release()
        with pytest.raises(RuntimeError):
            lock.release()

    def test_a_cancelled_one_is_passed_over(self, make: Any) -> None:
        lock = make()
        lock.acquire()
        first, second, third = (lock.acquire() for _ in range(3))
        second.cancel()
        assert isinstance(result_of(second), CancelledError)
        assert list(lock.waiting) == [first, third]
        lock.release()
        lock.release()
        assert third.called
        assert not lock.waiting

    def test_a_cancel_of_one_that_was_given_keeps_it(self, make: Any) -> None:
        lock = make()
        given = lock.acquire()
        given.cancel()
        assert result_of(given) is lock
        assert not lock.acquire().called

    def test_run_releases_in_the_end(self, make: Any) -> None:
        lock, pending = make(), Deferred[int]()
        first = lock.run(lambda argument, *, more: pending, 1, more=2)
        second = lock.run(lambda: 3)
        third = lock.run(boom)
        assert not second.called
        pending.callback(4)
        assert (result_of(first), result_of(second)) == (4, 3)
        assert isinstance(result_of(third), Boom)
        assert lock.acquire().called

    def test_run_takes_a_coroutine_function(self, make: Any) -> None:
        async def coroutine(argument: int) -> int:
            return argument + await pending

        lock, pending = make(), Deferred[int]()
        results = results_of(lock.run(coroutine, 1))
        blocked = lock.acquire()
        pending.callback(2)
        assert results == [3]
        assert blocked.called

    def test_run_may_be_cancelled_while_it_waits(self, make: Any) -> None:
        lock = make()
        lock.acquire()
        calls: list[Any] = []
        running = lock.run(calls.append, 1)
        running.cancel()
        assert isinstance(result_of(running), CancelledError)
        lock.release()
        assert calls == []
        assert lock.acquire().called

    def test_run_may_be_cancelled_while_it_runs(self, make: Any) -> None:
        lock, pending = make(), Deferred[int]()
        running = lock.run(lambda: pending)
        running.cancel()
        assert isinstance(result_of(running), CancelledError)
        assert lock.acquire().called

    def test_async_with(self, make: Any) -> None:
        async def critical(pending: Deferred[Any]) -> None:
            async with lock as entered:
                assert entered is lock
                order.append("in")
                await pending
                order.append("out")

        lock, order = make(), list[str]()
        first: Deferred[int] = Deferred()
        second: Deferred[int] = Deferred()
        running = [ensureDeferred(critical(first)), ensureDeferred(critical(second))]
        assert order == ["in"]
        first.errback(Boom())
        assert order == ["in", "in"]
        second.callback(1)
        assert order == ["in", "in", "out"]
        assert isinstance(result_of(running[0]), Boom)
        assert lock.acquire().called

    def test_a_thousand_waiters_that_run_at_once(self, make: Any) -> None:
        lock = make()
        lock.acquire()
        running = [lock.run(succeed, number) for number in range(100)]
        lock.release()
        assert [result_of(one) for one in running] == list(range(100))


class TestLock:
    def test_locked(self) -> None:
        lock = DeferredLock()
        assert not lock.locked
        lock.acquire()
        lock.acquire()
        lock.release()
        assert lock.locked
        lock.release()
        assert not lock.locked


class TestSemaphore:
    def test_counts_tokens(self) -> None:
        semaphore = DeferredSemaphore(2)
        assert (semaphore.tokens, semaphore.limit) == (2, 2)
        taken = [semaphore.acquire() for _ in range(3)]
        assert [one.called for one in taken] == [True, True, False]
        assert semaphore.tokens == 0
        semaphore.release()
        assert taken[2].called
        assert semaphore.tokens == 0
        semaphore.release()
        semaphore.release()
        assert semaphore.tokens == 2

    @pytest.mark.parametrize("tokens", [0, -1])
    def test_needs_a_token(self, tokens: int) -> None:
        with pytest.raises(ValueError, match=str(tokens)):
            DeferredSemaphore(tokens)


class TestQueue:
    def test_objects_come_in_order(self) -> None:
        queue: DeferredQueue[int] = DeferredQueue()
        for number in range(3):
            queue.put(number)
        assert [result_of(queue.get()) for _ in range(3)] == [0, 1, 2]

    def test_readers_are_served_in_order(self) -> None:
        queue: DeferredQueue[int] = DeferredQueue()
        readers = [results_of(queue.get()) for _ in range(3)]
        for number in range(3):
            queue.put(number)
        assert readers == [[0], [1], [2]]
        assert not queue.pending

    def test_size(self) -> None:
        queue: DeferredQueue[int] = DeferredQueue(size=1)
        reader = results_of(queue.get())
        queue.put(1)
        queue.put(2)
        with pytest.raises(QueueOverflow):
            queue.put(3)
        assert reader == [1]
        assert result_of(queue.get()) == 2

    def test_size_zero_takes_only_what_is_waited_for(self) -> None:
        queue: DeferredQueue[int] = DeferredQueue(size=0)
        with pytest.raises(QueueOverflow):
            queue.put(1)
        reader = results_of(queue.get())
        queue.put(2)
        assert reader == [2]

    def test_backlog(self) -> None:
        queue: DeferredQueue[int] = DeferredQueue(backlog=1)
        queue.get()
        with pytest.raises(QueueUnderflow):
            queue.get()

    def test_a_cancelled_reader_gets_nothing(self) -> None:
        queue: DeferredQueue[int] = DeferredQueue(backlog=2)
        first, second = queue.get(), queue.get()
        first.cancel()
        assert isinstance(result_of(first), CancelledError)
        queue.put(1)
        assert result_of(second) == 1
