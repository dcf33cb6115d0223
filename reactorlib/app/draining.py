"""Leaves in good order: nobody new comes, those who are there are served to the end.

Before the reactor stops, ports are closed, and factories that know how
(`allConnectionsClosed`) finish what has begun. What is not finished in time is cut off.
"""

from __future__ import annotations

import logging
from typing import Any

from reactorlib.defer import Deferred, DeferredList
from reactorlib.error import TimeoutError
from reactorlib.interfaces import IListeningPort

logger = logging.getLogger("reactorlib")


class Drain:
    """What a program serves, to be ended within `grace` seconds."""

    def __init__(self, reactor: Any, grace: float) -> None:
        self._reactor = reactor
        self._grace = grace
        self._ports: list[Any] = []
        self._factories: list[Any] = []
        reactor.addSystemEventTrigger("before", "shutdown", self._run)

    def add(self, port: Any, factory: Any) -> Any:
        """A port, which is given back, and the factory that it feeds."""
        self._ports.append(port)
        if hasattr(factory, "allConnectionsClosed") and factory not in self._factories:
            self._factories.append(factory)
        return port

    def _run(self) -> Deferred[Any]:
        ends = [port.stopListening() for port in self._ports if IListeningPort.providedBy(port)]
        ends += [factory.allConnectionsClosed() for factory in self._factories]
        whole = DeferredList([end for end in ends if end is not None], consumeErrors=True)
        return whole.addTimeout(self._grace, self._reactor).addErrback(self._too_late)

    def _too_late(self, failure: Any) -> None:
        failure.trap(TimeoutError)
        logger.warning("After %g s some connections are not finished: they are cut", self._grace)
