"""Transports that write into memory: for tests of one protocol, without a peer.

They are the package's own Stream on an engine that keeps what it is given, so
that writing, producers, water marks and congestion are the real ones. They do
nothing by themselves. Where endings matter, and who is called when, take a
Link instead: there the network is simulated, too.
"""

from __future__ import annotations

from errno import EBADF, ECONNABORTED, ENOBUFS, EPIPE
from io import BytesIO
from typing import Any

from zope.interface import implementer

from reactorlib.address import IPv4Address
from reactorlib.backends.events import BLOCKED, CLEARED, DRAINED, EMPTIED
from reactorlib.interfaces import IPushProducer, ITCPTransport
from reactorlib.stream import HIGH_WATER, NO_CAP, Stream
from reactorlib.task import Clock
from reactorlib.testing.sockets import WithoutSocket

HANDLE = 1


class StringIOWithoutClosing(BytesIO):
    """A BytesIO that stays open, so that its value can be read after `close`."""

    def close(self) -> None:
        """Do nothing."""


class Outlet:
    """The engine of one StringTransport: keeps what is written, and what it was told.

    A peer takes everything at once, unless `blocked`.
    """

    def __init__(self) -> None:
        self.io = BytesIO()
        self.blocked = self.above = self.shutting = self.aborted = False
        self.written = self.taken = 0
        self.low, self.high, self.cap = HIGH_WATER // 4, HIGH_WATER, NO_CAP

    def write(self, handle: int, data: bytes, size: int) -> int:
        if type(data) is not bytes:
            raise TypeError("an engine takes bytes")
        if handle != HANDLE:
            return -EBADF
        if self.aborted or self.shutting:
            return -EPIPE
        if self.buffered(handle) + size > self.cap:
            self.aborted = True
            return -ENOBUFS
        self.io.write(data)
        self.written += size
        if not self.blocked:
            self.taken = self.written
        if self.above or self.buffered(handle) <= self.high:
            return 0
        self.above = True
        return 1

    def sent(self, handle: int) -> int:
        return self.taken

    def buffered(self, handle: int) -> int:
        return self.written - self.taken

    def set_limits(self, handle: int, low: int, high: int, cap: int) -> None:
        self.low, self.high, self.cap = low, high, cap

    def shut(self, handle: int) -> None:
        self.shutting = True

    def abort(self, handle: int) -> None:
        self.aborted = True

    def lose(self, handle: int) -> None:
        """Nothing is waiting to leave."""

    def notify(self, handle: int, mask: int) -> None:
        """Everything is told."""

    def pause(self, handle: int) -> None:
        """Nothing is read here."""

    resume = pause


class OutletReactor:
    """What a StringTransport has as its reactor: all but this is the clock's."""

    def __init__(self, clock: Any) -> None:
        self.clock = clock
        self.engine = Outlet()
        self.sinks: dict[int, Any] = {}
        self.corked: Any = None

    def __getattr__(self, name: str) -> Any:
        return getattr(self.clock, name)

    def report(self, sink: Any) -> None:
        """What a callback raised is the test's."""
        raise


@implementer(ITCPTransport, IPushProducer)
class StringTransport(Stream, WithoutSocket):
    """Keeps in memory what is written; `value` returns it.

    `disconnecting` is true after loseConnection and abortConnection,
    `disconnected` after abortConnection. `producer` and `streaming` are what
    registerProducer was given; a pull producer is left to the test.
    `producerState` is "producing", "paused" or "stopped". `hostAddr` and
    `peerAddr` are what getHost and getPeer return.

    `lenient`: allow pauseProducing and resumeProducing when the connection is
    being closed, where they otherwise raise RuntimeError. `reactor`: what code
    under test shall find as `transport.reactor`, by default a Clock.
    """

    disconnected = False
    producerState = "producing"
    hostAddr: Any = IPv4Address("TCP", "10.0.0.1", 12345)
    peerAddr: Any = IPv4Address("TCP", "192.168.1.1", 54321)

    def __init__(
        self,
        hostAddress: Any = None,
        peerAddress: Any = None,
        lenient: bool = False,
        reactor: Any = None,
    ) -> None:
        super().__init__(OutletReactor(Clock() if reactor is None else reactor), HANDLE)
        if hostAddress is not None:
            self.hostAddr = hostAddress
        if peerAddress is not None:
            self.peerAddr = peerAddress
        self._lenient = lenient
        self._outlet: Outlet = self.reactor.engine

    # For tests: other transports do not have these

    @property
    def io(self) -> BytesIO:
        """What was written, as a file."""
        return self._outlet.io

    def value(self) -> bytes:
        """All that was written since the last `clear`."""
        return self.io.getvalue()

    def clear(self) -> None:
        """Forget what was written."""
        self._outlet.io = BytesIO()

    def block(self) -> None:
        """The peer stops reading: what is written from now on waits in bufferedBytes."""
        self._outlet.blocked = True

    def unblock(self) -> None:
        """The peer has read everything and goes on reading."""
        outlet = self._outlet
        waited, was_above = self.bufferedBytes, outlet.above
        outlet.blocked = outlet.above = False
        outlet.taken = outlet.written
        if waited:
            self.event(CLEARED, 0, 0)
        if was_above:
            self.event(DRAINED, 0, 0)
        if waited:
            self.event(EMPTIED, 0, 0)

    # ITransport

    def write(self, data: bytes) -> None:
        waited = self.bufferedBytes
        super().write(data)
        if self.bufferedBytes and not waited:
            self.event(BLOCKED, 0, 0)

    def abortConnection(self) -> None:
        """Only set `disconnected` and `disconnecting`, and take no more."""
        super().abortConnection()
        self.disconnected = True

    def getPeer(self) -> Any:
        return self.peerAddr

    def getHost(self) -> Any:
        return self.hostAddr

    # IConsumer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        if streaming or self.producer is not None or not self.connected:
            super().registerProducer(producer, streaming)
        else:
            extra = self._more()
            extra.producer, extra.streaming = producer, False

    @property
    def producer(self) -> Any:
        return None if self._extra is None else self._extra.producer

    @property
    def streaming(self) -> bool | None:
        return None if self._extra is None or self.producer is None else self._extra.streaming

    def unregisterProducer(self) -> None:
        """Raises RuntimeError if there is none."""
        if self.producer is None:
            raise RuntimeError("Cannot unregister a producer: none is registered.")
        super().unregisterProducer()

    # IPushProducer

    def _check_state(self) -> None:
        if self.disconnecting and not self._lenient:
            raise RuntimeError("The connection is being closed: it cannot be paused or resumed.")
        if self.producerState == "stopped":
            raise RuntimeError("This transport was told to stop producing.")

    def pauseProducing(self) -> None:
        self._check_state()
        self.producerState = "paused"
        super().pauseProducing()

    def resumeProducing(self) -> None:
        self._check_state()
        self.producerState = "producing"
        super().resumeProducing()

    def stopProducing(self) -> None:
        """The same as loseConnection, and `producerState` is "stopped"."""
        self.producerState = "stopped"
        super().stopProducing()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} of {self.logPrefix()}>"


class StringTransportWithDisconnection(StringTransport):
    """A StringTransport whose end is told, at once, to the protocol in `protocol`.

    A real connection never calls connectionLost from inside a call.
    """

    def write(self, data: bytes) -> None:
        super().write(data)
        if self._outlet.aborted and self.connected:
            self._lost(ENOBUFS)

    def loseConnection(self) -> None:
        super().loseConnection()
        if self.connected:
            self._lost(0)

    def abortConnection(self) -> None:
        super().abortConnection()
        if self.connected:
            self._lost(ECONNABORTED)
