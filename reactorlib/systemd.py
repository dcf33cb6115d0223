"""Sockets that systemd has opened, or whoever speaks its protocol (sd_listen_fds(3)).

Descriptors from 3 on are told by LISTEN_FDS, to the process that LISTEN_PID names,
with their names in LISTEN_FDNAMES. Taking them removes the variables and sets
close-on-exec, so that no child takes them for its own.
"""

from __future__ import annotations

import os
from collections.abc import MutableMapping, Sequence
from functools import cache

START = 3
UNNAMED = "unknown"

_VARIABLES = ("LISTEN_PID", "LISTEN_FDS", "LISTEN_FDNAMES")


class ListenFDs:
    """Inherited descriptors, in their order, and their names."""

    def __init__(self, descriptors: Sequence[int], names: Sequence[str] = ()) -> None:
        self._descriptors = list(descriptors)
        self._names = [*names, *[UNNAMED] * (len(self._descriptors) - len(names))]

    @classmethod
    def fromEnvironment(
        cls, environ: MutableMapping[str, str] | None = None, start: int = START
    ) -> ListenFDs:
        """Take what the environment tells, by default this process's.

        It is empty when the variables are for another process, or make no sense, and
        ends before the first descriptor that is not open.
        """
        environment = os.environ if environ is None else environ
        pid, count, names = (environment.get(each, "") for each in _VARIABLES)
        if not _is_number(pid) or int(pid) != os.getpid():
            return cls([])
        for each in _VARIABLES:
            environment.pop(each, None)
        descriptors = _take(start, int(count)) if _is_number(count) else []
        return cls(descriptors, names.split(":") if names else ())

    def inheritedDescriptors(self) -> list[int]:
        """The descriptors, in systemd's order."""
        return list(self._descriptors)

    def inheritedNamedDescriptors(self) -> dict[str, int]:
        """The descriptors by name; of several with one name, the last."""
        return dict(self.pairs())

    def pairs(self) -> list[tuple[str, int]]:
        """Each descriptor with its name."""
        return list(zip(self._names, self._descriptors, strict=False))


def _take(start: int, count: int) -> list[int]:
    """Set close-on-exec on that many, up to the first that is not open."""
    taken: list[int] = []
    for descriptor in range(start, start + count):
        try:
            os.set_inheritable(descriptor, False)
        except OSError:
            break
        taken.append(descriptor)
    return taken


def _is_number(text: str) -> bool:
    return text.isascii() and text.isdigit() and len(text) < 10


@cache
def inherited() -> ListenFDs:
    """What this process has inherited, taken from its environment once."""
    return ListenFDs.fromEnvironment()
