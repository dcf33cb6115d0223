"""System events: phases of triggers that may answer with Deferreds.

`before` triggers run first; when all Deferreds they returned have fired,
`during` triggers run, and then, the same way, those of `after`. A trigger
that raises is logged and hinders no other.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from reactorlib.defer import Deferred, DeferredList

logger = logging.getLogger("reactorlib")

PHASES = ("before", "during", "after")

Trigger = tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]


class SystemEvent:
    """The triggers of one event. Firing it uses them up."""

    def __init__(self) -> None:
        self._triggers: dict[str, list[Trigger]] = {phase: [] for phase in PHASES}

    def add(self, phase: str, trigger: Trigger) -> tuple[str, Trigger]:
        """Add a trigger; what is returned removes it. Raises KeyError for a wrong phase."""
        if phase not in PHASES:
            raise KeyError(f"the phase is one of {', '.join(PHASES)}, not {phase!r}")
        self._triggers[phase].append(trigger)
        return phase, trigger

    def remove(self, identifier: tuple[str, Trigger]) -> None:
        """Remove a trigger. Raises ValueError if it is not there (any more)."""
        phase, trigger = identifier
        for index, candidate in enumerate(self._triggers[phase]):
            if candidate is trigger:
                del self._triggers[phase][index]
                return
        raise ValueError(f"there is no such trigger: {trigger[0]!r}")

    def fire(self, done: Callable[[], object]) -> None:
        """Run the phases, then call `done`."""
        self._run_phase(0, done)

    def _run_phase(self, number: int, done: Callable[[], object]) -> None:
        if number == len(PHASES):
            done()
            return
        results = self._results(PHASES[number])
        waiting = [result for result in results if isinstance(result, Deferred)]
        if waiting:
            DeferredList(waiting, consumeErrors=True).addCallback(self._go_on, number, done)
        else:
            self._run_phase(number + 1, done)

    def _go_on(self, results: Any, number: int, done: Callable[[], object]) -> None:
        for succeeded, result in results:
            if not succeeded:
                logger.error("A system event trigger failed", exc_info=result.value)
        self._run_phase(number + 1, done)

    def _results(self, phase: str) -> list[object]:
        results: list[object] = []
        triggers = self._triggers[phase]
        while triggers:
            callable, args, kw = triggers.pop(0)
            try:
                results.append(callable(*args, **kw))
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:
                logger.exception("The system event trigger %r failed", callable)
        return results
