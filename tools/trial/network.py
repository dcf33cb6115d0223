"""A network of several machines on one, by network namespaces on a bridge.

All of it lies in namespaces of the process that begins it (`apart`), its processes too:
nothing else on the machine sees it, and it is gone when that process is. Needs root, or a
kernel that lets users have namespaces.
"""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping, Sequence

BRIDGE = "bridge"
OF_ITS_OWN = ("--net", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc")


class Refused(Exception):
    """The machine does not give what is needed; the text says what."""


def apart(command: Sequence[str]) -> list[str]:
    """A command line that runs a command with a network and processes of its own.

    Raises Refused.
    """
    unshare = ["unshare", *([] if os.geteuid() == 0 else ["--map-root-user"]), *OF_ITS_OWN]
    try:
        tried = subprocess.run([*unshare, "true"], capture_output=True, text=True)
    except OSError as problem:
        raise Refused(f"unshare (of util-linux) is needed: {problem.strerror}") from problem
    if tried.returncode != 0:
        raise Refused(f"this machine refuses namespaces: {tried.stderr.strip()}; try as root")
    return [*unshare, *command]


def build(own: str, machines: Mapping[str, str]) -> None:
    """Make the machines, by name with their addresses; this process has the address `own`.

    Addresses are of one network of 256. Raises Refused if a command of iproute2 fails.
    """
    _run("mount", "-t", "tmpfs", "tmpfs", "/run")
    _ip("link", "set", "lo", "up")
    _ip("link", "add", BRIDGE, "type", "bridge")
    _ip("address", "add", f"{own}/24", "dev", BRIDGE)
    _ip("link", "set", BRIDGE, "up")
    for name, address in machines.items():
        _add(name, address)


def inside(machine: str, command: Sequence[str]) -> list[str]:
    """A command line that runs a command on that machine."""
    return ["ip", "netns", "exec", machine, *command]


def _add(name: str, address: str) -> None:
    cable = f"to-{name}"
    _ip("netns", "add", name)
    _ip("link", "add", cable, "type", "veth", "peer", "name", "eth0", "netns", name)
    _ip("link", "set", cable, "master", BRIDGE, "up")
    for words in (
        ("address", "add", f"{address}/24", "dev", "eth0"),
        ("link", "set", "lo", "up"),
        ("link", "set", "eth0", "up"),
    ):
        _ip("-netns", name, *words)


def _ip(*words: str) -> None:
    _run("ip", *words)


def _run(*command: str) -> None:
    done = subprocess.run(command, capture_output=True, text=True)
    if done.returncode != 0:
        raise Refused(f"{' '.join(command)}: {done.stderr.strip()}")
