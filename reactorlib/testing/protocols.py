"""Protocols for tests."""

from __future__ import annotations

from typing import Any

from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.protocol import Protocol, connectionDone


class AccumulatingProtocol(Protocol):
    """Keeps the data it gets, and tells of its beginning and its end.

    `made` and `closed` are 1 after connectionMade and connectionLost; `data`
    is everything received, `closedReason` what connectionLost was given. A
    Deferred set as `closedDeferred`, or as the factory's
    `protocolConnectionMade`, fires (with None; with this protocol) and is
    taken away.
    """

    made = 0
    closed = 0
    closedReason: Failure | None = None
    closedDeferred: Deferred[None] | None = None
    data = b""

    def connectionMade(self) -> None:
        self.made = 1
        made: Deferred[Any] | None = getattr(self.factory, "protocolConnectionMade", None)
        if made is not None:
            self.factory.protocolConnectionMade = None
            made.callback(self)

    def dataReceived(self, data: bytes) -> None:
        self.data += data

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closed = 1
        self.closedReason = reason
        closed, self.closedDeferred = self.closedDeferred, None
        if closed is not None:
            closed.callback(None)
