"""A client's side of a connection: one request, its answer, then the next.

It holds, whatever servers do:

- The body of a request leaves at the server's pace, that of an answer comes at the
  reader's. An answer may come, and end, before the request has left.
- Every wait for the server ends after `timeout` seconds; waits for the other side do not
  count.
- A connection is used again only if both have agreed, all of the request has left, and
  not one byte has come that nobody asked for.
"""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator, Callable
from dataclasses import dataclass
from typing import Any

from reactorlib import error
from reactorlib.defer import Deferred, ensureDeferred
from reactorlib.failure import Failure
from reactorlib.protocol import Protocol, connectionDone
from reactorlib.protocols.http.body import Streamed
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.parser import HTTPParseError
from reactorlib.protocols.http.pump import Pump
from reactorlib.protocols.http.response import Head, ResponseReader
from reactorlib.protocols.http.status import CONTINUE

TIMEOUT = 60.0
EXPECTING = 1.0  # seconds to wait for 100 Continue before the body is sent without it
LAST_CHUNK = b"0\r\n\r\n"


class ResponseFailed(Exception):
    """There is no answer, or not all of it: it was cut off, or was not HTTP."""


class ResponseTimedOut(ResponseFailed):
    """The server was waited for in vain."""


class RequestGenerationFailed(Exception):
    """The body that was to be sent has failed: the request cannot be completed."""


class ResponseNeverReceived(ResponseFailed):
    """The connection ended before any byte of the answer came."""


@dataclass
class Question:
    """A request to be sent.

    `headers` are without those that frame the body: that is done here, by `length`, or in
    chunks if it is None. `body` is None if there is none. `expect`: first ask whether the
    body is wanted. `intermediate` is called with the Head of each answer before the answer,
    but for 100. `timeout` is in seconds.
    """

    method: bytes
    target: bytes
    headers: Headers
    body: AsyncIterable[bytes] | None = None
    length: int | None = None
    expect: bool = False
    intermediate: Callable[[Head], object] | None = None
    timeout: float = TIMEOUT

    def lines(self) -> bytes:
        """The head as it is sent. Raises ValueError, before a byte leaves, for what must not be."""
        for part in (self.method, self.target):
            if not part or not all(0x20 < byte < 0x7F for byte in part):
                raise ValueError(f"{part!r} cannot stand in the first line of a request")
        lines = [b"%b %b HTTP/1.1\r\n" % (self.method, self.target), self.headers.toBytes()]
        if self.body is not None:
            if self.length is None:
                lines.append(b"Transfer-Encoding: chunked\r\n")
            else:
                lines.append(b"Content-Length: %d\r\n" % self.length)
            if self.expect:
                lines.append(b"Expect: 100-continue\r\n")
        return b"".join([*lines, b"\r\n"])


class Answer:
    """An answer whose head has come.

    `head` is its Head; iterating over it gives the pieces of its body, at the reader's pace,
    and raises ResponseFailed if it is cut off. Who does not read it to its end calls
    `abandon`.
    """

    __slots__ = ("_exchange", "_pieces", "head")

    def __init__(self, head: Head, exchange: Exchange, pieces: Streamed) -> None:
        self.head = head
        self._exchange = exchange
        self._pieces = pieces

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self._pieces

    def abandon(self) -> None:
        """What has not come yet is not wanted: then the connection ends."""
        self._exchange.abandon()


class Exchange:
    """One request on a connection, and its answer."""

    def __init__(self, connection: ClientConnection, question: Question) -> None:
        self._connection = connection
        self._transport = connection.transport
        self._question = question
        self._reader = ResponseReader(question.method)
        self._pieces = Streamed(self)
        self._sending: Deferred[None] | None = None
        self._sent = question.body is None
        self._heard = False  # any byte of the answer
        self._paused = False
        self._over = False
        self.answered: Deferred[Answer] = Deferred(lambda deferred: self.abandon())
        reactor = self._transport.reactor
        self._timer = reactor.callLater(question.timeout, self._look)
        self._patience = None
        if question.expect and not self._sent:
            self._patience = reactor.callLater(EXPECTING, self._send_body)

    def begin(self, head: bytes) -> None:
        """Send the request."""
        self._transport.write(head)
        if self._patience is None and not self._sent:
            self._send_body()

    # The request's body: a consumer for the Pump

    def _send_body(self) -> None:
        self._stop_waiting()
        body = self._question.body
        assert body is not None
        self._sending = ensureDeferred(Pump(self, body).run())
        self._sending.addErrback(self._body_failed)

    def _body_failed(self, reason: Failure) -> None:
        self.fail(Failure(RequestGenerationFailed(reason.getErrorMessage())))

    def _stop_waiting(self) -> None:
        patience, self._patience = self._patience, None
        if patience is not None and patience.active():
            patience.cancel()

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        self._transport.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        self._transport.unregisterProducer()

    def write(self, data: bytes) -> None:
        if self._over or not data:
            return
        self._timer.reset(self._question.timeout)
        if self._question.length is None:
            data = b"%x\r\n%b\r\n" % (len(data), data)
        self._transport.write(data)

    def finish(self) -> None:
        if self._over:
            return
        self._sent = True
        self._timer.reset(self._question.timeout)
        if self._question.length is None:
            self._transport.write(LAST_CHUNK)

    # The answer

    def received(self, data: bytes) -> None:
        """Some of the answer."""
        self._heard = True
        self._timer.reset(self._question.timeout)
        try:
            found = self._reader.feed(data)
        except HTTPParseError as refused:
            self.fail(Failure(ResponseFailed(f"the answer was refused: {refused}")))
            return
        for each in found:
            if not self._over:
                self._take(each)
        if self._reader.done and not self._over:
            self._complete()

    def _take(self, found: Head | bytes) -> None:
        if isinstance(found, bytes):
            self._pieces.add(found)
        elif found.final:
            self._stop_waiting()
            self.answered.callback(Answer(found, self, self._pieces))
        elif found.status == CONTINUE:
            if self._patience is not None:
                self._send_body()
        elif self._question.intermediate is not None:
            self._question.intermediate(found)

    def lost(self, reason: Failure) -> None:
        """The connection has gone."""
        if reason.check(error.ConnectionDone):
            try:
                self._reader.end()
            except HTTPParseError as cut:
                self.fail(self._never() or Failure(ResponseFailed(str(cut))))
            else:
                self._complete()
        else:
            self.fail(self._never() or Failure(ResponseFailed(reason.getErrorMessage())))

    def _never(self) -> Failure | None:
        if self._heard:
            return None
        return Failure(ResponseNeverReceived("the connection ended without an answer"))

    def _complete(self) -> None:
        """All of the answer has come."""
        if not self._sent or self._reader.unread:
            self._close(self._transport.abortConnection)
        elif self._reader.persistent:
            self._close(self._connection.release)
        else:
            self._close(self._transport.loseConnection)
        self._pieces.end()

    def _close(self, end: Callable[[], object]) -> None:
        """Leave the connection, and have that done with it."""
        self._over = True
        self._connection.exchange = None
        self._timer.cancel()
        self._stop_waiting()
        sending, self._sending = self._sending, None
        if sending is not None:
            sending.cancel()
        if self._paused:
            self._transport.resumeProducing()
        end()

    def fail(self, reason: Failure) -> None:
        """It will not be completed: tell who waits for it."""
        if self._over:
            return
        self._close(self._transport.abortConnection)
        if not self.answered.called:
            self.answered.errback(reason)
        self._pieces.lose(reason)

    def abandon(self) -> None:
        """Nobody waits for it."""
        if not self._over:
            self._close(self._transport.abortConnection)

    def _look(self) -> None:
        """For so long nothing has happened: whose turn is it?"""
        seconds = self._question.timeout
        self._timer = self._transport.reactor.callLater(seconds, self._look)
        ours = not self._sent and not self._transport.bufferedBytes
        if not (self._paused or ours):
            self.fail(Failure(ResponseTimedOut(f"nothing came for {seconds:g} seconds")))

    # What `Streamed` asks of whoever sends it pieces

    def acceptData(self) -> None:
        """The body comes anyway."""

    def pauseProducing(self) -> None:
        self._paused = True
        self._transport.pauseProducing()

    def resumeProducing(self) -> None:
        if not self._over:
            self._paused = False
            self._timer.reset(self._question.timeout)
            self._transport.resumeProducing()


class ClientConnection(Protocol):
    """A connection to a server. `used`: how many requests were sent before the present one.

    `idle` is called with this whenever another request may be sent; `gone` when none may any
    more, which is once.
    """

    idle: Callable[[ClientConnection], object] | None = None
    gone: Callable[[ClientConnection], object] | None = None

    def __init__(self) -> None:
        self.used = -1
        self.exchange: Exchange | None = None

    def ask(self, question: Question) -> Deferred[Answer]:
        """Send a request; fires with its answer once that one's head has come.

        Fails with ResponseFailed or RequestGenerationFailed. Cancelling it ends the
        connection. Raises RuntimeError while another is not answered, and ValueError for what
        must not be sent.
        """
        if self.exchange is not None:
            raise RuntimeError("one request at a time")
        head = question.lines()
        self.used += 1
        self.exchange = exchange = Exchange(self, question)
        exchange.begin(head)
        return exchange.answered

    def dataReceived(self, data: bytes) -> None:
        if self.exchange is None:
            self.transport.abortConnection()  # nobody has asked
        else:
            self.exchange.received(data)

    def release(self) -> None:
        """The answer has come, and another request may be sent."""
        if self.idle is None:
            self.transport.loseConnection()
        else:
            self.idle(self)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.connected = False
        if self.exchange is not None:
            self.exchange.lost(reason)
        if self.gone is not None:
            self.gone(self)
