"""Workers that are forked off their supervisor, and go on in a copy of its memory.

Only the thread that forks lives on in a child, so that a program with other threads
does better to spawn. In the child all is closed that is the supervisor's: its engine,
its lines to other workers, whose end would tell them nothing otherwise, and their
sockets. The process's reactor begins anew there, for whoever has it already too.
"""

from __future__ import annotations

import contextlib
import importlib
import os
import signal
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from reactorlib.app.workers import worker as workers
from reactorlib.app.workers.sockets import Inheritance, Opened
from reactorlib.app.workers.supervisor import Worker
from reactorlib.app.workers.work import Work
from reactorlib.backends import registry
from reactorlib.pipes import ChildPipes
from reactorlib.process import Process


class Fork:
    """Starts a worker that does `work`, by a fork from within the supervisor's reactor."""

    def __init__(self, work: Work, opened: Sequence[Opened]) -> None:
        self._work = work
        self._opened = opened

    def __call__(self, worker: Worker) -> None:
        _flush()
        # No signal for the supervisor is to find its handlers in the child.
        before = signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        try:
            pid = os.fork()
            if pid == 0:
                self._live(worker, before)
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        reactor = worker.supervisor.reactor
        Process(reactor, worker, pid, ChildPipes(reactor.engine)).begin()

    def _live(self, worker: Worker, mask: Any) -> NoReturn:
        """The whole life of the child: no frame of its parent's is returned to."""
        code = 1
        try:
            told = self._take_over(worker)
            reactor = own_reactor()
            control = workers.join(reactor, told)
            signal.pthread_sigmask(signal.SIG_SETMASK, mask)
            self._work.do(reactor, control)
            code = 0
        except SystemExit as end:
            code = exit_code(end)
        except BaseException:
            sys.excepthook(*sys.exc_info())
        finally:
            _flush()
            os._exit(code)

    def _take_over(self, worker: Worker) -> Inheritance:
        """Keep this worker's sockets of all there are."""
        places = {}
        for opened in self._opened:
            mine = opened.for_worker(worker.slot)
            if opened.descriptor is None:
                places[os.dup(mine.fileno())] = opened.place
            for each in opened.sockets:
                each.close()
        worker.forget()
        worker.supervisor.forget()
        return Inheritance(worker.slot, worker.line.workers.detach(), places)


def own_reactor() -> Any:
    """The process's reactor, which was its parent's until now if there was one."""
    registry.renew()
    made = sys.modules.get("reactorlib._global")
    if made is not None:
        made.reactor.renew(registry.installed_engine())
    return importlib.import_module("reactorlib").reactor


def exit_code(end: SystemExit) -> int:
    """The number that it stands for; a text is for standard error."""
    if end.code is None or isinstance(end.code, int):
        return (end.code or 0) & 0xFF
    print(end.code, file=sys.stderr)
    return 1


def _flush() -> None:
    """Write what waits in buffers: after a fork it would be written twice, or never."""
    for stream in (sys.stdout, sys.stderr):
        with contextlib.suppress(OSError, ValueError, AttributeError):
            stream.flush()
