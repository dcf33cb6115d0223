"""Sends a file through a consumer, as fast as the consumer takes it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from reactorlib.defer import Deferred
from reactorlib.interfaces import IPullProducer


class TransferStopped(Exception):
    """The consumer was gone before all of the file was sent."""


@implementer(IPullProducer)
class FileSender:
    """Sends a file, a chunk of up to `CHUNK_SIZE` bytes each time the consumer asks.

    The file is not closed.
    """

    CHUNK_SIZE = 2**16

    file: Any = None
    consumer: Any = None
    deferred: Deferred[bytes] | None = None
    transform: Callable[[bytes], bytes] | None = None
    lastSent = b""

    def beginFileTransfer(
        self, file: Any, consumer: Any, transform: Callable[[bytes], bytes] | None = None
    ) -> Deferred[bytes]:
        """Send `file` (with `read`), each chunk through `transform` if that is given.

        The Deferred gives the last byte sent (none of an empty file). It fails
        with what reading or `transform` raised, or with TransferStopped.
        """
        self.file = file
        self.consumer = consumer
        self.transform = transform
        deferred: Deferred[bytes] = Deferred()
        self.deferred = deferred
        consumer.registerProducer(self, False)
        return deferred

    def resumeProducing(self) -> None:
        try:
            chunk = self._next_chunk()
        except Exception as failure:
            self._end().errback(failure)
            return
        if chunk:
            self.lastSent = chunk[-1:]
            self.consumer.write(chunk)
        else:
            self._end().callback(self.lastSent)

    def _next_chunk(self) -> bytes:
        """Never empty before the end, for an empty write would not be asked for another."""
        while chunk := self.file.read(self.CHUNK_SIZE):
            if self.transform is not None:
                chunk = self.transform(chunk)
            if chunk:
                break
        return bytes(chunk)

    def _end(self) -> Deferred[bytes]:
        self.consumer.unregisterProducer()
        return self._forget()

    def _forget(self) -> Deferred[bytes]:
        deferred = self.deferred
        assert deferred is not None, "the transfer has not begun, or is over"
        self.file = self.consumer = self.deferred = None
        return deferred

    def pauseProducing(self) -> None:
        """A pull producer is paused by not being asked."""

    def stopProducing(self) -> None:
        self._forget().errback(TransferStopped("the consumer takes no more"))
