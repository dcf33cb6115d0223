"""Notices callbacks that take long, and tells whose they were.

It stands between a reactor and its callbacks only while somebody wants to know:
measuring costs more than many a callback.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
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


Teller = Callable[[float, str], object]


def log_slow(seconds: float, owner: str) -> None:
    """A teller: says it in the log."""
    logger.warning("Slow callback: %.3f s in %s", seconds, owner)


class Stopwatch:
    """Makes calls, and tells of those that take long.

    `tellers` are told how many seconds a call took, and whose it was: each of what takes
    longer than it wants to know.
    """

    def __init__(self, tellers: Mapping[Teller, float]) -> None:
        self._tellers = dict(tellers)
        self._least = min(self._tellers.values())

    def call(
        self, callable: Callable[..., object], args: tuple[Any, ...], kw: dict[str, Any]
    ) -> None:
        """Call a function."""
        self._time(repr, (callable,), callable, args, kw)

    def call_delayed(self, call: DelayedCall) -> None:
        """Make a delayed call."""
        self._time(repr, (call,), call.func, call.args, call.kw)

    def deliver(self, sink: Sink, kind: int, first: int, second: int, arena: Any) -> None:
        """Give a record of the engine's to the sink it is for."""
        subject = (kind, sink, sink.protocol)
        if kind == DATA:
            receive = sink.protocol.dataReceived if sink.receiving else sink.hold
            self._time(_of_record, subject, receive, (arena[first:second],), {})
        else:
            self._time(_of_record, subject, sink.event, (kind, first, second), {})

    def _time(
        self,
        describe: Callable[..., str],
        subject: tuple[Any, ...],
        callable: Callable[..., object],
        args: tuple[Any, ...],
        kw: dict[str, Any],
    ) -> None:
        begun = monotonic()
        try:
            callable(*args, **kw)
        finally:
            seconds = monotonic() - begun
            if seconds > self._least:
                self._tell(seconds, describe(*subject))

    def _tell(self, seconds: float, owner: str) -> None:
        for tell, least in self._tellers.items():
            if seconds > least:
                tell(seconds, owner)


def _of_record(kind: int, sink: Sink, protocol: Any) -> str:
    """Afterwards: a sink that is lost has let go of its protocol."""
    lost = protocol is not None and sink.protocol is None
    whose = f"{type(protocol).__name__}, {sink!r}" if lost else repr(sink)
    return f"{_FUNCTIONS[kind]} of {whose}"
