"""What the figures were measured on, as a table of short sentences."""

from __future__ import annotations

import os
import platform
import re
import subprocess
from pathlib import Path

from bench.workshop import CHECKOUT, HTTP_PEERS, PEERS, Workshop


def cores() -> tuple[int, int]:
    """A core for the server and another for the load; the same one when there is but one."""
    usable = sorted(os.sched_getaffinity(0))
    server = usable[0]
    siblings = _numbers(f"/sys/devices/system/cpu/cpu{server}/topology/thread_siblings_list")
    others = sorted(usable[1:], key=lambda core: core in siblings)
    return server, (others or usable)[0]


def describe(workshop: Workshop, with_peers: bool) -> dict[str, str]:
    """The machine; with the versions of the peers only when some of them took part."""
    described = {
        "processor": _processor(),
        "cores": str(len(os.sched_getaffinity(0))),
        "kernel": f"{platform.system()} {platform.release()}",
        "python": f"{platform.python_implementation()} {platform.python_version()}",
        "compiler": _first_line([os.environ.get("CC", "cc"), "--version"]),
        "congestion control": Path("/proc/sys/net/ipv4/tcp_congestion_control").read_text().strip(),
    }
    if with_peers:
        versions = {name.lower(): version for name, version in workshop.versions().items()}
        names = [name for name in (*PEERS, *HTTP_PEERS, "reactorlib") if name in versions]
        described["packages"] = ", ".join(f"{name} {versions[name]}" for name in names)
    commit = _first_line(["git", "-C", str(CHECKOUT), "describe", "--always", "--dirty"])
    return described | ({"commit": commit} if commit else {})


def _processor() -> str:
    found = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    return found[1] if found else platform.machine()


def _numbers(path: str) -> set[int]:
    """The numbers of a list such as 0-1,8."""
    numbers: set[int] = set()
    for part in Path(path).read_text().strip().split(","):
        first, _, last = part.partition("-")
        numbers.update(range(int(first), int(last or first) + 1))
    return numbers


def _first_line(command: list[str]) -> str:
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0] if done.returncode == 0 else ""
