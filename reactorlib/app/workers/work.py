"""What a program has its workers do, whichever way they came to be."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from reactorlib.app.draining import Drain
from reactorlib.app.workers.worker import Control
from reactorlib.defer import ensureDeferred, maybeDeferred
from reactorlib.endpoints.strings import serverFromString
from reactorlib.failure import Failure

logger = logging.getLogger("reactorlib")


@dataclass(frozen=True)
class Work:
    """Serve the factory that `start(reactor)` gives on all endpoints of `listen`.

    At the end connections get `grace` seconds to finish.
    """

    start: Callable[[Any], Any]
    listen: tuple[str, ...]
    grace: float

    def do(self, reactor: Any, control: Control) -> None:
        """Do it to the end. Raises SystemExit if it cannot begin."""

        def is_ready(_: object) -> None:
            reactor.callWhenRunning(control.tell_ready, self.grace)

        def cannot_begin(failure: Failure) -> None:
            if not failure.check(SystemExit):
                logger.critical("This worker cannot begin", exc_info=failure.value)
                failure = Failure(SystemExit(1))
            reactor.callSoon(failure.raiseException)

        drain = Drain(reactor, self.grace, waits_for_all=True)
        ensureDeferred(self._begin(reactor, drain)).addCallbacks(is_ready, cannot_begin)
        reactor.run()

    async def _begin(self, reactor: Any, drain: Drain) -> None:
        factory = await maybeDeferred(self.start, reactor)
        if not hasattr(factory, "buildProtocol"):
            raise TypeError(f"{self.start!r} has to give a factory, not {factory!r}")
        for description in self.listen:
            port = await serverFromString(reactor, description).listen(factory)
            drain.add(port, factory)
