"""Files that a connection's kernel sends by itself.

The engine has a duplicate of each one's descriptor, and tells their ends in the order in
which they were given to it. Those that are left when the connection is lost fail for its
reason.
"""

from __future__ import annotations

import os
from collections import deque
from typing import Any

from reactorlib.defer import Deferred
from reactorlib.failure import Failure


class FileQueue:
    """The files that wait to leave on one connection."""

    __slots__ = ("_waiting",)

    def __init__(self) -> None:
        self._waiting: deque[Deferred[int]] = deque()

    def send(self, engine: Any, handle: int, file: Any, offset: int, count: int) -> Deferred[int]:
        """Give it to the engine. Raises OSError; ConnectionError if it takes nothing any more."""
        descriptor = file if isinstance(file, int) else file.fileno()
        if not engine.send_file(handle, descriptor, offset, count):
            raise BrokenPipeError("nothing can be written any more")
        deferred: Deferred[int] = Deferred()
        self._waiting.append(deferred)
        return deferred

    def sent(self, count: int, number: int) -> None:
        """The first one has left."""
        deferred = self._waiting.popleft()
        if number:
            deferred.errback(OSError(number, os.strerror(number)))
        else:
            deferred.callback(count)

    def lost(self, reason: Failure) -> None:
        """None of them will."""
        while self._waiting:
            self._waiting.popleft().errback(reason)
