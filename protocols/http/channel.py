"""The connection of a web server: cuts what comes into requests, in order.

It holds, whatever clients and applications do:

- Answers leave in the order of the requests. Requests that change nothing may be
  worked on at the same time, at most `maxPipeline`; any other is worked on alone.
- After an error, or an answer that ends the connection, nothing more is served.
- What cannot be served yet is not read: a client that does not read its answers,
  or sends faster than its requests are worked on, waits in its own buffers.
- Every wait for the client ends: a head comes within `inputTimeOut`, a pause in
  a body, or in the reading of its answer, lasts no longer than `inputTimeOut` and
  `idleTimeOut`, and the next request begins within `betweenRequestsTimeOut`. A body that
  comes in drips comes at `minimumRate` at least.

What is written while data is handled leaves in one piece when it has been.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

from zope.interface import implementer

from reactorlib import error
from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.interfaces import IHalfCloseableProtocol, IPushProducer, ISendfileTransport
from reactorlib.protocol import Protocol, connectionDone
from reactorlib.protocols.http.chanrequest import LARGE, ChannelRequest
from reactorlib.protocols.http.framing import EveryAnswer
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.parser import (
    HTTPParseError,
    RequestHead,
    parseError,
    requestHead,
)
from reactorlib.protocols.http.status import (
    BAD_REQUEST,
    EXPECTATION_FAILED,
    REQUEST_ENTITY_TOO_LARGE,
    REQUEST_TIMEOUT,
    RESPONSES,
)

MOST_GATHERED = 64
# Why reading has stopped: the application wants no more of a body; the client does not
# read; a request has to wait for those before it; something was refused.
_BODY_HELD, _CHOKED, _BUSY, _REFUSED = 1, 2, 4, 8
NO_HEAD = (0, 0, 0, 0, 1, 0, -1, 0, 0)


@implementer(IHalfCloseableProtocol, IPushProducer)
class HTTPChannel(Protocol):
    """One connection of an HTTPFactory, which may set any of these for all of its own.

    Attributes:
        maxPipeline: requests that are worked on at once.
        betweenRequestsTimeOut: seconds until the next request must have begun.
        inputTimeOut: seconds for a head, and for each wait for more of a body.
        minimumRate: bytes per second that a body must come with, where that is not
            due to us; it may be behind by inputTimeOut seconds. 0 for none.
        idleTimeOut: seconds in which a client must read some of what waits for it.
        closeTimeOut: the same, once the connection ends.
        maxRequestLine, maxHeaderLength: bytes of the first line and of the whole head.
        maxHeaderCount: fields of a request.
        maxContentLength: bytes of a request's body.
        maxUnread: bytes of a body that nobody wants, read to keep the connection.
        allowPersistentConnections: whether one serves more than one request.
    """

    maxPipeline: ClassVar[int] = 4
    betweenRequestsTimeOut: float = 15
    inputTimeOut: ClassVar[float] = 240
    minimumRate: ClassVar[float] = 240
    idleTimeOut: ClassVar[float] = 300
    drainTimeOut: ClassVar[float] = 1
    closeTimeOut: ClassVar[float] = 20
    maxRequestLine: ClassVar[int] = 8_190
    maxHeaderLength: ClassVar[int] = 10_240
    maxHeaderCount: ClassVar[int] = 100
    maxContentLength: ClassVar[int] = 2**30
    maxUnread: ClassVar[int] = 65_536
    allowPersistentConnections: bool = True

    requestFactory: Any = None
    exchangeFactory: type[ChannelRequest] = ChannelRequest
    head: RequestHead
    everyAnswer: EveryAnswer

    _tick: ClassVar[float]

    # What few connections ever change.
    addresses: Any = None  # see IChanRequest.getAddresses
    _discardable = 0  # bytes of a body that may still be read for nobody
    _taken = -1  # bytes that the client had read when that was looked at last
    _pace: Pace | None = None  # of a body that has been coming for a while
    _draining = False
    _advancing = False
    departing: Sequence[ChannelRequest] = ()  # written, and to be told when they have left
    _dropped = 0  # bytes that were written when it was too late
    _outer: Any = None
    _successor: Any = None

    @classmethod
    def configured(cls, **settings: Any) -> type[HTTPChannel]:
        """A class of channels with these attributes."""
        settings.setdefault("everyAnswer", EveryAnswer())
        channel: type[HTTPChannel] = type(cls.__name__, (cls,), settings)
        channel.head = RequestHead(
            channel.maxRequestLine, channel.maxHeaderLength, channel.maxHeaderCount
        )
        channel._tick = min(
            channel.betweenRequestsTimeOut,
            channel.inputTimeOut,
            channel.idleTimeOut,
            channel.closeTimeOut,
        )
        if channel._tick <= 0:
            raise ValueError("a time-out is more than 0 seconds")
        return channel

    def connectionMade(self) -> None:
        self.requests: list[ChannelRequest] = []
        self.transport.registerProducer(self, True)
        # What each request needs is the instance's own, and not under a name that the class
        # has too: so it is found quicker.
        self.parser = self.head
        self.answers = self.everyAnswer
        self.makeRequest = self.requestFactory
        self.exchange = self.exchangeFactory
        self.allowPersistentConnections = self.allowPersistentConnections
        self.busy = False  # handling data, a few frames further up
        self.closing = False  # nothing more is served
        self._more = False  # data came while busy
        self._ended = False  # the client sends no more
        self._held = 0
        self._gathered: list[bytes] | None = None
        self._receiving: ChannelRequest | None = None
        self._unread = b""
        self._scanned = 0
        self._partial = False  # a head has begun
        self._sent = 0
        reactor = self.transport.reactor
        self._seconds = reactor.seconds
        self._since = reactor.seconds()
        self._timer = reactor.callLater(self._tick, self._look)
        self.factory.addConnectedChannel(self)

    def dataReceived(self, data: bytes) -> None:
        if self.busy or self._held or self.closing:
            if not self.closing:
                self._unread += data
                self._more = self.busy
            return
        scanned = 0
        if self._unread:
            data = self._unread + data
            self._unread = b""
            scanned, self._scanned = self._scanned, 0
        seconds = self._seconds
        now = seconds()
        if now >= self.answers.expires:
            self.answers.renew(now)
        self.busy = True
        try:
            self._read(data, scanned)
            while self._more:
                self._read_more()
        finally:
            self.busy = False
            if self._gathered is not None:
                self._stop_gathering()
        if self.requests or self._unread or self._held or self.closing or self._ended:
            self._settle()
        else:
            self._partial = False
            self._since = now

    def _read_more(self) -> None:
        """Serve what came from a turn of the loop inside a callback."""
        self._more = False
        data, self._unread = self._unread, b""
        scanned, self._scanned = self._scanned, 0
        self._read(data, scanned)

    def _read(self, data: bytes, scanned: int) -> None:
        """Serve what is there; keep what cannot be served yet. A head of which `scanned`
        bytes have been looked at begins the data."""
        start, end, head = 0, len(data), self.parser
        values = head.values
        while start < end and not (self._held or self.closing):
            if self._receiving is not None:
                start = self._receive(self._receiving, data, start, end)
                continue
            if self.requests and not self._may_begin():
                self._hold(_BUSY)
                break
            length = requestHead(data, start, end, start + scanned, head.out)
            if length > 0:
                request = self.exchange(self, data, values())
                if self.requests:
                    if not request.safe:
                        self._hold(_BUSY)
                        break
                    request.wait()
                start += length
                scanned = 0
                if start < end and self._gathered is None:
                    self._gather()
                self.requests.append(request)
                if not request.incoming or self._takes_body(request):
                    request.start()
            elif length == 0:
                scanned = end - start
                break
            else:
                self._refuse(-length, str(parseError(length, head.out.flags)))
                return
        if start < end:
            self._unread = data[start:] + self._unread
            self._scanned = scanned

    def _may_begin(self) -> bool:
        """Whether another request may begin beside those that are not finished."""
        if len(self.requests) >= self.maxPipeline or not self.requests[-1].safe:
            return False
        return all(request.persistent for request in self.requests)

    def _takes_body(self, request: ChannelRequest) -> bool:
        """Whether the body of a request may come; if not, the request has been answered."""
        if request.unexpected:
            self.reject(request, EXPECTATION_FAILED, "this is not what can be expected here")
        elif request.incoming > self.maxContentLength:
            self.too_large(request)
        else:
            self._receiving = request
            self._discardable = self.maxUnread
            return True
        return False

    def _receive(self, request: ChannelRequest, data: bytes, start: int, end: int) -> int:
        before = start
        try:
            start = request.receive(data, start, end)
        except HTTPParseError as refused:
            if request.finished and not self.requests:
                self.abort(False)
            else:
                self.reject(request, refused.status, str(refused))
        if self._pace is not None:
            self._pace.came += start - before
        if not request.incoming:
            self._receiving = None
            self._release(_BODY_HELD)
        return start

    # Output

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

    def answer(self, data: bytes) -> None:
        """Write all of the answer whose turn it is: send and finished in one, while `busy`."""
        if self._gathered is None:
            self._sent += len(data)
            self.transport.write(data)
        else:
            self.send(data)
        del self.requests[0]
        if self.requests:
            self._advance()
        if self._held:
            self._release(_BUSY)  # no body of its own is still to come

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

    def _gather(self) -> None:
        """From now on, until the data is handled or somebody waits for it, gather."""
        self._gathered = []
        reactor = self.transport.reactor
        self._outer, reactor.corked = reactor.corked, self._stop_gathering

    def _stop_gathering(self) -> None:
        """Write what was gathered, and from now on all at once."""
        gathered, self._gathered = self._gathered, None
        if gathered is not None:
            self.transport.reactor.corked = self._outer
        if gathered:
            data = b"".join(gathered)
            self._sent += len(data)
            self.transport.write(data)

    def register(self, producer: Any, streaming: bool) -> None:
        """Have the transport drive the producer of the request whose turn it is."""
        self._stop_gathering()
        self.transport.unregisterProducer()
        self.transport.registerProducer(Tap(self, producer) if streaming else producer, streaming)

    def unregister(self) -> None:
        """It has ended: the transport drives this channel again."""
        self._stop_gathering()
        self.transport.unregisterProducer()
        was_choked = self.choked
        self._held &= ~_CHOKED
        self.transport.registerProducer(self, True)  # which tells whether it still is
        if was_choked and not self.choked:
            self._held |= _CHOKED
            self.resumeProducing()

    @property
    def choked(self) -> bool:
        """Whether the client does not read."""
        return self._held & _CHOKED != 0

    def pauseProducing(self) -> None:
        """The client does not read: nor do we."""
        self._hold(_CHOKED)

    def resumeProducing(self) -> None:
        """It reads again."""
        if self.departing:
            self._depart(False)
        self._release(_CHOKED)

    def _depart(self, lost: bool) -> None:
        departing, self.departing = self.departing, ()
        for request in departing:
            request.departed(lost)

    @property
    def position(self) -> int:
        """How many bytes were written on this connection."""
        return self._sent + self._dropped + sum(map(len, self._gathered or ()))

    @property
    def accepted(self) -> int:
        """How many of them the kernel has taken."""
        return self._sent - int(self.transport.bufferedBytes)

    def stopProducing(self) -> None:
        """connectionLost tells it."""

    # Reading

    def hold_body(self) -> None:
        """The application wants no more of the body for now."""
        self._hold(_BODY_HELD)

    def release_body(self) -> None:
        """It does."""
        self._release(_BODY_HELD)

    def _hold(self, why: int) -> None:
        if not self._held and not self.closing:
            self.transport.pauseProducing()
            if self._pace is not None:
                self._pace.stop(self._seconds())
        self._held |= why

    def _release(self, why: int) -> None:
        if self.closing or not self._held & why:
            return
        self._held &= ~why
        if not self._held:
            if self._pace is not None:
                self._pace.go_on(self._seconds())
            self.transport.resumeProducing()
            self._go_on()

    def _go_on(self) -> None:
        """Serve what was read before and could not be served then."""
        if self._unread and not (self.busy or self._held):
            self.dataReceived(b"")
        elif not self.busy:
            self._settle()

    def discarded(self, count: int) -> None:
        """Some of a body came that nobody wants."""
        self._discardable -= count
        if self._discardable < 0:
            self._close_in_turn()

    def will_discard(self, length: int) -> bool:
        """Whether what is left of a body, -1 for unknown, will be read for nobody."""
        return length <= self._discardable

    # Ends

    def finished(self, request: ChannelRequest) -> None:
        """The answer whose turn it was is finished."""
        del self.requests[0]
        if not request.persistent:
            self.close()
        elif self.requests:
            self._advance()
        if self._held:
            others = self._receiving is not None and self._receiving is not request
            self._release(_BUSY if others else _BODY_HELD | _BUSY)
        if not self.busy:
            self._settle()

    def _advance(self) -> None:
        """The first answer is finished: have leave those that waited, up to one that is not.

        No recursion, however many have: what finishes in its turn comes back here.
        """
        if self._advancing:
            return
        self._advancing = True
        try:
            while self.requests and self.requests[0].queued and not self.closing:
                self.requests[0].noLongerQueued()
        finally:
            self._advancing = False

    def reject(self, request: ChannelRequest, status: int, reason: str) -> None:
        """Answer a request that was begun in the place of its application, and close."""
        request.take_from_application(error.ConnectionLost(reason))
        if request.finished:
            self._close_in_turn()
        elif request.begun:
            self.abort(False)
        else:
            self._answer(request, status, reason)

    def too_large(self, request: ChannelRequest) -> None:
        """A body grew beyond what is allowed."""
        self.reject(request, REQUEST_ENTITY_TOO_LARGE, f"{self.maxContentLength} bytes at most")

    def _refuse(self, status: int, reason: str) -> None:
        """Answer what is no request, in its turn, and close."""
        request = self.exchange(self, b"", NO_HEAD)
        if self.requests:
            request.wait()
        self.requests.append(request)
        self._answer(request, status, reason)

    def _answer(self, request: ChannelRequest, status: int, reason: str) -> None:
        self._receiving = None
        self._unread = b""
        self._hold(_REFUSED)
        request.persistent = False
        page = b"%d %b: %b\n" % (status, RESPONSES[status], reason.encode())
        headers = Headers(rawHeaders={b"Content-Type": [b"text/plain; charset=utf-8"]})
        headers.setRawHeaders(b"Content-Length", [b"%d" % len(page)])
        request.writeHeaders(status, headers)
        request.write(page)
        request.finish()

    def close(self) -> None:
        """End the connection after what was written."""
        self.closing = True
        self._unread = b""
        if not self.busy:
            self._lose()

    def _close_in_turn(self) -> None:
        """Read no more, of a body that nobody wants; close once all before it is answered."""
        if not self.requests:
            self.close()
            return
        self.requests[-1].persistent = False
        self._receiving = None
        self._unread = b""
        self._hold(_REFUSED)

    def abort(self, close_write: bool) -> None:
        """End the connection, with a reset unless what was written shall leave."""
        for request in self.requests:
            request.persistent = False  # so none of their answers is written at once
        if close_write:
            self.close()
        else:
            self.closing = True
            if self._gathered:
                self._dropped += sum(map(len, self._gathered))
                self._gathered.clear()
            self.transport.abortConnection()

    def _lose(self) -> None:
        if self.transport.disconnecting:
            return
        if self.requests:
            self.requests[0].stop_producer()
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self._since = self._seconds()

    def hand_over(self, protocol: Any) -> None:
        """Give the connection away, once what was read here has been looked at."""
        self._successor = protocol
        self._hold(_BUSY)
        if not self.busy:
            self._settle()

    def _switch(self) -> None:
        protocol, self._successor = self._successor, None
        unread, self._unread = self._unread, b""
        self._timer.cancel()
        self.transport.unregisterProducer()
        self.factory.removeConnectedChannel(self)
        self.transport.resumeProducing()
        self.transport.handOver(protocol, unread)
        if self._ended:
            self._tell_end(protocol)

    def _tell_end(self, protocol: Any) -> None:
        """The client had ended before the connection was another protocol's."""
        if IHalfCloseableProtocol.providedBy(protocol):
            protocol.readConnectionLost()
        else:
            self.transport.loseConnection()

    def drain(self) -> None:
        """Serve what has begun, and at most one request that is on its way; then close.

        A head of which some has come has had its time: it may never become whole.
        """
        self.allowPersistentConnections = False
        self._draining = True
        if self.requests:
            self.requests[-1].persistent = False
        elif self._partial or self._receiving is not None:  # for nobody
            self.close()
        self.betweenRequestsTimeOut = min(self.drainTimeOut, self.betweenRequestsTimeOut)
        if self._timer.active():
            self._timer.reset(0)

    def readConnectionLost(self) -> None:
        """The client sends no more; it may wait for its answers."""
        self._ended = True
        if not self.busy:
            self._settle()

    def writeConnectionLost(self) -> None:
        """We never half close."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closing = True
        self._timer.cancel()
        self.factory.removeConnectedChannel(self)
        self._depart(True)
        requests, self.requests = self.requests, []
        for request in requests:
            request.connectionLost(reason)

    # Time

    def renew(self) -> None:
        """Have the Date of the next answer be today's."""
        now = self._seconds()
        if now >= self.answers.expires:
            self.answers.renew(now)

    def _settle(self) -> None:
        """Nothing is being handled: what is waited for now begins now."""
        if self.closing:
            self._lose()
        elif self._successor is not None:
            self._switch()
        elif self._ended and not self._held:
            self._end()
        elif not self._partial:  # a head is waited for from its first byte on, however it comes
            self._since = self._seconds()
        self._partial = bool(self._unread) and not (self.requests or self._held)

    def _end(self) -> None:
        """The client sends no more, and all that it sent has been looked at."""
        if self._receiving is not None:
            self.reject(self._receiving, BAD_REQUEST, "the body ended too early")
        elif not self.requests:
            self.close()

    @property
    def _patience(self) -> float:
        """For how many seconds what is waited for may take."""
        if self.closing:
            return self.closeTimeOut
        if self._receiving is not None and not self._held:
            return self.inputTimeOut
        if self._partial and not self._draining:
            return self.inputTimeOut
        return self.idleTimeOut if self.requests or self._waits else self.betweenRequestsTimeOut

    def _look(self) -> None:
        """Called at least once in each time-out: has what is waited for taken too long?"""
        if self._reads():
            self._since = self._seconds()
        now = self._seconds()
        left = min(self._since + self._patience - now, self._patience_with_body(now))
        if left <= 0:
            self._time_out()
            self._since = self._seconds()
            left = self._patience
        self._timer = self.transport.reactor.callLater(min(left, self._tick), self._look)

    def _patience_with_body(self, now: float) -> float:
        """For how many seconds more a body may come as slowly as it does."""
        if self._receiving is None or not self.minimumRate:
            self._pace = None
            return self.inputTimeOut
        if self._pace is None or self._pace.of is not self._receiving:
            self._pace = Pace(self._receiving, self.minimumRate, self.inputTimeOut, now)
        return self.inputTimeOut if self._held else self._pace.left(now)

    def _time_out(self) -> None:
        if self.closing:
            self.abort(False)
        elif self._receiving is not None and not self._held:
            self.reject(self._receiving, REQUEST_TIMEOUT, "the body comes too slowly")
        elif self._partial:
            self._refuse(REQUEST_TIMEOUT, "the request comes too slowly")
        elif self._waits:
            self.abort(False)
        elif not self.requests:
            self.close()

    @property
    def _waits(self) -> bool:
        """Whether there was something for the client to read at the last look."""
        return self._taken >= 0

    def _reads(self) -> bool:
        """Whether something began to wait for the client, or it has read some of it.

        One that is to send something is not given more time for what it reads.
        """
        waiting = self.transport.bufferedBytes
        before, self._taken = self._taken, self._sent - waiting if waiting else -1
        owes = self._partial or (self._receiving is not None and not self._held)
        return before != self._taken and (self.closing or not owes)


class Pace:
    """How far a body is behind the least rate that it must come with."""

    __slots__ = ("_allowed", "_last", "_left", "_rate", "came", "of")

    def __init__(self, of: ChannelRequest, rate: float, allowed: float, now: float) -> None:
        self.of = of
        self.came = 0  # bytes since the last look
        self._rate = rate
        self._allowed = self._left = allowed  # seconds
        self._last = now

    def left(self, now: float) -> float:
        """For how many seconds more nothing may come."""
        self.stop(now)
        return self._left

    def stop(self, now: float) -> None:
        """From now on it is we who do not read; what has come by then counts."""
        self._left += self.came / self._rate - (now - self._last)
        self._left = min(self._left, self._allowed)
        self.came = 0
        self._last = now

    def go_on(self, now: float) -> None:
        """We read again."""
        self._last = now


class Tap:
    """A producer whose pauses are the channel's too."""

    __slots__ = ("_channel", "_producer")

    def __init__(self, channel: HTTPChannel, producer: Any) -> None:
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
