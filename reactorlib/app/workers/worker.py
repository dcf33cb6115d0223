"""A worker's side: serves what it inherits, tells that it is ready, leaves in good order.

It leaves at SIGTERM, and when its supervisor is gone: no worker outlives it for
longer than it takes to finish what has begun, and none that is not ready outlives it
at all. What a terminal or a service manager sends to all processes at once is the
supervisor's to answer: it tells its workers, and ends those that do not obey.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
import select
import signal
import socket
from typing import Any

from reactorlib.app.mistakes import UserMistake
from reactorlib.app.workers.sockets import Inheritance
from reactorlib.error import ReactorNotRunning

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

    def tell_ready(self) -> None:
        """All ports are open, the application has started, and signals are handled."""
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
