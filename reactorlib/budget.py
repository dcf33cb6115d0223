"""A bound on the connections a reactor accepts, all its ports together.

Past the bound a connection is accepted and closed at once, so that its peer
learns; the port's factory is told by `overloaded`.
"""

from __future__ import annotations

from typing import Any

from reactorlib import error
from reactorlib.failure import Failure
from reactorlib.tcp import Connection


class ConnectionBudget:
    """Counts the accepted connections that are open, up to `limit`."""

    def __init__(self, limit: int) -> None:
        if limit < 1:
            raise ValueError(f"the number of connections allowed must be 1 or more, not {limit}")
        self.limit = limit
        self.used = 0

    def exhausted(self) -> error.ConnectionLimitReached | None:
        """Why one more is refused, or None if it is not."""
        return error.ConnectionLimitReached(self.limit) if self.used >= self.limit else None

    def connection(self, reactor: Any, handle: int, peer: Any) -> Connection:
        """A connection that counts while it is open."""
        return CountedConnection(reactor, handle, peer, self)


class CountedConnection(Connection):
    """A connection that gives its place back when it is lost."""

    __slots__ = ("_budget",)

    def __init__(self, reactor: Any, handle: int, peer: Any, budget: ConnectionBudget) -> None:
        super().__init__(reactor, handle, peer)
        self._budget = budget
        budget.used += 1

    def tell_lost(self, protocol: Any, reason: Failure) -> None:
        self._budget.used -= 1
        super().tell_lost(protocol, reason)
