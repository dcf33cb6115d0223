"""Notices callbacks that take long, and tells whose they were.

It stands between a reactor and its callbacks only while somebody wants to know:
measuring costs more than many a callback.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Mapping
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
        self._time(callable, callable, args, kw)

    def call_delayed(self, call: DelayedCall) -> None:
        """Make a delayed call."""
        self._time(call, call.func, call.args, call.kw)

    def serve(
        self,
        records: Iterable[tuple[int, int, int, int]],
        sinks: Mapping[int, Sink],
        arena: Any,
        report: Callable[[Sink], object],
    ) -> None:
        """Give an engine's records to the sinks they are for, as a reactor does by itself.

        A call lasts until the next one begins: so the clock is read once for each.
        """
        find, clock, least = sinks.get, monotonic, self._least
        kind, before, protocol = 0, None, None
        begun = clock()
        for now_kind, handle, first, second in records:
            if (now := clock()) - begun > least and before is not None:
                self._tell(now - begun, _of_record(kind, before, protocol))
            begun, kind = now, now_kind
            before = sink = find(handle)
            if sink is None:
                continue
            protocol = sink.protocol
            try:
                if kind != DATA:
                    sink.event(kind, first, second)
                elif sink.receiving:
                    protocol.dataReceived(arena[first:second])
                else:
                    sink.hold(arena[first:second])
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:
                report(sink)
        if (now := clock()) - begun > least and before is not None:
            self._tell(now - begun, _of_record(kind, before, protocol))

    def _time(
        self,
        owner: object,
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
                self._tell(seconds, repr(owner))

    def _tell(self, seconds: float, owner: str) -> None:
        for tell, least in self._tellers.items():
            if seconds > least:
                tell(seconds, owner)


def _of_record(kind: int, sink: Sink, protocol: Any) -> str:
    """Afterwards: a sink that is lost has let go of its protocol."""
    lost = protocol is not None and sink.protocol is None
    whose = f"{type(protocol).__name__}, {sink!r}" if lost else repr(sink)
    return f"{_FUNCTIONS[kind]} of {whose}"
