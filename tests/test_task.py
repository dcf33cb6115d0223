"""Repeated, delayed and cooperative work, on clocks and reactors of the tests' own."""

from __future__ import annotations

import gc
import logging
import math
from collections.abc import Callable, Iterator
from typing import Any, NoReturn, TypeVar

import pytest
from hypothesis import given
from hypothesis import strategies as st
from zope.interface.verify import verifyObject

import reactorlib
from reactorlib.defer import CancelledError, Deferred, succeed
from reactorlib.error import ReactorNotRunning
from reactorlib.failure import Failure
from reactorlib.interfaces import IReactorTime
from reactorlib.task import (
    Clock,
    CooperativeTask,
    Cooperator,
    LoopingCall,
    NotPaused,
    SchedulerError,
    SchedulerStopped,
    TaskDone,
    TaskFailed,
    TaskFinished,
    TaskStopped,
    coiterate,
    cooperate,
    deferLater,
    react,
)

T = TypeVar("T")


def results_of(deferred: Deferred[T]) -> list[Any]:
    """Take the result of a Deferred: a list that has it as soon as there is one."""
    results: list[Any] = []
    deferred.addBoth(results.append)
    return results


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def process_clock(clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
    """A clock in the place of the process's reactor, which must not be made."""
    monkeypatch.setitem(vars(reactorlib), "reactor", clock)
    return clock


class TestClock:
    def test_interface(self, clock: Clock) -> None:
        assert verifyObject(IReactorTime, clock)

    def test_time_stands_still_until_advanced(self, clock: Clock) -> None:
        assert clock.seconds() == 0.0
        clock.advance(1.5)
        clock.advance(0)
        assert clock.seconds() == clock.rightNow == 1.5

    def test_time_does_not_go_back(self, clock: Clock) -> None:
        with pytest.raises(ValueError, match="back"):
            clock.advance(-1)
        assert clock.seconds() == 0.0

    def test_calls_are_made_in_order_when_due(self, clock: Clock) -> None:
        ran: list[Any] = []
        clock.callLater(2, ran.append, "second")
        clock.callLater(1, lambda *a, **kw: ran.append((a, kw)), 1, key=2)
        clock.callLater(2, ran.append, "third")
        clock.advance(0.5)
        assert ran == []
        clock.advance(0.5)
        assert ran == [((1,), {"key": 2})]
        clock.advance(5)
        assert ran[1:] == ["second", "third"]

    def test_callbacks_see_the_time_that_was_advanced_to(self, clock: Clock) -> None:
        seen: list[float] = []
        clock.callLater(1, lambda: seen.append(clock.seconds()))
        clock.advance(10)
        assert seen == [10]

    def test_what_callbacks_call_at_once_is_called_in_the_same_advance(self, clock: Clock) -> None:
        ran: list[int] = []

        def again() -> None:
            ran.append(len(ran))
            if len(ran) < 5:
                clock.callLater(0, again)

        clock.callLater(1, again)
        clock.advance(1)
        assert ran == [0, 1, 2, 3, 4]

    def test_what_callbacks_call_later_waits(self, clock: Clock) -> None:
        ran: list[int] = []
        clock.callLater(1, clock.callLater, 1, ran.append, 1)
        clock.advance(5)
        assert ran == []
        clock.advance(1)
        assert ran == [1]

    def test_an_error_is_raised_and_the_rest_stays_due(self, clock: Clock) -> None:
        ran: list[int] = []

        def failing() -> None:
            raise LookupError

        clock.callLater(1, failing)
        clock.callLater(1, ran.append, 1)
        with pytest.raises(LookupError):
            clock.advance(1)
        assert ran == []
        clock.advance(0)
        assert ran == [1]

    def test_calls_can_be_cancelled_moved_and_listed(self, clock: Clock) -> None:
        ran: list[str] = []
        cancelled, moved, plain = (clock.callLater(3, ran.append, n) for n in ("c", "m", "p"))
        cancelled.cancel()
        moved.reset(1)
        assert clock.getDelayedCalls() == clock.calls == [moved, plain]
        clock.advance(1)
        assert ran == ["m"]

    def test_pump(self, clock: Clock) -> None:
        ran: list[float] = []
        loop = LoopingCall(lambda: ran.append(clock.seconds()))
        loop.clock = clock
        loop.start(1)
        clock.pump([0.5, 0.5, 1])
        assert ran == [0, 1, 2]


class TestDeferLater:
    def test_the_function_is_called_then(self, clock: Clock) -> None:
        results = results_of(deferLater(clock, 2, lambda a, b: (a, b, clock.seconds()), 1, b=2))
        clock.advance(1)
        assert results == []
        clock.advance(1)
        assert results == [(1, 2, 2)]

    def test_without_a_function(self, clock: Clock) -> None:
        results = results_of(deferLater(clock, 1))
        clock.advance(1)
        assert results == [None]

    def test_its_error(self, clock: Clock) -> None:
        def failing() -> None:
            raise LookupError

        results = results_of(deferLater(clock, 1, failing))
        clock.advance(1)
        assert results[0].check(LookupError)

    def test_its_deferred(self, clock: Clock) -> None:
        inner: Deferred[int] = Deferred()
        results = results_of(deferLater(clock, 1, lambda: inner))
        clock.advance(1)
        assert results == []
        inner.callback(1)
        assert results == [1]

    def test_cancelling_before(self, clock: Clock) -> None:
        ran: list[int] = []
        deferred = deferLater(clock, 1, ran.append, 1)
        results = results_of(deferred)
        deferred.cancel()
        assert results[0].check(CancelledError)
        assert clock.getDelayedCalls() == []
        assert ran == []

    def test_cancelling_what_the_function_returned(self, clock: Clock) -> None:
        cancelled: list[Deferred[int]] = []
        inner: Deferred[int] = Deferred(cancelled.append)
        deferred = deferLater(clock, 1, lambda: inner)
        results = results_of(deferred)
        clock.advance(1)
        deferred.cancel()
        assert cancelled == [inner]
        assert results[0].check(CancelledError)


class Loop:
    """A LoopingCall on a clock, and when it has called."""

    def __init__(self, clock: Clock, f: Callable[..., object] = lambda *count: None) -> None:
        self.clock = clock
        self.times: list[float] = []
        self.counts: list[int] = []
        self.f = f
        self.loop = LoopingCall.withCount(self.called)
        self.loop.clock = clock

    def called(self, count: int) -> object:
        self.times.append(self.clock.seconds())
        self.counts.append(count)
        return self.f()


class TestLoopingCall:
    def test_calls_at_once_and_after_each_interval(self, clock: Clock) -> None:
        seen: list[Any] = []
        loop = LoopingCall(lambda *a, **kw: seen.append((clock.seconds(), a, kw)), 1, key=2)
        loop.clock = clock
        loop.start(3)
        clock.pump([1] * 7)
        assert seen == [(time, (1,), {"key": 2}) for time in (0, 3, 6)]
        assert loop.running
        assert loop.interval == 3

    def test_not_now(self, clock: Clock) -> None:
        loop = Loop(clock)
        loop.loop.start(3, now=False)
        clock.pump([1] * 7)
        assert loop.times == [3, 6]
        assert loop.counts == [1, 1]

    def test_ticks_do_not_drift(self, clock: Clock) -> None:
        loop = Loop(clock)
        loop.loop.start(1)
        clock.pump([1.75, 0.25, 1.5, 0.5])
        assert loop.times == [0, 1.75, 2, 3.5, 4]

    def test_missed_ticks_are_left_out_and_counted(self, clock: Clock) -> None:
        loop = Loop(clock)
        loop.loop.start(1)
        clock.pump([1, 3.5, 0.5, 1])
        assert loop.times == [0, 1, 4.5, 5, 6]
        assert loop.counts == [1, 1, 3, 1, 1]

    def test_a_call_that_takes_long_leaves_out_ticks(self, clock: Clock) -> None:
        def slow() -> None:
            clock.rightNow += 2.5

        loop = Loop(clock, slow)
        loop.loop.start(1)
        clock.advance(0.5)
        assert loop.times == [0, 3]
        assert loop.counts == [1, 3]

    def test_the_next_call_waits_for_a_deferred(self, clock: Clock) -> None:
        waits: list[Deferred[None]] = []

        def work() -> Deferred[None]:
            waits.append(Deferred())
            return waits[-1]

        loop = Loop(clock, work)
        loop.loop.start(1)
        clock.advance(2.5)
        assert loop.times == [0]
        waits[0].callback(None)
        clock.advance(0.5)
        assert loop.times == [0, 3]
        assert loop.counts == [1, 3]
        waits[1].callback(None)
        clock.advance(1)
        assert loop.counts == [1, 3, 1]

    def test_a_coroutine_function(self, clock: Clock) -> None:
        seen: list[float] = []

        async def work() -> None:
            await succeed(None)
            seen.append(clock.seconds())

        loop = LoopingCall(work)
        loop.clock = clock
        loop.start(1)
        clock.pump([1, 1])
        assert seen == [0, 1, 2]

    @given(
        interval=st.floats(1e-4, 1e4),
        beginning=st.floats(0, 1e9),
        waits=st.lists(st.floats(0, 5), max_size=30),
    )
    def test_each_tick_counts_once_whatever_the_rounding(
        self, interval: float, beginning: float, waits: list[float]
    ) -> None:
        clock = Clock()
        clock.advance(beginning)
        loop = Loop(clock)
        loop.loop.start(interval)
        for wait in waits:
            clock.advance(wait * interval)
        assert all(count >= 1 for count in loop.counts)
        ticks = sum(loop.counts) - 1
        assert abs(ticks - (clock.seconds() - beginning) / interval) < 1.001

    @pytest.mark.parametrize("interval", [0.1, 0.3, 1 / 3, 0.7])
    def test_no_tick_comes_twice_where_the_interval_is_no_binary_fraction(
        self, interval: float
    ) -> None:
        clock = Clock()
        clock.advance(1_700_000_000.1)
        loop = Loop(clock)
        loop.loop.start(interval)
        for _ in range(1000):
            (call,) = clock.getDelayedCalls()
            clock.advance(call.getTime() - clock.seconds())
        assert set(loop.counts) == {1}
        assert loop.times[-1] - loop.times[0] == pytest.approx(interval * 1000, abs=1e-5)

    def test_interval_zero(self, clock: Clock) -> None:
        loop = Loop(clock, lambda: loop.loop.stop() if len(loop.counts) == 5 else None)
        results = results_of(loop.loop.start(0))
        clock.advance(0)
        assert loop.counts == [1] * 5
        assert results == [loop.loop]

    def test_stop_between_calls(self, clock: Clock) -> None:
        loop = Loop(clock).loop
        deferred = loop.start(1)
        assert loop.deferred is deferred
        results = results_of(deferred)
        loop.stop()
        assert results == [loop]
        assert not loop.running
        assert loop.deferred is None
        assert loop.call is None
        assert clock.getDelayedCalls() == []

    def test_stop_inside_the_call(self, clock: Clock) -> None:
        loop = Loop(clock, lambda: loop.loop.stop())
        assert results_of(loop.loop.start(1)) == [loop.loop]
        assert clock.getDelayedCalls() == []

    def test_stop_while_a_call_is_under_way_waits_for_it(self, clock: Clock) -> None:
        wait: Deferred[None] = Deferred()
        loop = Loop(clock, lambda: wait).loop
        results = results_of(loop.start(1))
        loop.stop()
        assert not loop.running
        assert results == []
        wait.callback(None)
        assert results == [loop]
        assert clock.getDelayedCalls() == []

    def test_an_error_ends_it(self, clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
        def failing() -> None:
            if clock.seconds():
                raise LookupError

        loop = Loop(clock, failing).loop
        results = results_of(loop.start(1))
        clock.advance(1)
        assert results[0].check(LookupError)
        assert not loop.running
        assert loop.deferred is None
        assert clock.getDelayedCalls() == []
        assert caplog.records == []

    def test_an_error_in_the_first_call(self, clock: Clock) -> None:
        def failing() -> None:
            raise LookupError

        loop = Loop(clock, failing).loop
        assert results_of(loop.start(1))[0].check(LookupError)
        assert not loop.running

    def test_a_failing_deferred_ends_it(self, clock: Clock) -> None:
        wait: Deferred[None] = Deferred()
        loop = Loop(clock, lambda: wait).loop
        results = results_of(loop.start(1))
        wait.errback(LookupError())
        assert results[0].check(LookupError)
        assert not loop.running

    def test_starting_again(self, clock: Clock) -> None:
        loop = Loop(clock)
        loop.loop.start(1)
        clock.advance(1)
        loop.loop.stop()
        clock.advance(10)
        loop.loop.start(2)
        clock.advance(2)
        assert loop.times == [0, 1, 11, 13]
        assert loop.counts == [1, 1, 1, 1]

    def test_starting_again_in_the_callback_of_the_end(self, clock: Clock) -> None:
        loop = Loop(clock)
        runs: list[Deferred[LoopingCall]] = []
        loop.loop.start(1).addCallback(lambda stopped: runs.append(stopped.start(5)))
        loop.loop.stop()
        clock.advance(5)
        assert loop.times == [0, 0, 5]
        assert loop.loop.running

    @pytest.mark.parametrize("fails", [False, True])
    def test_a_new_run_while_the_last_call_of_the_old_one_is_under_way(
        self, clock: Clock, fails: bool
    ) -> None:
        waits: list[Deferred[None]] = [Deferred(), succeed(None), succeed(None)]
        old_call = waits[0]
        loop = Loop(clock, lambda: waits.pop(0))
        old = results_of(loop.loop.start(1))
        loop.loop.stop()
        new = results_of(loop.loop.start(3))
        old_call.errback(LookupError()) if fails else old_call.callback(None)
        assert isinstance(old[0], Failure) if fails else old == [loop.loop]
        assert loop.loop.running
        assert new == []
        clock.advance(3)
        assert loop.times == [0, 0, 3]
        assert len(clock.getDelayedCalls()) == 1

    def test_a_new_run_inside_a_call(self, clock: Clock) -> None:
        def restart() -> None:
            if len(loop.times) == 1:
                loop.loop.stop()
                results.append(results_of(loop.loop.start(2)))

        results: list[list[Any]] = []
        loop = Loop(clock, restart)
        assert results_of(loop.loop.start(1)) == [loop.loop]
        assert results == [[]]
        assert len(clock.getDelayedCalls()) == 1
        clock.advance(2)
        assert loop.times == [0, 0, 2]

    def test_reset_counts_from_now(self, clock: Clock) -> None:
        loop = Loop(clock)
        loop.loop.start(3)
        clock.advance(2)
        loop.loop.reset()
        clock.pump([1] * 6)
        assert loop.times == [0, 5, 8]
        assert loop.counts == [1, 1, 1]

    def test_reset_while_a_call_is_under_way_does_nothing(self, clock: Clock) -> None:
        loop = Loop(clock, lambda: loop.loop.reset())
        loop.loop.start(1)
        clock.advance(1)
        assert loop.times == [0, 1]

    @pytest.mark.parametrize("interval", [-1, math.inf, math.nan])
    def test_impossible_intervals(self, clock: Clock, interval: float) -> None:
        loop = Loop(clock).loop
        with pytest.raises(ValueError, match="interval"):
            loop.start(interval)
        assert not loop.running

    def test_wrong_states(self, clock: Clock) -> None:
        loop = Loop(clock).loop
        for method in (loop.stop, loop.reset):
            with pytest.raises(RuntimeError, match="not running"):
                method()
        loop.start(1)
        with pytest.raises(RuntimeError, match="running already"):
            loop.start(1)

    def test_a_clock_that_fails_ends_it(self, clock: Clock) -> None:
        def failing(*args: object) -> None:
            raise LookupError

        loop = Loop(clock).loop
        clock.callLater = failing  # type: ignore[assignment,method-assign]
        assert results_of(loop.start(1))[0].check(LookupError)
        assert not loop.running

    def test_the_process_reactor_is_the_default_clock(self, process_clock: Clock) -> None:
        seen: list[float] = []
        loop = LoopingCall(lambda: seen.append(process_clock.seconds()))
        assert loop.clock is process_clock
        loop.start(1)
        process_clock.advance(1)
        assert seen == [0, 1]

    def test_repr(self, clock: Clock) -> None:
        class Nameless:
            def __call__(self) -> None:
                pass

            def __repr__(self) -> str:
                return "<a callable>"

        loop = LoopingCall(results_of, 1, key=2)
        assert repr(loop) == "LoopingCall<None>(results_of, *(1,), **{'key': 2})"
        assert "<a callable>" in repr(LoopingCall(Nameless()))


class Slices:
    """A scheduler whose slices run when told to, and are over after so many steps."""

    def __init__(self, steps: int = 1) -> None:
        self.steps = steps
        self.clock = Clock()

    def __call__(self, function: Callable[[], object]) -> Any:
        return self.clock.callLater(1, function)

    def begin(self) -> Callable[[], bool]:
        left = iter(range(self.steps, 0, -1))
        return lambda: next(left) <= 1

    def run(self, number: int = 1) -> None:
        self.clock.pump([1] * number)

    @property
    def scheduled(self) -> int:
        return len(self.clock.getDelayedCalls())


@pytest.fixture
def slices() -> Slices:
    return Slices()


@pytest.fixture
def cooperator(slices: Slices) -> Cooperator:
    return Cooperator(slices.begin, slices)


def steps(seen: list[Any], name: str, number: int) -> Iterator[None]:
    for step in range(number):
        seen.append(f"{name}{step}")
        yield


class TestCooperator:
    def test_tasks_take_turns(self, cooperator: Cooperator, slices: Slices) -> None:
        seen: list[str] = []
        cooperator.cooperate(steps(seen, "a", 3))
        cooperator.cooperate(steps(seen, "b", 2))
        slices.run(4)
        assert seen == ["a0", "b0", "a1", "b1"]
        slices.run(3)
        assert seen[4:] == ["a2"]

    def test_nothing_happens_before_the_first_slice_nor_after_the_last_task(
        self, cooperator: Cooperator, slices: Slices
    ) -> None:
        seen: list[str] = []
        assert slices.scheduled == 0
        task = cooperator.cooperate(steps(seen, "a", 1))
        assert seen == []
        assert slices.scheduled == 1
        slices.run(2)
        assert results_of(task.whenDone()) != []
        assert slices.scheduled == 0

    def test_a_slice_has_many_steps(self) -> None:
        slices = Slices(steps=4)
        cooperator = Cooperator(slices.begin, slices)
        seen: list[str] = []
        for name in "ab":
            cooperator.cooperate(steps(seen, name, 5))
        slices.run(1)
        assert seen == ["a0", "b0", "a1", "b1"]
        slices.run(1)
        assert seen[4:] == ["a2", "b2", "a3", "b3"]

    def test_coiterate(self, cooperator: Cooperator, slices: Slices) -> None:
        iterator = steps([], "a", 1)
        results = results_of(cooperator.coiterate(iterator))
        slices.run(2)
        assert results == [iterator]

    def test_coiterate_with_a_deferred(self, cooperator: Cooperator, slices: Slices) -> None:
        iterator = steps([], "a", 1)
        done: Deferred[Iterator[None]] = Deferred()
        assert cooperator.coiterate(iterator, done) is done
        slices.run(2)
        assert results_of(done) == [iterator]

    def test_a_deferred_is_waited_for_while_others_go_on(
        self, cooperator: Cooperator, slices: Slices
    ) -> None:
        seen: list[str] = []
        wait: Deferred[None] = Deferred()

        def waiting() -> Iterator[object]:
            seen.append("before")
            yield wait
            seen.append("after")
            yield None

        cooperator.cooperate(waiting())
        cooperator.cooperate(steps(seen, "b", 3))
        slices.run(4)
        assert seen == ["before", "b0", "b1", "b2"]
        slices.run(5)
        assert slices.scheduled == 0
        wait.callback(None)
        slices.run(1)
        assert seen[-1] == "after"

    def test_a_deferred_with_a_result_is_no_wait(
        self, cooperator: Cooperator, slices: Slices
    ) -> None:
        results = results_of(cooperator.coiterate(iter([succeed(1), succeed(2)])))
        slices.run(3)
        assert len(results) == 1

    def test_a_failing_deferred_ends_the_task(self, cooperator: Cooperator, slices: Slices) -> None:
        wait: Deferred[None] = Deferred()
        task = cooperator.cooperate(iter([wait, None]))
        results = results_of(task.whenDone())
        slices.run()
        wait.errback(LookupError())
        assert results[0].check(LookupError)
        with pytest.raises(TaskFailed):
            task.pause()
        assert slices.scheduled == 0

    def test_a_raising_iterator_ends_its_task_only(
        self, cooperator: Cooperator, slices: Slices
    ) -> None:
        seen: list[str] = []

        def failing() -> Iterator[None]:
            raise LookupError
            yield

        task = cooperator.cooperate(failing())
        results = results_of(task.whenDone())
        cooperator.cooperate(steps(seen, "b", 2))
        slices.run(4)
        assert results[0].check(LookupError)
        assert seen == ["b0", "b1"]
        with pytest.raises(TaskFailed):
            task.stop()
        assert results_of(task.whenDone())[0].check(LookupError)

    def test_an_error_that_nobody_asks_for_is_logged_once(
        self, cooperator: Cooperator, slices: Slices, caplog: pytest.LogCaptureFixture
    ) -> None:
        def failing() -> Iterator[None]:
            raise LookupError
            yield

        cooperator.cooperate(failing())
        slices.run()
        gc.collect()
        (record,) = caplog.records
        assert record.exc_info is not None
        assert record.exc_info[0] is LookupError

    def test_an_error_that_is_asked_for_later_is_not_logged(
        self, cooperator: Cooperator, slices: Slices, caplog: pytest.LogCaptureFixture
    ) -> None:
        def failing() -> Iterator[None]:
            raise LookupError
            yield

        task = cooperator.cooperate(failing())
        slices.run()
        for _ in range(2):
            assert results_of(task.whenDone())[0].check(LookupError)
        del task
        gc.collect()
        assert caplog.records == []

    def test_not_started(self, slices: Slices) -> None:
        cooperator = Cooperator(slices.begin, slices, started=False)
        seen: list[str] = []
        cooperator.cooperate(steps(seen, "a", 1))
        assert not cooperator.running
        slices.run(3)
        assert seen == []
        cooperator.start()
        assert cooperator.running
        slices.run(1)
        assert seen == ["a0"]

    def test_stop_ends_every_task(self, cooperator: Cooperator, slices: Slices) -> None:
        seen: list[str] = []
        tasks = [cooperator.cooperate(steps(seen, name, 5)) for name in "abc"]
        tasks[2].pause()
        results = [results_of(task.whenDone()) for task in tasks]
        cooperator.stop()
        assert not cooperator.running
        assert slices.scheduled == 0
        assert [result[0].check(SchedulerStopped) for result in results[:2]] == [
            SchedulerStopped,
            SchedulerStopped,
        ]
        assert results[2] == []
        tasks[2].resume()
        assert results[2][0].check(SchedulerStopped)
        late = results_of(cooperator.coiterate(steps(seen, "d", 1)))
        assert late[0].check(SchedulerStopped)
        with pytest.raises(SchedulerStopped):
            tasks[0].pause()
        assert seen == []

    def test_stop_inside_a_step(self, cooperator: Cooperator, slices: Slices) -> None:
        def stopping() -> Iterator[None]:
            cooperator.stop()
            yield

        results = results_of(cooperator.coiterate(stopping()))
        slices.run(2)
        assert results[0].check(SchedulerStopped)
        assert slices.scheduled == 0

    def test_a_stopped_one_can_start_again(self, cooperator: Cooperator, slices: Slices) -> None:
        seen: list[str] = []
        cooperator.stop()
        cooperator.start()
        cooperator.cooperate(steps(seen, "a", 1))
        slices.run(1)
        assert seen == ["a0"]

    def test_a_thousand_tasks_that_wait_and_go_on(
        self, cooperator: Cooperator, slices: Slices
    ) -> None:
        waits: list[Deferred[None]] = [Deferred() for _ in range(1000)]
        done = [results_of(cooperator.coiterate(iter([wait]))) for wait in waits]
        slices.run(1000)
        assert slices.scheduled == 0
        for wait in waits:
            wait.callback(None)
        slices.run(1000)
        assert all(len(result) == 1 for result in done)

    def test_the_default_slice_is_short_and_the_process_reactor_schedules(
        self, process_clock: Clock, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        times = iter(range(1000))
        monkeypatch.setattr("reactorlib.cooperator.monotonic", lambda: next(times) / 250)
        seen: list[str] = []
        task = cooperate(steps(seen, "a", 9))
        results = results_of(coiterate(steps(seen, "b", 2)))
        process_clock.advance(1)
        assert seen == ["a0", "b0", "a1"]
        process_clock.pump([1] * 10)
        assert len(seen) == 11
        assert len(results) == 1
        with pytest.raises(TaskDone):
            task.stop()
        assert process_clock.getDelayedCalls() == []


class TestCooperativeTask:
    @pytest.fixture
    def seen(self) -> list[str]:
        return []

    @pytest.fixture
    def task(self, cooperator: Cooperator, seen: list[str]) -> CooperativeTask[Iterator[None]]:
        return cooperator.cooperate(steps(seen, "a", 3))

    def test_whenDone_as_often_as_asked(
        self, task: CooperativeTask[Iterator[None]], slices: Slices
    ) -> None:
        before = [results_of(task.whenDone()) for _ in range(2)]
        slices.run(4)
        assert len(before[0]) == 1
        assert before[0] == before[1] == results_of(task.whenDone())

    def test_pause_and_resume(
        self, task: CooperativeTask[Iterator[None]], seen: list[str], slices: Slices
    ) -> None:
        slices.run(1)
        task.pause()
        task.pause()
        slices.run(3)
        task.resume()
        slices.run(3)
        assert seen == ["a0"]
        assert slices.scheduled == 0
        task.resume()
        slices.run(1)
        assert seen == ["a0", "a1"]

    def test_a_paused_task_that_gets_its_deferred_stays_paused(
        self, cooperator: Cooperator, slices: Slices
    ) -> None:
        wait: Deferred[None] = Deferred()
        task = cooperator.cooperate(iter([wait]))
        results = results_of(task.whenDone())
        slices.run(1)
        task.pause()
        wait.callback(None)
        slices.run(3)
        assert results == []
        task.resume()
        slices.run(1)
        assert len(results) == 1

    def test_resume_of_what_is_not_paused(self, task: CooperativeTask[Iterator[None]]) -> None:
        with pytest.raises(NotPaused):
            task.resume()

    def test_stop(
        self, task: CooperativeTask[Iterator[None]], seen: list[str], slices: Slices
    ) -> None:
        results = results_of(task.whenDone())
        slices.run(1)
        task.stop()
        assert results[0].check(TaskStopped)
        slices.run(3)
        assert seen == ["a0"]
        for method in (task.stop, task.pause):
            with pytest.raises(TaskStopped):
                method()

    def test_stop_of_a_paused_task(
        self, task: CooperativeTask[Iterator[None]], seen: list[str], slices: Slices
    ) -> None:
        task.pause()
        task.stop()
        task.resume()
        slices.run(3)
        assert seen == []
        with pytest.raises(NotPaused):
            task.resume()

    def test_stop_while_waiting(
        self, cooperator: Cooperator, slices: Slices, caplog: pytest.LogCaptureFixture
    ) -> None:
        wait: Deferred[None] = Deferred()
        task = cooperator.cooperate(iter([wait]))
        results = results_of(task.whenDone())
        slices.run(1)
        task.stop()
        wait.callback(None)
        slices.run(2)
        assert len(results) == 1
        assert results[0].check(TaskStopped)

    def test_stop_while_waiting_for_what_then_fails(
        self, cooperator: Cooperator, slices: Slices
    ) -> None:
        wait: Deferred[None] = Deferred()
        task = cooperator.cooperate(iter([wait]))
        results = results_of(task.whenDone())
        slices.run(1)
        task.stop()
        wait.errback(LookupError())
        assert results[0].check(TaskStopped)
        assert results_of(wait)[0].check(LookupError)

    @pytest.mark.parametrize("last", ["nothing", "deferred", "end"])
    def test_stop_inside_its_own_step(
        self, cooperator: Cooperator, slices: Slices, last: str
    ) -> None:
        def stopping() -> Iterator[object]:
            task.stop()
            if last != "end":
                yield Deferred() if last == "deferred" else None

        task = cooperator.cooperate(stopping())
        results = results_of(task.whenDone())
        slices.run(3)
        assert len(results) == 1
        assert results[0].check(TaskStopped)
        assert results_of(task.whenDone())[0].check(TaskStopped)
        assert slices.scheduled == 0

    def test_done(self, task: CooperativeTask[Iterator[None]], slices: Slices) -> None:
        slices.run(4)
        for method in (task.stop, task.pause):
            with pytest.raises(TaskDone):
                method()

    def test_errors_are_of_one_family(self) -> None:
        assert issubclass(TaskFinished, SchedulerError)
        assert all(issubclass(error, TaskFinished) for error in (TaskDone, TaskFailed, TaskStopped))
        assert all(issubclass(error, SchedulerError) for error in (SchedulerStopped, NotPaused))


class FakeReactor:
    """A reactor that runs until it is stopped."""

    def __init__(self) -> None:
        self.running = False
        self.stopped = 0
        self.starting: list[Callable[[], object]] = []
        self.clock = Clock()

    def callWhenRunning(self, callable: Callable[..., object], *args: Any) -> None:
        self.starting.append(lambda: callable(*args))

    def run(self) -> None:
        self.running = True
        for function in self.starting:
            function()
        while self.running:
            assert self.clock.getDelayedCalls(), "this reactor would never end"
            self.clock.advance(1)

    def stop(self) -> None:
        if not self.running:
            raise ReactorNotRunning
        self.running = False
        self.stopped += 1


class TestReact:
    @pytest.fixture
    def reactor(self) -> FakeReactor:
        return FakeReactor()

    def exit_code(self, *args: Any, **kw: Any) -> Any:
        with pytest.raises(SystemExit) as caught:
            react(*args, **kw)
        return caught.value.code

    def test_main_gets_the_running_reactor_and_its_arguments(self, reactor: FakeReactor) -> None:
        seen: list[Any] = []

        def main(*args: object) -> Deferred[None]:
            seen.append((reactor.running, args))
            return deferLater(reactor.clock, 2)

        assert self.exit_code(main, ("one", "two"), _reactor=reactor) == 0
        assert seen == [(True, (reactor, "one", "two"))]
        assert reactor.clock.seconds() == 2
        assert reactor.stopped == 1

    def test_a_coroutine_function(self, reactor: FakeReactor) -> None:
        seen: list[float] = []

        async def main(reactor: FakeReactor) -> str:
            await deferLater(reactor.clock, 3)
            seen.append(reactor.clock.seconds())
            return "dropped"

        assert self.exit_code(main, _reactor=reactor) == 0
        assert seen == [3]

    def test_the_process_reactor_is_the_default(
        self, reactor: FakeReactor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(vars(reactorlib), "reactor", reactor)
        assert self.exit_code(lambda given: succeed(given)) == 0
        assert reactor.stopped == 1

    @pytest.mark.parametrize("when", [0, 1])
    def test_an_error_is_logged_and_gives_1(
        self, reactor: FakeReactor, caplog: pytest.LogCaptureFixture, when: int
    ) -> None:
        def failing() -> NoReturn:
            raise LookupError("the reason")

        def main(reactor: FakeReactor) -> Deferred[None]:
            if when:
                return deferLater(reactor.clock, when, failing)
            return failing()

        assert self.exit_code(main, _reactor=reactor) == 1
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("reactorlib", logging.ERROR)
        assert record.exc_info is not None
        assert record.exc_info[0] is LookupError

    @pytest.mark.parametrize("code", [0, 3, "a message", None])
    def test_SystemExit_gives_its_code_and_logs_nothing(
        self, reactor: FakeReactor, caplog: pytest.LogCaptureFixture, code: int | str | None
    ) -> None:
        def main(reactor: FakeReactor) -> None:
            raise SystemExit(code)

        assert self.exit_code(main, _reactor=reactor) == code
        assert caplog.records == []

    def test_a_reactor_that_is_stopped_first_gives_0(self, reactor: FakeReactor) -> None:
        def main(reactor: FakeReactor) -> Deferred[None]:
            reactor.clock.callLater(1, reactor.stop)
            return Deferred()

        assert self.exit_code(main, _reactor=reactor) == 0

    def test_an_end_while_the_reactor_stops_still_gives_the_code(
        self, reactor: FakeReactor, caplog: pytest.LogCaptureFixture
    ) -> None:
        def main(reactor: FakeReactor) -> Deferred[None]:
            done: Deferred[None] = Deferred()
            reactor.clock.callLater(1, reactor.stop)
            reactor.clock.callLater(1, done.errback, SystemExit(4))
            return done

        assert self.exit_code(main, _reactor=reactor) == 4
        gc.collect()
        assert reactor.stopped == 1
        assert caplog.records == []
