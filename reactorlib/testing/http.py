"""Requests without a connection: what carries them is simulated here.

A MemoryChanRequest carries one request in memory. It holds to the contract of
IChanRequest as the channel of a web server does, and the same suite
(`contract.http_request`) is passed by both; it frames nothing, so that tests
see the answer as data. Below it is a StringTransport: producers, water marks
and congestion are the real ones.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from errno import ECONNRESET
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.backends.events import EMPTIED, LOST
from reactorlib.failure import Failure
from reactorlib.interfaces import IPushProducer
from reactorlib.protocols.http.framing import (
    WITHOUT_BODY,
    bytes_of,
    content_length,
    status_line,
)
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.interfaces import IChanRequest
from reactorlib.protocols.http.status import INTERNAL_SERVER_ERROR
from reactorlib.testing.httpincoming import MemoryIncomingRequest

logger = logging.getLogger("reactorlib")


@implementer(IChanRequest, IPushProducer)
class MemoryChanRequest(MemoryIncomingRequest):
    """Carries one request in memory.

    `requestFactory(chanRequest, method, uri, version, headers)` makes the IRequest: a
    subclass of Request is one. `headers` is a Headers, or maps names to a value or a
    list of them. `queued`: other requests come first, until noLongerQueued.

    Attributes:
        request: what the factory has made; None before `begin`.
        code, message, headers: the head of the answer, as far as it has left.
        written: its body, without any framing.
        intermediates: pairs of a code and its Headers, 100 Continue too.
        finished: whether the end of the answer has left.
        persistent: whether the connection would be used again.
        closing, aborted: whether it was ended, and whether with a reset.
        paused: whether the application wants no more of the body now.
        switchedTo: the protocol that was given the connection, or None.
        transport: the StringTransport that the body is written to; it has the
            producer, and `setWriteBufferLimits`.
    """

    # For tests: what the connection does

    def lose(self, reason: Exception | None = None) -> None:
        """The connection is gone: by default because the client has reset it."""
        failure = Failure(reason or error.ConnectionLost())
        self._over = True
        if self.queued:
            self._stop_producer()
        self._producer = None
        self.transport.event(LOST, ECONNRESET, 0)
        if self.request is not None and not self.finished:
            self._guarded(self.request.connectionLost, failure)
        if self._following is not None:
            self._following.cancel()

    def block(self) -> None:
        """The client stops reading: what is written waits in `transport.bufferedBytes`."""
        self.transport.block()

    def unblock(self) -> None:
        """It has read everything, and goes on."""
        self.transport.unblock()

    def pull(self) -> None:
        """It has read everything: a pull producer is asked for more."""
        self.transport.event(EMPTIED, 0, 0)

    def noLongerQueued(self) -> None:
        """All requests before it have been answered."""
        waiting, self._waiting = self._waiting, None
        for function, arguments in waiting or ():
            function(*arguments)
        if self._callback is not None:
            self.transport.monitorCongestion(self._callback)
        if self._producer is not None:
            self._attach()

    @property
    def written(self) -> bytes:
        """What has left of the body."""
        return self.transport.value()

    @property
    def closing(self) -> bool:
        """Whether the connection was ended, or ends with this answer."""
        return self.transport.disconnecting

    @property
    def aborted(self) -> bool:
        """Whether it was ended with a reset."""
        return self.transport.disconnected

    # IChanRequest

    def acceptData(self) -> None:
        if self._awaited and not (self._begun or self._over):
            self._leave(self.intermediates.append, (100, Headers()))
            self._taken = True

    def writeIntermediateResponse(self, code: int, headers: Headers | None = None) -> None:
        if code not in (100, 102, 103):
            raise ValueError(f"an intermediate response is 100, 102 or 103, not {code}")
        if not self._over:
            self._expect_no_head()
            if self._arguments[2] != (1, 0):
                self._leave(self.intermediates.append, (code, _sent(headers or Headers())))

    def _expect_no_head(self) -> None:
        if self._begun:
            raise RuntimeError("the answer has begun already")

    def writeHeaders(
        self,
        code: int,
        headers: Headers,
        message: bytes | None = None,
        length: int | None = None,
    ) -> None:
        if self._over:
            return
        self._expect_no_head()
        status_line(code, message)
        announced = self._checked_length(code, headers)
        if announced is not None:
            length = announced
        sent = _sent(headers)
        self._begun = True
        self._switching = self._switches(code)
        self._bodiless = self._arguments[0] == b"HEAD" or code in WITHOUT_BODY
        framed = length is not None or self._bodiless or self._arguments[2] == (1, 1)
        self._left = None if self._bodiless else length
        closes = b"close" in headers.getHeader(b"connection", ())
        if self._switching or self._awaited or closes or not framed:
            self.persistent = False
        self._leave(self._head_leaves, code, sent, message)

    def _head_leaves(self, code: int, headers: Headers, message: bytes | None) -> None:
        self.code, self.headers, self.message = code, headers, message

    def _checked_length(self, code: int, headers: Headers) -> int | None:
        if headers.hasHeader(b"transfer-encoding"):
            raise ValueError("the body is framed by the server: set no Transfer-Encoding")
        if code < 200:
            self._check_upgrade(code, headers)
        if not headers.hasHeader(b"content-length"):
            return None
        if code == 204 or self._switches(code):
            raise ValueError(f"this answer of {code} has no Content-Length (RFC 9110, 8.6)")
        return content_length(headers)

    def _check_upgrade(self, code: int, headers: Headers) -> None:
        asked = self._in_headers.hasHeader(b"upgrade") and self._arguments[2] != (1, 0)
        if code != 101 or not asked or not headers.hasHeader(b"connection"):
            raise ValueError(f"{code} is no answer to this request")
        if self._incoming:
            raise RuntimeError("the body of the request has not come whole")

    def _switches(self, code: int) -> bool:
        return code == 101 or (self._arguments[0] == b"CONNECT" and 200 <= code < 300)

    def write(self, data: bytes) -> None:
        if self._over:
            return
        if not self._begun:
            raise RuntimeError("writeHeaders comes before the body")
        data = bytes_of(data)
        if self._left is not None:
            if len(data) > self._left:
                raise ValueError(f"{len(data)} bytes, but {self._left} are left of the body")
            self._left -= len(data)
        if not (self._bodiless or self._switching):
            self._leave(self.transport.write, data)

    def sendFile(self, file: Any, offset: int, count: int) -> None:
        """No kernel sends anything here."""

    def writeResponse(
        self, code: int, headers: Headers, body: bytes, message: bytes | None = None
    ) -> None:
        bodiless = code in WITHOUT_BODY or (self._arguments[0] == b"HEAD" and not body)
        if not (bodiless or self._switches(code) or headers.hasHeader(b"content-length")):
            headers.setRawHeaders(b"Content-Length", (b"%d" % len(body),))
        self.writeHeaders(code, headers, message)
        self.write(body)
        self.finish()

    def finish(self) -> None:
        if self._over:
            return
        if not self._begun:
            raise RuntimeError("writeHeaders comes before the end")
        if self._left:
            logger.error("%r: the body is %d bytes short of its Content-Length", self, self._left)
            self.persistent = False
        self._leave_application()
        self._leave(self._end_leaves)

    def _leave_application(self) -> None:
        self._over = True
        self.unregisterProducer()
        self.ignoreCongestion()

    def _end_leaves(self) -> None:
        self.finished = True
        if not self.persistent:
            self.transport.loseConnection()

    def abortConnection(self, closeWrite: bool = True) -> None:
        if not self._over:
            self._cut(reset=not closeWrite)

    def _cut(self, reset: bool) -> None:
        """Now, or once those before it have been answered."""
        if self._waiting is None:
            self._end(reset)
            return
        self._over = True
        self.persistent = False
        self._waiting = [(self.transport.loseConnection, ())]
        self._stop_producer()

    def _is_at_fault(self) -> None:
        request, self.request = self.request, None
        if self._waiting is not None:  # nothing of it has left
            self._waiting = []
            self._begun = False
            self._left = None
        self._stop_producer()
        if request is not None:
            self._guarded(request.connectionLost, Failure(error.ConnectionLost()))
        self.persistent = False
        self.writeResponse(INTERNAL_SERVER_ERROR, Headers(), b"the server is at fault\n")

    def _end(self, reset: bool) -> None:
        if reset:
            self.transport.abortConnection()
        else:
            self._stop_producer()
            self.transport.loseConnection()

    def _stop_producer(self) -> None:
        producer, self._producer = self._producer, None
        if producer is None:
            return
        if not self.queued:
            self.transport.unregisterProducer()
        self._guarded(producer.stopProducing)

    def stopProducing(self) -> None:
        """The same as abortConnection."""
        self.abortConnection(False)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        if self._producer is not None:
            raise RuntimeError(
                f"Cannot register producer {producer!r}: {self._producer!r} is registered already."
            )
        if self._over or self.closing:
            self._guarded(producer.stopProducing)
            return
        self._producer, self._streaming = producer, streaming
        if self.queued:
            if streaming:
                self._guarded(producer.pauseProducing)
        else:
            self.transport.registerProducer(producer, streaming)
            if not streaming:
                self._guarded(producer.resumeProducing)

    def _attach(self) -> None:
        """The turn of a producer that was registered before has come."""
        producer = self._producer
        self.transport.registerProducer(producer, self._streaming)
        if not (self._streaming and self.transport.reactor.engine.above):
            self._guarded(producer.resumeProducing)

    def unregisterProducer(self) -> None:
        if self._producer is not None:
            self._producer = None
            if not self.queued:
                self.transport.unregisterProducer()

    def monitorCongestion(self, callback: Any) -> None:
        if not self._over:
            self._callback = callback
            if not self.queued:
                self.transport.monitorCongestion(callback)

    def ignoreCongestion(self) -> None:
        self._callback = None
        self.transport.ignoreCongestion()

    def switchProtocol(self, protocol: Any) -> None:
        if self._over:
            return
        if not self._switching:
            raise RuntimeError("an Upgrade is answered with 101, a CONNECT with 2xx, before that")
        self._leave_application()
        self.switchedTo = protocol

    def _leave(self, function: Callable[..., object], *arguments: Any) -> None:
        """Something leaves: now, or when its turn has come."""
        if self.closing:
            return
        if self._waiting is None:
            function(*arguments)
        else:
            self._waiting.append((function, arguments))

    def __repr__(self) -> str:
        method, uri, _ = self._arguments
        return f"<{type(self).__name__} {method!r} {uri!r}>"


def _sent(headers: Headers) -> Headers:
    """What leaves of them. Raises ValueError for what must not."""
    headers.toBytes()
    twin = headers.copy()
    twin.makeImmutable()
    return twin
