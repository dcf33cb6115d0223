"""What the kernel knows of a process, read from /proc.

Processor time is the scheduler's own, in nanoseconds; never counted in ticks.
Memory is in bytes. A process that is gone raises FileNotFoundError.
"""

from __future__ import annotations

import re
import resource
from pathlib import Path
from typing import NamedTuple

_PAGE = resource.getpagesize()
_OBJECTS = ("TCP", "sock_inode_cache", "filp", "eventpoll_epi", "eventpoll_pwq", "lsm_file_cache")


class Memory(NamedTuple):
    """Resident bytes of a process, and those of them that are of its own making.

    The latter leave out pages of files, which change owner when another
    process maps the same library.
    """

    resident: int
    private: int


def tcp_sockets() -> int:
    """How many TCP sockets over IPv4 are in use in this network, both ends of a connection."""
    text = Path("/proc/net/sockstat").read_text()
    found = re.search(r"^TCP: inuse (\d+)", text, re.MULTILINE)
    assert found is not None
    return int(found[1])


def socket_memory() -> int:
    """Memory of the kernel's objects for all TCP sockets over IPv4, free ones in slabs too.

    Its names are among those of all files: each socket has one, and one inode. What waits in
    buffers is not here. PermissionError for all but root.
    """
    lines = [line.split() for line in Path("/proc/slabinfo").read_text().splitlines()[2:]]
    count = {words[0]: int(words[2]) for words in lines}
    size = {words[0]: int(words[5]) * _PAGE // int(words[4]) for words in lines}
    names = count["sock_inode_cache"] * size["dentry"]
    return names + sum(count[name] * size[name] for name in _OBJECTS if name in count)


def processor_ns(pid: int) -> int:
    """Processor time of a process of one thread, which may have ended, if it is not yet reaped."""
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
