"""Delivery of what is received, in order, one string after the other.

A Receiver is a protocol that takes bytes in pieces and calls the user for each
string in them. It holds, whatever those calls do:

- Nothing is delivered while paused, nor after the connection was lost or told
  to be. What was received before a pause comes first after it.
- Calls do not nest: what is put back or received during a delivery is
  delivered after it, from the same loop.
- The work is linear in the bytes received, even if each string changes the
  rules for the next one.
"""

from __future__ import annotations

import sys
from collections import deque
from contextlib import suppress

from reactorlib.protocol import Protocol

FIRST_PIECE = 256

# From so many strings at once on, what they make a protocol send is gathered: so many
# pieces at most, for a producer that writes until it is paused must come to be paused.
BATCH = 4
MOST_GATHERED = 64
EVERYTHING = sys.maxsize


class Backlog:
    """Bytes that were received and not looked at yet.

    Once some were put back, because they were looked at in vain, the pieces
    given out begin small and double: no byte is looked at often, however often
    bytes are put back.
    """

    __slots__ = ("_pieces", "_reach")

    def __init__(self) -> None:
        self._pieces: deque[bytes | memoryview] = deque()
        self._reach = EVERYTHING

    def __bool__(self) -> bool:
        return bool(self._pieces)

    def add(self, data: bytes) -> None:
        """Add bytes after all others."""
        if data:
            self._pieces.append(data)

    def put_back(self, data: bytes) -> None:
        """Add bytes before all others."""
        if data:
            self._pieces.appendleft(data)
            self._reach = FIRST_PIECE

    def take(self) -> bytes:
        """The next piece; empty if there is none."""
        if not self._pieces:
            self._reach = EVERYTHING
            return b""
        piece = self._pieces.popleft()
        if len(piece) > self._reach:
            whole = memoryview(piece)
            piece = whole[: self._reach]
            self._pieces.appendleft(whole[self._reach :])
            self._reach *= 2
        return bytes(piece)

    def take_all(self) -> bytes:
        """Everything there is."""
        everything = b"".join(self._pieces)
        self._pieces.clear()
        return everything


class Receiver(Protocol):
    """A protocol whose pause takes effect before the next string.

    `paused` is true from pauseProducing to resumeProducing.
    """

    paused = False

    _busy_receiving = False
    _undelivered: Backlog | None = None
    _gathered: list[bytes] | None = None

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
        if self._busy_receiving or self.paused:
            self._backlog().add(data)
            return
        if self._undelivered:
            self._undelivered.add(data)
            data = self._undelivered.take()
        self._busy_receiving = True
        try:
            while not self._is_leaving() and self._deliver_piece(data) and not self.paused:
                data = self._backlog().take()
        finally:
            self._busy_receiving = False
            if self._gathered is not None:
                self.transport.uncork()

    def _deliver_piece(self, data: bytes) -> bool:
        """Deliver what is in `data`; whether there may be more to deliver now.

        Where a string gives a reason to stop, the rest goes back to the backlog.
        """
        raise NotImplementedError

    def _gather(self) -> None:
        """From now on, what is sent goes to `_gathered`, if the transport can be corked."""
        cork = getattr(self.transport, "cork", None)
        if cork is not None and cork(self):
            self._gathered = []

    def flush_gathered(self) -> None:
        """Write what was gathered while a batch is delivered; see reactorlib.cork."""
        if self._gathered:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self.transport.write(data)

    def stop_gathering(self) -> None:
        """From now on, write at once."""
        self._gathered = None

    def _backlog(self) -> Backlog:
        if self._undelivered is None:
            self._undelivered = Backlog()
        return self._undelivered

    def _is_leaving(self) -> bool:
        return self.transport is not None and bool(self.transport.disconnecting)

    def _own_attributes(self, *names: str) -> None:
        """Copy what is asked for after each string from the class: it is read faster from here."""
        for name in names:
            with suppress(AttributeError):  # a property
                setattr(self, name, getattr(self, name))
