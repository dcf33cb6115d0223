"""Writes lines of a log in a thread of its own: who logs never waits for who reads.

At most `most` lines wait; what comes then is dropped, counted, and told of in the log
itself once there is room. At the end, what waits is given a second to leave.
"""

from __future__ import annotations

import contextlib
import logging
import os
import threading
from collections import deque
from typing import TextIO

MOST = 10_000
GATHERING = 0.02  # seconds in which lines gather, so that many leave in one write
LAST = 1.0  # seconds


def let_go_of(stream: TextIO) -> None:
    """Nobody reads it any more: what it still holds goes nowhere, and is no error at the end."""
    with contextlib.suppress(OSError, ValueError):  # it is no file, or closed
        descriptor = stream.fileno()
        nowhere = os.open(os.devnull, os.O_WRONLY)
        os.dup2(nowhere, descriptor)
        os.close(nowhere)


class BackgroundHandler(logging.Handler):
    """A handler that never waits, for a stream that may."""

    def __init__(self, stream: TextIO, most: int = MOST) -> None:
        super().__init__()
        self._stream = stream
        self._most = most
        self._lines: deque[str] = deque()
        self._dropped = 0
        self._stirred = threading.Event()
        self._ending = threading.Event()
        self._thread = threading.Thread(target=self._write, name="access log", daemon=True)
        self._thread.start()

    def emit(self, record: logging.LogRecord) -> None:
        """Have it written soon."""
        if len(self._lines) >= self._most:
            self._dropped += 1
            return
        try:
            self._lines.append(self.format(record))
        except Exception:
            self.handleError(record)
        if not self._stirred.is_set():
            self._stirred.set()

    def close(self) -> None:
        """Write what waits, if that can be done in a second."""
        super().close()
        self._ending.set()
        self._stirred.set()
        self._thread.join(LAST)

    def _write(self) -> None:
        try:
            while not self._ending.is_set():
                self._stirred.wait()
                self._ending.wait(GATHERING)
                self._stirred.clear()
                self._write_waiting()
            self._write_waiting()
        except (OSError, ValueError):
            let_go_of(self._stream)
            self._most = 0
            self._lines.clear()

    def _write_waiting(self) -> None:
        lines = [self._lines.popleft() for _ in range(len(self._lines))]
        dropped, self._dropped = self._dropped, 0
        if dropped:
            lines.append(f"# {dropped} lines were dropped: they came faster than they were read")
        if lines:
            self._stream.write("\n".join(lines) + "\n")
            self._stream.flush()
