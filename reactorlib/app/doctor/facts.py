"""Reads the facts of this machine. Changes nothing, needs no rights.

What the system does not tell is None or the field's default. Files are read below
`root`, so that tests can give another one.
"""

from __future__ import annotations

import os
import platform
import resource
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path

import psutil

from reactorlib import rlimit
from reactorlib.app.doctor.machine import Machine

# Version 1 of control groups calls "no limit" a number near 2^63.
_NO_LIMIT = 1 << 60


def read(
    backend: str, root: Path = Path("/"), environment: Mapping[str, str] = os.environ
) -> Machine:
    """The machine, without what a connection takes: that is for memory.py to measure."""
    sysctl = root / "proc" / "sys"
    groups = ControlGroups(root)
    ports = _numbers(sysctl / "net/ipv4/ip_local_port_range")
    tcp_mem = _numbers(sysctl / "net/ipv4/tcp_mem")
    files = _numbers(sysctl / "fs/file-nr")
    return Machine(
        system=platform.system(),
        backend=backend,
        open_files=rlimit.read(),
        processors=_processors(),
        memory_available=psutil.virtual_memory().available,
        manager=_manager(root, environment, groups),
        nr_open=_number(sysctl / "fs/nr_open"),
        file_max=_number(sysctl / "fs/file-max"),
        files_open=files[0] if files else 0,
        epoll_watches=_number(sysctl / "fs/epoll/max_user_watches"),
        somaxconn=_number(sysctl / "net/core/somaxconn"),
        syn_backlog=_number(sysctl / "net/ipv4/tcp_max_syn_backlog"),
        syn_cookies=bool(_number(sysctl / "net/ipv4/tcp_syncookies")),
        port_range=(ports[0], ports[1]) if len(ports) == 2 else None,
        ports_reserved=_reserved(_text(sysctl / "net/ipv4/ip_local_reserved_ports"), ports),
        tcp_mem=(tcp_mem[0], tcp_mem[1], tcp_mem[2]) if len(tcp_mem) == 3 else None,
        page_size=resource.getpagesize(),
        memory_limit=groups.memory[0],
        memory_used=groups.memory[1],
        pids_limit=groups.pids[0],
        pids_used=groups.pids[1],
        conntrack_max=_number(sysctl / "net/netfilter/nf_conntrack_max"),
        conntrack_used=_number(sysctl / "net/netfilter/nf_conntrack_count") or 0,
        io_uring_disabled=_number(sysctl / "kernel/io_uring_disabled"),
    )


def _processors() -> int:
    """Those that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _manager(root: Path, environment: Mapping[str, str], groups: ControlGroups) -> str:
    """What has set the limits of this process."""
    if (root / ".dockerenv").exists() or (root / "run/.containerenv").exists():
        return "container"
    if "INVOCATION_ID" in environment or groups.is_service:
        return "systemd"
    return "login"


def _reserved(text: str, ports: list[int]) -> int:
    """How many of the range `ports` a list such as 40000,50000-50009 takes away."""
    if len(ports) != 2:
        return 0
    taken: set[int] = set()
    for part in filter(None, text.strip().split(",")):
        first, _, last = part.partition("-")
        taken.update(range(max(int(first), ports[0]), min(int(last or first), ports[1]) + 1))
    return len(taken)


class ControlGroups:
    """The control groups that this process is in: the smallest room of each and its parents."""

    def __init__(self, root: Path) -> None:
        self._mount = root / "sys/fs/cgroup"
        self._paths = dict(_groups(_text(root / "proc/self/cgroup")))
        self.is_service = any(path.endswith(".service") for path in self._paths.values())
        self.memory = self._smallest("memory", self._memory_limit)
        self.pids = self._smallest("pids", self._pids_limit)

    def _smallest(
        self, controller: str, limit: Callable[[Path], tuple[int | None, int]]
    ) -> tuple[int | None, int]:
        """The limit that leaves the least free, and what is used of it."""
        found = [
            (most - used, most, used)
            for folder in self._folders(controller)
            for most, used in [limit(folder)]
            if most is not None and most < _NO_LIMIT
        ]
        return min(found)[1:] if found else (None, 0)

    def _folders(self, controller: str) -> Iterator[Path]:
        for name, mount in ((controller, self._mount / controller), ("", self._mount)):
            path = self._paths.get(name)
            if path is not None:
                folder = mount / path.lstrip("/")
                yield from (each for each in (folder, *folder.parents) if _is_below(each, mount))

    @staticmethod
    def _memory_limit(folder: Path) -> tuple[int | None, int]:
        """The cache of files gives way, so that it is not in use."""
        for most, used, cache in (
            ("memory.max", "memory.current", "inactive_file"),
            ("memory.limit_in_bytes", "memory.usage_in_bytes", "total_inactive_file"),
        ):
            limit = _number(folder / most)
            if limit is not None:
                return limit, max((_number(folder / used) or 0) - _field(folder, cache), 0)
        return None, 0

    @staticmethod
    def _pids_limit(folder: Path) -> tuple[int | None, int]:
        return _number(folder / "pids.max"), _number(folder / "pids.current") or 0


def _groups(text: str) -> Iterator[tuple[str, str]]:
    """Each controller with its path; the one of version 2 has no name."""
    for line in text.splitlines():
        _, controllers, path = line.split(":", 2)
        yield from ((name, path) for name in controllers.split(","))


def _is_below(folder: Path, mount: Path) -> bool:
    return folder == mount or mount in folder.parents


def _field(folder: Path, name: str) -> int:
    for line in _text(folder / "memory.stat").splitlines():
        key, _, value = line.partition(" ")
        if key == name:
            return int(value)
    return 0


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except OSError:
        return ""


def _numbers(path: Path) -> list[int]:
    try:
        return [int(word) for word in _text(path).split()]
    except ValueError:  # such as "max"
        return []


def _number(path: Path) -> int | None:
    numbers = _numbers(path)
    return numbers[0] if numbers else None
