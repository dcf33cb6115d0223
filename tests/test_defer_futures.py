"""Deferreds from and to asyncio futures."""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest

from reactorlib.defer import CancelledError, Deferred, succeed
from reactorlib.failure import Failure
from tests.deferreds import Boom, result_of, results_of


@pytest.fixture
def loop() -> Iterator[asyncio.AbstractEventLoop]:
    loop = asyncio.new_event_loop()
    yield loop
    loop.close()


def turn(loop: asyncio.AbstractEventLoop) -> None:
    """Make the calls that futures have scheduled."""
    loop.run_until_complete(asyncio.sleep(0))


class TestAsFuture:
    def test_gets_the_result(self, loop: asyncio.AbstractEventLoop) -> None:
        deferred: Deferred[int] = Deferred()
        future = deferred.asFuture(loop)
        assert not future.done()
        deferred.callback(1)
        assert loop.run_until_complete(future) == 1
        assert result_of(deferred) is None

    def test_gets_the_error(self, loop: asyncio.AbstractEventLoop) -> None:
        error = Boom()
        deferred: Deferred[int] = Deferred()
        future = deferred.asFuture(loop)
        deferred.errback(error)
        with pytest.raises(Boom) as raised:
            loop.run_until_complete(future)
        assert raised.value is error
        assert result_of(deferred) is None

    def test_gets_a_copy_of_a_shared_error(self, loop: asyncio.AbstractEventLoop) -> None:
        reason = Failure.shared(Boom())
        deferred: Deferred[int] = Deferred()
        future = deferred.asFuture(loop)
        deferred.errback(reason)
        assert isinstance(future.exception(), Boom)
        assert future.exception() is not reason.value

    def test_of_a_fired_one(self, loop: asyncio.AbstractEventLoop) -> None:
        assert loop.run_until_complete(succeed(1).asFuture(loop)) == 1

    def test_cancelling_the_future_cancels_the_deferred(
        self, loop: asyncio.AbstractEventLoop
    ) -> None:
        cancelled: list[Any] = []
        deferred: Deferred[int] = Deferred(cancelled.append)
        future = deferred.asFuture(loop)
        future.cancel()
        turn(loop)
        assert cancelled == [deferred]
        assert future.cancelled()
        assert result_of(deferred) is None

    def test_a_result_after_the_cancel_is_dropped(self, loop: asyncio.AbstractEventLoop) -> None:
        deferred: Deferred[int] = Deferred()
        future = deferred.asFuture(loop)
        future.cancel()
        deferred.callback(1)
        turn(loop)
        assert future.cancelled()
        assert result_of(deferred) is None


class TestFromFuture:
    def test_gets_the_result(self, loop: asyncio.AbstractEventLoop) -> None:
        future: asyncio.Future[int] = loop.create_future()
        results = results_of(Deferred.fromFuture(future))
        future.set_result(1)
        assert results == []
        turn(loop)
        assert results == [1]

    def test_gets_the_error(self, loop: asyncio.AbstractEventLoop) -> None:
        error = Boom()
        future: asyncio.Future[int] = loop.create_future()
        results = results_of(Deferred.fromFuture(future))
        future.set_exception(error)
        turn(loop)
        assert results == [error]

    def test_gets_the_cancel_of_the_future(self, loop: asyncio.AbstractEventLoop) -> None:
        future: asyncio.Future[int] = loop.create_future()
        results = results_of(Deferred.fromFuture(future))
        future.cancel()
        turn(loop)
        assert isinstance(results[0], asyncio.CancelledError)

    def test_cancelling_it_cancels_the_future(self, loop: asyncio.AbstractEventLoop) -> None:
        future: asyncio.Future[int] = loop.create_future()
        deferred = Deferred.fromFuture(future)
        results = results_of(deferred)
        deferred.cancel()
        assert future.cancelled()
        assert results == []
        turn(loop)
        assert isinstance(results[0], asyncio.CancelledError)

    def test_a_task_may_survive_the_cancel(self, loop: asyncio.AbstractEventLoop) -> None:
        async def stubborn() -> str:
            try:
                await asyncio.sleep(3600)
            except asyncio.CancelledError:
                return "survived"
            return "slept"

        task = loop.create_task(stubborn())
        deferred = Deferred.fromFuture(task)
        results = results_of(deferred)
        turn(loop)
        deferred.cancel()
        assert results == []
        loop.run_until_complete(task)
        assert results == ["survived"]

    def test_a_second_cancel_does_not_wait(self, loop: asyncio.AbstractEventLoop) -> None:
        future: asyncio.Future[int] = loop.create_future()
        deferred = Deferred.fromFuture(future)
        deferred.cancel()
        deferred.cancel()
        assert isinstance(result_of(deferred), CancelledError)
        turn(loop)

    def test_there_and_back(self, loop: asyncio.AbstractEventLoop) -> None:
        deferred: Deferred[int] = Deferred()
        results = results_of(Deferred.fromFuture(deferred.asFuture(loop)))
        deferred.callback(1)
        turn(loop)
        assert results == [1]


def test_asyncio_is_not_imported() -> None:
    program = "import sys, reactorlib.defer; print('asyncio' in sys.modules)"
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    assert done.stdout == "False\n"
