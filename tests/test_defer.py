"""Deferred: callbacks, chains, firing twice, pausing, cancelling, time-outs."""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import pytest

from reactorlib.defer import (
    AlreadyCalledError,
    CancelledError,
    Deferred,
    TimeoutError,
    execute,
    fail,
    logError,
    maybeDeferred,
    passthru,
    succeed,
)
from reactorlib.failure import Failure, NoCurrentExceptionError


class Boom(Exception):
    """What the callbacks of these tests raise."""


def results_of(deferred: Deferred[Any]) -> list[Any]:
    """The list that gets the result, an exception in place of a Failure."""
    results: list[Any] = []
    deferred.addCallbacks(results.append, lambda failure: results.append(failure.value))
    return results


def result_of(deferred: Deferred[Any]) -> Any:
    (result,) = results_of(deferred)
    return result


def boom(*_: object) -> None:
    raise Boom("text")


class TestCallbacks:
    def test_pass_the_result_on(self) -> None:
        deferred: Deferred[int] = Deferred()
        chain = deferred.addCallback(lambda result: result + 1).addCallback(str)
        assert chain is deferred
        deferred.callback(1)
        assert result_of(deferred) == "2"

    def test_run_at_once_when_it_has_fired(self) -> None:
        assert result_of(succeed(1).addCallback(lambda result: result + 1)) == 2

    def test_what_is_raised_goes_to_the_errback(self) -> None:
        deferred = succeed(1).addCallback(boom)
        seen: list[Failure] = []
        deferred.addErrback(seen.append)
        assert seen[0].check(Boom)
        assert result_of(deferred) is None

    def test_system_exit_is_no_exception_from_that(self) -> None:
        def leave(_: object) -> None:
            raise SystemExit

        assert isinstance(result_of(succeed(1).addCallback(leave)), SystemExit)

    def test_errbacks_are_passed_over_without_a_failure(self) -> None:
        assert result_of(succeed(1).addErrback(boom)) == 1

    def test_callbacks_are_passed_over_with_a_failure(self) -> None:
        error = Boom()
        assert result_of(fail(error).addCallback(lambda _: 1)) is error

    def test_an_errback_that_returns_a_failure_passes_it_on(self) -> None:
        error = Boom()
        assert result_of(fail(error).addErrback(passthru)) is error

    def test_an_errback_that_raises_replaces_the_failure(self) -> None:
        assert isinstance(result_of(fail(KeyError()).addErrback(boom)), Boom)

    def test_a_callback_may_return_a_failure(self) -> None:
        error = Boom()
        assert result_of(succeed(1).addCallback(lambda _: Failure(error))) is error

    def test_one_of_a_pair_is_called(self) -> None:
        calls: list[Any] = []
        for deferred in (succeed(1), fail(Boom())):
            deferred.addCallbacks(lambda _: calls.append("good"), lambda _: calls.append("bad"))
        assert calls == ["good", "bad"]

    def test_the_errback_of_a_pair_does_not_see_what_its_callback_raises(self) -> None:
        calls: list[Any] = []
        assert isinstance(result_of(succeed(1).addCallbacks(boom, calls.append)), Boom)
        assert calls == []

    def test_both(self) -> None:
        for deferred in (succeed(1), fail(Boom())):
            assert result_of(deferred.addBoth(lambda _: 2)) == 2

    def test_get_their_arguments(self) -> None:
        calls: list[Any] = []

        def note(result: Any, *args: Any, **kwargs: Any) -> None:
            calls.append((isinstance(result, Failure), args, kwargs))

        succeed(0).addCallback(note, 1, a=2)
        succeed(0).addCallback(note, 1)
        fail(Boom()).addErrback(note, 3, a=4)
        succeed(0).addBoth(note, 5, a=6)
        fail(Boom()).addBoth(note, a=7)
        succeed(0).addCallbacks(note, note, (1,), {"a": 2}, (3,), {"a": 4})
        fail(Boom()).addCallbacks(note, note, (1,), {"a": 2}, (3,), {"a": 4})
        succeed(0).addCallbacks(note, None, None, {"a": 8})
        assert calls == [
            (False, (1,), {"a": 2}),
            (False, (1,), {}),
            (True, (3,), {"a": 4}),
            (False, (5,), {"a": 6}),
            (True, (), {"a": 7}),
            (False, (1,), {"a": 2}),
            (True, (3,), {"a": 4}),
            (False, (), {"a": 8}),
        ]

    @pytest.mark.parametrize("method", ["addCallback", "addErrback", "addBoth", "addCallbacks"])
    def test_must_be_callable(self, method: str) -> None:
        deferred: Deferred[None] = Deferred()
        with pytest.raises(TypeError, match="not None"):
            getattr(deferred, method)(None)
        with pytest.raises(TypeError, match="not 5"):
            deferred.addCallbacks(passthru, 5)  # type: ignore[call-overload]

    def test_added_by_a_callback_run_after_the_others(self) -> None:
        order: list[int] = []
        deferred: Deferred[None] = Deferred()

        def first(_: object) -> None:
            deferred.addCallback(lambda _: order.append(3))
            order.append(1)

        deferred.addCallback(first).addCallback(lambda _: order.append(2))
        deferred.callback(None)
        assert order == [1, 2, 3]

    def test_a_callback_that_returns_its_own_deferred_fails(self) -> None:
        deferred: Deferred[Any] = Deferred()
        deferred.addCallback(lambda _: deferred)
        deferred.callback(None)
        assert isinstance(result_of(deferred), RuntimeError)

    def test_the_traceback_begins_in_the_callback(self) -> None:
        deferred = succeed(1).addCallback(boom)
        assert [frame[0] for frame in deferred.result.frames] == ["boom"]
        assert isinstance(result_of(deferred), Boom)

    def test_the_result_can_be_looked_at(self) -> None:
        deferred: Deferred[int] = Deferred()
        assert not deferred.called
        assert not hasattr(deferred, "result")
        deferred.addCallback(lambda result: (result, deferred.result))
        deferred.callback(1)
        assert deferred.called
        assert deferred.result == (1, 1)


class TestFiring:
    def test_twice_is_an_error(self) -> None:
        deferred = succeed(1)
        with pytest.raises(AlreadyCalledError):
            deferred.callback(2)
        with pytest.raises(AlreadyCalledError):
            deferred.errback(Boom())
        assert result_of(deferred) == 1

    def test_with_a_deferred_is_an_error(self) -> None:
        deferred: Deferred[Any] = Deferred()
        for fire in (deferred.callback, succeed):
            with pytest.raises(TypeError, match="fired with a Deferred"):
                fire(succeed(1))
        assert not deferred.called

    def test_with_a_failure_is_an_errback(self) -> None:
        error = Boom()
        deferred: Deferred[int] = Deferred()
        deferred.callback(Failure(error))
        assert result_of(deferred) is error
        assert result_of(succeed(Failure(error))) is error

    def test_errback_takes_the_exception_being_handled(self) -> None:
        error = Boom()
        deferred: Deferred[int] = Deferred()
        try:
            raise error
        except Boom:
            deferred.errback()
        assert result_of(deferred) is error

    def test_errback_with_nothing_is_an_error(self) -> None:
        deferred: Deferred[int] = Deferred()
        with pytest.raises(NoCurrentExceptionError):
            deferred.errback()
        with pytest.raises(TypeError):
            deferred.errback("text")  # type: ignore[arg-type]
        assert not deferred.called


class TestChains:
    def test_wait_for_a_deferred_that_a_callback_returns(self) -> None:
        inner: Deferred[int] = Deferred()
        outer = succeed(1).addCallback(lambda _: inner)
        results = results_of(outer)
        assert results == []
        inner.callback(2)
        assert results == [2]
        assert result_of(inner) is None

    def test_take_the_result_of_one_that_has_it(self) -> None:
        inner = succeed(2)
        assert result_of(succeed(1).addCallback(lambda _: inner)) == 2
        assert result_of(inner) is None

    def test_pass_failures_on(self) -> None:
        error = Boom()
        for late in (True, False):
            inner: Deferred[int] = Deferred()
            outer: Deferred[int] = succeed(1).addCallback(lambda _, d=inner: d)
            results = results_of(outer) if late else []
            inner.errback(error)
            assert (results or results_of(outer)) == [error]
            assert result_of(inner) is None

    def test_errbacks_may_return_a_deferred(self) -> None:
        assert result_of(fail(Boom()).addErrback(lambda _: succeed(2))) == 2

    def test_wait_for_one_that_waits(self) -> None:
        inner: Deferred[int] = Deferred()
        middle = succeed(0).addCallback(lambda _: inner)
        results = results_of(succeed(0).addCallback(lambda _: middle))
        inner.callback(3)
        assert results == [3]

    def test_wait_for_one_that_is_paused(self) -> None:
        inner = succeed(1)
        inner.pause()
        results = results_of(succeed(0).addCallback(lambda _: inner))
        assert results == []
        inner.unpause()
        assert results == [1]

    def test_who_waits_first_gets_the_result_and_runs_first(self) -> None:
        order: list[Any] = []
        inner: Deferred[int] = Deferred()
        for name in ("a", "b"):
            waiter = succeed(0).addCallback(lambda _: inner)
            waiter.addCallback(lambda result, name=name: order.append((name, result)))
        inner.addCallback(lambda result: order.append(("own", result)))
        inner.callback(1)
        assert order == [("a", 1), ("b", None), ("own", None)]

    def test_that_end_at_a_paused_waiter_do_not_stop_the_others(self) -> None:
        inner: Deferred[int] = Deferred()
        waiter = succeed(0).addCallback(lambda _: inner)
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
            outer = succeed(0).addCallback(lambda _, d=outer: d)
            outer.addCallback(lambda result: result + 1)
        innermost.callback(0)
        assert result_of(outer) == length

    def test_may_be_cancelled_when_very_long(self) -> None:
        cancelled: list[Any] = []
        outer: Deferred[int] = Deferred(cancelled.append)
        for _ in range(100_000):
            outer = succeed(0).addCallback(lambda _, d=outer: d)
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
        outer = succeed(0).addCallback(lambda _: inner)
        outer.cancel()
        assert isinstance(result_of(outer), CancelledError)
        assert result_of(inner) is None

    def test_a_circle_is_past_cancelling(self) -> None:
        first: Deferred[Any] = Deferred()
        second = succeed(0).addCallback(lambda _: first)
        first.addCallback(lambda _: second)
        first.callback(None)
        outside = succeed(0).addCallback(lambda _: first)
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
        for outcome in (1, error):
            deferred: Deferred[Any] = Deferred(
                lambda d, outcome=outcome: d.callback(
                    Failure(outcome) if isinstance(outcome, Boom) else outcome
                )
            )
            deferred.addTimeout(1, clock)
            clock.call.fire()
            assert result_of(deferred) == outcome

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


class TestShortcuts:
    def test_execute(self) -> None:
        def divide(a: int, *, by: int) -> float:
            return a / by

        assert result_of(execute(divide, 4, by=2)) == 2
        failed = execute(divide, 4, by=0)
        assert [frame[0] for frame in failed.result.frames] == ["divide"]
        assert isinstance(result_of(failed), ZeroDivisionError)

    def test_maybe_deferred(self) -> None:
        async def coroutine(argument: int) -> int:
            return argument + await succeed(1)

        pending: Deferred[int] = Deferred()
        error = Boom()
        assert maybeDeferred(lambda: pending) is pending
        assert result_of(maybeDeferred(divmod, 7, 2)) == (3, 1)
        assert isinstance(result_of(maybeDeferred(boom, 1)), Boom)
        assert result_of(maybeDeferred(lambda: Failure(error))) is error
        assert result_of(maybeDeferred(coroutine, argument=2)) == 3

    def test_log_error_logs_and_passes_on(self, caplog: pytest.LogCaptureFixture) -> None:
        deferred = succeed(1).addCallback(boom).addErrback(logError)
        assert isinstance(result_of(deferred), Boom)
        (record,) = caplog.records
        assert record.exc_info is not None
        assert record.exc_info[0] is Boom

    def test_fail_takes_the_exception_being_handled(self) -> None:
        try:
            boom()
        except Boom as error:
            assert result_of(fail()) is error


class TestSubclasses:
    def test_may_have_attributes_and_be_waited_for(self) -> None:
        class Named(Deferred[int]):
            def __init__(self, name: str) -> None:
                super().__init__()
                self.name = name

        named = Named("one")
        results = results_of(succeed(0).addCallback(lambda _: named))
        named.callback(1)
        assert (named.name, results) == ("one", [1])


class TestRepr:
    def test_tells_the_state(self) -> None:
        inner: Deferred[int] = Deferred()
        outer: Deferred[Any] = Deferred()
        assert repr(outer) == f"<Deferred at {id(outer):#x}>"
        outer.callback("text")
        assert repr(outer) == f"<Deferred at {id(outer):#x} current result: 'text'>"
        outer.addCallback(lambda _: inner)
        assert repr(outer) == f"<Deferred at {id(outer):#x} waiting on Deferred at {id(inner):#x}>"
