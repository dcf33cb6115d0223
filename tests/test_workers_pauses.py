"""When a supervisor begins a worker anew, by a clock and with no process."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from typing import Any

import pytest

from reactorlib.app.workers.supervisor import FIRST_PAUSE, LONGEST_PAUSE, STEADY, Supervisor, Worker
from reactorlib.error import ProcessTerminated
from reactorlib.failure import Failure
from reactorlib.task import Clock


class Watching(Clock):
    """A clock that takes readers."""

    def addReader(self, reader: Any) -> None:
        """Nothing comes from it here."""

    def removeReader(self, reader: Any) -> None:
        """Nothing came from it."""


class Process:
    child = 1


class Workers:
    """Launches none, but keeps those that would have been, and when."""

    def __init__(self, count: int = 1) -> None:
        self.clock = Watching()
        self.there: list[Worker] = []
        self.full = False
        self.begun: dict[int, list[float]] = {slot: [] for slot in range(count)}
        Supervisor(self.clock, self.launch, count, 1.0).start()

    def launch(self, worker: Worker) -> None:
        self.begun[worker.slot].append(self.clock.seconds())
        if self.full:
            raise OSError("no room")
        worker.transport = Process()
        self.there.append(worker)

    def close(self) -> None:
        for worker in self.there:
            worker.line.close()

    def end(self, slot: int = 0) -> None:
        (worker,) = [each for each in self.there if each.slot == slot]
        self.there.remove(worker)
        worker.processEnded(Failure(ProcessTerminated(signal=9)))

    def pause(self, slot: int = 0) -> float:
        """Seconds from now until the next one begins, which has to be only one."""
        (call,) = self.clock.getDelayedCalls()
        before = self.clock.seconds()
        self.clock.advance(call.getTime() - before)
        assert self.begun[slot][-1] == self.clock.seconds()
        return self.clock.seconds() - before


DOUBLING = [min(FIRST_PAUSE * 2**power, LONGEST_PAUSE) for power in range(9)]


def ended_and_begun(workers: Workers, after: float = 0.0) -> float:
    workers.clock.advance(after)
    workers.end()
    return workers.pause()


@pytest.fixture
def workers() -> Iterator[Workers]:
    with closing(Workers()) as workers:
        yield workers


def test_pauses_double_up_to_the_longest(workers: Workers) -> None:
    assert [ended_and_begun(workers) for _ in DOUBLING] == pytest.approx(DOUBLING)
    assert DOUBLING[-2:] == [LONGEST_PAUSE] * 2


def test_they_begin_anew_after_one_that_was_steady(workers: Workers) -> None:
    for _ in range(3):
        ended_and_begun(workers)
    not_yet, steady = STEADY - 1, STEADY + 1
    pauses = [ended_and_begun(workers, after) for after in (not_yet, steady, 0.0, 0.0)]
    assert pauses == pytest.approx([DOUBLING[3], *DOUBLING[:3]])


def test_one_that_cannot_be_started_is_tried_as_seldom(workers: Workers) -> None:
    workers.full = True
    workers.end()
    assert [workers.pause() for _ in DOUBLING] == pytest.approx(DOUBLING)
    workers.full = False
    assert workers.pause() == LONGEST_PAUSE
    assert len(workers.there) == 1


def test_each_has_pauses_of_its_own() -> None:
    with closing(Workers(2)) as workers:
        for pause in DOUBLING[:3]:
            workers.end(0)
            workers.clock.advance(pause)
        workers.end(1)
        workers.clock.advance(FIRST_PAUSE)
        assert workers.begun[1] == [0.0, workers.clock.seconds()]
        assert len(workers.begun[0]) == 4
