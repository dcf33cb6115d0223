"""The errors of the Deferred package.

`TimeoutError` hides the built-in class of the same name and is not related to
it, nor to `reactorlib.error.TimeoutError`, which is about connections.
"""

from __future__ import annotations

from collections.abc import Sequence

from reactorlib.failure import Failure

__all__ = [
    "AlreadyCalledError",
    "CancelledError",
    "FailureGroup",
    "FirstError",
    "NotACoroutineError",
    "QueueOverflow",
    "QueueUnderflow",
    "TimeoutError",
]


class AlreadyCalledError(Exception):
    """A Deferred was fired a second time."""


class CancelledError(Exception):
    """A Deferred was cancelled, and its canceller gave it no other result."""


class TimeoutError(Exception):
    """A Deferred did not fire within the time that `addTimeout` gave it."""


class NotACoroutineError(TypeError):
    """A coroutine was needed, and something else was given."""


class QueueOverflow(Exception):
    """An object was put into a DeferredQueue that already holds `size` of them."""


class QueueUnderflow(Exception):
    """An object was asked of a DeferredQueue that owes `backlog` of them already."""


class FirstError(Exception):
    """The failure that ended a DeferredList made with `fireOnOneErrback`.

    Attributes:
        subFailure: the Failure.
        index: the place in the list of the Deferred that failed.
    """

    def __init__(self, failure: Failure, index: int) -> None:
        super().__init__(failure, index)
        self.subFailure = failure
        self.index = index

    def __repr__(self) -> str:
        return f"FirstError[#{self.index}, {self.subFailure.value!r}]"

    def __str__(self) -> str:
        return f"FirstError[#{self.index}, {self.subFailure}]"


class FailureGroup(Exception):
    """Every one of several Deferreds failed.

    Attributes:
        failures: their Failures, in the order of the Deferreds.
    """

    def __init__(self, failures: Sequence[Failure]) -> None:
        super().__init__(failures)
        self.failures = failures

    def __str__(self) -> str:
        return f"{len(self.failures)} failures: {', '.join(map(repr, self.failures))}"
