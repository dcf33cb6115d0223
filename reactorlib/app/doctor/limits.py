"""What bounds the connections of a machine: each limit, where it stands, how to lift it.

A limit that the system does not tell gives no finding. Nothing here reads the system.
"""

from __future__ import annotations

from collections.abc import Callable

from reactorlib.app.doctor.machine import (
    RESERVED_DESCRIPTORS,
    Finding,
    Machine,
    Question,
    workers_for,
)
from reactorlib.app.doctor.words import bytes_text, count, limit_text, plural

# Of the memory that is free, the part that connections may fill.
USABLE_MEMORY = 0.9


def limits(machine: Machine, asked: Question) -> list[Finding]:
    """Every limit that is known, in the order in which people meet them."""
    found = (limit(machine, asked) for limit in LIMITS)
    return [each for each in found if each is not None]


def open_files(machine: Machine, asked: Question) -> Finding | None:
    soft, hard = map(limit_text, machine.open_files)
    room = max(machine.descriptors - RESERVED_DESCRIPTORS, 0)
    return _bound(
        asked,
        "open files",
        f"{count(machine.descriptors)} a process (soft {soft}, raised at start; hard {hard}), "
        f"{RESERVED_DESCRIPTORS} kept free",
        f"RLIMIT_NOFILE, set by {_setter(machine)}",
        room * asked.workers,
        _more_files(machine, asked),
    )


def _setter(machine: Machine) -> str:
    if machine.system == "Darwin":
        return "launchd"
    return {
        "container": "the container's runtime",
        "systemd": "systemd",
        "login": "the login (PAM)",
    }[machine.manager]


def _more_files(machine: Machine, asked: Question) -> str:
    each = -(-(asked.connections or 2 * machine.per_process * asked.workers) // asked.workers)
    wanted = each + RESERVED_DESCRIPTORS
    more_hold = machine.per_process > 0 and not machine.selects
    steps = [_more_workers(machine, asked)] if more_hold else []
    if machine.nr_open is not None and wanted > machine.nr_open:
        steps.append(f"first `sysctl -w fs.nr_open={wanted}`, then raise the hard limit")
    steps.append(_raise_hard(machine, wanted))
    return "; or ".join(steps)


def _more_workers(machine: Machine, asked: Question) -> str:
    wanted = asked.workers + 1
    if asked.connections is not None:
        wanted = max(workers_for(machine, asked.connections), wanted)
    return f"start more processes: `--workers {wanted}` holds {count(wanted * machine.per_process)}"


def _raise_hard(machine: Machine, wanted: int) -> str:
    if machine.system == "Darwin":
        return f"`sudo launchctl limit maxfiles {wanted} {wanted}`"
    ways = {
        "container": f"`docker run --ulimit nofile={wanted}:{wanted}`",
        "systemd": f"`LimitNOFILE={wanted}` in the unit's [Service]",
        "login": f"`* hard nofile {wanted}` in /etc/security/limits.conf, then log in again",
    }
    first = ways.pop(machine.manager)
    return f"{first} (elsewhere {' or '.join(ways.values())})"


def select(machine: Machine, asked: Question) -> Finding | None:
    if not machine.selects:
        return None
    return _bound(
        asked,
        "select's set",
        f"descriptors below {count(machine.fd_setsize)} only",
        "FD_SETSIZE, fixed when the system's C library was built",
        max(machine.fd_setsize - RESERVED_DESCRIPTORS, 0) * asked.workers,
        "choose another backend, `--reactor epoll` or `--reactor poll` (kqueue on BSD and macOS)",
    )


def file_table(machine: Machine, asked: Question) -> Finding | None:
    if machine.file_max is None:
        return None
    free = machine.file_max - machine.files_open - RESERVED_DESCRIPTORS * asked.workers
    wanted = machine.file_max + _missing(asked, free)
    return _bound(
        asked,
        "files of the system",
        f"{count(machine.file_max)} in all, {count(machine.files_open)} open",
        "sysctl fs.file-max",
        free,
        f"`sysctl -w fs.file-max={wanted}`",
    )


def epoll_watches(machine: Machine, asked: Question) -> Finding | None:
    if machine.epoll_watches is None or machine.backend != "epoll":
        return None
    wanted = machine.epoll_watches + _missing(asked, machine.epoll_watches)
    return _bound(
        asked,
        "epoll's watches",
        f"{count(machine.epoll_watches)} for all processes of a user",
        "sysctl fs.epoll.max_user_watches",
        machine.epoll_watches,
        f"`sysctl -w fs.epoll.max_user_watches={wanted}`",
    )


def memory(machine: Machine, asked: Question) -> Finding | None:
    available, source, advice = _available(machine)
    each, workers = machine.connection, asked.workers
    usable = int(available * USABLE_MEMORY) - each.worker * workers
    state = (
        f"{bytes_text(available)} free; a connection takes {bytes_text(each.total)} "
        f"({bytes_text(each.user)} here, {bytes_text(each.kernel)} in the kernel), "
        f"a worker {bytes_text(each.worker)}"
    )
    return _bound(asked, "memory", state, source, usable // each.total, advice)


def _available(machine: Machine) -> tuple[int, str, str]:
    """Bytes; where they are bounded; how to have more."""
    if machine.memory_limit is not None:
        free = max(machine.memory_limit - machine.memory_used, 0)
        if free < machine.memory_available:
            limit = bytes_text(machine.memory_limit)
            advice = "give the container more (`docker run --memory`, MemoryMax= in a unit)"
            return free, f"the control group's limit of {limit}", advice
    return machine.memory_available, "the machine's memory", "use a machine with more memory"


def tcp_memory(machine: Machine, asked: Question) -> Finding | None:
    if machine.tcp_mem is None:
        return None
    _, pressure, most = machine.tcp_mem
    at = asked.connections or asked.workers * machine.per_process
    each = pressure * machine.page_size // max(at, 1)
    return _bound(
        asked,
        "TCP's buffers",
        f"{bytes_text(most * machine.page_size)} for data on its way: with {count(at)} connections "
        f"the kernel saves from {bytes_text(each)} each on; counted as a page each",
        "sysctl net.ipv4.tcp_mem (pages)",
        most,
        _more_tcp_memory(machine.tcp_mem, asked),
    )


def _more_tcp_memory(tcp_mem: tuple[int, int, int], asked: Question) -> str:
    factor = max(-(-(asked.connections or 0) // max(tcp_mem[2], 1)), 2)
    return "`sysctl -w net.ipv4.tcp_mem='{} {} {}'`".format(*(n * factor for n in tcp_mem))


def processes(machine: Machine, asked: Question) -> Finding | None:
    if machine.pids_limit is None:
        return None
    free = max(machine.pids_limit - machine.pids_used, 0)
    workers = max(min(free - 1, asked.workers), 0)  # one is their supervisor
    return _bound(
        asked,
        "processes",
        f"{count(machine.pids_limit)} processes and threads, {count(machine.pids_used)} in use: "
        f"enough for {plural(workers, 'worker')}",
        "the control group's pids.max",
        None if workers == asked.workers else workers * machine.per_process,
        "allow more (`docker run --pids-limit`, TasksMax= in a unit)",
    )


def tracking(machine: Machine, asked: Question) -> Finding | None:
    """The table counts only where a rule of the firewall asks for it."""
    if machine.conntrack_max is None or not machine.conntrack_used:
        return None
    free = machine.conntrack_max - machine.conntrack_used
    wanted = machine.conntrack_max + _missing(asked, free)
    return _bound(
        asked,
        "the firewall's table",
        f"{count(machine.conntrack_max)} connections, {count(machine.conntrack_used)} in it",
        "sysctl net.netfilter.nf_conntrack_max",
        free,
        f"`sysctl -w net.netfilter.nf_conntrack_max={wanted}`",
    )


def _missing(asked: Question, free: int) -> int:
    """How many more are wanted; as many again where no number was asked for."""
    return max(asked.connections - free, 0) if asked.connections is not None else max(free, 1)


def _bound(
    asked: Question, name: str, state: str, source: str, holds: int | None, advice: str
) -> Finding:
    holds = None if holds is None else max(holds, 0)
    too_little = holds is not None and asked.connections is not None and holds < asked.connections
    return Finding(name, state, source, holds, advice, too_little)


LIMITS: tuple[Callable[[Machine, Question], Finding | None], ...] = (
    open_files,
    select,
    file_table,
    epoll_watches,
    memory,
    tcp_memory,
    processes,
    tracking,
)
