"""Deferred: callbacks, firing, and the functions that make one."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.defer import (
    AlreadyCalledError,
    Deferred,
    execute,
    fail,
    logError,
    maybeDeferred,
    passthru,
    succeed,
)
from reactorlib.failure import Failure, NoCurrentExceptionError
from tests.deferreds import Boom, boom, result_of, results_of


class TestCallbacks:
    def test_pass_the_result_on(self) -> None:
        deferred: Deferred[Any] = Deferred()
        chain: object = deferred.addCallback(lambda result: result + 1).addCallback(str)
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
        error = Boom()
        try:
            raise error
        except Boom:
            failed = fail()
        assert result_of(failed) is error


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
