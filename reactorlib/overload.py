"""What a listening port does with connections that cannot be accepted.

It says so, waits, and tries again, ever longer: never a busy loop, and never a
dead port.
"""

from __future__ import annotations

import logging
from errno import EMFILE, ENFILE
from typing import Any, Protocol

from reactorlib import error, rlimit

logger = logging.getLogger("reactorlib")

# Out of descriptors, a port waits this long, in seconds, doubled each time.
FIRST_BACKOFF = 0.05
LAST_BACKOFF = 0.5
LOG_INTERVAL = 1.0


class Listener(Protocol):
    """The port, whose place in the engine is `_handle`."""

    reactor: Any
    factory: Any
    _handle: int


class Overload:
    """A port's answer to connections that cannot be accepted: say so, wait, try again."""

    def __init__(self, port: Listener) -> None:
        self._port = port
        self._backoff = 0.0
        self._retry: Any = None
        self._logged = float("-inf")
        self._shed = 0

    def happened(self, number: int, shed: int) -> None:
        """The engine has paused the listener."""
        reactor = self._port.reactor
        self._backoff = min(self._backoff * 2, LAST_BACKOFF) or FIRST_BACKOFF
        self._retry = reactor.callLater(self._backoff, self._try_again)
        self.turned_away(_overload_reason(number, reactor), shed)

    def turned_away(self, reason: Exception, count: int = 1) -> None:
        """So many connections were closed, or none could be taken, for that reason."""
        reactor = self._port.reactor
        self._shed += count
        if reactor.seconds() - self._logged >= LOG_INTERVAL:
            self._logged = reactor.seconds()
            logger.warning(
                "%r cannot accept connections (%d turned away): %s", self._port, self._shed, reason
            )
            self._shed = 0
        overloaded = getattr(self._port.factory, "overloaded", None)
        if overloaded is not None:
            overloaded(reason)

    def _try_again(self) -> None:
        self._retry = None
        self._port.reactor.engine.resume(self._port._handle)

    def over(self) -> None:
        """A connection was accepted, or the port is gone."""
        self._backoff = 0.0
        if self._retry is not None:
            self._retry.cancel()
            self._retry = None


def _overload_reason(number: int, reactor: Any) -> Exception:
    of_the_backend: Exception | None = reactor.engine.explain_refusal(number)
    if of_the_backend is not None:
        return of_the_backend
    if number == EMFILE:
        return error.FileDescriptorLimit(number, rlimit.read().soft)
    if number == ENFILE:
        return error.FileDescriptorLimit(number)
    return OSError(number, error.describe_errno(number))
