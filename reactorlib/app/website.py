"""What becomes of a web application when its server ends, and a server that ends by itself."""

from __future__ import annotations

import logging
from typing import Any

from reactorlib.defer import Deferred, TimeoutError
from reactorlib.failure import Failure
from reactorlib.protocols.http.factory import HTTPFactory

logger = logging.getLogger("reactorlib")

LEAST = 3.0  # seconds; supervisors (TO_BE_KILLED) wait longer than that after the grace


class Farewell:
    """Ends an application's lifespan when the reactor stops, after its last connection.

    It has what is left of the grace, which connections may have used up, and LEAST seconds
    at least.
    """

    def __init__(self, reactor: Any, lifespan: Any, grace: float) -> None:
        self._reactor = reactor
        self._lifespan = lifespan
        self._grace = grace
        reactor.addSystemEventTrigger("before", "shutdown", self._begin)
        reactor.addSystemEventTrigger("after", "shutdown", self._end)

    def _begin(self) -> None:
        self._until = self._reactor.seconds() + self._grace

    def _end(self) -> Deferred[None]:
        seconds = max(LEAST, self._until - self._reactor.seconds())
        ended: Deferred[None] = self._lifespan.shutdown()
        return ended.addTimeout(seconds, self._reactor).addErrback(_not_ended, seconds)


def _not_ended(failure: Failure, seconds: float) -> None:
    late = failure.check(TimeoutError)
    how = f"it was given {seconds:.3g} s" if late else failure.getErrorMessage()
    logger.error("The application did not end well: %s", how)


def endAfter(count: int, factory: HTTPFactory, reactor: Any) -> None:
    """Have the program end, in good order, with the request of that number."""
    make = factory.protocol.requestFactory  # type: ignore[union-attr]
    left = count

    def counting(*arguments: Any) -> Any:
        nonlocal left
        left -= 1
        if left == 0:
            logger.info("%d requests have come: it ends", count)
            reactor.callSoon(reactor.stop)
        return make(*arguments)

    factory.protocol.requestFactory = staticmethod(counting)  # type: ignore[union-attr]
