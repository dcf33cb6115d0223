"""The timer queue against a list that is sorted: whatever is done, both agree."""

from __future__ import annotations

import logging
from collections.abc import Callable

from hypothesis import settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, precondition, rule

from reactorlib.timers import DelayedCall, TimerQueue
from tests.test_timers import FakeClock


class Expected:
    """What the model knows of one call."""

    def __init__(self, time: float, number: int) -> None:
        self.key = (time, number)
        self.active = True
        self.call: DelayedCall


SECONDS = st.integers(min_value=0, max_value=40).map(lambda quarter: quarter / 4)
MOVES = st.integers(min_value=-40, max_value=40).map(lambda quarter: quarter / 4)
ACTIONS = st.sampled_from(["nothing", "raise", "make", "cancel", "reset", "delay"])


class QueueAgainstSortedList(RuleBasedStateMachine):
    """Whatever is done, calls run as a list sorted by time and making says."""

    def __init__(self) -> None:
        super().__init__()
        logging.getLogger("reactorlib").disabled = True
        self.clock = FakeClock(0.0)
        self.queue = TimerQueue(self.clock)
        self.expected: list[Expected] = []
        self.made_before_run = 0
        self.mistakes: list[str] = []

    def teardown(self) -> None:
        logging.getLogger("reactorlib").disabled = False

    def active(self) -> list[Expected]:
        return sorted((one for one in self.expected if one.active), key=lambda one: one.key)

    def pick(self, index: int) -> Expected | None:
        active = self.active()
        return active[index % len(active)] if active else None

    @rule(delay=SECONDS, action=ACTIONS, index=st.integers(0, 20), seconds=MOVES)
    def make(self, delay: float, action: str, index: int, seconds: float) -> None:
        one = Expected(self.clock.now + delay, len(self.expected))
        self.expected.append(one)
        one.call = self.queue.callLater(delay, self.called, one, action, index, seconds)

    def called(self, one: Expected, action: str, index: int, seconds: float) -> None:
        """Compare with the model, then act; what is raised here is swallowed by the queue."""
        due = [
            other
            for other in self.active()
            if other.key[0] <= self.clock.now and other.key[1] < self.made_before_run
        ]
        if not due or due[0] is not one:
            self.mistakes.append(f"{one.call!r} ran out of turn")
        one.active = False
        actions: dict[str, Callable[[], None]] = {
            "make": lambda: self.make(abs(seconds) // 4, "nothing", 0, 0.0),
            "cancel": lambda: self.cancel(index),
            "reset": lambda: self.reset(index, seconds),
            "delay": lambda: self.delay(index, seconds),
        }
        if action == "raise":
            raise LookupError
        actions.get(action, lambda: None)()

    @rule(index=st.integers(0, 20))
    def cancel(self, index: int) -> None:
        one = self.pick(index)
        if one is not None:
            one.call.cancel()
            one.active = False

    @rule(index=st.integers(0, 20), seconds=MOVES)
    def reset(self, index: int, seconds: float) -> None:
        one = self.pick(index)
        if one is not None:
            one.call.reset(seconds)
            one.key = (self.clock.now + seconds, one.key[1])

    @rule(index=st.integers(0, 20), seconds=MOVES)
    def delay(self, index: int, seconds: float) -> None:
        one = self.pick(index)
        if one is not None:
            one.call.delay(seconds)
            one.key = (one.key[0] + seconds, one.key[1])

    @rule(seconds=SECONDS)
    def wait(self, seconds: float) -> None:
        self.clock.now += seconds

    @rule()
    def run(self) -> None:
        self.made_before_run = len(self.expected)
        self.queue.run_due()
        assert self.mistakes == []
        left = [one for one in self.active() if one.key[1] < self.made_before_run]
        assert all(one.key[0] > self.clock.now for one in left)

    @precondition(lambda self: self.expected)
    @rule()
    def timeout(self) -> None:
        timeout = self.queue.timeout()
        active = self.active()
        if not active:
            assert timeout is None
        else:
            assert timeout is not None
            assert 0.0 <= timeout <= max(0.0, active[0].key[0] - self.clock.now)
            assert (timeout == 0.0) == (active[0].key[0] <= self.clock.now)

    @rule()
    def compare_lists(self) -> None:
        assert self.queue.getDelayedCalls() == [one.call for one in self.active()]

    @invariant()
    def dead_entries_are_counted(self) -> None:
        live = sum(entry[2]._entry is entry for entry in self.queue._heap)
        assert len(self.queue._heap) - live == self.queue._dead


TestQueueAgainstSortedList = QueueAgainstSortedList.TestCase
TestQueueAgainstSortedList.settings = settings(
    max_examples=150, stateful_step_count=60, deadline=None
)
