"""Limits of bandwidth, shared by all connections of a factory.

The protocol's own pauses, the transport's and those of a limit do not undo
each other: something flows when nobody has a reason against it.
"""

from __future__ import annotations

import logging
import sys
from collections.abc import Iterable
from typing import Any

from zope.interface import implementer

from reactorlib.interfaces import IPullProducer, IPushProducer
from reactorlib.protocols.wrapping import ProtocolWrapper, WrappingFactory

logger = logging.getLogger("reactorlib")


class Valve:
    """Holds a push producer while there is at least one reason to."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._reasons: set[str] = set()

    def shut(self, reason: str) -> None:
        """Add a reason; the first one pauses the producer."""
        before = len(self._reasons)
        self._reasons.add(reason)
        if not before:
            self._producer.pauseProducing()

    def open(self, reason: str) -> None:
        """Take a reason away; with the last one the producer goes on."""
        if reason in self._reasons:
            self._reasons.remove(reason)
            if not self._reasons:
                self._producer.resumeProducing()


@implementer(IPushProducer)
class ThrottledPusher:
    """A push producer that the transport pauses and the limit holds."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._valve = Valve(producer)

    def pauseProducing(self) -> None:
        self._valve.shut("transport")

    def resumeProducing(self) -> None:
        self._valve.open("transport")

    def stopProducing(self) -> None:
        self._producer.stopProducing()

    def throttle(self) -> None:
        """Hold it."""
        self._valve.shut("limit")

    def unthrottle(self) -> None:
        """Let it go on, unless the transport is full."""
        self._valve.open("limit")


@implementer(IPullProducer)
class ThrottledPuller:
    """A pull producer whose turn waits while the limit holds it."""

    def __init__(self, producer: Any) -> None:
        self._producer = producer
        self._held = False
        self._asked = False

    def resumeProducing(self) -> None:
        if self._held:
            self._asked = True
        else:
            self._producer.resumeProducing()

    def stopProducing(self) -> None:
        self._producer.stopProducing()

    def throttle(self) -> None:
        """Hold it."""
        self._held = True

    def unthrottle(self) -> None:
        """Let it produce, if it was asked to meanwhile."""
        asked, self._asked, self._held = self._asked, False, False
        if asked:
            self._producer.resumeProducing()


class ThrottlingProtocol(ProtocolWrapper):
    """Counts what passes for a ThrottlingFactory, and stops it on demand."""

    producer: ThrottledPusher | ThrottledPuller | None = None

    def connectionMade(self) -> None:
        self._reading = Valve(self.transport)
        if self.factory.readsThrottled:
            self.throttleReads()

    def write(self, data: bytes) -> None:
        self.factory.registerWritten(len(data))
        super().write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))

    def dataReceived(self, data: bytes) -> None:
        self.factory.registerRead(len(data))
        super().dataReceived(data)

    def pauseProducing(self) -> None:
        self._reading.shut("protocol")

    def resumeProducing(self) -> None:
        self._reading.open("protocol")

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        throttled = ThrottledPusher(producer) if streaming else ThrottledPuller(producer)
        if self.factory.writesThrottled:
            throttled.throttle()
        before, self.producer = self.producer, throttled
        try:
            super().registerProducer(throttled, streaming)
        except RuntimeError:  # there is one
            self.producer = before
            raise

    def unregisterProducer(self) -> None:
        self.producer = None
        super().unregisterProducer()

    def throttleReads(self) -> None:
        """Read nothing more until unthrottleReads."""
        self._reading.shut("limit")

    def unthrottleReads(self) -> None:
        """Read again, unless the protocol has paused."""
        self._reading.open("limit")

    def throttleWrites(self) -> None:
        """Hold the producer, if there is one, until unthrottleWrites."""
        if self.producer is not None:
            self.producer.throttle()

    def unthrottleWrites(self) -> None:
        """Let the producer go on, unless the transport is full."""
        if self.producer is not None:
            self.producer.unthrottle()


class ThrottlingFactory(WrappingFactory):
    """Limits what all connections together read and write, and their number.

    `readLimit` and `writeLimit` are in bytes per second; None is no limit. Once
    a second it is seen whether more has passed: then everything waits until
    the average is back, and what passes meanwhile counts for the time after.
    Writing is held only where there is a producer.
    Connections beyond `maxConnectionCount` are refused.
    """

    protocol = ThrottlingProtocol

    def __init__(
        self,
        wrappedFactory: Any,
        maxConnectionCount: int = sys.maxsize,
        readLimit: float | None = None,
        writeLimit: float | None = None,
        reactor: Any = None,
    ) -> None:
        super().__init__(wrappedFactory)
        self.reactor = reactor
        self.connectionCount = 0
        self.maxConnectionCount = maxConnectionCount
        self.readLimit = readLimit
        self.writeLimit = writeLimit
        self.readThisSecond = 0
        self.writtenThisSecond = 0
        self.unthrottleReadsID: Any = None
        self.checkReadBandwidthID: Any = None
        self.unthrottleWritesID: Any = None
        self.checkWriteBandwidthID: Any = None

    @property
    def readsThrottled(self) -> bool:
        """Whether reading is held at present."""
        return self.unthrottleReadsID is not None

    @property
    def writesThrottled(self) -> bool:
        """Whether producers are held at present."""
        return self.unthrottleWritesID is not None

    def registerWritten(self, length: int) -> None:
        """So many bytes were written."""
        self.writtenThisSecond += length

    def registerRead(self, length: int) -> None:
        """So many bytes were read."""
        self.readThisSecond += length

    def checkReadBandwidth(self) -> None:
        """Hold reading if too much was read in the last second."""
        if not self.readsThrottled:
            excess = _excess(self.readThisSecond, self.readLimit)
            self.readThisSecond = 0
            if excess:
                self.throttleReads()
                self.unthrottleReadsID = self.callLater(excess, self.unthrottleReads)
        self.checkReadBandwidthID = self.callLater(1, self.checkReadBandwidth)

    def checkWriteBandwidth(self) -> None:
        """Hold producers if too much was written in the last second."""
        if not self.writesThrottled:
            excess = _excess(self.writtenThisSecond, self.writeLimit)
            self.writtenThisSecond = 0
            if excess:
                self.throttleWrites()
                self.unthrottleWritesID = self.callLater(excess, self.unthrottleWrites)
        self.checkWriteBandwidthID = self.callLater(1, self.checkWriteBandwidth)

    def throttleReads(self) -> None:
        """Hold reading on all connections."""
        logger.debug("Throttling reads on %r", self)
        for protocol in list(self.protocols):
            protocol.throttleReads()

    def unthrottleReads(self) -> None:
        """Read again on all connections."""
        self.unthrottleReadsID = None
        logger.debug("Stopped throttling reads on %r", self)
        for protocol in list(self.protocols):
            protocol.unthrottleReads()

    def throttleWrites(self) -> None:
        """Hold the producers of all connections."""
        logger.debug("Throttling writes on %r", self)
        for protocol in list(self.protocols):
            protocol.throttleWrites()

    def unthrottleWrites(self) -> None:
        """Let the producers of all connections go on."""
        self.unthrottleWritesID = None
        logger.debug("Stopped throttling writes on %r", self)
        for protocol in list(self.protocols):
            protocol.unthrottleWrites()

    def buildProtocol(self, addr: Any) -> Any:
        if self.connectionCount >= self.maxConnectionCount:
            logger.info("%r has %d connections: no more", self, self.connectionCount)
            return None
        protocol = super().buildProtocol(addr)
        if protocol is not None:
            self.connectionCount += 1
        return protocol

    def registerProtocol(self, p: Any) -> None:
        super().registerProtocol(p)
        if len(self.protocols) == 1:
            self._start_checks()

    def unregisterProtocol(self, p: Any) -> None:
        super().unregisterProtocol(p)
        self.connectionCount -= 1
        if not self.protocols:
            self._stop_checks()

    def _start_checks(self) -> None:
        if self.readLimit is not None:
            self.checkReadBandwidth()
        if self.writeLimit is not None:
            self.checkWriteBandwidth()

    def _stop_checks(self) -> None:
        for name in (
            "unthrottleReadsID",
            "checkReadBandwidthID",
            "unthrottleWritesID",
            "checkWriteBandwidthID",
        ):
            call = getattr(self, name)
            if call is not None:
                call.cancel()
                setattr(self, name, None)
        self.readThisSecond = self.writtenThisSecond = 0


def _excess(passed: int, limit: float | None) -> float:
    """How many seconds it takes to make up for what has passed in one."""
    return max(0.0, passed / limit - 1.0) if limit else 0.0
