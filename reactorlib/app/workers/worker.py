"""A worker's side: serves what it inherits, tells that it is ready, leaves in good order.

It leaves at SIGTERM, and when its supervisor is gone: no worker outlives it for
longer than it takes to finish what has begun.
"""

from __future__ import annotations

import os
import socket
from typing import Any

from reactorlib.app.workers.sockets import inherited

READY = b"."


class Control:
    """The line to the supervisor. It says nothing; its end is the supervisor's."""

    def __init__(self, reactor: Any, descriptor: int) -> None:
        self._reactor = reactor
        self._descriptor = descriptor
        os.set_inheritable(descriptor, False)
        reactor.addReader(self)

    def fileno(self) -> int:
        return self._descriptor

    def tell_ready(self) -> None:
        """All ports are open, and signals are handled."""
        os.write(self._descriptor, READY)

    def doRead(self) -> None:
        self._reactor.removeReader(self)
        self._reactor.stop()

    def connectionLost(self, reason: Any) -> None:
        """The reactor has lost it."""

    def logPrefix(self) -> str:
        return "worker"


def join(reactor: Any) -> bool:
    """If this process is a worker, have the reactor serve what it inherits."""
    told = inherited()
    if told is None:
        return False
    for number, place in told.places.items():
        os.set_inheritable(number, False)
        reactor.inherited[place] = socket.socket(fileno=number)
    if told.names:
        os.environ["LISTEN_PID"] = str(os.getpid())
        os.environ["LISTEN_FDS"] = str(len(told.names))
        os.environ["LISTEN_FDNAMES"] = ":".join(told.names)
    reactor.callWhenRunning(Control(reactor, told.control).tell_ready)
    return True
