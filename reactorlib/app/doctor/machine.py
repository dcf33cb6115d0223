"""The facts that a verdict rests on, and what is asked. Values only; None is not known."""

from __future__ import annotations

from dataclasses import dataclass

from reactorlib.rlimit import UNLIMITED, Limits

# What one process keeps for itself of the limit of open files.
RESERVED_DESCRIPTORS = 64

DEFAULT_CEILING = 1 << 20  # the kernel's own default for fs.nr_open
DARWIN_CEILING = 10_240  # OPEN_MAX: setrlimit(2) of macOS
ASSUMED_USER = 1_024
ASSUMED_KERNEL = 4_096


@dataclass(frozen=True)
class PerConnection:
    """Bytes that an idle connection takes, in this process and in the kernel.

    `sample`: on how many connections `user` was measured, 0 where it is assumed;
    `kernel_known`: whether the kernel's share is this kernel's own figure;
    `worker`: bytes of a process without connections.
    """

    user: int = ASSUMED_USER
    kernel: int = ASSUMED_KERNEL
    sample: int = 0
    kernel_known: bool = False
    worker: int = 30 << 20

    @property
    def total(self) -> int:
        return self.user + self.kernel


@dataclass(frozen=True)
class Machine:
    """One machine, as a process on it sees it. Memory in bytes, `tcp_mem` in pages."""

    system: str  # as platform.system() says
    backend: str
    open_files: Limits
    processors: int
    memory_available: int
    manager: str = "login"  # what has set the limits: container, systemd, login
    fd_setsize: int = 1024
    nr_open: int | None = None
    file_max: int | None = None
    files_open: int = 0
    epoll_watches: int | None = None
    somaxconn: int | None = None
    syn_backlog: int | None = None
    syn_cookies: bool = False
    port_range: tuple[int, int] | None = None
    ports_reserved: int = 0
    tcp_mem: tuple[int, int, int] | None = None
    page_size: int = 4096
    memory_limit: int | None = None  # of the control group
    memory_used: int = 0
    pids_limit: int | None = None
    pids_used: int = 0
    conntrack_max: int | None = None
    conntrack_used: int = 0
    io_uring_disabled: int | None = None
    connection: PerConnection = PerConnection()

    @property
    def descriptors(self) -> int:
        """How far a process can raise its own limit of open files."""
        if self.open_files.hard != UNLIMITED:
            return self.open_files.hard
        if self.system == "Darwin":
            return DARWIN_CEILING
        return self.nr_open or DEFAULT_CEILING

    @property
    def per_process(self) -> int:
        """How many connections the descriptors of one process are enough for."""
        usable = min(self.descriptors, self.fd_setsize) if self.selects else self.descriptors
        return max(usable - RESERVED_DESCRIPTORS, 0)

    @property
    def selects(self) -> bool:
        return self.backend == "select"

    @property
    def ports(self) -> int | None:
        """How many connections one source address can make to one listening port."""
        if self.port_range is None:
            return None
        low, high = self.port_range
        return max(high - low + 1 - self.ports_reserved, 0)


@dataclass(frozen=True)
class Question:
    """Whether `connections` fit (None: how many do), with so many workers."""

    workers: int
    connections: int | None = None


def question(machine: Machine, connections: int | None, workers: int | None) -> Question:
    """By default as many workers as it takes, or one for each processor."""
    if workers is None:
        workers = workers_for(machine, connections) if connections else machine.processors
    return Question(workers, connections)


def workers_for(machine: Machine, connections: int) -> int:
    """How many workers it takes, by their descriptors."""
    return max(-(-connections // max(machine.per_process, 1)), 1)


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    `holds`: how many connections it allows, None where it bounds none;
    `source`: where the number stands; `advice`: what to do where it is too little, ""
    for nothing; `too_little`: whether it is, for what is asked.
    """

    name: str
    state: str
    source: str
    holds: int | None = None
    advice: str = ""
    too_little: bool = False
