"""Streams on descriptors that no kernel interface waits for: files, /dev/null.

They are always ready. A reader takes a slice in each turn of the loop, so that
a long file keeps nobody waiting; a writer hands on at once what it is given.
Both close the descriptor that they were made with. They answer to the names of
`stream.Stream`.
"""

from __future__ import annotations

import os
from collections.abc import Iterable
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.failure import Failure
from reactorlib.interfaces import IConsumer
from reactorlib.protocol import connectionDone
from reactorlib.sinks import guarded

SLICE = 65_536


class _File:
    """Tells its protocol the end, once. It stands in the reactor's table under no handle."""

    receiving = False

    def __init__(self, reactor: Any, descriptor: int, protocol: Any) -> None:
        self.reactor = reactor
        self.protocol = protocol
        self.connected = True
        self.disconnecting = False
        self._descriptor = descriptor
        self._key = -1 - descriptor  # the engine's handles are positive
        reactor.sinks[self._key] = self

    def discard(self) -> None:
        """Close at once, and tell nobody."""
        self.connected = False
        del self.reactor.sinks[self._key]
        os.close(self._descriptor)

    def _end(self, reason: Failure) -> None:
        if self.connected:
            self.discard()
            self.protocol.connectionLost(reason)

    # Sink

    def event(self, kind: int, first: int, second: int) -> None:
        raise AssertionError("the engine does not know of this")

    def hold(self, data: bytes) -> None:
        raise AssertionError("the engine does not know of this")

    def raised(self, failure: Failure) -> None:
        """A callback raised: the file ends, for that reason."""
        self.disconnecting = True
        self.reactor.callSoon(self._end, failure)

    def leave(self) -> None:
        """Everything is done already."""
        self._end(connectionDone)

    abandon = leave

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {type(self.protocol).__name__}>"


class FileReader(_File):
    """Reads a file to its end."""

    def __init__(self, reactor: Any, descriptor: int, protocol: Any) -> None:
        super().__init__(reactor, descriptor, protocol)
        self._paused = False
        self._due = False
        self._read_soon()

    def pauseProducing(self) -> None:
        """Read no more until resumeProducing."""
        self._paused = True

    def resumeProducing(self) -> None:
        """Read on."""
        self._paused = False
        self._read_soon()

    def _read_soon(self) -> None:
        if not self._due:
            self._due = True
            self.reactor.callSoon(self._read)

    def _read(self) -> None:
        self._due = False
        if self._paused or self.disconnecting or not self.connected:
            return
        try:
            data = os.read(self._descriptor, SLICE)
        except OSError as problem:
            self._end(_failure(problem))
            return
        if not data:
            self._end(connectionDone)
            return
        self._read_soon()
        guarded(self, self.protocol.dataReceived, data)


@implementer(IConsumer)
class FileWriter(_File):
    """Appends to a file."""

    def __init__(self, reactor: Any, descriptor: int, protocol: Any) -> None:
        super().__init__(reactor, descriptor, protocol)
        self._producer: Any = None

    def write(self, data: bytes) -> None:
        """Write all of it. If that fails, it is the end."""
        if not self.connected:
            return
        rest = memoryview(data)
        try:
            while rest:
                rest = rest[os.write(self._descriptor, rest) :]
        except OSError as problem:
            self.raised(_failure(problem))

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Write each of them."""
        self.write(b"".join(data))

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """See IConsumer. A push producer is never paused."""
        if self._producer is not None:
            raise RuntimeError(f"{self._producer!r} is registered already.")
        self._producer = producer
        if not streaming:
            self._pull(producer)

    def unregisterProducer(self) -> None:
        """See IConsumer."""
        self._producer = None
        if self.disconnecting:
            self.reactor.callSoon(self._end, connectionDone)

    def _pull(self, producer: Any) -> None:
        if self.connected and self._producer is producer:
            self.reactor.callSoon(self._pull, producer)
            producer.resumeProducing()

    def loseConnection(self) -> None:
        """Close when the producer is done."""
        if not self.disconnecting:
            self.disconnecting = True
            if self._producer is None:
                self.reactor.callSoon(self._end, connectionDone)

    def discard(self) -> None:
        producer, self._producer = self._producer, None
        super().discard()
        if producer is not None:
            producer.stopProducing()


def _failure(problem: OSError) -> Failure:
    return Failure(error.ConnectionLost(problem.errno))
