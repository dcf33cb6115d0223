"""Looks after workers: starts, replaces and ends them.

It holds:

- The listening sockets stay open as long as it lives, whatever its workers do.
- A worker that ends by itself is replaced, ever later the sooner it ends, up to
  `LONGEST_PAUSE` seconds; one that has never been ready ends everything, for what is
  wrong with it is wrong with the next one too.
- `reload` replaces one worker after the other: the old one leaves when the new one is
  ready. If a new one cannot begin, all others stay, and the reload ends there.
- At the end all are told to leave; what is left after the grace is killed. It ends
  after its last worker.
"""

from __future__ import annotations

import contextlib
import logging
import signal
import socket
from collections.abc import Callable
from typing import Any

from reactorlib.app.draining import DRAINING, READY, STARTING
from reactorlib.defer import Deferred
from reactorlib.error import ProcessExitedAlready, ReactorNotRunning
from reactorlib.failure import Failure
from reactorlib.protocol import ProcessProtocol

logger = logging.getLogger("reactorlib")

FIRST_PAUSE = 0.1
LONGEST_PAUSE = 10.0
TO_BE_KILLED = 8.0  # seconds beyond the grace that workers give their connections
STEADY = 10.0  # seconds after which a worker is not taken to have failed at its start
LATE = 30.0  # seconds after which one that is not ready is worth a warning


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

    def forget(self) -> None:
        """In a forked child, with the reactor of its parent: close this copy."""
        self._socket.close()

    def connectionLost(self, reason: Any) -> None:
        """The reactor has lost it."""

    def logPrefix(self) -> str:
        return "supervisor"


class Worker(ProcessProtocol):
    """One process. `ready` is true once it serves; `line` leads to it."""

    def __init__(self, supervisor: Supervisor, slot: int) -> None:
        self.slot = slot
        self.ready = False
        self.supervisor = supervisor
        self.line = Line(supervisor.reactor, self._is_ready)
        self._began = supervisor.reactor.seconds()
        self._timer = supervisor.reactor.callLater(LATE, self._is_late)

    def start(self) -> None:
        """Start it, with its sockets. Raises OSError, and leaves nothing, if it cannot be."""
        try:
            self.supervisor.launch(self)
        except BaseException:
            self._end_watch()
            raise
        finally:
            self.line.workers.close()

    @property
    def age(self) -> float:
        """Seconds since it was started."""
        age: float = self.supervisor.reactor.seconds() - self._began
        return age

    def signal(self, number: int) -> None:
        """Send it a signal, unless it has ended."""
        with contextlib.suppress(ProcessExitedAlready):
            self.transport.signalProcess(number)

    def leave(self, grace: float) -> None:
        """Tell it to end, and kill it if it has not within `grace` seconds."""
        self.signal(signal.SIGTERM)
        self._cancel_timer()
        self._timer = self.supervisor.reactor.callLater(grace, self.kill)

    def kill(self) -> None:
        """End it at once."""
        logger.warning("Worker %d does not end: it is killed", self.slot)
        self.signal(signal.SIGKILL)

    def _is_ready(self) -> None:
        if not self.ready:
            self.ready = True
            self.supervisor.is_ready(self)

    def _is_late(self) -> None:
        if not self.ready:
            logger.warning(
                "Worker %d, process %d, is not ready after %g s",
                self.slot,
                self.transport.child,
                LATE,
            )

    def _end_watch(self) -> None:
        self.line.close()
        self._cancel_timer()

    def _cancel_timer(self) -> None:
        if self._timer.active():
            self._timer.cancel()

    def forget(self) -> None:
        """In a worker that was forked: close the supervisor's side of this one."""
        self.line.forget()
        if self.transport is not None:
            self.transport.forget()

    def processEnded(self, reason: Failure) -> None:
        self._end_watch()
        self.supervisor.has_ended(self, reason)


class Supervisor:
    """Keeps `count` workers, which `launch` starts.

    `launch` raises OSError if the system has no room for one more process now. `served`
    is called once: when each of them has been ready, and so all sockets are served.
    `failed` is the exit code of a worker that could not begin, else None.
    """

    def __init__(
        self,
        reactor: Any,
        launch: Callable[[Worker], object],
        count: int,
        grace: float,
        served: Callable[[], object] = lambda: None,
    ) -> None:
        self.reactor = reactor
        self.launch = launch
        self.failed: int | None = None
        self.workers: dict[int, Worker] = {}  # by slot: those that shall stay
        self._count = count
        self._grace = grace
        self._served = served
        self._all: set[Worker] = set()
        self._replacement: Worker | None = None  # takes its slot over when it is ready
        self._replacing: list[int] = []  # slots whose workers are to be replaced after that
        self._pauses = [FIRST_PAUSE] * count
        self._again: dict[int, Any] = {}  # by slot: the timer of one that begins after a pause
        self._proven: set[int] = set()  # slots in which a worker has been ready
        self._ending: Deferred[None] | None = None

    def run(self) -> None:
        """Run the reactor, and keep workers until a signal ends it, or none can begin."""
        self.reactor.callWhenRunning(self.start)
        self.reactor.addSystemEventTrigger("before", "shutdown", self.end)
        before = signal.signal(signal.SIGHUP, lambda *_: self.reactor.callFromThread(self.reload))
        try:
            self.reactor.run()
        finally:
            signal.signal(signal.SIGHUP, before)
        self.kill()

    def start(self) -> None:
        """Start all workers."""
        for slot in range(self._count):
            self._begin(slot)

    def processes(self) -> dict[int, int]:
        """The number of each worker, by its process; those too that come or go."""
        return {worker.transport.child: worker.slot for worker in self._all}

    @property
    def state(self) -> str:
        """READY while at least one of those that shall stay serves."""
        if self._is_ending:
            return DRAINING
        return READY if any(each.ready for each in self.workers.values()) else STARTING

    def _begin(self, slot: int) -> None:
        self._again.pop(slot, None)
        if self._is_ending:
            return
        worker = self._started(slot)
        if worker is not None:
            self.workers[slot] = worker
        else:
            self._begin_later(slot, self._next_pause(slot))

    def _started(self, slot: int) -> Worker | None:
        """A new worker, or None if the system has no room for one now."""
        try:
            worker = Worker(self, slot)
            worker.start()
        except OSError as problem:
            logger.error("Worker %d cannot be started: %s", slot, problem)
            return None
        self._all.add(worker)
        logger.info("Worker %d begins: process %d", slot, worker.transport.child)
        return worker

    def _begin_later(self, slot: int, pause: float) -> None:
        self._again[slot] = self.reactor.callLater(pause, self._begin, slot)

    def is_ready(self, worker: Worker) -> None:
        """A worker serves: the one it replaces may leave."""
        if worker.slot not in self._proven:
            self._proven.add(worker.slot)
            if len(self._proven) == self._count:
                self._served()
        if worker is self._replacement:
            self._replacement = None
            old = self.workers.get(worker.slot)
            self.workers[worker.slot] = worker
            if old is not None:
                old.leave(self._grace)
            self._replace_next()

    def has_ended(self, worker: Worker, reason: Failure) -> None:
        """A worker's process is gone."""
        self._all.discard(worker)
        if self._ending is not None and not self._all:
            self._ending.callback(None)
        if self._is_ending:
            return
        how = reason.getErrorMessage()
        if worker is self._replacement:
            self._replacement = None
            self._cannot_replace(worker.slot, how)
        elif self.workers.get(worker.slot) is worker:
            del self.workers[worker.slot]
            self._lost(worker, how, getattr(reason.value, "exitCode", None))

    def _lost(self, worker: Worker, how: str, code: int | None) -> None:
        slot = worker.slot
        if code and not worker.ready and slot not in self._proven:
            logger.error("A worker could not begin (%s): nothing is served", how)
            self.failed = code
            with contextlib.suppress(ReactorNotRunning):  # a signal has ended it meanwhile
                self.reactor.stop()
        elif self._replacement is not None and self._replacement.slot == slot:
            logger.warning("Worker %d has ended (%s); another is beginning", slot, how)
        else:
            if worker.age > STEADY:
                self._pauses[slot] = FIRST_PAUSE
            pause = self._next_pause(slot)
            logger.warning("Worker %d has ended (%s); another begins in %.1f s", slot, how, pause)
            self._begin_later(slot, pause)

    def _next_pause(self, slot: int) -> float:
        pause = self._pauses[slot]
        self._pauses[slot] = min(pause * 2, LONGEST_PAUSE)
        return pause

    @property
    def _is_ending(self) -> bool:
        return self._ending is not None or self.failed is not None

    def reload(self) -> None:
        """Replace all workers, one after the other; those too that have only begun."""
        if self._is_ending:
            return
        logger.info("Workers are replaced, one by one")
        self._replacing = list(range(self._count))
        begun, self._replacement = self._replacement, None
        if begun is not None:  # it may have read what is changed since, or hang
            begun.leave(self._grace)
        self._replace_next()

    def _replace_next(self) -> None:
        if self._replacing and not self._is_ending:
            slot = self._replacing.pop(0)
            if slot in self._again:
                self._again.pop(slot).cancel()
            self._replacement = self._started(slot)
            if self._replacement is None:
                self._cannot_replace(slot, "it cannot be started")

    def _cannot_replace(self, slot: int, how: str) -> None:
        self._replacing.clear()
        logger.error("Worker %d could not be replaced (%s): the others stay as they are", slot, how)
        for empty in {*range(self._count)} - {*self.workers, *self._again}:
            self._begin_later(empty, self._next_pause(empty))

    def end(self) -> Deferred[None]:
        """Have all leave; fires when the last one has."""
        self._ending = Deferred()
        if not self._all:
            self._ending.callback(None)
        for worker in self._all:
            worker.leave(self._grace)
        return self._ending

    def forget(self) -> None:
        """In a worker that was forked: close all that is the supervisor's."""
        for worker in self._all:
            worker.forget()
        self.reactor.disown()

    def kill(self) -> None:
        """End those that are left at once."""
        for worker in self._all:
            worker.kill()
