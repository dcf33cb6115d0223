"""Cooperation: many iterators taken forward in turn, a slice of time at once.

A Cooperator never runs a task that is paused or waits for a Deferred, and
serves the others in turn. The process's reactor is asked for only when a task
is started with no other scheduler. Users import all this from reactorlib.task.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Iterator
from time import monotonic
from typing import Any, Generic, TypeVar

import reactorlib
from reactorlib.defer import Deferred, fail
from reactorlib.failure import Failure, failure_of_call

_Steps = TypeVar("_Steps", bound=Iterator[object])


class SchedulerError(Exception):
    """Something cannot be done with a task or its Cooperator."""


class SchedulerStopped(SchedulerError):
    """The Cooperator was stopped, and its tasks with it."""


class TaskFinished(SchedulerError):
    """The task is over."""


class TaskDone(TaskFinished):
    """The task is over: its iterator is exhausted."""


class TaskStopped(TaskFinished):
    """The task is over: it was stopped."""


class TaskFailed(TaskFinished):
    """The task is over: its iterator raised, or a Deferred that it gave failed."""


class NotPaused(SchedulerError):
    """The task was told to resume and is not paused."""


class CooperativeTask(Generic[_Steps]):
    """One iterator that a Cooperator takes forward; made by `Cooperator.cooperate`."""

    def __init__(self, iterator: _Steps, cooperator: Cooperator) -> None:
        self._iterator = iterator
        self._cooperator = cooperator
        self._pauses = 0
        self._waiting: list[Deferred[_Steps]] = []
        self._end: type[SchedulerError] | None = None
        self._result: _Steps | Failure = iterator
        # Reports the error when it is dropped without anyone having asked for the result.
        self._unclaimed: Deferred[_Steps] | None = None
        cooperator._add(self)

    def whenDone(self) -> Deferred[_Steps]:
        """Return a Deferred of the iterator, when it is exhausted.

        It fails with what the iterator raised, with the Failure of a Deferred
        it gave, with TaskStopped, or with SchedulerStopped.
        """
        deferred: Deferred[_Steps] = Deferred()
        if self._end is None:
            self._waiting.append(deferred)
        elif self._unclaimed is not None:
            deferred, self._unclaimed = self._unclaimed, None
        else:
            deferred.callback(self._result)
        return deferred

    def pause(self) -> None:
        """Take the iterator no further until `resume` was called as often as this.

        Raises:
            TaskFinished: the task is over.
            SchedulerStopped: its Cooperator was stopped.
        """
        self._require_going_on()
        self._pauses += 1
        self._cooperator._remove(self)

    def resume(self) -> None:
        """Undo one `pause`.

        Raises:
            NotPaused: it is not paused.
        """
        if not self._pauses:
            raise NotPaused
        self._pauses -= 1
        if not self._pauses and self._end is None:
            self._cooperator._add(self)

    def stop(self) -> None:
        """Take the iterator no further; `whenDone` fails with TaskStopped.

        Raises:
            TaskFinished: the task is over.
            SchedulerStopped: its Cooperator was stopped.
        """
        self._require_going_on()
        self._complete(TaskStopped, Failure(TaskStopped()))

    def _require_going_on(self) -> None:
        if self._end is not None:
            raise self._end

    def _complete(self, end: type[SchedulerError], result: _Steps | Failure) -> None:
        if self._end is not None:
            return
        self._end = end
        self._result = result
        self._cooperator._remove(self)
        waiting, self._waiting = self._waiting, []
        if end is TaskFailed and isinstance(result, Failure) and not waiting:
            self._unclaimed = fail(result)
        for deferred in waiting:
            deferred.callback(result)

    def _step(self) -> None:
        try:
            result = next(self._iterator)
        except StopIteration:
            self._complete(TaskDone, self._iterator)
        except BaseException as error:
            self._complete(TaskFailed, failure_of_call(error))
        else:
            # The step may have stopped its own task.
            if isinstance(result, Deferred) and self._end is None:
                self.pause()
                result.addCallbacks(self._waited, self._waited_in_vain)

    def _waited(self, result: object) -> None:
        self.resume()

    def _waited_in_vain(self, failure: Failure) -> Failure | None:
        if self._end is not None:
            return failure
        self._complete(TaskFailed, failure)
        return None


def _time_slice() -> Callable[[], bool]:
    """A hundredth of a second."""
    end = monotonic() + 0.01
    return lambda: monotonic() >= end


def _soon(function: Callable[[], object]) -> Any:
    """Not with a delay of 0: a Clock would make that call in the advance that is under way."""
    return reactorlib.reactor.callLater(0.00000001, function)


class Cooperator:
    """Takes many iterators forward, each one step in its turn.

    An iterator does a small piece of work in each step.  One that gives a
    Deferred is left alone until that has fired.

    Args:
        terminationPredicateFactory: called for each slice of time, gives a
            function that says whether the slice is over; it is called after
            each step.  By default a slice is a hundredth of a second.
        scheduler: calls a function soon, and returns something to `cancel`;
            by default with the process's reactor.
        started: whether `start` is not needed.
    """

    def __init__(
        self,
        terminationPredicateFactory: Callable[[], Callable[[], bool]] = _time_slice,
        scheduler: Callable[[Callable[[], object]], Any] = _soon,
        started: bool = True,
    ) -> None:
        self._begin_slice = terminationPredicateFactory
        self._scheduler = scheduler
        self._started = started
        self._stopped = False
        self._tasks: OrderedDict[CooperativeTask[Any], None] = OrderedDict()
        self._next_slice: Any = None

    @property
    def running(self) -> bool:
        """Whether tasks are taken forward."""
        return self._started and not self._stopped

    def cooperate(self, iterator: _Steps) -> CooperativeTask[_Steps]:
        """Take an iterator forward from now on; return a handle on it."""
        return CooperativeTask(iterator, self)

    def coiterate(
        self, iterator: _Steps, doneDeferred: Deferred[_Steps] | None = None
    ) -> Deferred[_Steps]:
        """Take an iterator forward from now on; return a Deferred of its end.

        Args:
            doneDeferred: fired with the end and returned, instead of a new one.
        """
        done = self.cooperate(iterator).whenDone()
        if doneDeferred is None:
            return done
        done.chainDeferred(doneDeferred)
        return doneDeferred

    def start(self) -> None:
        """Begin, also once more after `stop`."""
        self._started = True
        self._stopped = False
        self._schedule()

    def stop(self) -> None:
        """End every task with SchedulerStopped, and any that is added later or resumed."""
        self._stopped = True
        for task in list(self._tasks):
            self._turn_away(task)

    def _turn_away(self, task: CooperativeTask[Any]) -> None:
        task._complete(SchedulerStopped, Failure(SchedulerStopped()))

    def _add(self, task: CooperativeTask[Any]) -> None:
        if self._stopped:
            self._turn_away(task)
        else:
            self._tasks[task] = None
            self._schedule()

    def _remove(self, task: CooperativeTask[Any]) -> None:
        self._tasks.pop(task, None)
        if not self._tasks and self._next_slice is not None:
            self._next_slice.cancel()
            self._next_slice = None

    def _schedule(self) -> None:
        if self._started and self._tasks and self._next_slice is None:
            self._next_slice = self._scheduler(self._run_slice)

    def _run_slice(self) -> None:
        self._next_slice = None
        is_over = self._begin_slice()
        while self._tasks:
            task = next(iter(self._tasks))
            self._tasks.move_to_end(task)
            task._step()
            if is_over():
                break
        self._schedule()


_cooperator = Cooperator()


def cooperate(iterator: _Steps) -> CooperativeTask[_Steps]:
    """Take an iterator forward with the process's reactor; see `Cooperator.cooperate`."""
    return _cooperator.cooperate(iterator)


def coiterate(iterator: _Steps) -> Deferred[_Steps]:
    """Take an iterator forward with the process's reactor; see `Cooperator.coiterate`."""
    return _cooperator.coiterate(iterator)
