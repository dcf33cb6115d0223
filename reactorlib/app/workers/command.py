"""Workers that are runs of a command, which inherit their descriptors by number."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Mapping, Sequence

from reactorlib import systemd
from reactorlib.app.workers.sockets import Inheritance, Opened
from reactorlib.app.workers.supervisor import Worker


class Command:
    """Starts `command` for a worker, with its sockets.

    `given` is a descriptor that each inherits too: its number there is one argument more.
    """

    def __init__(
        self,
        command: Sequence[str],
        opened: Sequence[Opened],
        env: Mapping[str, str],
        given: int | None = None,
    ) -> None:
        self._command = command
        self._opened = opened
        self._env = env
        self._given = given

    def __call__(self, worker: Worker) -> None:
        names = systemd.inherited().pairs()
        targets = {descriptor: descriptor for descriptor in (0, 1, 2)}
        targets |= {descriptor: descriptor for _, descriptor in names}
        places = {}
        for each in self._opened:
            mine = each.for_worker(worker.slot).fileno()
            if each.descriptor is not None:  # the worker knows it by its number
                targets[each.descriptor] = mine
            else:
                places[_give(targets, mine)] = each.place
        control = _give(targets, worker.line.workers.fileno())
        command = [*self._command]
        if self._given is not None:
            command.append(str(_give(targets, self._given)))
        told = Inheritance(worker.slot, control, places, tuple([name for name, _ in names]))
        environment = {**self._env, **told.environment()}
        reactor = worker.supervisor.reactor
        reactor.spawnProcess(worker, command[0], command, environment, childFDs=targets)


def interpreter(program: str) -> list[str]:
    """The command of this interpreter with its options, that runs `program`.

    It imports nothing from the working directory, which may be what is served, or
    anybody's: Python would look there first.
    """
    options: list[str] = subprocess._args_from_interpreter_flags()  # type: ignore[attr-defined]
    safe = "import sys; sys.path[:] = filter(None, sys.path); "
    return [sys.executable, *options, "-c", safe + program]


def _give(targets: dict[int, int], descriptor: int) -> int:
    """The number under which a child is given a descriptor."""
    number = max(targets) + 1
    targets[number] = descriptor
    return number
