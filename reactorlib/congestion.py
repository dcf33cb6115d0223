"""Tells a callback how a transport's output queue fares.

The meaning is that of the OSE classes: a message is one write; BLOCKED says
that the kernel took less than there was, CLEARED that it takes more again,
BACKLOG that 256 messages are queued, and once more when none is. A
transport that nobody monitors pays nothing: monitoring puts an engine of its own,
which counts the writes, in the place of the transport's.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Any

CONNECTION_BLOCKED = 0
CONNECTION_CLEARED = 1
CONNECTION_BACKLOG = 2

BACKLOG_MESSAGES = 256

Callback = Callable[[int, int], object]


class CountingEngine:
    """The engine as one monitored transport sees it: it notes where each write ends.

    All but `write` and `send_file` is the engine's own.
    """

    def __init__(self, engine: Any, handle: int, callback: Callback) -> None:
        self.engine = engine
        self._handle = handle
        self._callback = callback
        self._written = engine.sent(handle) + engine.buffered(handle)
        self._ends: deque[int] = deque([self._written] if engine.buffered(handle) else [])
        self._backlogged = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.engine, name)

    def write(self, handle: int, data: bytes, size: int) -> int:
        result: int = self.engine.write(handle, data, size)
        if result >= 0 and size:
            self._written += size
            self._ends.append(self._written)
            if not self._backlogged and self.pending() >= BACKLOG_MESSAGES:
                self._backlogged = True
                self._callback(CONNECTION_BACKLOG, self.pending())
        return result

    def send_file(self, handle: int, descriptor: int, offset: int, count: int) -> bool:
        """One message more."""
        taken: bool = self.engine.send_file(handle, descriptor, offset, count)
        if taken:
            self._written += count
            self._ends.append(self._written)
        return taken

    def pending(self) -> int:
        """How many messages have bytes that the kernel has not taken."""
        sent, ends = self.engine.sent(self._handle), self._ends
        while ends and ends[0] <= sent:
            ends.popleft()
        return len(ends)

    def blocked(self) -> None:
        self._callback(CONNECTION_BLOCKED, self.pending())

    def cleared(self) -> None:
        self._callback(CONNECTION_CLEARED, self.pending())

    def emptied(self) -> None:
        if self._backlogged:
            self._backlogged = False
            self._callback(CONNECTION_BACKLOG, self.pending())
