"""What the kernel knows of a process, read from /proc.

Processor time is the scheduler's own, in nanoseconds; never counted in ticks.
Memory is in bytes. A process that is gone raises FileNotFoundError.
"""

from __future__ import annotations

import re
import resource
from pathlib import Path
from typing import NamedTuple


class Memory(NamedTuple):
    """Resident bytes of a process, and those of them that are of its own making.

    The latter leave out pages of files, which change owner when another
    process maps the same library.
    """

    resident: int
    private: int


def ended_processor_ns(pid: int) -> int:
    """Processor time of a process of one thread that has ended and is not yet reaped."""
    return int(Path(f"/proc/{pid}/schedstat").read_text().split()[0])


def memory(pid: int) -> Memory:
    """The memory of a process at this moment."""
    fields = _kilobytes(Path(f"/proc/{pid}/smaps_rollup").read_text())
    return Memory(fields["Rss"], fields["Anonymous"])


def peak_resident(pid: int) -> int:
    """The most memory that was ever resident in a process."""
    return _kilobytes(Path(f"/proc/{pid}/status").read_text())["VmHWM"]


def raise_descriptor_limit() -> None:
    """Raise the limit of open descriptors as far as it goes; children inherit it."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))


def _kilobytes(text: str) -> dict[str, int]:
    return {
        name: int(number) * 1024
        for name, number in re.findall(r"^(\w+):\s+(\d+) kB$", text, re.MULTILINE)
    }
