"""A bound on the connections a reactor accepts, all its ports together.

Past the bound a connection is accepted and closed at once, so that its peer
learns; the port's factory is told by `overloaded`. A factory that has `buildRefusal`
says so to the peer in its own words first, to a bounded number at once.
"""

from __future__ import annotations

from reactorlib import error
from reactorlib.failure import Failure


class ConnectionBudget:
    """Counts the accepted connections that are open, up to `limit`.

    `refusals` is the budget of those that are being told that they are one too many;
    without one, nobody is told.
    """

    def __init__(self, limit: int, refusals: ConnectionBudget | None = None) -> None:
        if limit < 1:
            raise ValueError(f"the number of connections allowed must be 1 or more, not {limit}")
        self.limit = limit
        self.refusals = refusals
        self.used = 0

    def exhausted(self) -> error.ConnectionLimitReached | None:
        """Why one more is refused, or None if it is not."""
        return error.ConnectionLimitReached(self.limit) if self.used >= self.limit else None

    def take(self) -> ConnectionBudget:
        """One more is accepted; its keeper is this."""
        self.used += 1
        return self

    def connection_lost(self, reason: Failure) -> None:
        """It gives its place back."""
        self.used -= 1
