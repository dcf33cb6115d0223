"""What `Deferred.addTimeout` needs of a clock, and what it does to a CancelledError."""

from __future__ import annotations

from collections.abc import Callable
from typing import Protocol, TypeVar

from reactorlib.defer.errors import CancelledError, TimeoutError
from reactorlib.failure import Failure

__all__ = ["Clock", "cancelled_to_timed_out"]

T = TypeVar("T")


class DelayedCall(Protocol):
    """A call that a clock will make."""

    def active(self) -> bool:
        """Return whether the call is still to be made."""

    def cancel(self) -> object:
        """Do not make the call."""


class Clock(Protocol):
    """What makes delayed calls, such as a reactor."""

    def callLater(self, delay: float, callable: Callable[[], object], /) -> DelayedCall:
        """Call `callable` in `delay` seconds."""


def cancelled_to_timed_out(result: T | Failure, timeout: float) -> T:
    """Raise TimeoutError instead of a CancelledError, and pass on everything else."""
    if isinstance(result, Failure):
        result.trap(CancelledError)
        raise TimeoutError(timeout, "Deferred")
    return result
