"""A stream the engine reads and writes: the transport of a connected protocol.

It holds, whatever callbacks do:

- connectionLost comes exactly once, last, and never from inside a call that
  the user makes.
- After loseConnection or abortConnection no data is delivered. While paused,
  what was read already is kept, and delivered in order after the resumption.
- What was written before loseConnection leaves before the end does.

What few connections need stands in `_Extra`, made when it is first needed:
an idle connection is small.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from errno import EBADF, ECONNABORTED, ENOBUFS, EPIPE, ETOOMANYREFS
from functools import partial
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.backends.events import (
    BLOCKED,
    CLEARED,
    DRAINED,
    EMPTIED,
    EOF,
    FILE_SENT,
    LOST,
    NOTIFY_CONGESTION,
    NOTIFY_EMPTIED,
    NOTIFY_EOF,
    SHUT,
)
from reactorlib.congestion import Callback, CountingEngine
from reactorlib.cork import CorkedEngine, Gatherer
from reactorlib.failure import Failure
from reactorlib.interfaces import (
    ICongestionMonitor,
    IConsumer,
    IHalfCloseableProtocol,
    IHandOver,
)
from reactorlib.protocol import connectionDone
from reactorlib.sendfile import FileQueue
from reactorlib.sinks import guarded

HIGH_WATER = 65_536
NO_CAP = 2**32 - 1

connectionAborted = Failure.shared(error.ConnectionAborted())


@dataclass(slots=True, eq=False)
class _Extra:
    """What one of many connections needs besides."""

    producer: Any = None
    streaming: bool = False
    producerPaused: bool = False
    paused: bool = False
    held: list[Any] = field(default_factory=list)
    limits: tuple[int, int, int] = (HIGH_WATER // 4, HIGH_WATER, NO_CAP)
    failure: Failure | None = None
    notify: int = 0
    ended: int = 0
    socket: Any = None
    files: FileQueue | None = None
    host: Any = None
    unsent: int = 0


@implementer(IConsumer, ICongestionMonitor, IHandOver)
class Stream:
    """A connected stream under an engine's handle. See ITCPTransport for the contract."""

    __slots__ = (
        "__weakref__",
        "_choked",
        "_engine",
        "_extra",
        "_handle",
        "connected",
        "disconnecting",
        "protocol",
        "reactor",
        "receiving",
    )

    def __init__(self, reactor: Any, handle: int) -> None:
        self.reactor = reactor
        self._engine = reactor.engine
        self._handle = handle
        self._extra: _Extra | None = None
        self._choked = False
        self.protocol: Any = None
        self.connected = True
        self.disconnecting = False
        self.receiving = True
        reactor.sinks[handle] = self

    def connect_to(self, protocol: Any) -> None:
        """Give the connection to a protocol: its connectionMade is called."""
        self.protocol = protocol
        if IHalfCloseableProtocol.providedBy(protocol):
            self._notify(self._more().notify | NOTIFY_EOF)
        protocol.makeConnection(self)

    def handOver(self, protocol: Any, data: bytes = b"") -> None:
        """See IHandOver."""
        if data:  # held: makeConnection may begin TLS, whose data it is then
            self._more().held.insert(0, data)
        self.connect_to(protocol)
        if data and self.receiving and self._more().held:
            self.protocol.dataReceived(self._more().held.pop(0))

    # ITransport

    def write(self, data: bytes) -> None:
        try:
            result = self._engine.write(self._handle, data, len(data))
        except TypeError:
            result = self._write_other(data)
        if result:
            self._wrote(result, len(data))

    def _write_other(self, data: Any) -> int:
        copy = bytes(_checked(data))
        return int(self._engine.write(self._handle, copy, len(copy)))

    def _wrote(self, result: int, size: int) -> None:
        if result > 0:
            self._choked = True
            self._pause_producer()
        elif result == -ENOBUFS:
            self.receiving, self.disconnecting = False, True
        elif result == -EBADF and self.connected and not self.disconnecting:
            # It was lost, which is told later in this turn: whoever writes as long as he may
            # would write all that he has.
            self._choked = True
            self._more().unsent += size
            self._pause_producer()
        elif result not in (-EBADF, -EPIPE):
            self._engine.explain_write(result)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(map(_checked, data)))

    def cork(self, gatherer: Gatherer) -> bool:
        """Have a protocol flushed before anything is asked of this transport, until `uncork`.

        False if it cannot be: it is lost, corked, or every write is counted.
        """
        if not self.connected or isinstance(self._engine, CorkedEngine | CountingEngine):
            return False
        self._engine = CorkedEngine(self._engine, gatherer, self.reactor.corked)
        self.reactor.corked = self._engine.flush
        return True

    def uncork(self) -> None:
        """End what `cork` began: all is flushed. No error if nothing had begun."""
        corked = self._engine
        if isinstance(corked, CorkedEngine):
            corked.flush()
            self._engine = corked.engine
            self.reactor.corked = corked.outer
            corked.gatherer.stop_gathering()

    def loseConnection(self) -> None:
        if self.connected and not self.disconnecting:
            if self._extra is None or self._extra.producer is None:
                self._engine.lose(self._handle)
            self.disconnecting = True
            self.receiving = False

    def abortConnection(self) -> None:
        if self.connected:
            self._engine.abort(self._handle)
            self.disconnecting = True
            self.receiving = False

    def loseWriteConnection(self) -> None:
        """Send the end of writing after what was written; go on reading."""
        if self.connected and not self.disconnecting:
            self._engine.shut(self._handle)

    # The protocol as a producer

    def pauseProducing(self) -> None:
        """Deliver no more data until resumeProducing."""
        if self.connected and not self.disconnecting:
            self._engine.pause(self._handle)
            self._more().paused = True
            self.receiving = False

    def resumeProducing(self) -> None:
        """Deliver data again, first what was kept."""
        extra = self._extra
        if extra is None or not extra.paused or self.disconnecting:
            return
        if extra.held:
            self.reactor.callSoon(self._deliver_held)
        else:
            self._receive()
        extra.paused = False

    def stopProducing(self) -> None:
        """The same as loseConnection."""
        self.loseConnection()

    def hold(self, data: bytes) -> None:
        """Data that was read before a pause could take effect."""
        if not self.disconnecting:
            self._more().held.append(data)

    def _deliver_held(self) -> None:
        """The engine stays paused until all is delivered: an end must not come first."""
        while self._is_wanted() and self._more().held:
            guarded(self, self._deliver, self._more().held.pop(0))
        if self._is_wanted():
            self._receive()

    def _deliver(self, data: Any) -> None:
        self.protocol.dataReceived(data)

    def _is_wanted(self) -> bool:
        return self.connected and not (self._more().paused or self.disconnecting)

    def _receive(self) -> None:
        self._engine.resume(self._handle)
        self.receiving = True

    # IConsumer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        extra = self._more()
        if extra.producer is not None:
            raise RuntimeError(
                f"Cannot register producer {producer!r}: {extra.producer!r} is registered already."
            )
        if not self.connected:
            guarded(self, producer.stopProducing)
            return
        extra.producer = producer
        extra.streaming = streaming
        extra.producerPaused = False
        if not streaming:
            self._notify(extra.notify | NOTIFY_EMPTIED)
            guarded(self, producer.resumeProducing)
        elif self._choked:
            self._pause_producer()

    def unregisterProducer(self) -> None:
        extra = self._more()
        extra.producer = None
        if not self._monitored:
            self._notify(extra.notify & ~NOTIFY_EMPTIED)
        if self.connected and self.disconnecting:
            self._engine.lose(self._handle)

    def _pause_producer(self) -> None:
        extra = self._extra
        if extra is None or extra.producer is None or not extra.streaming or extra.producerPaused:
            return
        extra.producerPaused = True
        guarded(self, extra.producer.pauseProducing)

    def _drained(self) -> None:
        self._choked = False
        extra = self._extra
        if extra is not None and extra.producer is not None and extra.producerPaused:
            extra.producerPaused = False
            extra.producer.resumeProducing()

    def _emptied(self) -> None:
        extra = self._more()
        if self._monitored:
            self._engine.emptied()
        if extra.producer is not None and not extra.streaming:
            extra.producer.resumeProducing()

    # ICongestionMonitor

    @property
    def bufferedBytes(self) -> int:
        """Bytes written that the kernel has not taken: yet, or before the end."""
        if not self.connected:
            return 0 if self._extra is None else self._extra.unsent
        return int(self._engine.buffered(self._handle))

    def setWriteBufferLimits(
        self, high: int | None = None, low: int | None = None, cap: int | None = None
    ) -> None:
        high = HIGH_WATER if high is None else high
        low = high // 4 if low is None else low
        cap = NO_CAP if cap is None else cap
        if not 0 <= low <= high <= cap <= NO_CAP:
            raise ValueError(
                f"write buffer limits must rise from low to high to cap: {low}, {high}, {cap}"
            )
        self._more().limits = (low, high, cap)
        self._engine.set_limits(self._handle, low, high, cap)

    def monitorCongestion(self, callback: Callback) -> None:
        self.uncork()
        self.ignoreCongestion()
        if self.connected:
            told = partial(guarded, self, callback)
            self._engine = CountingEngine(self._engine, self._handle, told)
            self._notify(self._more().notify | NOTIFY_CONGESTION | NOTIFY_EMPTIED)

    def ignoreCongestion(self) -> None:
        if not self._monitored:
            return
        self._engine = self._engine.engine
        extra = self._more()
        keep = ~NOTIFY_CONGESTION
        if extra.producer is None or extra.streaming:
            keep &= ~NOTIFY_EMPTIED
        self._notify(extra.notify & keep)

    @property
    def _monitored(self) -> bool:
        return isinstance(self._engine, CountingEngine)

    # Sink

    def event(self, kind: int, first: int, second: int) -> None:
        if kind == LOST:
            self._lost(first, second)
        elif kind in (EOF, SHUT):
            self._direction_ended(kind)
        elif kind == DRAINED:
            self._drained()
        elif kind == EMPTIED:
            self._emptied()
        elif kind == FILE_SENT:
            files = self._more().files
            assert files is not None
            files.sent(first, second)
        elif kind == BLOCKED and self._monitored:
            self._engine.blocked()
        elif kind == CLEARED and self._monitored:
            self._engine.cleared()

    def raised(self, failure: Failure) -> None:
        """A callback raised: its connection ends, for that reason."""
        if self.connected:
            self._more().failure = failure
            self.abortConnection()

    def leave(self) -> None:
        """Flush what there is and close, whatever a producer still has."""
        self._engine.lose(self._handle)
        self.disconnecting = True
        self.receiving = False

    def abandon(self) -> None:
        """The reactor has stopped, and this has not closed in time."""
        self._more().failure = Failure(error.ConnectionLost("the reactor stopped"))
        self._engine.abort(self._handle)

    def _direction_ended(self, kind: int) -> None:
        """One direction is over; with the second one the connection is.

        The peer's end is told to no protocol that does not ask for it, but one
        that did may have handed over to one that does not.
        """
        extra = self._more()
        extra.ended += 1
        told = IHalfCloseableProtocol.providedBy(self.protocol)
        if not self.disconnecting and told:
            if kind == EOF:
                self.protocol.readConnectionLost()
            else:
                self.protocol.writeConnectionLost()
        if extra.ended == 2 or (kind == EOF and not told):
            self.leave()

    def _lost(self, number: int, unsent: int = 0) -> None:
        self.reactor.sinks.pop(self._handle, None)
        self.connected = self.receiving = False
        self._handle = 0
        reason = self._reason(number)
        extra, self._extra = self._extra, None
        unsent += 0 if extra is None else extra.unsent
        if unsent:
            self._more().unsent = unsent
        if extra is not None:
            self._let_go(extra, reason)
        protocol, self.protocol = self.protocol, None
        self.tell_lost(protocol, reason)

    def _let_go(self, extra: _Extra, reason: Failure) -> None:
        if self._monitored:
            self._engine = self._engine.engine
        if extra.socket is not None:
            extra.socket.detach()
        if extra.producer is not None:
            guarded(self, extra.producer.stopProducing)
        if extra.files is not None:
            extra.files.lost(reason)

    def tell_lost(self, protocol: Any, reason: Failure) -> None:
        """The last step of every connection."""
        if protocol is not None:
            protocol.connectionLost(reason)

    def _reason(self, number: int) -> Failure:
        if self._extra is not None and self._extra.failure is not None:
            return self._extra.failure
        if number == 0:
            return connectionDone
        if number == ECONNABORTED:
            return connectionAborted
        return Failure(_ending(number))

    def _more(self) -> _Extra:
        if self._extra is None:
            self._extra = _Extra()
        return self._extra

    def _notify(self, mask: int) -> None:
        extra = self._more()
        if extra.notify != mask:
            extra.notify = mask
            self._engine.notify(self._handle, mask)

    def logPrefix(self) -> str:
        """The protocol's own prefix, or its class's name; after the end, this class's."""
        prefix: Callable[[], str] | None = getattr(self.protocol, "logPrefix", None)
        return prefix() if prefix is not None else type(self.protocol or self).__name__


def _checked(data: Any) -> bytes | bytearray | memoryview:
    if isinstance(data, bytes | bytearray | memoryview):
        return data
    advice = "; encode it first" if isinstance(data, str) else ""
    raise TypeError(f"a transport takes bytes, not {type(data).__name__}{advice}") from None


def _ending(number: int) -> error.ConnectionClosed:
    if number == EBADF:
        return error.ConnectionFdescWentAway()
    if number == ENOBUFS:
        return error.ConnectionAborted("the peer does not read, and the output reached its cap")
    if number == ETOOMANYREFS:
        return error.FileDescriptorOverrun()
    return error.ConnectionLost(number)
