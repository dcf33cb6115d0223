"""Cooperation, with slices that run when they are told to."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reactorlib.defer import Deferred, succeed
from reactorlib.task import (
    Clock,
    CooperativeTask,
    Cooperator,
    NotPaused,
    SchedulerError,
    SchedulerStopped,
    TaskDone,
    TaskFailed,
    TaskFinished,
    TaskStopped,
    coiterate,
    cooperate,
)
from tests.clocks import Clocks, outcomes_of


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


class TestCooperator(Clocks):
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
        assert outcomes_of(task.whenDone()) != []
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
        results = outcomes_of(cooperator.coiterate(iterator))
        slices.run(2)
        assert results == [iterator]

    def test_coiterate_with_a_deferred(self, cooperator: Cooperator, slices: Slices) -> None:
        iterator = steps([], "a", 1)
        done: Deferred[Iterator[None]] = Deferred()
        assert cooperator.coiterate(iterator, done) is done
        slices.run(2)
        assert outcomes_of(done) == [iterator]

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
        results = outcomes_of(cooperator.coiterate(iter([succeed(1), succeed(2)])))
        slices.run(3)
        assert len(results) == 1

    def test_a_failing_deferred_ends_the_task(self, cooperator: Cooperator, slices: Slices) -> None:
        wait: Deferred[None] = Deferred()
        task = cooperator.cooperate(iter([wait, None]))
        results = outcomes_of(task.whenDone())
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
        results = outcomes_of(task.whenDone())
        cooperator.cooperate(steps(seen, "b", 2))
        slices.run(4)
        assert results[0].check(LookupError)
        assert seen == ["b0", "b1"]
        with pytest.raises(TaskFailed):
            task.stop()
        assert outcomes_of(task.whenDone())[0].check(LookupError)

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
            assert outcomes_of(task.whenDone())[0].check(LookupError)
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
        results = [outcomes_of(task.whenDone()) for task in tasks]
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
        late = outcomes_of(cooperator.coiterate(steps(seen, "d", 1)))
        assert late[0].check(SchedulerStopped)
        with pytest.raises(SchedulerStopped):
            tasks[0].pause()
        assert seen == []

    def test_stop_inside_a_step(self, cooperator: Cooperator, slices: Slices) -> None:
        def stopping() -> Iterator[None]:
            cooperator.stop()
            yield

        results = outcomes_of(cooperator.coiterate(stopping()))
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
        done = [outcomes_of(cooperator.coiterate(iter([wait]))) for wait in waits]
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
        results = outcomes_of(coiterate(steps(seen, "b", 2)))
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
        before = [outcomes_of(task.whenDone()) for _ in range(2)]
        slices.run(4)
        assert len(before[0]) == 1
        assert before[0] == before[1] == outcomes_of(task.whenDone())

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
        results = outcomes_of(task.whenDone())
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
        results = outcomes_of(task.whenDone())
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
        results = outcomes_of(task.whenDone())
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
        results = outcomes_of(task.whenDone())
        slices.run(1)
        task.stop()
        wait.errback(LookupError())
        assert results[0].check(TaskStopped)
        assert outcomes_of(wait)[0].check(LookupError)

    @pytest.mark.parametrize("last", ["nothing", "deferred", "end"])
    def test_stop_inside_its_own_step(
        self, cooperator: Cooperator, slices: Slices, last: str
    ) -> None:
        def stopping() -> Iterator[object]:
            task.stop()
            if last != "end":
                yield Deferred() if last == "deferred" else None

        task = cooperator.cooperate(stopping())
        results = outcomes_of(task.whenDone())
        slices.run(3)
        assert len(results) == 1
        assert results[0].check(TaskStopped)
        assert outcomes_of(task.whenDone())[0].check(TaskStopped)
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
