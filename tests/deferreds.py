"""Reading the results of Deferreds, and both ways of waiting for one."""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Generator
from typing import Any, TypeAlias

import pytest

from reactorlib.defer import Deferred, inlineCallbacks, succeed

Inline: TypeAlias = Generator[Deferred[Any], Any, Any]


class Boom(Exception):
    """What callbacks raise in tests."""


def boom(*_: object) -> None:
    raise Boom("text")


def waiting_for(inner: Deferred[Any]) -> Deferred[Any]:
    """A Deferred that has been fired and waits for another."""
    return succeed(None).addCallback(lambda _: inner)


def results_of(deferred: Deferred[Any]) -> list[Any]:
    """The list that gets the result, an exception in place of a Failure."""
    results: list[Any] = []
    deferred.addCallbacks(results.append, lambda failure: results.append(failure.value))
    return results


def result_of(deferred: Deferred[Any]) -> Any:
    """The result that is there already."""
    (result,) = results_of(deferred)
    return result


async def wait_for(deferred: Deferred[Any]) -> Any:
    return await deferred


@inlineCallbacks
def wait_inline(deferred: Deferred[Any]) -> Inline:
    return (yield deferred)


def start(coroutine_function: Callable[..., Coroutine[Any, Any, Any]]) -> Callable[..., Any]:
    return lambda *args: Deferred.fromCoroutine(coroutine_function(*args))


WAYS = pytest.mark.parametrize("waits", [start(wait_for), wait_inline], ids=["await", "yield"])
