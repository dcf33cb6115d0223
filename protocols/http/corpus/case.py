"""What a case of the corpus is, and how rows of a table become cases."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass

ACCEPTED = 0

# Source, the bytes that matter, right outcomes, what is tried.
Row = tuple[str, bytes, "int | tuple[int, ...]", str]


@dataclass(frozen=True)
class Case:
    """A message, or some in a row, and what is right to do with it.

    `outcomes` are the statuses to refuse it with, or ACCEPTED, that the RFCs
    allow; the first is this project's. `messages` is how many there are to be
    accepted before that. `identifier` names the advisory, or the RFC and its
    section; `attempt` tells people what is tried.
    """

    identifier: str
    data: bytes
    outcomes: tuple[int, ...]
    attempt: str
    messages: int = 1

    @property
    def is_valid(self) -> bool:
        """Whether this project accepts all of it."""
        return self.outcomes[0] == ACCEPTED


def cases(rows: Iterable[Row], message: Callable[[bytes], bytes]) -> tuple[Case, ...]:
    """The cases of a table; `message` puts the bytes that matter into a message."""
    return tuple(case(*row, message=message) for row in rows)


def case(
    identifier: str,
    part: bytes,
    outcomes: int | tuple[int, ...],
    attempt: str,
    message: Callable[[bytes], bytes],
) -> Case:
    several = (outcomes,) if isinstance(outcomes, int) else outcomes
    accepted = int(several[0] == ACCEPTED)
    return Case(identifier, message(part), several, attempt, accepted)
