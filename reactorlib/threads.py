"""Between the reactor's thread and others.

Guarantees: the callbacks of every Deferred given here run in the reactor's
thread, never in another.  ``blockingCallFromThread`` gives back in the calling
thread exactly what the function, its coroutine or its Deferred gave or raised.

The process's reactor is asked for only by the functions that are not given
one, when they are called; never when this module is imported.
"""

from __future__ import annotations

from collections.abc import Callable, Coroutine, Iterable, Mapping
from queue import SimpleQueue
from typing import Any, ParamSpec, TypeVar, overload

import reactorlib
from reactorlib.defer import Deferred, maybeDeferred
from reactorlib.failure import Failure
from reactorlib.interfaces import IReactorFromThreads
from reactorlib.threadpool import ThreadPool

__all__ = ["blockingCallFromThread", "callMultipleInThread", "deferToThread", "deferToThreadPool"]

P = ParamSpec("P")
R = TypeVar("R")


def deferToThread(f: Callable[P, R], *args: P.args, **kwargs: P.kwargs) -> Deferred[R]:
    """Call a function in a thread of the process's reactor; see `deferToThreadPool`."""
    reactor = reactorlib.reactor
    return deferToThreadPool(reactor, reactor.getThreadPool(), f, *args, **kwargs)


def deferToThreadPool(
    reactor: IReactorFromThreads,
    threadpool: ThreadPool,
    f: Callable[P, R],
    *args: P.args,
    **kwargs: P.kwargs,
) -> Deferred[R]:
    """Call a function in a thread of a pool.

    Nothing stops a thread: when the Deferred is cancelled the function goes on,
    and what it gives is dropped.  A pool that was stopped drops the call, and the
    Deferred never fires.

    Args:
        reactor: what the Deferred belongs to.

    Returns:
        A Deferred of what the function returned or raised.
    """
    deferred: Deferred[R] = Deferred()

    def hand_back(succeeded: bool, result: R | Failure) -> None:
        reactor.callFromThread(deferred.callback if succeeded else deferred.errback, result)

    threadpool.callInThreadWithCallback(hand_back, f, *args, **kwargs)
    return deferred


def callMultipleInThread(
    tupleList: Iterable[tuple[Callable[..., object], Iterable[Any], Mapping[str, Any]]],
) -> None:
    """Call functions one after the other, in one thread of the process's reactor.

    Args:
        tupleList: of each function the function, its arguments and its keyword
            arguments.  When one raises, that is logged, and those after it are
            not called.
    """
    reactorlib.reactor.callInThread(_call_each, list(tupleList))


def _call_each(
    calls: list[tuple[Callable[..., object], Iterable[Any], Mapping[str, Any]]],
) -> None:
    for f, args, kwargs in calls:
        f(*args, **kwargs)


@overload
def blockingCallFromThread(
    reactor: IReactorFromThreads, f: Callable[P, Deferred[R]], *a: P.args, **kw: P.kwargs
) -> R: ...


@overload
def blockingCallFromThread(
    reactor: IReactorFromThreads,
    f: Callable[P, Coroutine[Deferred[Any], Any, R]],
    *a: P.args,
    **kw: P.kwargs,
) -> R: ...


@overload
def blockingCallFromThread(
    reactor: IReactorFromThreads, f: Callable[P, R], *a: P.args, **kw: P.kwargs
) -> R: ...


def blockingCallFromThread(
    reactor: IReactorFromThreads, f: Callable[..., Any], *a: Any, **kw: Any
) -> Any:
    """Call a function in the reactor's thread, and wait for what comes of it.

    To be called from any thread but the reactor's own, which would wait for
    itself.  It waits without end if the reactor is not running.

    Args:
        f: may return a Deferred or a coroutine, whose result is waited for.

    Raises:
        Exception: whatever the function, or its Deferred, gave as an error.
    """
    results: SimpleQueue[Any] = SimpleQueue()
    reactor.callFromThread(lambda: maybeDeferred(f, *a, **kw).addBoth(results.put))
    result = results.get()
    if not isinstance(result, Failure):
        return result
    # This frame will be part of the traceback: a variable left in it would be a cycle.
    try:
        raise result.as_exception()
    finally:
        del result
