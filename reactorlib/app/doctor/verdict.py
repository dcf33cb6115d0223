"""The conclusion: how many connections a machine holds, and what stops it first."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import Any

from reactorlib.app.doctor.limits import limits
from reactorlib.app.doctor.machine import Finding, Machine, Question
from reactorlib.app.doctor.notes import notes
from reactorlib.app.doctor.words import count, plural


@dataclass(frozen=True)
class Verdict:
    """`holds` connections, for `first` is the limit that is met before the others."""

    machine: Machine
    asked: Question
    limits: list[Finding]
    notes: list[Finding]
    first: Finding
    holds: int

    @property
    def fits(self) -> bool:
        """Whether what was asked for is held; anything is, where nothing was asked for."""
        return self.asked.connections is None or self.asked.connections <= self.holds

    def sentence(self) -> str:
        """One line that says it all."""
        workers = plural(self.asked.workers, "worker")
        return (
            f"This machine holds about {count(self.holds)} connections with {workers}; "
            f"the first limit is {self.first.name}"
        )

    def as_dict(self) -> dict[str, Any]:
        """For JSON."""
        return {
            "holds": self.holds,
            "fits": self.fits,
            "connections": self.asked.connections,
            "workers": self.asked.workers,
            "first_limit": self.first.name,
            "advice": self.first.advice,
            "limits": [asdict(each) for each in self.limits],
            "notes": [asdict(each) for each in self.notes],
            "machine": asdict(self.machine) | {"open_files": self.machine.open_files._asdict()},
        }


def conclude(machine: Machine, asked: Question) -> Verdict:
    """Look at everything. The limit of open files is always known, so there is a first one."""
    found = limits(machine, asked)
    holds, first = min(
        ((each.holds, each) for each in found if each.holds is not None), key=lambda pair: pair[0]
    )
    return Verdict(machine, asked, found, notes(machine, asked), first, holds)
