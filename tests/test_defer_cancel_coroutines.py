"""Cancelling coroutines, and coroutines that survive it."""

from __future__ import annotations

from typing import Any

from reactorlib.defer import CancelledError, Deferred, ensureDeferred, succeed
from tests.deferreds import WAYS, result_of, results_of, wait_for


@WAYS
class TestCancelling:
    def test_cancels_what_is_waited_for(self, waits: Any) -> None:
        cancelled: list[Any] = []
        pending: Deferred[int] = Deferred(cancelled.append)
        deferred = waits(pending)
        deferred.cancel()
        assert cancelled == [pending]
        assert isinstance(result_of(deferred), CancelledError)

    def test_goes_through_a_chain(self, waits: Any) -> None:
        cancelled: list[Any] = []
        pending: Deferred[int] = Deferred(cancelled.append)
        inner = waits(pending)
        outer = succeed(0).addCallback(lambda _: waits(inner))
        outer.cancel()
        assert cancelled == [pending]
        assert isinstance(result_of(outer), CancelledError)

    def test_does_nothing_at_the_end(self, waits: Any) -> None:
        deferred = waits(succeed(1))
        deferred.cancel()
        assert result_of(deferred) == 1

    def test_after_the_end_cancels_what_a_callback_waits_for(self, waits: Any) -> None:
        pending: Deferred[int] = Deferred()
        other: Deferred[int] = Deferred()
        deferred = waits(pending)
        pending.callback(1)
        deferred.addCallback(lambda _: other)
        deferred.cancel()
        assert other.called
        assert isinstance(result_of(deferred), CancelledError)


class TestSurvivingACancel:
    def test_a_coroutine_may_catch_it_and_return(self) -> None:
        async def coroutine() -> str:
            try:
                await pending
            except CancelledError:
                return "caught"
            return "not cancelled"

        pending: Deferred[int] = Deferred()
        deferred = ensureDeferred(coroutine())
        deferred.cancel()
        assert result_of(deferred) == "caught"

    def test_a_coroutine_may_catch_it_and_wait_again(self) -> None:
        async def coroutine() -> int:
            try:
                await first
            except CancelledError:
                return await second
            return 0

        first: Deferred[int] = Deferred()
        second: Deferred[int] = Deferred()
        deferred = ensureDeferred(coroutine())
        results = results_of(deferred)
        deferred.cancel()
        assert results == []
        second.callback(2)
        assert results == [2]

    def test_it_may_be_cancelled_again(self) -> None:
        async def coroutine() -> None:
            try:
                await first
            except CancelledError:
                await second

        first: Deferred[int] = Deferred()
        second: Deferred[int] = Deferred()
        deferred = ensureDeferred(coroutine())
        deferred.cancel()
        deferred.cancel()
        assert isinstance(result_of(deferred), CancelledError)

    def test_a_coroutine_that_runs_is_not_interrupted(self) -> None:
        async def coroutine() -> str:
            await pending
            deferreds[0].cancel()
            return "done"

        pending: Deferred[int] = Deferred()
        deferreds = [ensureDeferred(coroutine())]
        pending.callback(1)
        assert result_of(deferreds[0]) == "done"

    def test_what_fires_after_the_cancel_is_ignored(self) -> None:
        pending: Deferred[int] = Deferred()
        deferred = ensureDeferred(wait_for(pending))
        deferred.cancel()
        pending.callback(1)
        assert isinstance(result_of(deferred), CancelledError)
