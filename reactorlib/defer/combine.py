"""One Deferred of several: all of them, or the first of them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

from reactorlib.defer.debugging import logger
from reactorlib.defer.deferred import Deferred
from reactorlib.defer.errors import FailureGroup, FirstError
from reactorlib.failure import Failure

__all__ = ["FAILURE", "SUCCESS", "DeferredList", "gatherResults", "race"]

T = TypeVar("T")

SUCCESS = True
FAILURE = False


class DeferredList(Deferred[Any]):
    """The results of several Deferreds, as a list of pairs (success, result or Failure).

    Attributes:
        resultList: the pairs so far, None where a Deferred has not fired.
        finishedCount: how many have fired.
        fireOnOneCallback, fireOnOneErrback, consumeErrors: as given.
    """

    __slots__ = (
        "_deferredList",
        "consumeErrors",
        "finishedCount",
        "fireOnOneCallback",
        "fireOnOneErrback",
        "resultList",
    )

    def __init__(
        self,
        deferredList: Iterable[Deferred[Any]],
        fireOnOneCallback: bool = False,
        fireOnOneErrback: bool = False,
        consumeErrors: bool = False,
    ) -> None:
        """Wait for all of `deferredList`, which go on with the results they had.

        fireOnOneCallback: fire with (result, index) of the first that succeeds.
        fireOnOneErrback: fail with a FirstError of the first that fails.
        consumeErrors: a Deferred that fails goes on with None instead of its Failure.
        """
        super().__init__()
        self._deferredList = list(deferredList)
        self.resultList: list[tuple[bool, Any] | None] = [None] * len(self._deferredList)
        self.finishedCount = 0
        self.fireOnOneCallback = fireOnOneCallback
        self.fireOnOneErrback = fireOnOneErrback
        self.consumeErrors = consumeErrors
        if not self._deferredList and not fireOnOneCallback:
            self.callback([])
        for index, deferred in enumerate(self._deferredList):
            deferred.addBoth(self._collect, index)

    def _cancel(self) -> None:
        """Cancel every Deferred of the list, which fires this one unless they refuse."""
        _cancel_all(self._deferredList)

    def _collect(self, result: Any, index: int) -> Any:
        success = not isinstance(result, Failure)
        self.resultList[index] = (success, result)
        self.finishedCount += 1
        if not self.called:
            if success and self.fireOnOneCallback:
                self.callback((result, index))
            elif not success and self.fireOnOneErrback:
                self.errback(FirstError(result, index))
            elif self.finishedCount == len(self.resultList):
                self.callback(self.resultList)
        return result if success or not self.consumeErrors else None


def gatherResults(
    deferredList: Iterable[Deferred[T]], consumeErrors: bool = False
) -> Deferred[list[T]]:
    """Return a Deferred of the list of all results; the first failure makes it fail at once.

    It fails with a FirstError.  `consumeErrors` is as in DeferredList.  Cancelling it
    cancels all of them.
    """
    gathered = DeferredList(deferredList, fireOnOneErrback=True, consumeErrors=consumeErrors)
    return gathered.addCallback(_results_only)


def _results_only(pairs: list[tuple[bool, T]]) -> list[T]:
    return [result for _, result in pairs]


def race(ds: Sequence[Deferred[T]]) -> Deferred[tuple[int, T]]:
    """Return a Deferred of (index, result) of the first that succeeds, and cancel the others.

    It fails with a FailureGroup when all of them fail, also when there are none.
    Cancelling it cancels all of them.
    """
    runners = list(ds)
    failures: dict[int, Failure] = {}
    decided = False

    def succeeded(result: T, index: int) -> None:
        nonlocal decided
        if not decided:
            decided = True
            _cancel_all(runners)
            outcome.callback((index, result))

    def failed(failure: Failure, index: int) -> None:
        failures[index] = failure
        if len(failures) == len(runners):
            fail_all()

    def fail_all() -> None:
        outcome.errback(FailureGroup([failures[index] for index in sorted(failures)]))

    outcome: Deferred[tuple[int, T]] = Deferred(lambda _: _cancel_all(runners))
    if not runners:
        fail_all()
    for index, runner in enumerate(runners):
        runner.addCallbacks(succeeded, failed, (index,), None, (index,))
    return outcome


def _cancel_all(several: list[Deferred[Any]]) -> None:
    """Cancel those that have not fired, whatever their cancellers raise."""
    for deferred in several:
        try:
            deferred.cancel()
        except Exception:
            logger.exception("The canceller of a Deferred raised")
