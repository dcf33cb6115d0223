"""Calls that are repeated, on a clock of the tests' own."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactorlib.defer import Deferred, succeed
from reactorlib.failure import Failure
from reactorlib.task import (
    Clock,
    LoopingCall,
)
from tests.clocks import Clocks, outcomes_of


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


class TestLoopingCall(Clocks):
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
        results = outcomes_of(loop.loop.start(0))
        clock.advance(0)
        assert loop.counts == [1] * 5
        assert results == [loop.loop]

    def test_stop_between_calls(self, clock: Clock) -> None:
        loop = Loop(clock).loop
        deferred = loop.start(1)
        assert loop.deferred is deferred
        results = outcomes_of(deferred)
        loop.stop()
        assert results == [loop]
        assert not loop.running
        assert loop.deferred is None
        assert loop.call is None
        assert clock.getDelayedCalls() == []

    def test_stop_inside_the_call(self, clock: Clock) -> None:
        loop = Loop(clock, lambda: loop.loop.stop())
        assert outcomes_of(loop.loop.start(1)) == [loop.loop]
        assert clock.getDelayedCalls() == []

    def test_stop_while_a_call_is_under_way_waits_for_it(self, clock: Clock) -> None:
        wait: Deferred[None] = Deferred()
        loop = Loop(clock, lambda: wait).loop
        results = outcomes_of(loop.start(1))
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
        results = outcomes_of(loop.start(1))
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
        assert outcomes_of(loop.start(1))[0].check(LookupError)
        assert not loop.running

    def test_a_failing_deferred_ends_it(self, clock: Clock) -> None:
        wait: Deferred[None] = Deferred()
        loop = Loop(clock, lambda: wait).loop
        results = outcomes_of(loop.start(1))
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
        old = outcomes_of(loop.loop.start(1))
        loop.loop.stop()
        new = outcomes_of(loop.loop.start(3))
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
                results.append(outcomes_of(loop.loop.start(2)))

        results: list[list[Any]] = []
        loop = Loop(clock, restart)
        assert outcomes_of(loop.loop.start(1)) == [loop.loop]
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
        assert outcomes_of(loop.start(1))[0].check(LookupError)
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

        loop = LoopingCall(outcomes_of, 1, key=2)
        assert repr(loop) == "LoopingCall<None>(outcomes_of, *(1,), **{'key': 2})"
        assert "<a callable>" in repr(LoopingCall(Nameless()))
