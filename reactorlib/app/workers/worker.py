"""A worker's side: serves what it inherits, tells that it is ready, leaves in good order.

It leaves at SIGTERM, and when its supervisor is gone: no worker outlives it for
longer than it takes to finish what has begun, and none that is not ready outlives it
at all. One that hangs kills itself when its supervisor would have killed it. What a
terminal or a service manager sends to all processes at once is the supervisor's to
answer: it tells its workers, and ends those that do not obey.
"""

from __future__ import annotations

import contextlib
import fcntl
import logging
import os
import select
import signal
import socket
import threading
import time
from typing import Any

from reactorlib.app.mistakes import UserMistake
from reactorlib.app.workers.sockets import Inheritance
from reactorlib.app.workers.supervisor import TO_BE_KILLED
from reactorlib.error import ReactorNotRunning

logger = logging.getLogger("reactorlib")

READY = b"."


class Control:
    """The line to the supervisor. It says nothing; its end is the supervisor's."""

    def __init__(self, reactor: Any, descriptor: int) -> None:
        self._reactor = reactor
        self._descriptor = descriptor
        os.set_inheritable(descriptor, False)
        self._die_with_supervisor(True)
        if select.select([descriptor], [], [], 0)[0]:
            raise UserMistake("the process that supervised this worker has gone")
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._descriptor

    def tell_ready(self, grace: float) -> None:
        """All ports are open, the application has started, and signals are handled.

        At the end this worker gives its connections `grace` seconds to finish.
        """
        _kill_if_left_alone(self._descriptor, grace + TO_BE_KILLED)
        self._die_with_supervisor(False)
        os.write(self._descriptor, READY)

    def doRead(self) -> None:
        self._reactor.removeReader(self)
        with contextlib.suppress(ReactorNotRunning):  # it is leaving already
            self._reactor.stop()

    def _die_with_supervisor(self, yes: bool) -> None:
        """Until the reactor runs, it is SIGIO that ends a process whose program hangs."""
        fcntl.fcntl(self._descriptor, fcntl.F_SETOWN, os.getpid())
        flags = fcntl.fcntl(self._descriptor, fcntl.F_GETFL) & ~os.O_ASYNC
        fcntl.fcntl(self._descriptor, fcntl.F_SETFL, flags | (os.O_ASYNC if yes else 0))

    def connectionLost(self, reason: Any) -> None:
        """The reactor has lost it."""

    def logPrefix(self) -> str:
        return "worker"


def _kill_if_left_alone(descriptor: int, patience: float) -> None:
    """Have a thread end this process `patience` seconds after its supervisor has gone.

    The reactor cannot see to it, for it does not go on while a callback hangs.
    """
    try:
        threading.Thread(
            target=_watch, args=(descriptor, patience), name="worker's end", daemon=True
        ).start()
    except RuntimeError as problem:
        logger.warning("If this worker hangs, it may outlive its supervisor: %s", problem)


def _watch(descriptor: int, patience: float) -> None:
    signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())  # they are the program's
    line = select.poll()
    line.register(descriptor, select.POLLHUP)
    if line.poll()[0][1] & select.POLLHUP:  # and not that the program has closed it
        time.sleep(patience)
        os.kill(os.getpid(), signal.SIGKILL)


def join(reactor: Any, told: Inheritance) -> Control:
    """Have the reactor serve what this process inherits; gives the line to its supervisor."""
    for number, place in told.places.items():
        os.set_inheritable(number, False)
        reactor.inherited.setdefault(place, []).append(socket.socket(fileno=number))
    if told.names:
        os.environ["LISTEN_PID"] = str(os.getpid())
        os.environ["LISTEN_FDS"] = str(len(told.names))
        os.environ["LISTEN_FDNAMES"] = ":".join(told.names)
    reactor.secondSignalEndsAtOnce = False
    signal.signal(signal.SIGHUP, lambda *_: None)  # not SIG_IGN, which its children would inherit
    return Control(reactor, told.control)
