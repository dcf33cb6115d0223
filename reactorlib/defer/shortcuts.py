"""Deferreds for functions that may have their result already."""

from __future__ import annotations

from collections.abc import Callable, Coroutine
from types import CoroutineType
from typing import Any, ParamSpec, TypeVar, overload

from reactorlib.defer.chain import SPECIAL
from reactorlib.defer.debugging import logger
from reactorlib.defer.deferred import Deferred
from reactorlib.failure import Failure, failure_of_call

__all__ = ["execute", "fail", "logError", "maybeDeferred", "passthru", "succeed"]

T = TypeVar("T")
P = ParamSpec("P")


def succeed(result: T) -> Deferred[T]:
    """Return a Deferred that was fired with `result`."""
    deferred: Deferred[T] = Deferred()
    if isinstance(result, SPECIAL):
        deferred.callback(result)
    else:
        deferred.called = True
        deferred.result = result
    return deferred


def fail(result: Failure | BaseException | None = None) -> Deferred[Any]:
    """Return a Deferred that was fired with a Failure; see `Deferred.errback`."""
    deferred: Deferred[Any] = Deferred()
    deferred.errback(result)
    return deferred


def execute(callable: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]:
    """Call `callable`; return a Deferred of what it returned or raised."""
    try:
        result = callable(*args, **kwargs)
    except BaseException as error:
        return fail(failure_of_call(error))
    return succeed(result)


@overload
def maybeDeferred(
    f: Callable[P, Deferred[T]], *args: P.args, **kwargs: P.kwargs
) -> Deferred[T]: ...


@overload
def maybeDeferred(
    f: Callable[P, Coroutine[Deferred[Any], Any, T]], *args: P.args, **kwargs: P.kwargs
) -> Deferred[T]: ...


@overload
def maybeDeferred(f: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> Deferred[T]: ...


def maybeDeferred(f: Callable[..., Any], *args: Any, **kwargs: Any) -> Deferred[Any]:
    """Call `f`; return its Deferred, or one of what its coroutine or itself returned or raised."""
    try:
        result = f(*args, **kwargs)
    except BaseException as error:
        return fail(failure_of_call(error))
    if isinstance(result, Deferred):
        return result
    if isinstance(result, CoroutineType):
        return Deferred.fromCoroutine(result)
    return succeed(result)


def passthru(arg: T) -> T:
    """Return `arg`: a callback that changes nothing."""
    return arg


def logError(err: Failure) -> Failure:
    """Log a Failure with its traceback and pass it on."""
    logger.error("Error in Deferred", exc_info=(err.type, err.value, err.tb))
    return err
