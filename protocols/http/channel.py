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

from typing import Any, ClassVar

from zope.interface import implementer

from reactorlib import error
from reactorlib.failure import Failure
from reactorlib.interfaces import IHalfCloseableProtocol
from reactorlib.protocol import connectionDone
from reactorlib.protocols.http.channelsettings import ChannelSettings
from reactorlib.protocols.http.chanrequest import ChannelRequest
from reactorlib.protocols.http.flow import BODY_HELD, BUSY, REFUSED, FlowProtocol
from reactorlib.protocols.http.framing import refusal
from reactorlib.protocols.http.parser import HTTPParseError, RequestHead, parseError, requestHead
from reactorlib.protocols.http.patience import Patience
from reactorlib.protocols.http.status import (
    BAD_REQUEST,
    EXPECTATION_FAILED,
    REQUEST_ENTITY_TOO_LARGE,
    REQUEST_TIMEOUT,
)

NO_HEAD = (0, 0, 0, 0, 1, 0, -1, 0, 0)


@implementer(IHalfCloseableProtocol)
class HTTPChannel(ChannelSettings, FlowProtocol):
    """One connection of an HTTPFactory."""

    head: RequestHead
    tick: ClassVar[float]  # the shortest time-out

    # What few connections ever change.
    addresses: Any = None  # see IChanRequest.getAddresses
    draining = False
    _discardable = 0  # bytes of a body that may still be read for nobody
    _advancing = False
    _successor: Any = None

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
        self.begin_flow()
        self._more = False  # data came while busy
        self._ended = False  # the client sends no more
        self.receiving: ChannelRequest | None = None
        self._unread = b""
        self._scanned = 0
        self.awaits_head = False  # a head has begun
        self.seconds = self.transport.reactor.seconds
        self.since = self.seconds()  # when what is waited for began
        self.patience = Patience(self)
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
        seconds = self.seconds
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
                self.stop_gathering()
        if self.requests or self._unread or self._held or self.closing or self._ended:
            self._settle()
        else:
            self.awaits_head = False
            self.since = now

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
            if self.receiving is not None:
                start = self._receive(self.receiving, data, start, end)
                continue
            if self.requests and not self._may_begin():
                self.hold(BUSY)
                break
            length = requestHead(data, start, end, start + scanned, head.out)
            if length > 0:
                request = self.exchange(self, data, values())
                if self.requests:
                    if not request.safe:
                        self.hold(BUSY)
                        break
                    request.wait()
                start += length
                scanned = 0
                if start < end and self._gathered is None:
                    self.gather()
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
            self.receiving = request
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
        self.patience.came(start - before)
        if not request.incoming:
            self.receiving = None
            self.release(BODY_HELD)
        return start

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
            self.release(BUSY)  # no body of its own is still to come

    def go_on(self) -> None:
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
            others = self.receiving is not None and self.receiving is not request
            self.release(BUSY if others else BODY_HELD | BUSY)
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
        self.receiving = None
        self._unread = b""
        self.hold(REFUSED)
        request.persistent = False
        headers, page = refusal(status, reason)
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
        self.receiving = None
        self._unread = b""
        self.hold(REFUSED)

    def abort(self, close_write: bool) -> None:
        """End the connection, with a reset unless what was written shall leave."""
        for request in self.requests:
            request.persistent = False  # so none of their answers is written at once
        if close_write:
            self.close()
        else:
            self.closing = True
            self.drop()
            self.transport.abortConnection()

    def _lose(self) -> None:
        if self.transport.disconnecting:
            return
        if self.requests:
            self.requests[0].stop_producer()
        self.transport.unregisterProducer()
        self.transport.loseConnection()
        self.since = self.seconds()

    def hand_over(self, protocol: Any) -> None:
        """Give the connection away, once what was read here has been looked at."""
        self._successor = protocol
        self.hold(BUSY)
        if not self.busy:
            self._settle()

    def _switch(self) -> None:
        protocol, self._successor = self._successor, None
        unread, self._unread = self._unread, b""
        self.patience.end()
        self.factory.removeConnectedChannel(self)
        self.give_away(protocol, unread, self._ended)

    def drain(self) -> None:
        """Serve what has begun, and at most one request that is on its way; then close.

        A head of which some has come has had its time: it may never become whole.
        """
        self.allowPersistentConnections = False
        self.draining = True
        if self.requests:
            self.requests[-1].persistent = False
        elif self.awaits_head or self.receiving is not None:  # for nobody
            self.close()
        self.betweenRequestsTimeOut = min(self.drainTimeOut, self.betweenRequestsTimeOut)
        self.patience.look_soon()

    def readConnectionLost(self) -> None:
        """The client sends no more; it may wait for its answers."""
        self._ended = True
        if not self.busy:
            self._settle()

    def writeConnectionLost(self) -> None:
        """We never half close."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.closing = True
        self.patience.end()
        self.factory.removeConnectedChannel(self)
        self.depart(True)
        requests, self.requests = self.requests, []
        for request in requests:
            request.connectionLost(reason)

    def renew(self) -> None:
        """Have the Date of the next answer be today's."""
        now = self.seconds()
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
        elif not self.awaits_head:  # a head is waited for from its first byte on, however it comes
            self.since = self.seconds()
        self.awaits_head = bool(self._unread) and not (self.requests or self._held)

    def _end(self) -> None:
        """The client sends no more, and all that it sent has been looked at."""
        if self.receiving is not None:
            self.reject(self.receiving, BAD_REQUEST, "the body ended too early")
        elif not self.requests:
            self.close()

    @property
    def awaits_body(self) -> bool:
        """Whether the client is to send more of a body."""
        return self.receiving is not None and not self._held

    def refuse_slow(self) -> None:
        """What it was to send comes too slowly."""
        if self.receiving is not None and not self._held:
            self.reject(self.receiving, REQUEST_TIMEOUT, "the body comes too slowly")
        else:
            self._refuse(REQUEST_TIMEOUT, "the request comes too slowly")
