"""Between Deferreds and asyncio futures.

Must never import asyncio at run time: a program without it pays nothing.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, TypeVar

from reactorlib.failure import Failure, failure_of_call

if TYPE_CHECKING:
    from asyncio import AbstractEventLoop, Future

    from reactorlib.defer.deferred import Deferred

__all__ = ["fire_with_future", "future_of"]

T = TypeVar("T")


def future_of(deferred: Deferred[T], loop: AbstractEventLoop) -> Future[T]:
    """Return a future of `loop` that takes the result of `deferred` away."""
    future: Future[T] = loop.create_future()

    def deliver(result: T | Failure) -> None:
        if future.done():
            return
        if isinstance(result, Failure):
            future.set_exception(result.as_exception())
        else:
            future.set_result(result)

    def forward_cancel(future: Future[T]) -> None:
        if future.cancelled():
            deferred.cancel()

    deferred.addBoth(deliver)
    future.add_done_callback(forward_cancel)
    return future


def fire_with_future(deferred: Deferred[T], cancelled: Deferred[T], future: Future[T]) -> None:
    """Fire `deferred` with the outcome of `future`; or `cancelled`, if that was fired before."""

    def deliver(future: Future[T]) -> None:
        try:
            result: T | Failure = future.result()
        except BaseException as error:
            result = failure_of_call(error)
        (cancelled if deferred.called else deferred).callback(result)

    future.add_done_callback(deliver)
