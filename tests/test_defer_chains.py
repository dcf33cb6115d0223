"""Deferred: waiting for one another, pausing, cancelling, time-outs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from functools import partial
from typing import Any

import pytest

from reactorlib.defer import (
    AlreadyCalledError,
    CancelledError,
    Deferred,
    TimeoutError,
    fail,
    succeed,
)
from reactorlib.failure import Failure
from tests.deferreds import Boom, boom, result_of, results_of, waiting_for


class TestChains:
    def test_wait_for_a_deferred_that_a_callback_returns(self) -> None:
        inner: Deferred[int] = Deferred()
        outer = waiting_for(inner)
        results = results_of(outer)
        assert results == []
        inner.callback(2)
        assert results == [2]
        assert result_of(inner) is None

    def test_take_the_result_of_one_that_has_it(self) -> None:
        inner = succeed(2)
        assert result_of(waiting_for(inner)) == 2
        assert result_of(inner) is None

    def test_pass_failures_on(self) -> None:
        error = Boom()
        for late in (True, False):
            inner: Deferred[int] = Deferred()
            outer = waiting_for(inner)
            results = results_of(outer) if late else []
            inner.errback(error)
            assert (results or results_of(outer)) == [error]
            assert result_of(inner) is None

    def test_errbacks_may_return_a_deferred(self) -> None:
        assert result_of(fail(Boom()).addErrback(lambda _: succeed(2))) == 2

    def test_wait_for_one_that_waits(self) -> None:
        inner: Deferred[int] = Deferred()
        middle = waiting_for(inner)
        results = results_of(waiting_for(middle))
        inner.callback(3)
        assert results == [3]

    def test_wait_for_one_that_is_paused(self) -> None:
        inner = succeed(1)
        inner.pause()
        results = results_of(waiting_for(inner))
        assert results == []
        inner.unpause()
        assert results == [1]

    def test_who_waits_first_gets_the_result_and_runs_first(self) -> None:
        order: list[Any] = []
        inner: Deferred[int] = Deferred()
        for name in ("a", "b"):
            waiter = waiting_for(inner)
            waiter.addCallback(lambda result, name: order.append((name, result)), name)
        inner.addCallback(lambda result: order.append(("own", result)))
        inner.callback(1)
        assert order == [("a", 1), ("b", None), ("own", None)]

    def test_that_end_at_a_paused_waiter_do_not_stop_the_others(self) -> None:
        inner: Deferred[int] = Deferred()
        waiter = waiting_for(inner)
        waiter.pause()
        own = results_of(inner)
        results = results_of(waiter)
        inner.callback(1)
        assert (results, own) == ([], [None])
        waiter.unpause()
        assert results == [1]

    def test_chain_deferred(self) -> None:
        error = Boom()
        for fire, expected in ((succeed(1), 1), (fail(error), error)):
            other: Deferred[int] = Deferred()
            assert fire.chainDeferred(other) is fire
            assert result_of(other) == expected
            assert result_of(fire) is None

    def test_may_be_very_long(self) -> None:
        length = 100_000
        assert length > sys.getrecursionlimit()
        innermost: Deferred[int] = Deferred()
        outer = innermost
        for _ in range(length):
            outer = waiting_for(outer)
            outer.addCallback(lambda result: result + 1)
        innermost.callback(0)
        assert result_of(outer) == length

    def test_may_be_cancelled_when_very_long(self) -> None:
        cancelled: list[Any] = []
        outer: Deferred[int] = Deferred(cancelled.append)
        for _ in range(100_000):
            outer = waiting_for(outer)
        outer.cancel()
        assert len(cancelled) == 1
        assert isinstance(result_of(outer), CancelledError)

    def test_of_fired_deferreds_may_be_very_long(self) -> None:
        deferred = succeed(0)
        for _ in range(100_000):
            deferred.addCallback(lambda result: succeed(result + 1))
        assert result_of(deferred) == 100_000


class TestPausing:
    def test_holds_until_undone_as_often(self) -> None:
        deferred: Deferred[int] = Deferred()
        results = results_of(deferred)
        deferred.pause()
        deferred.pause()
        deferred.callback(1)
        deferred.unpause()
        assert results == []
        deferred.unpause()
        assert results == [1]

    def test_before_firing(self) -> None:
        deferred: Deferred[int] = Deferred()
        results = results_of(deferred)
        deferred.pause()
        deferred.unpause()
        assert results == []
        deferred.callback(1)
        assert results == [1]

    def test_by_a_callback_holds_the_next_one(self) -> None:
        order: list[int] = []
        deferred: Deferred[None] = Deferred()
        deferred.addCallback(lambda _: deferred.pause())
        deferred.addCallback(lambda _: order.append(1)).addCallback(lambda _: order.append(2))
        deferred.callback(None)
        assert order == []
        deferred.unpause()
        assert order == [1, 2]


class TestCancelling:
    def test_without_a_canceller(self) -> None:
        deferred: Deferred[int] = Deferred()
        deferred.cancel()
        assert isinstance(result_of(deferred), CancelledError)

    @pytest.mark.parametrize("fire", [lambda d: d.callback(1), lambda d: d.errback(Boom())])
    def test_without_a_canceller_the_next_firing_is_ignored_once(
        self, fire: Callable[[Deferred[int]], None]
    ) -> None:
        deferred: Deferred[int] = Deferred()
        deferred.cancel()
        fire(deferred)
        with pytest.raises(AlreadyCalledError):
            fire(deferred)
        assert isinstance(result_of(deferred), CancelledError)

    def test_the_firing_that_is_ignored_may_come_from_an_errback(self) -> None:
        deferred: Deferred[int] = Deferred()
        deferred.addErrback(lambda _: deferred.callback(1))
        deferred.cancel()
        assert result_of(deferred) is None

    def test_the_canceller_is_called(self) -> None:
        calls: list[Any] = []
        deferred: Deferred[int] = Deferred(calls.append)
        deferred.cancel()
        assert calls == [deferred]
        with pytest.raises(AlreadyCalledError):
            deferred.callback(1)
        assert isinstance(result_of(deferred), CancelledError)

    def test_the_canceller_may_fire(self) -> None:
        error = Boom()
        for fire, expected in ((lambda d: d.callback(1), 1), (lambda d: d.errback(error), error)):
            deferred: Deferred[int] = Deferred(fire)
            deferred.cancel()
            assert result_of(deferred) == expected

    def test_what_the_canceller_raises_is_raised(self) -> None:
        deferred: Deferred[int] = Deferred(boom)
        with pytest.raises(Boom):
            deferred.cancel()
        assert not deferred.called

    def test_does_nothing_when_fired(self) -> None:
        deferred: Deferred[int] = Deferred(boom)
        deferred.callback(1)
        deferred.cancel()
        assert result_of(deferred) == 1

    def test_cancels_what_is_waited_for(self) -> None:
        inner: Deferred[int] = Deferred()
        outer = waiting_for(inner)
        outer.cancel()
        assert isinstance(result_of(outer), CancelledError)
        assert result_of(inner) is None

    def test_a_circle_is_past_cancelling(self) -> None:
        first: Deferred[Any] = Deferred()
        second: Deferred[Any] = Deferred()
        first.addCallback(lambda _: second)
        second.addCallback(lambda _: first)
        first.callback(None)
        second.callback(None)
        outside = waiting_for(first)
        for deferred in (first, second, outside):
            deferred.cancel()
            assert deferred.paused


class FakeCall:
    def __init__(self, call: Callable[[], object]) -> None:
        self.call: Callable[[], object] | None = call

    def active(self) -> bool:
        return self.call is not None

    def cancel(self) -> None:
        assert self.active()
        self.call = None

    def fire(self) -> None:
        assert self.call is not None
        call, self.call = self.call, None
        call()


class FakeClock:
    """A clock whose one call is made by hand."""

    def callLater(self, delay: float, callable: Callable[[], object], /) -> FakeCall:
        self.delay = delay
        self.call = FakeCall(callable)
        return self.call


class TestTimeouts:
    @pytest.fixture
    def clock(self) -> FakeClock:
        return FakeClock()

    @pytest.mark.parametrize("result", [1, Failure(Boom())])
    def test_the_clock_is_stopped_by_a_result(self, clock: FakeClock, result: Any) -> None:
        deferred: Deferred[int] = Deferred()
        assert deferred.addTimeout(3.5, clock) is deferred
        assert clock.delay == 3.5
        deferred.callback(result)
        assert not clock.call.active()
        assert result_of(deferred) is getattr(result, "value", result)

    def test_cancels_and_fails_with_a_timeout_error(self, clock: FakeClock) -> None:
        cancelled: list[Any] = []
        deferred: Deferred[int] = Deferred(cancelled.append)
        deferred.addTimeout(3.5, clock)
        clock.call.fire()
        assert cancelled == [deferred]
        error = result_of(deferred)
        assert isinstance(error, TimeoutError)
        assert error.args == (3.5, "Deferred")

    def test_another_outcome_of_the_cancelling_is_kept(self, clock: FakeClock) -> None:
        error = Boom()
        outcomes: tuple[tuple[Any, Any], ...] = ((1, 1), (Failure(error), error))
        for outcome, expected in outcomes:
            deferred: Deferred[Any] = Deferred(partial(Deferred.callback, result=outcome))
            deferred.addTimeout(1, clock)
            clock.call.fire()
            assert result_of(deferred) == expected

    def test_a_cancel_of_the_users_own_stays_one(self, clock: FakeClock) -> None:
        deferred: Deferred[int] = Deferred()
        deferred.addTimeout(1, clock)
        deferred.cancel()
        assert isinstance(result_of(deferred), CancelledError)
        assert not clock.call.active()

    def test_the_user_may_say_what_becomes_of_it(self, clock: FakeClock) -> None:
        calls: list[Any] = []

        def replace(result: Any, timeout: float) -> str:
            calls.append((result.type, timeout))
            return "replaced"

        deferred: Deferred[Any] = Deferred()
        deferred.addTimeout(1.5, clock, replace)
        clock.call.fire()
        assert result_of(deferred) == "replaced"
        assert calls == [(CancelledError, 1.5)]

    def test_a_late_result_is_ignored(self, clock: FakeClock) -> None:
        deferred: Deferred[int] = Deferred()
        deferred.addTimeout(1, clock)
        clock.call.fire()
        deferred.callback(1)
        assert isinstance(result_of(deferred), TimeoutError)
