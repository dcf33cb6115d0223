"""Stops a reactor at SIGINT and SIGTERM, and puts everything back afterwards.

The first such signal stops the reactor in good order, a second one lets it go
at once. Python's handlers run between bytecodes only, so the signal also writes
to the engine's waking descriptor: a wait that has just begun ends too. A
forked child inherits the handlers and not the reactor: there the signal does
what it would have done without.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Callable
from types import FrameType
from typing import Any

STOPPING = [
    getattr(signal, name) for name in ("SIGINT", "SIGTERM", "SIGBREAK") if hasattr(signal, name)
]


class SignalHandlers:
    """Handlers installed for the time of one run, in the main thread only.

    SIGINT is left alone if the program has set a handler of its own for it.
    """

    def __init__(self, stop: Callable[[int], object], wake_descriptor: int) -> None:
        self._stop = stop
        self._wake_descriptor = wake_descriptor
        self._before: dict[int, Any] = {}
        self._wake_before = -1
        self._process = os.getpid()

    def install(self) -> None:
        """Set the handlers; in another thread than the main one, do nothing."""
        if threading.current_thread() is not threading.main_thread():
            return
        self._wake_before = signal.set_wakeup_fd(self._wake_descriptor, warn_on_full_buffer=False)
        for number in STOPPING:
            if number != signal.SIGINT or signal.getsignal(number) is signal.default_int_handler:
                self._before[number] = signal.signal(number, self._handle)

    def remove(self) -> None:
        """Put back what was there before `install`."""
        for number, handler in self._before.items():
            if signal.getsignal(number) == self._handle:
                signal.signal(number, handler if handler is not None else signal.SIG_DFL)
        if self._before:
            signal.set_wakeup_fd(self._wake_before)
        self._before.clear()

    def _handle(self, number: int, frame: FrameType | None) -> None:
        if os.getpid() == self._process:
            self._stop(number)
        else:
            self.remove()
            os.kill(os.getpid(), number)
