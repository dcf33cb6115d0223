"""What happened between two looks, of each process and of all together."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from reactorlib.app.status.look import Look


@dataclass(frozen=True)
class Row:
    """One line of figures. Rates are per second; None where there is no look before.

    `seconds` lie between the looks.
    """

    label: str
    connections: dict[str, int]
    buffered: int
    descriptors: int
    descriptor_limit: int
    memory: int
    lag: float
    waiting: int | None
    seconds: float = 0.0
    accepted: float | None = None
    received: float | None = None
    sent: float | None = None
    turns: float | None = None
    events: float | None = None
    processor: float | None = None

    @property
    def events_in_a_turn(self) -> float | None:
        """On the average."""
        return self.events / self.turns if self.turns and self.events is not None else None


COUNTED = ("accepted", "received", "sent", "turns", "events", "processor")


def row(look: Look, before: Look | None) -> Row:
    """The figures of one process, whose look before may be there."""
    seconds = look.clock - before.clock if before is not None else 0.0
    rates = {
        name: (getattr(look, name) - getattr(before, name)) / seconds
        for name in COUNTED
        if seconds > 0
    }
    return Row(
        label=_label(look),
        connections=look.connections,
        buffered=look.buffered,
        descriptors=look.descriptors,
        descriptor_limit=look.descriptor_limit,
        memory=look.memory,
        lag=look.lag,
        waiting=sum(queue.waiting for queue in look.queues) if look.queues else None,
        seconds=max(0.0, seconds),
        **rates,
    )


def _label(look: Look) -> str:
    return (str(look.process) if look.worker is None else str(look.worker)) + (
        " ends" if look.draining else ""
    )


def total(rows: Sequence[Row]) -> Row:
    """All together; of a rate, those that have one."""
    states = dict.fromkeys(name for each in rows for name in each.connections)
    waiting = [each.waiting for each in rows if each.waiting is not None]
    known = [each for each in rows if each.seconds > 0]
    rates = {name: sum(getattr(each, name) for each in known) for name in COUNTED if known}
    return Row(
        label="all",
        connections={
            state: sum(each.connections.get(state, 0) for each in rows) for state in states
        },
        buffered=sum(each.buffered for each in rows),
        descriptors=sum(each.descriptors for each in rows),
        descriptor_limit=sum(each.descriptor_limit for each in rows),
        memory=sum(each.memory for each in rows),
        lag=max((each.lag for each in rows), default=0.0),
        waiting=sum(waiting) if waiting else None,
        **rates,
    )
