"""The bytes of a connection, both ways: what leaves is gathered and counted, what comes is
held while there is a reason for it.

What is written while data is handled leaves in one piece at the end, or as soon as somebody
waits for it; nothing leaves once the connection is closing. A client that does not read is
not read from.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zope.interface import implementer

from reactorlib.defer import Deferred
from reactorlib.interfaces import IHalfCloseableProtocol, IPushProducer, ISendfileTransport
from reactorlib.protocol import Protocol
from reactorlib.protocols.http.patience import Patience

LARGE = 16_384  # from here on data is not copied for the sake of one write less
MOST_GATHERED = 64
# Why reading has stopped: the application wants no more of a body; the client does not
# read; a request has to wait for those before it; something was refused.
BODY_HELD, CHOKED, BUSY, REFUSED = 1, 2, 4, 8


@implementer(IPushProducer)
class FlowProtocol(Protocol):
    """`begin_flow` is to be called in connectionMade.

    A subclass says what to do when reading goes on (`go_on`); its `patience` is told of pauses.
    `departing` are answers that are written, and to be told when they have left.
    """

    closing: bool  # nothing more is served
    _gathered: list[bytes] | None
    _sent: int  # bytes that the transport was given
    _dropped = 0  # bytes that were written when it was too late
    _outer: Any = None
    _held: int  # why reading has stopped
    departing: Sequence[Any] = ()
    patience: Patience

    def begin_flow(self) -> None:
        """Nothing has been written yet."""
        self.closing = False
        self._gathered = None
        self._sent = 0
        self._held = 0

    def send(self, data: bytes) -> None:
        """Write, at once or with all else that this data makes be written."""
        gathered = self._gathered
        if self.closing:
            self._dropped += len(data)
            return
        if gathered is None:
            self._sent += len(data)
            self.transport.write(data)
        elif len(data) < LARGE and len(gathered) < MOST_GATHERED:
            gathered.append(data)
        else:
            self.flush()
            self._sent += len(data)
            self.transport.write(data)

    def send_file(self, file: Any, offset: int, count: int) -> Deferred[int] | None:
        """Have the kernel send it, if that is possible on this transport."""
        if not ISendfileTransport.providedBy(self.transport):
            return None
        self.flush()
        sent: Deferred[int] = self.transport.sendFile(file, offset, count)
        self._sent += count
        return sent

    def flush(self) -> None:
        """Write what was gathered so far."""
        if self._gathered:
            data = b"".join(self._gathered)
            self._gathered.clear()
            self._sent += len(data)
            self.transport.write(data)

    def drop(self) -> None:
        """What was gathered shall not leave."""
        if self._gathered:
            self._dropped += sum(map(len, self._gathered))
            self._gathered.clear()

    def gather(self) -> None:
        """From now on, until the data is handled or somebody waits for it, gather."""
        self._gathered = []
        reactor = self.transport.reactor
        self._outer, reactor.corked = reactor.corked, self.stop_gathering

    def stop_gathering(self) -> None:
        """Write what was gathered, and from now on all at once."""
        gathered, self._gathered = self._gathered, None
        if gathered is not None:
            self.transport.reactor.corked = self._outer
        if gathered:
            data = b"".join(gathered)
            self._sent += len(data)
            self.transport.write(data)

    @property
    def position(self) -> int:
        """How many bytes were written on this connection."""
        return self._sent + self._dropped + sum(map(len, self._gathered or ()))

    @property
    def accepted(self) -> int:
        """How many of them the kernel has taken."""
        return self._sent - int(self.transport.bufferedBytes)

    def give_away(self, protocol: Any, unread: bytes, ended: bool) -> None:
        """Give the connection to another protocol: what was read, and whether that was all."""
        self.transport.unregisterProducer()
        self.transport.resumeProducing()
        self.transport.handOver(protocol, unread)
        if ended and IHalfCloseableProtocol.providedBy(protocol):
            protocol.readConnectionLost()
        elif ended:
            self.transport.loseConnection()

    # The transport tells whether the client reads

    def register(self, producer: Any, streaming: bool) -> None:
        """Have the transport drive the producer of the request whose turn it is."""
        self.stop_gathering()
        self.transport.unregisterProducer()
        self.transport.registerProducer(Tap(self, producer) if streaming else producer, streaming)

    def unregister(self) -> None:
        """It has ended: the transport drives this channel again."""
        self.stop_gathering()
        self.transport.unregisterProducer()
        was_choked = self.choked
        self._held &= ~CHOKED
        self.transport.registerProducer(self, True)  # which tells whether it still is
        if was_choked and not self.choked:
            self._held |= CHOKED
            self.resumeProducing()

    @property
    def choked(self) -> bool:
        """Whether the client does not read."""
        return self._held & CHOKED != 0

    def pauseProducing(self) -> None:
        """The client does not read: nor do we."""
        self.hold(CHOKED)

    def resumeProducing(self) -> None:
        """It reads again."""
        if self.departing:
            self.depart(False)
        self.release(CHOKED)

    def depart(self, lost: bool) -> None:
        """Tell those answers that they have left, or never will."""
        departing, self.departing = self.departing, ()
        for request in departing:
            request.departed(lost)

    def stopProducing(self) -> None:
        """connectionLost tells it."""

    # Reading

    def hold_body(self) -> None:
        """The application wants no more of the body for now."""
        self.hold(BODY_HELD)

    def release_body(self) -> None:
        """It does."""
        self.release(BODY_HELD)

    def hold(self, why: int) -> None:
        if not self._held and not self.closing:
            self.transport.pauseProducing()
            self.patience.stop()
        self._held |= why

    def release(self, why: int) -> None:
        if self.closing or not self._held & why:
            return
        self._held &= ~why
        if not self._held:
            self.patience.go_on()
            self.transport.resumeProducing()
            self.go_on()

    def go_on(self) -> None:
        """Reading goes on: serve what was read before and could not be served then."""
        raise NotImplementedError


class Tap:
    """A producer whose pauses are the channel's too."""

    __slots__ = ("_channel", "_producer")

    def __init__(self, channel: FlowProtocol, producer: Any) -> None:
        self._channel = channel
        self._producer = producer

    def pauseProducing(self) -> None:
        self._channel.pauseProducing()
        self._producer.pauseProducing()

    def resumeProducing(self) -> None:
        self._producer.resumeProducing()
        self._channel.resumeProducing()

    def stopProducing(self) -> None:
        self._producer.stopProducing()
