"""Notices callbacks that take long, and says in the log whose they were.

It stands between a reactor and its callbacks only while a threshold is set:
measuring costs more than many a callback.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from time import monotonic
from typing import Any

from reactorlib.backends.events import (
    ACCEPTED,
    BLOCKED,
    CLEARED,
    CONNECTED,
    DATA,
    DATAGRAM,
    DESCRIPTOR,
    DRAINED,
    EMPTIED,
    EOF,
    FILE_SENT,
    LOST,
    OVERLOAD,
    READABLE,
    REFUSED,
    SEND_FAILED,
    SHUT,
    WRITABLE,
)
from reactorlib.sinks import Sink
from reactorlib.timers import DelayedCall

logger = logging.getLogger("reactorlib")

# The function of the user's that an event leads to.
_FUNCTIONS = {
    ACCEPTED: "buildProtocol or connectionMade",
    BLOCKED: "the congestion callback",
    CLEARED: "the congestion callback",
    CONNECTED: "buildProtocol or connectionMade",
    DATA: "dataReceived",
    DATAGRAM: "datagramReceived",
    DESCRIPTOR: "fileDescriptorReceived",
    DRAINED: "resumeProducing",
    EMPTIED: "resumeProducing",
    EOF: "readConnectionLost",
    FILE_SENT: "the Deferred of sendFile",
    LOST: "connectionLost",
    OVERLOAD: "overloaded",
    READABLE: "doRead",
    REFUSED: "connectionRefused",
    SEND_FAILED: "the log of what could not be sent",
    SHUT: "writeConnectionLost",
    WRITABLE: "doWrite",
}


class Stopwatch:
    """Makes calls, and logs those that take longer than `threshold` seconds."""

    def __init__(self, threshold: float) -> None:
        self.threshold = threshold

    def call(
        self, callable: Callable[..., object], args: tuple[Any, ...], kw: dict[str, Any]
    ) -> None:
        """Call a function."""
        self._time(repr(callable), callable, args, kw)

    def call_delayed(self, call: DelayedCall) -> None:
        """Make a delayed call."""
        self._time(repr(call), call.func, call.args, call.kw)

    def deliver(self, sink: Sink, kind: int, first: int, second: int, arena: Any) -> None:
        """Give a record of the engine's to the sink it is for."""
        owner = f"{_FUNCTIONS[kind]} of {sink!r}"
        if kind == DATA:
            receive = sink.protocol.dataReceived if sink.receiving else sink.hold
            self._time(owner, receive, (arena[first:second],), {})
        else:
            self._time(owner, sink.event, (kind, first, second), {})

    def _time(
        self,
        owner: str,
        callable: Callable[..., object],
        args: tuple[Any, ...],
        kw: dict[str, Any],
    ) -> None:
        begun = monotonic()
        try:
            callable(*args, **kw)
        finally:
            seconds = monotonic() - begun
            if seconds > self.threshold:
                logger.warning("Slow callback: %.3f s in %s", seconds, owner)
