"""Learning that a child process has ended, and how.

Each child is waited for by its own number, never any child: what belongs to
another library is left to it. There is no handler for SIGCHLD. If somebody else
has waited for the child, its status is unknown (None), and that is told too.

A pidfd tells the reactor when there is something to wait for. Where there is
none, a thread for each child waits. A signal reaches the child or nobody: until
it is waited for no other process has its number, and after that none is sent.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable
from contextlib import suppress
from threading import Lock, Thread
from typing import Any

from reactorlib.backends.events import LOST, READABLE, WATCHED
from reactorlib.failure import Failure

HAS_PIDFD = hasattr(os, "pidfd_open")

# Whether one can wait for an end without taking the number away.
HAS_WAITID = hasattr(os, "waitid")

# Called once, in the reactor's thread, with what wait(2) gave.
Told = Callable[[int | None], object]


class Exit:
    """The end of the child `pid`, told by a thread until `watch` finds a pidfd.

    In the reactor's table it stands under the pidfd's handle.
    """

    receiving = False
    protocol = None

    def __init__(self, reactor: Any, pid: int, told: Told) -> None:
        self._reactor = reactor
        self._pid = pid
        self._told = told
        self._descriptor = -1
        self._handle = 0
        self._reaped = False
        self._reaping = Lock()

    def watch(self, with_pidfd: bool = HAS_PIDFD) -> None:
        """Begin to wait."""
        if not with_pidfd or not self._open():
            self._wait_in_thread()

    def signal(self, number: int) -> None:
        """Send a signal. Raises ProcessLookupError if the child has ended and was waited for."""
        if self._descriptor >= 0:
            signal.pidfd_send_signal(self._descriptor, number)
            return
        with self._reaping:
            if self._reaped:
                raise ProcessLookupError
            os.kill(self._pid, number)

    def forget(self) -> None:
        """In a forked child, whose sibling this is about: close what is the parent's."""
        if self._descriptor >= 0:
            os.close(self._descriptor)
            self._descriptor = -1

    def _open(self) -> bool:
        """Whether a pidfd is watched; there may be none left, or none allowed here."""
        try:
            self._descriptor = os.pidfd_open(self._pid)
            self._handle = self._reactor.engine.add(self._descriptor, WATCHED)
        except (OSError, ValueError):  # ValueError: select cannot hold it
            self._close()
            return False
        self._reactor.engine.watch(self._handle, True, False)
        self._reactor.sinks[self._handle] = self
        return True

    def _close(self) -> None:
        if self._handle:
            self._reactor.engine.detach(self._handle)
            self._reactor.sinks.pop(self._handle, None)
        if self._descriptor >= 0:
            os.close(self._descriptor)
        self._descriptor, self._handle = -1, 0

    def _wait_in_thread(self) -> None:
        Thread(target=self._wait, name=f"reactorlib child {self._pid}", daemon=True).start()

    def _wait(self) -> None:
        """Where there is no waitid(2), a signal may come between its end and our knowing it."""
        if HAS_WAITID:
            with suppress(ChildProcessError):
                os.waitid(os.P_PID, self._pid, os.WEXITED | os.WNOWAIT)
            with self._reaping:
                status = self._reap(0)
        else:
            status = self._reap(0)
        self._reactor.callFromThread(self._told, status)

    def _reap(self, options: int) -> int | None:
        """How it has ended, if `_reaped` is true then. A debugger may see that before us."""
        try:
            pid, status = os.waitpid(self._pid, options)
        except ChildProcessError:
            pid, status = self._pid, None
        self._reaped = pid != 0
        return status

    # Sink

    def event(self, kind: int, first: int, second: int) -> None:
        if kind == READABLE:
            status = self._reap(os.WNOHANG)
            if self._reaped:
                self._close()
                self._told(status)
        elif kind == LOST:  # somebody has closed the pidfd behind our back
            self._descriptor = -1
            self.abandon()

    def hold(self, data: bytes) -> None:
        raise AssertionError("a child's end is no data")

    def raised(self, failure: Failure) -> None:
        """Logged already, and the child has ended."""

    def leave(self) -> None:
        """The child may still end while the reactor takes its leave."""

    def abandon(self) -> None:
        """Let a thread wait on, so that the child leaves no zombie behind."""
        self._close()
        self._wait_in_thread()

    def __repr__(self) -> str:
        return f"<end of process {self._pid}>"
