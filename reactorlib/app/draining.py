"""Leaves in good order: nobody new comes, those who are there are served to the end.

Before the reactor stops, ports are closed, and factories that know how
(`allConnectionsClosed`) finish what has begun. What is not finished in time is cut off.
How far a program is, it tells in a word: STARTING, READY, DRAINING.
"""

from __future__ import annotations

import logging
from typing import Any

from reactorlib.defer import (
    CancelledError,
    Deferred,
    TimeoutError,
    ensureDeferred,
    maybeDeferred,
)
from reactorlib.interfaces import IListeningPort
from reactorlib.task import deferLater

logger = logging.getLogger("reactorlib")


STARTING, READY, DRAINING = "starting", "ready", "draining"
LOOK_AGAIN = 0.05  # seconds until connections that nobody sees out are counted again


class Drain:
    """What a program serves, to be ended within `grace` seconds.

    `waits_for_all`: for connections of any other factory too, until their clients end
    them; otherwise these are closed at once. `state` is READY once `opened` was called.
    """

    def __init__(self, reactor: Any, grace: float, waits_for_all: bool) -> None:
        self._reactor = reactor
        self._grace = grace
        self._waits_for_all = waits_for_all
        self._ports: list[Any] = []
        self._factories: list[Any] = []
        self.state = STARTING
        reactor.addSystemEventTrigger("before", "shutdown", self._run)

    def add(self, port: Any, factory: Any) -> Any:
        """A port, which is given back, and the factory that it feeds."""
        self._ports.append(port)
        if hasattr(factory, "allConnectionsClosed") and factory not in self._factories:
            self._factories.append(factory)
        return port

    def opened(self) -> None:
        """All that is to be served is served."""
        if self.state == STARTING:
            self.state = READY

    def _run(self) -> Deferred[Any]:
        self.state = DRAINING
        whole = ensureDeferred(self._finish())
        return whole.addTimeout(self._grace, self._reactor).addErrback(self._too_late)

    async def _finish(self) -> None:
        for port in self._ports:
            if IListeningPort.providedBy(port):
                await maybeDeferred(port.stopListening)
        closing = [maybeDeferred(factory.allConnectionsClosed) for factory in self._factories]
        try:
            for each in closing:  # and no DeferredList, for which what is cancelled has succeeded
                await each.addErrback(_other_than_cancelled)
        except CancelledError:
            for each in closing:
                each.cancel()
            raise
        while self._waits_for_all and self._is_busy():
            await deferLater(self._reactor, LOOK_AGAIN)

    def _is_busy(self) -> bool:
        sinks = self._reactor.sinks.values()
        return any(getattr(sink, "protocol", None) is not None for sink in sinks)

    def _too_late(self, failure: Any) -> None:
        failure.trap(TimeoutError)
        logger.warning("After %g s some connections are not finished: they are cut", self._grace)


def _other_than_cancelled(failure: Any) -> Any:
    """A factory that fails keeps nobody else from finishing."""
    if failure.check(CancelledError):
        return failure
    logger.error("A factory cannot tell when its connections have closed", exc_info=failure.value)
    return None
