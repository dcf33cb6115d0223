"""Delivery of what is received, in order, one string after the other.

A Receiver is a protocol that takes bytes in pieces (`_take`) and calls the
user for each string in them. It holds, whatever those calls do:

- Nothing is delivered while paused, nor after the connection was lost or told
  to be. What was received before a pause comes first after it.
- Calls do not nest: what is put back or received during a delivery is
  delivered after it, from the same loop.
- The work is linear in the bytes received, even if each string changes the
  rules for the next one. After such a change the rest is looked at in pieces that
  begin small and double, so no byte is looked at often.
"""

from __future__ import annotations

import sys
from collections import deque
from typing import Any

from reactorlib.protocol import Protocol

FIRST_PIECE = 256
EVERYTHING = sys.maxsize


class Receiver(Protocol):
    """A protocol whose pause takes effect before the next string.

    `paused` is true from pauseProducing to resumeProducing.
    """

    paused = False

    _delivering = False
    _waiting: deque[bytes | memoryview] | tuple[()] = ()  # received and not looked at
    _reach = EVERYTHING  # the size of the next piece

    def pauseProducing(self) -> None:
        """Deliver nothing more, from what was received already either, until resumeProducing."""
        self.paused = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on, first with what was received already."""
        self.paused = False
        self.transport.resumeProducing()
        if getattr(self.transport, "connected", True):
            self.dataReceived(b"")

    def stopProducing(self) -> None:
        """Lose the connection."""
        self.paused = True
        self.transport.stopProducing()

    def dataReceived(self, data: bytes) -> None:
        if self._delivering or self.paused or self._waiting:
            self._wait(data)
            if self._delivering or self.paused:
                return
            data = self._next_piece()
        self._delivering = True
        try:
            while not self._is_leaving() and self._take(data) and not self.paused:
                data = self._next_piece()
        finally:
            self._delivering = False

    def _take(self, data: bytes) -> bool:
        """Deliver what is in a piece; whether there may be more to deliver now.

        After each string: return at once if there is a reason to stop, with the
        rest put back.
        """
        raise NotImplementedError

    def _is_leaving(self) -> bool:
        return self.transport is not None and bool(self.transport.disconnecting)

    def _wait(self, data: bytes) -> None:
        if data:
            self._waiting = self._waiting or deque()
            self._waiting.append(data)

    def _put_back(self, data: bytes) -> None:
        """Have data taken again, before what waits."""
        if data:
            self._waiting = self._waiting or deque()
            self._waiting.appendleft(data)
        self._reach = FIRST_PIECE

    def _next_piece(self) -> bytes:
        """The next of what waits, or nothing."""
        if not self._waiting:
            self._reach = EVERYTHING
            return b""
        data = self._waiting.popleft()
        if len(data) > self._reach:
            whole = memoryview(data)
            self._waiting.appendleft(whole[self._reach :])
            data = whole[: self._reach]
            self._reach *= 2
        return bytes(data)

    def _take_waiting(self) -> bytes:
        """All that waits, which waits no longer."""
        waiting, self._waiting = self._waiting, ()
        return b"".join(waiting)
