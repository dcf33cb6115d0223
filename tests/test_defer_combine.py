"""DeferredList, gatherResults and race."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.defer import (
    FAILURE,
    SUCCESS,
    CancelledError,
    Deferred,
    DeferredList,
    FailureGroup,
    FirstError,
    fail,
    gatherResults,
    race,
    succeed,
)
from reactorlib.failure import Failure
from tests.deferreds import Boom, boom, result_of, results_of


def pending(count: int) -> list[Deferred[Any]]:
    return [Deferred() for _ in range(count)]


def values(pairs: list[tuple[bool, Any]]) -> list[tuple[bool, Any]]:
    return [(success, getattr(result, "value", result)) for success, result in pairs]


class TestDeferredList:
    def test_waits_for_all(self) -> None:
        error = Boom()
        first, second, third = pending(3)
        together = DeferredList(iter([first, second, third]))
        results = results_of(together)
        third.callback(3)
        second.errback(error)
        assert together.resultList[0] is None
        assert together.finishedCount == 2
        assert results == []
        first.callback(1)
        assert values(results[0]) == [(SUCCESS, 1), (FAILURE, error), (SUCCESS, 3)]
        assert (result_of(first), result_of(second), result_of(third)) == (1, error, 3)

    def test_of_none(self) -> None:
        assert result_of(DeferredList([])) == []
        assert results_of(DeferredList([], fireOnOneCallback=True)) == []

    def test_of_fired_ones(self) -> None:
        assert result_of(DeferredList([succeed(1), succeed(2)])) == [(True, 1), (True, 2)]

    def test_one_deferred_twice(self) -> None:
        (one,) = pending(1)
        results = results_of(DeferredList([one, one]))
        one.callback(1)
        assert results == [[(True, 1), (True, 1)]]

    def test_fire_on_one_callback(self) -> None:
        first, second, third = pending(3)
        results = results_of(DeferredList([first, second, third], fireOnOneCallback=True))
        first.errback(Boom())
        second.callback(2)
        third.callback(3)
        assert results == [(2, 1)]
        assert isinstance(result_of(first), Boom)

    def test_fire_on_one_callback_when_all_fail(self) -> None:
        first, error = pending(1)[0], Boom()
        results = results_of(DeferredList([first], fireOnOneCallback=True, consumeErrors=True))
        first.errback(error)
        assert values(results[0]) == [(False, error)]

    def test_fire_on_one_errback(self) -> None:
        first, second = pending(2)
        results = results_of(DeferredList([first, second], fireOnOneErrback=True))
        error = Boom()
        second.errback(error)
        first.callback(1)
        (reason,) = results
        assert isinstance(reason, FirstError)
        assert (reason.subFailure.value, reason.index) == (error, 1)
        assert result_of(second) is error

    def test_consume_errors(self) -> None:
        first, second = pending(2)
        results = results_of(DeferredList([first, second], consumeErrors=True))
        first.errback(Boom())
        second.callback(2)
        assert results[0][0][0] is FAILURE
        assert (result_of(first), result_of(second)) == (None, 2)

    def test_cancel_cancels_all(self) -> None:
        cancelled: list[Any] = []
        several: list[Deferred[Any]] = [Deferred(cancelled.append) for _ in range(3)]
        together = DeferredList(several, consumeErrors=True)
        several[1].callback(1)
        together.cancel()
        assert cancelled == [several[0], several[2]]
        assert [success for success, _ in result_of(together)] == [False, True, False]

    def test_cancel_goes_on_when_a_canceller_raises(self, caplog: pytest.LogCaptureFixture) -> None:
        several: list[Deferred[Any]] = [Deferred(boom), Deferred()]
        together = DeferredList(several, consumeErrors=True)
        together.cancel()
        assert not together.called
        assert several[1].called
        (record,) = caplog.records
        assert record.exc_info is not None
        assert record.exc_info[0] is Boom

    def test_cancel_when_fired_does_nothing(self) -> None:
        first, second = pending(2)
        together = DeferredList([first, second], fireOnOneCallback=True)
        first.callback(1)
        together.cancel()
        assert not second.called

    def test_cancel_when_waiting_cancels_what_is_waited_for(self) -> None:
        (other,) = pending(1)
        together = DeferredList([]).addCallback(lambda _: other)
        together.cancel()
        assert isinstance(result_of(together), CancelledError)


class TestGatherResults:
    def test_gives_the_results_alone(self) -> None:
        first, second = pending(2)
        results = results_of(gatherResults([first, second]))
        second.callback(2)
        first.callback(1)
        assert results == [[1, 2]]
        assert result_of(gatherResults([])) == []

    def test_fails_with_the_first_failure(self) -> None:
        first, second = pending(2)
        results = results_of(gatherResults([first, second], consumeErrors=True))
        second.errback(Boom())
        assert isinstance(results[0], FirstError)
        assert isinstance(results[0].subFailure.value, Boom)
        assert result_of(second) is None

    def test_cancel(self) -> None:
        several = pending(2)
        gathered = gatherResults(several, consumeErrors=True)
        gathered.cancel()
        assert all(one.called for one in several)
        assert isinstance(result_of(gathered).subFailure.value, CancelledError)


class TestRace:
    def test_the_first_result_wins_and_the_others_are_cancelled(self) -> None:
        cancelled: list[Any] = []
        several: list[Deferred[Any]] = [Deferred(cancelled.append) for _ in range(3)]
        results = results_of(race(several))
        several[1].callback("won")
        assert cancelled == [several[0], several[2]]
        assert results == [(1, "won")]
        assert [result_of(one) for one in several] == [None, None, None]

    def test_failures_do_not_win(self) -> None:
        first, second = pending(2)
        results = results_of(race((first, second)))
        first.errback(Boom())
        assert results == []
        second.callback(2)
        assert results == [(1, 2)]

    def test_fails_when_all_fail(self) -> None:
        first, second = pending(2)
        errors = [Boom("first"), Boom("second")]
        results = results_of(race([first, second]))
        second.errback(errors[1])
        first.errback(errors[0])
        (group,) = results
        assert isinstance(group, FailureGroup)
        assert [failure.value for failure in group.failures] == errors
        assert str(group).startswith("2 failures: <reactorlib.failure.Failure")

    def test_of_none(self) -> None:
        group = result_of(race([]))
        assert isinstance(group, FailureGroup)
        assert group.failures == []

    def test_a_loser_that_succeeds_when_cancelled_is_ignored(self) -> None:
        winner: Deferred[int] = Deferred()
        loser: Deferred[int] = Deferred(lambda d: d.callback(2))
        results = results_of(race([winner, loser]))
        winner.callback(1)
        assert results == [(0, 1)]

    def test_cancel_cancels_all(self) -> None:
        several = pending(2)
        outcome = race(several)
        outcome.cancel()
        assert all(one.called for one in several)
        assert isinstance(result_of(outcome), FailureGroup)

    def test_cancel_when_none_fails_of_it(self) -> None:
        stubborn: Deferred[Any] = Deferred(lambda d: d.pause())
        outcome = race([stubborn])
        outcome.cancel()
        assert isinstance(result_of(outcome), CancelledError)
        stubborn.addErrback(lambda _: None)

    def test_a_loser_whose_canceller_raises_does_no_harm(
        self, caplog: pytest.LogCaptureFixture
    ) -> None:
        winner: Deferred[int] = Deferred()
        losers: list[Deferred[int]] = [Deferred(boom), Deferred()]
        results = results_of(race([winner, *losers]))
        winner.callback(1)
        assert results == [(0, 1)]
        assert [loser.called for loser in losers] == [False, True]
        told = [record for record in caplog.records if "canceller" in record.getMessage()]
        assert len(told) == 1

    def test_the_winner_may_be_among_them_twice(self) -> None:
        (one,) = pending(1)
        results = results_of(race([one, one]))
        one.callback(1)
        assert results == [(0, 1)]


class TestErrors:
    def test_first_error_tells_the_cause(self) -> None:
        error = FirstError(Failure(Boom("text")), 3)
        assert repr(error) == f"FirstError[#3, {Boom('text')!r}]"
        assert str(error).startswith("FirstError[#3, [Failure instance: Traceback")

    def test_all_results_may_be_failures_of_the_same_shared_reason(self) -> None:
        reason = Failure.shared(Boom("text"))
        pairs = result_of(DeferredList([fail(reason), fail(reason)], consumeErrors=True))
        assert [result for _, result in pairs] == [reason, reason]
