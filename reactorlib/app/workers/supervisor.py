"""Looks after workers: starts, replaces and ends them.

It holds:

- The listening sockets stay open as long as it lives, whatever its workers do.
- A worker that ends by itself is replaced, ever later the sooner it ends, up to
  `LONGEST_PAUSE` seconds; one that has never been ready ends everything, for what is
  wrong with it is wrong with the next one too.
- `reload` replaces one worker after the other: the old one leaves when the new one is
  ready.
- At the end all are told to leave; what is left after the grace is killed. It ends
  after its last worker.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from reactorlib import systemd
from reactorlib.app.workers.sockets import Inheritance, Opened
from reactorlib.defer import Deferred
from reactorlib.error import ProcessExitedAlready
from reactorlib.failure import Failure
from reactorlib.protocol import ProcessProtocol

logger = logging.getLogger("reactorlib")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
STEADY = 10.0  # seconds after which a worker is not taken to have failed at its start


class Line:
    """The supervisor's end of the line to one worker."""

    def __init__(self, reactor: Any, ready: Callable[[], None]) -> None:
        self._reactor = reactor
        self._ready = ready
        self._socket, self.workers = socket.socketpair()
        self._socket.setblocking(False)
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._socket.fileno()

    def doRead(self) -> None:
        if self._socket.recv(1):
            self._ready()
        else:
            self._reactor.removeReader(self)

    def close(self) -> None:
        self._reactor.removeReader(self)
        self._socket.close()

    def connectionLost(self, reason: Any) -> None:
        """The reactor has lost it."""

    def logPrefix(self) -> str:
        return "supervisor"


class Worker(ProcessProtocol):
    """One process. `ready` is true once it serves."""

    def __init__(self, supervisor: Supervisor, slot: int) -> None:
        self.slot = slot
        self.ready = False
        self._supervisor = supervisor
        self._began = supervisor.reactor.seconds()
        self._line = Line(supervisor.reactor, self._is_ready)

    def start(
        self, command: Sequence[str], opened: Sequence[Opened], env: Mapping[str, str]
    ) -> None:
        """Start it, with its sockets."""
        names = systemd.inherited().pairs()
        targets = {descriptor: descriptor for descriptor in (0, 1, 2)}
        targets |= {descriptor: descriptor for _, descriptor in names}
        places = {}
        for each in opened:
            mine = each.for_worker(self.slot).fileno()
            if each.descriptor is not None:  # the worker knows it by its number
                targets[each.descriptor] = mine
            else:
                number = max(targets) + 1
                targets[number] = mine
                places[number] = each.place
        control = max(targets) + 1
        targets[control] = self._line.workers.fileno()
        told = Inheritance(control, places, tuple([name for name, _ in names]))
        environment = {**env, **told.environment()}
        reactor = self._supervisor.reactor
        reactor.spawnProcess(self, command[0], command, environment, childFDs=targets)
        self._line.workers.close()

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        age: float = self._supervisor.reactor.seconds() - self._began
        return age

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        with contextlib.suppress(ProcessExitedAlready):
            self.transport.signalProcess(number)

    def _is_ready(self) -> None:
        self.ready = True
        self._supervisor.is_ready(self)

    def processEnded(self, reason: Failure) -> None:
        self._line.close()
        self._supervisor.has_ended(self, reason)


class Supervisor:
    """Keeps `count` workers, each a run of `command`, on sockets that were opened.

    `failed` is the exit code of a worker that could not begin, else None.
    """

    def __init__(
        self,
        reactor: Any,
        command: Sequence[str],
        opened: Sequence[Opened],
        count: int,
        env: Mapping[str, str],
        grace: float,
    ) -> None:
        self.reactor = reactor
        self.failed: int | None = None
        self.workers: dict[int, Worker] = {}  # by slot: those that shall stay
        self._command = command
        self._opened = opened
        self._count = count
        self._env = env
        self._grace = grace
        self._all: set[Worker] = set()
        self._replacing: list[int] = []  # slots whose workers are to be replaced yet
        self._pauses = [FIRST_PAUSE] * count
        self._ending: Deferred[None] | None = None

    def start(self) -> None:
        """Start all workers."""
        for slot in range(self._count):
            self._begin(slot)

    def _begin(self, slot: int) -> None:
        if self._ending is not None:
            return
        worker = self.workers[slot] = Worker(self, slot)
        self._all.add(worker)
        worker.start(self._command, self._opened, self._env)
        logger.info("Worker %d begins: process %d", slot, worker.transport.pid)

    def is_ready(self, worker: Worker) -> None:
        """A worker serves: the one it replaces may leave."""
        for other in self._all:
            if other.slot == worker.slot and other is not worker:
                other.signal(signal.SIGTERM)
        if self._replacing and self._replacing[0] == worker.slot:
            del self._replacing[0]
            self._replace_next()

    def has_ended(self, worker: Worker, reason: Failure) -> None:
        """A worker's process is gone."""
        self._all.discard(worker)
        if self._ending is not None:
            if not self._all:
                self._ending.callback(None)
            return
        if self.workers.get(worker.slot) is not worker:
            return  # it has been replaced
        how = reason.getErrorMessage()
        code = getattr(reason.value, "exitCode", None)
        if code and not worker.ready and self._is_first(worker):
            logger.error("A worker could not begin (%s): nothing is served", how)
            self.failed = code
            self.reactor.stop()
            return
        pause = self._next_pause(worker)
        logger.warning(
            "Worker %d has ended (%s); another begins in %.1f s", worker.slot, how, pause
        )
        self.reactor.callLater(pause, self._begin, worker.slot)

    def _is_first(self, worker: Worker) -> bool:
        """Whether no worker of its slot has ever been ready."""
        return self._pauses[worker.slot] == FIRST_PAUSE

    def _next_pause(self, worker: Worker) -> float:
        if worker.age > STEADY:
            self._pauses[worker.slot] = FIRST_PAUSE
        pause = self._pauses[worker.slot]
        self._pauses[worker.slot] = min(pause * 2, LONGEST_PAUSE)
        return pause

    def reload(self) -> None:
        """Replace all workers, one after the other."""
        logger.info("Workers are replaced, one by one")
        idle = not self._replacing
        self._replacing = [*self._replacing[:1], *range(self._count)]
        if idle:
            self._replace_next()

    def _replace_next(self) -> None:
        if self._replacing:
            self._begin(self._replacing[0])

    def end(self) -> Deferred[None]:
        """Have all leave; fires when the last one has."""
        self._ending = Deferred()
        if not self._all:
            self._ending.callback(None)
        for worker in self._all:
            worker.signal(signal.SIGTERM)
        self.reactor.callLater(self._grace, self.kill)
        return self._ending

    def kill(self) -> None:
        """End those that are left at once."""
        for worker in self._all:
            logger.warning("Worker %d does not end: it is killed", worker.slot)
            worker.signal(signal.SIGKILL)
