"""Coroutines and inlineCallbacks: results, errors, depth, contexts."""

from __future__ import annotations

import contextvars
import sys
import types
from collections.abc import Coroutine, Generator
from typing import Any

import pytest

from reactorlib.defer import (
    Deferred,
    NotACoroutineError,
    ensureDeferred,
    fail,
    inlineCallbacks,
    returnValue,
    succeed,
)
from reactorlib.failure import Failure
from tests.deferreds import WAYS, Boom, Inline, boom, result_of, results_of, wait_for, wait_inline


@WAYS
class TestWaiting:
    def test_for_what_has_fired(self, waits: Any) -> None:
        assert result_of(waits(succeed(1))) == 1

    def test_for_what_fires_later(self, waits: Any) -> None:
        pending: Deferred[int] = Deferred()
        results = results_of(waits(pending))
        assert results == []
        pending.callback(1)
        assert results == [1]
        assert result_of(pending) is None

    def test_for_what_has_failed(self, waits: Any) -> None:
        error = Boom()
        assert result_of(waits(fail(error))) is error

    def test_for_what_fails_later(self, waits: Any) -> None:
        error = Boom()
        pending: Deferred[int] = Deferred()
        results = results_of(waits(pending))
        pending.errback(error)
        assert results == [error]
        assert result_of(pending) is None

    def test_for_what_is_paused(self, waits: Any) -> None:
        paused = succeed(1)
        paused.pause()
        results = results_of(waits(paused))
        assert results == []
        paused.unpause()
        assert results == [1]

    def test_for_what_waits(self, waits: Any) -> None:
        pending: Deferred[int] = Deferred()
        results = results_of(waits(succeed(0).addCallback(lambda _: pending)))
        pending.callback(1)
        assert results == [1]

    def test_several_at_once_and_callbacks_between(self, waits: Any) -> None:
        order: list[Any] = []
        pending: Deferred[int] = Deferred()
        waits(pending).addCallback(lambda result: order.append(("first", result)))
        pending.addCallback(lambda result: order.append(("own", result)))
        waits(pending).addCallback(lambda result: order.append(("second", result)))
        pending.callback(1)
        assert order == [("first", 1), ("own", None), ("second", None)]

    def test_a_chain_may_be_very_long(self, waits: Any) -> None:
        first: Deferred[int] = Deferred()
        last = first
        for _ in range(20_000):
            last = waits(last)
        assert sys.getrecursionlimit() < 20_000
        first.callback(1)
        assert result_of(last) == 1


class TestAwait:
    def test_a_million_that_have_fired(self) -> None:
        async def count() -> int:
            total = 0
            for _ in range(1_000_000):
                total += await succeed(1)
            return total

        assert result_of(ensureDeferred(count())) == 1_000_000

    def test_one_that_fired_may_be_awaited_again(self) -> None:
        deferred, error = succeed(1), Boom()
        failed = fail(error)
        for _ in range(2):
            assert result_of(ensureDeferred(wait_for(deferred))) == 1
            assert result_of(ensureDeferred(wait_for(failed))) is error

    def test_one_that_fires_later_may_be_awaited_again_at_once(self) -> None:
        async def twice() -> tuple[int, int]:
            return await pending, await pending

        pending: Deferred[int] = Deferred()
        results = results_of(ensureDeferred(twice()))
        pending.callback(1)
        assert results == [(1, 1)]

    def test_one_that_is_just_being_handled(self) -> None:
        error = Boom()
        failed: Deferred[Any] = Deferred()
        results: list[Any] = []
        failed.addErrback(lambda _: results.extend(results_of(ensureDeferred(wait_for(failed)))))
        failed.errback(error)
        assert results == [error]
        assert result_of(failed) is None

    def test_a_coroutine_that_pauses_what_it_awaited_holds_it(self) -> None:
        async def pause() -> None:
            await pending
            pending.pause()

        pending: Deferred[int] = Deferred()
        ensureDeferred(pause())
        results = results_of(pending)
        pending.callback(1)
        assert results == []
        pending.unpause()
        assert results == [None]

    def test_the_traceback_shows_the_coroutine_and_the_cause(self) -> None:
        deferred = ensureDeferred(wait_for(succeed(1).addCallback(boom)))
        names = [frame[0] for frame in deferred.result.frames]
        assert names == ["wait_for", "__await__", "boom"]
        assert isinstance(result_of(deferred), Boom)

    def test_the_traceback_shows_it_too_when_it_fails_later(self) -> None:
        pending: Deferred[int] = Deferred()
        deferred = ensureDeferred(wait_for(pending.addCallback(boom)))
        pending.callback(1)
        names = [frame[0] for frame in deferred.result.frames]
        assert names == ["wait_for", "__await__", "boom"]
        assert isinstance(result_of(deferred), Boom)

    def test_an_error_is_raised_in_no_strange_context(self) -> None:
        async def coroutine() -> BaseException | None:
            try:
                await pending
            except Boom as error:
                return error.__context__
            return Boom()

        pending: Deferred[int] = Deferred()
        results = results_of(ensureDeferred(coroutine()))
        pending.addErrback(lambda _: None)
        pending.errback(Boom())
        assert results == [None]

    def test_a_coroutine_may_wait_for_a_coroutine(self) -> None:
        async def outer() -> Any:
            return await wait_for(pending) + await ensureDeferred(wait_for(succeed(2)))

        pending: Deferred[int] = Deferred()
        results = results_of(ensureDeferred(outer()))
        pending.callback(1)
        assert results == [3]

    def test_must_not_return_a_deferred(self) -> None:
        async def coroutine() -> Deferred[int]:
            return succeed(1)

        assert isinstance(result_of(ensureDeferred(coroutine())), TypeError)

    def test_may_return_a_failure(self) -> None:
        async def coroutine() -> Failure:
            return Failure(error)

        error = Boom()
        assert result_of(ensureDeferred(coroutine())) is error

    def test_yield_from(self) -> None:
        def generator() -> Generator[Deferred[Any], Any, int]:
            return (yield from succeed(1))

        assert result_of(Deferred.fromCoroutine(generator())) == 1


class TestStarting:
    def test_ensure_deferred_takes_a_deferred(self) -> None:
        deferred = succeed(1)
        assert ensureDeferred(deferred) is deferred

    @pytest.mark.parametrize("function", [ensureDeferred, Deferred.fromCoroutine])
    @pytest.mark.parametrize("value", [wait_for, 5, [1]])
    def test_refuses_anything_else(self, function: Any, value: object) -> None:
        with pytest.raises(NotACoroutineError, match="is not a coroutine"):
            function(value)

    def test_takes_whatever_acts_as_a_coroutine(self) -> None:
        class Compiled(Coroutine[Any, Any, int]):
            def __init__(self) -> None:
                self.inside = wait_for(pending)

            def send(self, value: Any) -> Any:
                return self.inside.send(value)

            def throw(self, *args: Any) -> Any:
                return self.inside.throw(*args)

            def close(self) -> None:
                self.inside.close()

            def __await__(self) -> Any:
                return self.inside.__await__()

        pending: Deferred[int] = Deferred()
        results = results_of(ensureDeferred(Compiled()))
        pending.callback(1)
        assert results == [1]


class TestInlineCallbacks:
    def test_other_values_come_back(self) -> None:
        @inlineCallbacks
        def generator() -> Generator[Any, Any, list[Any]]:
            return [(yield 1), (yield None), (yield "text")]

        assert result_of(generator()) == [1, None, "text"]

    def test_coroutines_and_generators_are_awaited(self) -> None:
        def plain() -> Inline:
            return (yield pending)

        @inlineCallbacks
        def generator() -> Generator[Any, Any, list[Any]]:
            return [(yield plain()), (yield wait_for(succeed(2)))]

        pending: Deferred[int] = Deferred()
        results = results_of(generator())
        pending.callback(1)
        assert results == [[1, 2]]

    def test_arguments_name_and_doc(self) -> None:
        @inlineCallbacks
        def generator(a: int, *, b: int) -> Inline:
            """Doc."""
            return (yield succeed(a - b))

        assert result_of(generator(3, b=1)) == 2
        assert (generator.__name__, generator.__doc__) == ("generator", "Doc.")

    def test_return_value(self) -> None:
        @inlineCallbacks
        def generator() -> Inline:
            yield succeed(1)
            returnValue("value")

        assert result_of(generator()) == "value"

    def test_errors_are_caught_where_they_are_raised(self) -> None:
        @inlineCallbacks
        def generator() -> Inline:
            try:
                yield pending
            except Boom:
                return (yield succeed("caught"))

        pending: Deferred[int] = Deferred()
        results = results_of(generator())
        pending.errback(Boom())
        assert results == ["caught"]

    def test_a_yielded_failure_is_raised(self) -> None:
        @inlineCallbacks
        def generator() -> Generator[Any, Any, Any]:
            try:
                yield Failure(Boom())
            except Boom:
                return "caught"

        assert result_of(generator()) == "caught"

    def test_a_million_that_have_fired(self) -> None:
        @inlineCallbacks
        def count() -> Inline:
            total = 0
            for _ in range(1_000_000):
                total += yield succeed(1)
            return total

        assert result_of(count()) == 1_000_000

    @pytest.mark.parametrize("result", ["text", "returnValue"])
    def test_needs_a_generator(self, result: str) -> None:
        @inlineCallbacks
        def function() -> Any:
            if result == "returnValue":
                returnValue(1)
            return result

        with pytest.raises(TypeError, match="to make a generator, not"):
            function()

    def test_is_no_coroutine_function(self) -> None:
        assert isinstance(wait_inline, types.FunctionType)


variable: contextvars.ContextVar[str] = contextvars.ContextVar("variable", default="outside")


class TestContexts:
    def test_a_coroutine_keeps_the_context_it_was_started_in(self) -> None:
        async def coroutine() -> list[str]:
            seen = [variable.get()]
            await pending
            seen.append(variable.get())
            variable.set("inside")
            await other
            return [*seen, variable.get()]

        pending: Deferred[int] = Deferred()
        other: Deferred[int] = Deferred()
        context = contextvars.copy_context()
        context.run(variable.set, "start")
        results = results_of(context.run(ensureDeferred, coroutine()))
        pending.callback(1)
        assert variable.get() == "outside"
        other.callback(2)
        assert results == [["start", "start", "inside"]]
        assert context.run(variable.get) == "start"

    def test_a_generator_too(self) -> None:
        @inlineCallbacks
        def generator() -> Inline:
            variable.set("inside")
            yield pending
            return variable.get()

        pending: Deferred[int] = Deferred()
        results = results_of(generator())
        assert variable.get() == "outside"
        pending.callback(1)
        assert results == ["inside"]
