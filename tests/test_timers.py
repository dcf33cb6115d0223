"""The timer queue: order, times, moving, cancelling, errors."""

from __future__ import annotations

import gc
import logging
import math
import weakref
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib.error import AlreadyCalled, AlreadyCancelled
from reactorlib.interfaces import IDelayedCall
from reactorlib.timers import DelayedCall, TimerQueue


class FakeClock:
    """Time that moves only when told to."""

    def __init__(self, now: float = 1000.0) -> None:
        self.now = now

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> FakeClock:
    return FakeClock()


@pytest.fixture
def queue(clock: FakeClock) -> TimerQueue:
    return TimerQueue(clock)


def nothing() -> None:
    pass


class TestCalling:
    def test_a_call_gets_its_arguments_at_its_time(
        self, queue: TimerQueue, clock: FakeClock
    ) -> None:
        seen: list[Any] = []
        call = queue.callLater(2, lambda *args, **kw: seen.append((args, kw)), 1, key="value")
        clock.now += 2
        assert queue.run_due() == 1
        assert seen == [((1,), {"key": "value"})]
        assert call.called
        assert not call.cancelled
        assert not call.active()

    @pytest.mark.parametrize("delay", [0.1, 1e-9, 1 / 3, 1e6])
    def test_never_early(self, queue: TimerQueue, clock: FakeClock, delay: float) -> None:
        call = queue.callLater(delay, nothing)
        clock.now = math.nextafter(call.getTime(), 0)
        assert queue.run_due() == 0
        clock.now = call.getTime()
        assert queue.run_due() == 1

    def test_the_wait_that_timeout_names_is_long_enough(
        self, queue: TimerQueue, clock: FakeClock
    ) -> None:
        queue.callLater(0.1, nothing)
        wait = queue.timeout()
        assert wait is not None
        clock.now += wait
        assert queue.run_due() == 1

    def test_order_is_by_time_and_then_by_making(self, queue: TimerQueue, clock: FakeClock) -> None:
        ran: list[str] = []
        for name, delay in [("c", 2), ("a", 1), ("d", 2), ("b", 1), ("e", 2)]:
            queue.callLater(delay, ran.append, name)
        clock.now += 5
        assert queue.run_due() == 5
        assert ran == ["a", "b", "c", "d", "e"]

    def test_a_call_made_in_a_callback_waits_for_the_next_run(self, queue: TimerQueue) -> None:
        ran: list[int] = []

        def again() -> None:
            ran.append(len(ran))
            queue.callLater(0, again)

        queue.callLater(0, again)
        for runs in range(1, 4):
            assert queue.run_due() == 1
            assert ran == list(range(runs))

    def test_a_nested_run_makes_the_calls_that_are_still_due(self, queue: TimerQueue) -> None:
        ran: list[str] = []

        def nest() -> None:
            ran.append("outer")
            assert queue.run_due() == 2

        queue.callLater(0, nest)
        queue.callLater(0, ran.append, "first")
        queue.callLater(0, ran.append, "second")
        assert queue.run_due() == 1
        assert ran == ["outer", "first", "second"]

    def test_a_callback_can_cancel_and_move_what_is_due_with_it(
        self, queue: TimerQueue, clock: FakeClock
    ) -> None:
        ran: list[str] = []

        def meddle() -> None:
            cancelled.cancel()
            moved.reset(1)

        queue.callLater(1, meddle)
        cancelled = queue.callLater(1, ran.append, "cancelled")
        moved = queue.callLater(1, ran.append, "moved")
        clock.now += 1
        assert queue.run_due() == 1
        clock.now += 1
        assert queue.run_due() == 1
        assert ran == ["moved"]

    @pytest.mark.parametrize("delay", [-1, -1e-9, math.inf, -math.inf, math.nan])
    def test_an_impossible_delay_is_refused(self, queue: TimerQueue, delay: float) -> None:
        with pytest.raises(ValueError, match="finite number of seconds"):
            queue.callLater(delay, nothing)
        assert queue.getDelayedCalls() == []

    def test_what_is_not_callable_is_refused(self, queue: TimerQueue) -> None:
        with pytest.raises(TypeError, match="callable"):
            queue.callLater(1, "text")  # type: ignore[arg-type]
        assert queue.getDelayedCalls() == []

    def test_a_runner_takes_the_place_of_the_plain_call(self, clock: FakeClock) -> None:
        given: list[DelayedCall] = []
        queue = TimerQueue(clock, call=given.append)
        call = queue.callLater(0, pytest.fail)
        assert queue.run_due() == 1
        assert given == [call]

    def test_the_runner_can_be_taken_off(self, clock: FakeClock) -> None:
        ran: list[int] = []
        queue = TimerQueue(clock, call=lambda call: None)
        queue.call = None
        queue.callLater(0, ran.append, 1)
        queue.run_due()
        assert ran == [1]


class TestTimeout:
    def test_nothing_pending(self, queue: TimerQueue) -> None:
        assert queue.timeout() is None
        assert queue.run_due() == 0

    def test_the_seconds_to_the_next_call(self, queue: TimerQueue, clock: FakeClock) -> None:
        queue.callLater(5, nothing)
        queue.callLater(3, nothing)
        assert queue.timeout() == 3
        clock.now += 1
        assert queue.timeout() == 2

    def test_zero_when_due_or_overdue(self, queue: TimerQueue, clock: FakeClock) -> None:
        queue.callLater(1, nothing)
        clock.now += 1
        assert queue.timeout() == 0.0
        clock.now += 1
        assert queue.timeout() == 0.0

    def test_cancelled_calls_do_not_count(self, queue: TimerQueue) -> None:
        first = queue.callLater(1, nothing)
        queue.callLater(2, nothing)
        assert queue.timeout() == 1
        first.cancel()
        assert queue.timeout() == 2

    def test_none_after_the_last_one_is_cancelled(self, queue: TimerQueue) -> None:
        call = queue.callLater(1, nothing)
        queue.timeout()
        call.cancel()
        assert queue.timeout() is None

    def test_at_the_old_time_of_a_moved_call_the_rest_is_named(
        self, queue: TimerQueue, clock: FakeClock
    ) -> None:
        call = queue.callLater(1, nothing)
        queue.timeout()
        call.reset(10)
        clock.now += 1
        assert queue.timeout() == 9


class TestCancelling:
    def test_a_cancelled_call_is_not_made(self, queue: TimerQueue, clock: FakeClock) -> None:
        call = queue.callLater(1, pytest.fail)
        call.cancel()
        assert call.cancelled
        assert not call.called
        assert not call.active()
        clock.now += 2
        assert queue.run_due() == 0

    @pytest.mark.parametrize("settled", [False, True])
    def test_function_and_arguments_are_released_at_once(
        self, queue: TimerQueue, settled: bool
    ) -> None:
        class Held:
            def method(self, other: object, key: object) -> None:
                pass

        objects = [Held(), Held(), Held()]
        released = [weakref.ref(held) for held in objects]
        call = queue.callLater(1, objects[0].method, objects[1], key=objects[2])
        if settled:
            queue.timeout()
        del objects
        call.cancel()
        assert [reference() for reference in released] == [None, None, None]

    def test_cancelling_twice(self, queue: TimerQueue) -> None:
        call = queue.callLater(1, nothing)
        call.cancel()
        with pytest.raises(AlreadyCancelled):
            call.cancel()

    def test_cancelling_what_was_called(self, queue: TimerQueue) -> None:
        call = queue.callLater(0, nothing)
        queue.run_due()
        with pytest.raises(AlreadyCalled):
            call.cancel()

    def test_cancelling_inside_the_call_itself(
        self, queue: TimerQueue, caplog: pytest.LogCaptureFixture
    ) -> None:
        call = queue.callLater(0, lambda: call.cancel())
        queue.run_due()
        assert caplog.records[0].exc_info is not None
        assert caplog.records[0].exc_info[0] is AlreadyCalled

    def test_the_heap_shrinks_and_keeps_its_order(
        self, queue: TimerQueue, clock: FakeClock
    ) -> None:
        ran: list[int] = []
        delays = [number * 7919 % 100_003 for number in range(100_000)]
        calls = [queue.callLater(delay, ran.append, delay) for delay in delays]
        queue.timeout()
        for number, call in enumerate(calls):
            if number % 10:
                call.cancel()
        assert len(queue._heap) <= 20_000
        clock.now += 200_000
        assert queue.run_due() == 10_000
        assert ran == sorted(delays[::10])

    def test_calls_cancelled_in_the_turn_they_were_made_leave_nothing(
        self, queue: TimerQueue
    ) -> None:
        for _ in range(1000):
            queue.callLater(1, nothing).cancel()
        assert queue.timeout() is None
        assert queue._heap == []
        assert queue._fresh == []

    def test_compaction_while_a_callback_runs(self, queue: TimerQueue, clock: FakeClock) -> None:
        ran: list[int] = []

        def cancel_most() -> None:
            for number, call in enumerate(calls):
                if number % 10:
                    call.cancel()

        queue.callLater(1, cancel_most)
        calls = [queue.callLater(1 + number, ran.append, number) for number in range(1000)]
        clock.now += 2000
        assert queue.run_due() == 101
        assert ran == list(range(0, 1000, 10))


class TestMoving:
    def test_reset_counts_from_now(self, queue: TimerQueue, clock: FakeClock) -> None:
        call = queue.callLater(10, nothing)
        clock.now += 4
        call.reset(10)
        assert call.getTime() == call.time == clock.now + 10

    def test_delay_counts_from_the_time_it_was_due(
        self, queue: TimerQueue, clock: FakeClock
    ) -> None:
        call = queue.callLater(10, nothing)
        clock.now += 4
        call.delay(3)
        assert call.getTime() == clock.now - 4 + 13

    @pytest.mark.parametrize("settled", [False, True])
    @pytest.mark.parametrize("seconds", [1, 2, 3, 30])
    def test_a_moved_call_is_made_once_at_its_new_time(
        self, queue: TimerQueue, clock: FakeClock, seconds: float, settled: bool
    ) -> None:
        ran: list[float] = []
        call = queue.callLater(2, lambda: ran.append(clock.now))
        if settled:
            queue.timeout()
        call.reset(seconds)
        start = clock.now
        for _ in range(100):
            clock.now += 0.5
            queue.run_due()
        assert ran == [start + seconds]

    def test_moving_to_the_past_makes_it_due(self, queue: TimerQueue) -> None:
        calls = [queue.callLater(10, nothing) for _ in range(4)]
        queue.timeout()
        calls.append(queue.callLater(10, nothing))
        calls[1].reset(0)
        calls[2].reset(-5)
        calls[3].delay(-20)
        calls[4].delay(-20)
        assert queue.run_due() == 4
        assert queue.getDelayedCalls() == [calls[0]]

    def test_forward_and_back_to_the_old_time_runs_once(
        self, queue: TimerQueue, clock: FakeClock
    ) -> None:
        ran: list[int] = []
        call = queue.callLater(10, ran.append, 1)
        queue.timeout()
        call.reset(1)
        call.reset(10)
        clock.now += 1
        assert queue.run_due() == 0
        clock.now += 9
        assert queue.run_due() == 1
        clock.now += 100
        assert queue.run_due() == 0
        assert queue.timeout() is None

    def test_moving_to_later_needs_no_room(self, queue: TimerQueue, clock: FakeClock) -> None:
        call = queue.callLater(60, nothing)
        for _ in range(1000):
            clock.now += 0.01
            call.reset(60)
            queue.timeout()
        assert len(queue._heap) == 1

    def test_moving_to_earlier_reclaims_the_old_places(self, queue: TimerQueue) -> None:
        call = queue.callLater(10_000, nothing)
        queue.timeout()
        for number in range(1000):
            call.reset(9_000 - number)
        assert len(queue._heap) < 200
        assert queue.getDelayedCalls() == [call]

    def test_a_callback_that_brings_another_one_forward(
        self, queue: TimerQueue, clock: FakeClock
    ) -> None:
        ran: list[str] = []
        queue.callLater(1, lambda: later.reset(0))
        later = queue.callLater(50, ran.append, "later")
        clock.now += 1
        queue.run_due()
        clock.now += 1
        queue.run_due()
        assert ran == ["later"]

    @pytest.mark.parametrize("seconds", [math.inf, -math.inf, math.nan])
    @pytest.mark.parametrize("settled", [False, True])
    def test_only_finite_times(self, queue: TimerQueue, seconds: float, settled: bool) -> None:
        call = queue.callLater(1, nothing)
        if settled:
            queue.timeout()
        for move in (call.reset, call.delay):
            with pytest.raises(ValueError, match="moved"):
                move(seconds)
        assert queue.timeout() == 1

    def test_a_cancelled_call_cannot_be_moved(self, queue: TimerQueue) -> None:
        call = queue.callLater(1, nothing)
        call.cancel()
        for move in (call.reset, call.delay):
            with pytest.raises(AlreadyCancelled):
                move(1)

    def test_a_made_call_cannot_be_moved(self, queue: TimerQueue) -> None:
        call = queue.callLater(0, nothing)
        queue.run_due()
        for move in (call.reset, call.delay):
            with pytest.raises(AlreadyCalled):
                move(1)


class TestErrors:
    def test_a_raising_callback_is_logged_once_and_the_others_run(
        self, queue: TimerQueue, caplog: pytest.LogCaptureFixture
    ) -> None:
        ran: list[int] = []

        def failing(argument: str) -> None:
            raise LookupError("the reason")

        queue.callLater(0, failing, "its argument")
        queue.callLater(0, ran.append, 1)
        assert queue.run_due() == 2
        assert ran == [1]
        (record,) = caplog.records
        assert record.name == "reactorlib"
        assert record.levelno == logging.ERROR
        assert "failing('its argument')" in record.getMessage()
        assert record.exc_info is not None
        assert record.exc_info[0] is LookupError

    def test_a_failing_repr_hides_no_error(
        self, queue: TimerQueue, caplog: pytest.LogCaptureFixture
    ) -> None:
        class Nameless:
            def __repr__(self) -> str:
                raise RuntimeError("no name")

            def __call__(self, other: object) -> None:
                raise LookupError("the reason")

        queue.callLater(0, Nameless(), Nameless())
        queue.run_due()
        (record,) = caplog.records
        assert "Nameless instance" in record.getMessage()
        assert record.exc_info is not None
        assert record.exc_info[0] is LookupError

    def test_other_errors_than_exceptions_do_not_end_the_loop(
        self, queue: TimerQueue, caplog: pytest.LogCaptureFixture
    ) -> None:
        def failing() -> None:
            raise GeneratorExit

        queue.callLater(0, failing)
        assert queue.run_due() == 1
        assert len(caplog.records) == 1

    @pytest.mark.parametrize("exception", [KeyboardInterrupt, SystemExit])
    def test_interrupts_propagate_and_what_was_due_stays_due(
        self, queue: TimerQueue, caplog: pytest.LogCaptureFixture, exception: type[BaseException]
    ) -> None:
        ran: list[int] = []

        def failing() -> None:
            raise exception

        queue.callLater(0, failing)
        queue.callLater(0, ran.append, 1)
        with pytest.raises(exception):
            queue.run_due()
        assert ran == []
        assert queue.run_due() == 1
        assert ran == [1]
        assert caplog.records == []

    def test_a_finalizer_may_make_calls(self, queue: TimerQueue) -> None:
        ran: list[int] = []

        class Finalized:
            def __del__(self) -> None:
                queue.callLater(0, ran.append, 1)

        queue.callLater(1, nothing, Finalized()).cancel()
        gc.collect()
        assert queue.run_due() == 1
        assert ran == [1]


class TestInspection:
    def test_interface(self, queue: TimerQueue) -> None:
        assert verifyObject(IDelayedCall, queue.callLater(1, nothing))

    def test_a_call_has_no_room_for_other_attributes(self, queue: TimerQueue) -> None:
        call = queue.callLater(1, nothing)
        with pytest.raises(AttributeError):
            call.other = 1  # type: ignore[attr-defined]

    def test_attributes(self, queue: TimerQueue, clock: FakeClock) -> None:
        call = queue.callLater(1, nothing, 2, three=3)
        assert (call.time, call.func, call.args, call.kw) == (
            clock.now + 1,
            nothing,
            (2,),
            {"three": 3},
        )
        assert not call.called
        assert not call.cancelled
        assert call.active()

    def test_getDelayedCalls_gives_active_ones_in_order(self, queue: TimerQueue) -> None:
        late, early, cancelled, moved = (queue.callLater(s, nothing) for s in (4, 1, 2, 3))
        assert queue.getDelayedCalls() == [early, cancelled, moved, late]
        cancelled.cancel()
        moved.delay(5)
        assert queue.getDelayedCalls() == [early, late, moved]

    def test_repr_of_a_pending_call(self, queue: TimerQueue) -> None:
        call = queue.callLater(1.5, nothing, "text", key=1)
        assert "nothing('text', key=1) due in 1.500000 s" in repr(call)

    def test_repr_of_a_call_without_a_name(self, queue: TimerQueue) -> None:
        class Callable:
            def __call__(self) -> None:
                pass

            def __repr__(self) -> str:
                return "<a callable>"

        assert "<a callable>() due in" in repr(queue.callLater(1, Callable()))

    def test_repr_is_short(self, queue: TimerQueue) -> None:
        call = queue.callLater(1, nothing, "x" * 10_000, list(range(10_000)))
        assert len(repr(call)) < 300

    def test_repr_of_what_is_over(self, queue: TimerQueue) -> None:
        cancelled, made = queue.callLater(0, nothing), queue.callLater(0, nothing)
        cancelled.cancel()
        queue.run_due()
        assert repr(cancelled).endswith("cancelled>")
        assert repr(made).endswith("nothing() called>")
