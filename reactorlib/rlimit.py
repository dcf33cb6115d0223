"""Raises the number of files a process may have open.

The soft limit only ever rises, the hard limit is never touched, and no
refusal of the system is an error: the result tells it. What is reported is
read back from the system, not what was asked for.

A soft limit above FD_SETSIZE matters to the select backend only, which
cannot watch the descriptors above it.
"""

from __future__ import annotations

import sys
from typing import NamedTuple

try:
    import resource
except ImportError:  # not a POSIX system
    resource = None  # type: ignore[assignment]

UNLIMITED = sys.maxsize

# macOS refuses a soft limit above its OPEN_MAX with EINVAL when the hard one
# is infinite: setrlimit(2), "COMPATIBILITY".
OPEN_MAX = 10240

_NR_OPEN = "/proc/sys/fs/nr_open"
_DEFAULT_CEILING = 1 << 20  # the kernel's own default for nr_open


class Limits(NamedTuple):
    """Numbers of descriptors; UNLIMITED stands for no limit."""

    soft: int
    hard: int


class NofileLimits(NamedTuple):
    """The limits `before` and `after`, and why more was refused ("" if it was not)."""

    before: Limits
    after: Limits
    refusal: str = ""

    def describe(self) -> str:
        """One line for a log."""
        before, after = _count(self.before.soft), _count(self.after.soft)
        change = f"raised from {before} to {after}" if before != after else f"stays at {after}"
        refusal = f"; {self.refusal}" if self.refusal else ""
        return f"open files: soft limit {change} (hard limit {_count(self.after.hard)}){refusal}"


def read() -> Limits:
    """The limits in force; UNLIMITED where the system does not tell them."""
    if resource is None:
        return Limits(UNLIMITED, UNLIMITED)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    return Limits(_from_system(soft), _from_system(hard))


def raise_nofile(want: int | None = None) -> NofileLimits:
    """Raise the soft limit of open files to `want`, or as far as the hard one allows.

    Never lowers it, never raises an error. Where the system refuses the
    number, smaller ones are tried.
    """
    before = read()
    if resource is None:
        return NofileLimits(before, before, "this system does not tell its limits")
    refusal = _raise_soft(before.soft, _target(want, before.hard))
    return NofileLimits(before, read(), refusal)


def _count(limit: int) -> str:
    return "unlimited" if limit == UNLIMITED else str(limit)


def _from_system(limit: int) -> int:
    """RLIM_INFINITY is -1 or a huge number: made comparable."""
    return UNLIMITED if limit == resource.RLIM_INFINITY else limit


def _target(want: int | None, hard: int) -> int:
    wanted = UNLIMITED if want is None else _from_system(want)
    target = min(wanted, hard)
    return _ceiling() if target == UNLIMITED else target


def _ceiling() -> int:
    """How far to go where neither the hard limit nor the caller says."""
    if sys.platform == "darwin":
        return OPEN_MAX
    try:
        with open(_NR_OPEN, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):
        return _DEFAULT_CEILING


def _steps(soft: int, target: int) -> list[int]:
    """Limits to try, highest first: the target, its halves, and OPEN_MAX on the way."""
    steps = {target >> halving for halving in range(target.bit_length())} | {OPEN_MAX}
    return sorted((step for step in steps if soft < step <= target), reverse=True)


def _raise_soft(soft: int, target: int) -> str:
    """Raise the limit to the highest step the system takes; tell a refusal."""
    hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
    refusal = ""
    for step in _steps(soft, target):
        try:
            resource.setrlimit(resource.RLIMIT_NOFILE, (step, hard))
        except (OSError, ValueError, OverflowError) as error:  # ValueError: EINVAL and EPERM
            refusal = refusal or f"{step} was refused: {error}"
        else:
            break
    return refusal
