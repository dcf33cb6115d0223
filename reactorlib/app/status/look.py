"""What one look at one process tells. Sizes are bytes, times are seconds.

Counts run since the process began, so that who looks twice has a rate. It travels as
JSON: `as_json` and `from_json` are each other's inverse.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field


@dataclass(frozen=True)
class SlowCall:
    """A callback, and the longest that one call of it took since the last look."""

    what: str
    seconds: float


@dataclass(frozen=True)
class Busy:
    """A connection that has moved much since the last look."""

    peer: str
    protocol: str
    received: int
    sent: int
    buffered: int


@dataclass(frozen=True)
class Queue:
    """A listening port: connections that the kernel holds for it, and how many it may hold."""

    address: str
    waiting: int
    limit: int


@dataclass(frozen=True)
class Look:
    """`worker` is its number under a supervisor; `lag` how late the loop was at worst.

    `clock` is monotonic and its own, and for rates only; `uptime` counts from the reactor's
    making. `processor` is the time used since the process began; `memory` is resident.

    `connections` counts by state: open, paused (not read from), closing (something is
    still to be sent), lingering (closed for the program, and waiting for the peer).
    """

    process: int
    worker: int | None
    name: str
    backend: str
    draining: bool
    clock: float
    uptime: float
    connections: dict[str, int]
    accepted: int
    received: int
    sent: int
    turns: int
    events: int
    lag: float
    buffered: int
    descriptors: int
    descriptor_limit: int
    memory: int
    processor: float
    queues: list[Queue] = field(default_factory=list)
    slowest: list[SlowCall] = field(default_factory=list)
    busiest: list[Busy] = field(default_factory=list)


def as_json(looks: Iterable[Look]) -> bytes:
    """On one line, without its end."""
    return json.dumps([asdict(look) for look in looks], separators=(",", ":")).encode()


def from_json(text: bytes) -> list[Look]:
    """Raises ValueError, KeyError or TypeError for anything else."""
    return [_look(**fields) for fields in json.loads(text)]


def _look(queues: object, slowest: object, busiest: object, **fields: object) -> Look:
    return Look(
        **fields,  # type: ignore[arg-type]
        queues=[Queue(**each) for each in queues],  # type: ignore[attr-defined]
        slowest=[SlowCall(**each) for each in slowest],  # type: ignore[attr-defined]
        busiest=[Busy(**each) for each in busiest],  # type: ignore[attr-defined]
    )
