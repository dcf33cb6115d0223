"""One exchange on one connection: everything about a request that is hop by hop.

It decides how bodies are framed, whether the connection lasts, and when bytes may
leave: answers leave in the order of their requests, and what a later one writes
before its turn waits here. A Request sees none of this.

What comes, and the application that is called for it, are the other half: `incoming`.
"""

from __future__ import annotations

import logging
from typing import Any

from zope.interface import implementer

from reactorlib.defer import Deferred
from reactorlib.interfaces import IPushProducer
from reactorlib.protocols.http.flow import LARGE
from reactorlib.protocols.http.framing import (
    CHUNKED,
    FINISHED,
    LENGTH,
    NOTHING,
    SWITCHING,
    UNSENT,
    UNTIL_CLOSE,
    WITHOUT_BODY,
    bytes_of,
    content_length,
    length_line,
    status_line,
)
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.incoming import IncomingRequest
from reactorlib.protocols.http.interfaces import IChanRequest
from reactorlib.protocols.http.parser import IS_CONNECT, IS_HEAD, UPGRADE
from reactorlib.protocols.http.status import INTERNAL_SERVER_ERROR, OK

logger = logging.getLogger("reactorlib")

KNOWN_LENGTHS = 1024
LENGTHS = tuple(map(length_line, range(KNOWN_LENGTHS)))
LAST_CHUNK = b"0\r\n\r\n"
CLOSE = b"Connection: close\r\n"
NO_HEADERS = Headers()
NO_HEADERS.makeImmutable()


@implementer(IChanRequest, IPushProducer)
class ChannelRequest(IncomingRequest):
    """One request and its answer on an HTTPChannel. See IChanRequest for the contract."""

    __slots__ = ()

    # What the channel does with it

    def departed(self, lost: bool) -> None:
        """The client has read most of this answer, or will not: for who is in `departing`."""

    def wait(self) -> None:
        """Others come first: keep what is written."""
        self._waiting = []
        self._plain = False

    def noLongerQueued(self) -> None:
        """All before it are finished: its turn has come."""
        waiting, self._waiting = self._waiting, None
        for data in waiting or ():
            self.channel.send(data)
        if self._callback is not None:
            self.channel.transport.monitorCongestion(self._callback)
        producer = self._producer
        if self._framing == FINISHED and self.request is not None:  # it wants no answer
            self.channel.close()
        elif self._framing == FINISHED:
            self.channel.finished(self)
        elif producer is not None:
            self.channel.register(producer, self._streaming)
            if self._streaming and not self.channel.choked:
                self._guarded(producer.resumeProducing)

    def send(self, data: bytes) -> None:
        """Some of the answer, as it goes over the connection."""
        if self._waiting is None:
            self.channel.send(data)
        else:
            self._waiting.append(data)

    @property
    def queued(self) -> bool:
        """Whether others come first."""
        return self._waiting is not None

    def stop_producer(self) -> None:
        """Nothing that it writes will leave any more."""
        producer, self._producer = self._producer, None
        if producer is not None:
            self._guarded(producer.stopProducing)

    def _is_at_fault(self) -> None:
        if self.queued:
            self._take_back()
        self.channel.reject(self, INTERNAL_SERVER_ERROR, "the server is at fault")

    def _is_too_large(self) -> None:
        self.channel.too_large(self)

    def _take_back(self) -> None:
        """Forget the answer, none of which has left."""
        self._waiting = []
        self._framing = UNSENT
        self._left = 0

    def _cut(self, close_write: bool) -> None:
        """End the connection: now, or once those before this one have been answered."""
        if self._waiting is None:
            self.channel.abort(close_write)
            return
        self._take_back()
        self._framing = FINISHED
        self.persistent = False
        self.stop_producer()

    # IChanRequest

    def acceptData(self) -> None:
        if self._awaited and not self._framing:
            self._continued = True
            self.send(status_line(100) + b"\r\n")

    def writeIntermediateResponse(self, code: int, headers: Headers | None = None) -> None:
        if code not in (100, 102, 103):
            raise ValueError(f"an intermediate response is 100, 102 or 103, not {code}")
        if self._framing == FINISHED:
            return
        if self._framing:
            raise RuntimeError("the answer has begun already")
        if self._head[4]:
            lines = [status_line(code)]
            lines += (headers or NO_HEADERS).checkedLines()
            self.send(b"".join([*lines, b"\r\n"]))

    def writeHeaders(
        self,
        code: int,
        headers: Headers,
        message: bytes | None = None,
        length: int | None = None,
    ) -> None:
        framing = self._framing
        if framing:
            if framing == FINISHED:
                return
            raise RuntimeError("the answer has begun already")
        lines: list[bytes] = []
        self.channel.renew()
        if message is not None or not headers.plain:
            lines.append(status_line(code, message))
            announced = self._own_fields(code, headers, lines)
            lines += headers.checkedLines()
        else:
            announced = None
            lines += (self.channel.answers[code], *headers.lines)
        if self._switches(code):
            self._framing = SWITCHING
            self.persistent = False
        elif self._head[5] & IS_HEAD or code in WITHOUT_BODY:
            self._framing = NOTHING
        elif announced is not None:
            self._framing, self._left = LENGTH, announced
        elif length is not None:
            self._framing, self._left = LENGTH, length
            lines.append(b"Content-Length: %d\r\n" % length)
        elif self._head[4]:
            self._framing = CHUNKED
            lines.append(b"Transfer-Encoding: chunked\r\n")
        else:
            self._framing = UNTIL_CLOSE
            self.persistent = False
        if self._awaited:
            self.persistent = False  # it may send the body, or another request
        if self._framing != SWITCHING and not (self.persistent and self._head[4]):
            lines.append(self._connection(headers))
        lines.append(b"\r\n")
        self.send(b"".join(lines))

    def _own_fields(self, code: int, headers: Headers, lines: list[bytes]) -> int | None:
        """Some of the fields that are ours were given; returns the body's length, if among them."""
        if code < 200:
            self._check_switch(code)
        if headers.hasHeader(b"transfer-encoding"):
            raise ValueError("the body is framed by the server: set no Transfer-Encoding")
        if headers.hasHeader(b"connection") and b"close" in headers.getHeader(b"connection", ()):
            self.persistent = False
        lines.append(self.channel.answers.missing(headers))
        if not headers.hasHeader(b"content-length"):
            return None
        if code in (101, 204) or self._switches(code):
            raise ValueError(f"this answer of {code} has no Content-Length (RFC 9110, 8.6)")
        return content_length(headers)

    def _check_switch(self, code: int) -> None:
        if code != 101 or not self._head[5] & UPGRADE:
            raise ValueError(f"{code} is no answer to this request")
        if self.incoming:
            raise RuntimeError("the body of the request has not come whole")

    def _connection(self, headers: Headers) -> bytes:
        if headers.hasHeader(b"connection") and (
            self.persistent or b"close" in headers.getHeader(b"connection", ())
        ):
            return b""
        return b"Connection: keep-alive\r\n" if self.persistent else CLOSE

    def _switches(self, code: int) -> bool:
        """Whether this answer makes the connection another protocol's."""
        return code == 101 or (self._head[5] & IS_CONNECT != 0 and 200 <= code < 300)

    def write(self, data: bytes) -> None:
        framing = self._framing
        if data.__class__ is not bytes:
            data = bytes_of(data)
        if framing == LENGTH:
            if len(data) > self._left:
                raise ValueError(f"{len(data)} bytes, but {self._left} are left of the body")
            self._left -= len(data)
            self.send(data)
        elif framing == CHUNKED:
            if len(data) < LARGE:
                if data:
                    self.send(b"%x\r\n%b\r\n" % (len(data), data))
                return
            self.send(b"%x\r\n" % len(data))
            self.send(data)
            self.send(b"\r\n")
        elif framing == UNTIL_CLOSE:
            self.send(data)
        elif framing == UNSENT:
            raise RuntimeError("writeHeaders comes before the body")

    def sendFile(self, file: Any, offset: int, count: int) -> Deferred[int] | None:
        framing, channel = self._framing, self.channel
        if self._waiting is not None or framing not in (LENGTH, UNTIL_CLOSE):
            return None
        if framing == LENGTH and count > self._left:
            raise ValueError(f"{count} bytes, but {self._left} are left of the body")
        try:
            sent = channel.send_file(file, offset, count)
        except OSError:  # nothing to duplicate the descriptor with: reading tells what is wrong
            return None
        if framing == LENGTH and sent is not None:
            self._left -= count
            sent.addCallback(self._sent_file, count)
        return sent

    def _sent_file(self, sent: int, count: int) -> int:
        self._left += count - sent
        return sent

    def writeResponse(
        self, code: int, headers: Headers, body: bytes, message: bytes | None = None
    ) -> None:
        if (
            self._framing
            or self.incoming
            or not (self._plain and headers.plain)
            or message is not None
            or (code != OK and code in WITHOUT_BODY)
        ):
            self._write_response(code, headers, body, message)
            return
        channel = self.channel
        length = len(body)
        last = LENGTHS[length] if length < KNOWN_LENGTHS else length_line(length)
        if channel.busy and self.persistent:
            if length < LARGE:
                channel.answer(b"".join([channel.answers[code], *headers.lines, last, body]))
            else:
                channel.send(b"".join([channel.answers[code], *headers.lines, last]))
                channel.answer(body)
            self._framing = FINISHED
            self.request = None
        else:
            if not channel.busy:
                channel.renew()
            close = b"" if self.persistent else CLOSE
            channel.send(b"".join([channel.answers[code], *headers.lines, close, last, body]))
            self._framing = FINISHED
            self.request = None
            channel.finished(self)

    def _write_response(
        self, code: int, headers: Headers, body: bytes, message: bytes | None
    ) -> None:
        """The same, in the usual steps. What is at fault raises before anything is sent."""
        if self._framing == FINISHED:
            return
        if self.incoming and not self.channel.will_discard(self.incoming):
            self.persistent = False
        bodiless = code in WITHOUT_BODY or (self._head[5] & IS_HEAD and not body)
        if not (bodiless or self._switches(code)):
            if not headers.hasHeader(b"content-length"):
                headers.setRawHeaders(b"Content-Length", (b"%d" % len(body),))
            elif not self._head[5] & IS_HEAD and len(body) > content_length(headers):
                raise ValueError(f"{len(body)} bytes are more than the Content-Length")
        self.writeHeaders(code, headers, message)
        if body:
            self.write(body)
        self.finish()

    def finish(self) -> None:
        framing = self._framing
        if framing == FINISHED:
            return
        if framing == UNSENT:
            raise RuntimeError("writeHeaders comes before the end")
        if framing == CHUNKED:
            self.send(LAST_CHUNK)
        elif self._left:
            logger.error("%r: the body is %d bytes short of its Content-Length", self, self._left)
            self.persistent = False
        if self.incoming and not self.channel.will_discard(self.incoming):
            self.persistent = False
        self._leave_application()
        if self._waiting is None:
            self.channel.finished(self)

    def _leave_application(self) -> None:
        """From now on nothing that it calls has an effect. Ends what it began."""
        self._framing = FINISHED
        self.request = None
        if self._producer is not None:
            self.unregisterProducer()
        if self._callback is not None:
            self.ignoreCongestion()

    def abortConnection(self, closeWrite: bool = True) -> None:
        if self._framing != FINISHED:
            self._cut(closeWrite)

    def stopProducing(self) -> None:
        """The same as abortConnection."""
        self.abortConnection(False)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        if self._producer is not None:
            raise RuntimeError(
                f"Cannot register producer {producer!r}: {self._producer!r} is registered already."
            )
        if self._framing == FINISHED or self.channel.closing:
            self._guarded(producer.stopProducing)
            return
        self._producer, self._streaming = producer, streaming
        self._plain = 0
        if self._waiting is None:
            self.channel.register(producer, streaming)
        elif streaming:
            self._guarded(producer.pauseProducing)

    def unregisterProducer(self) -> None:
        if self._producer is not None:
            self._producer = None
            if self._waiting is None:
                self.channel.unregister()

    def monitorCongestion(self, callback: Any) -> None:
        if self._framing == FINISHED:
            return
        self._callback = callback
        self._plain = 0
        if self._waiting is None:
            self.channel.flush()
            self.channel.transport.monitorCongestion(callback)

    def ignoreCongestion(self) -> None:
        watched, self._callback = self._callback, None
        if self._waiting is None and watched is not None:
            self.channel.flush()
            self.channel.transport.ignoreCongestion()

    def switchProtocol(self, protocol: Any) -> None:
        if self._framing == FINISHED:
            return
        if self._framing != SWITCHING:
            raise RuntimeError("an Upgrade is answered with 101, a CONNECT with 2xx, before that")
        self._leave_application()
        self.channel.hand_over(protocol)

    def __repr__(self) -> str:
        return f"<ChannelRequest {self.method!r} from {self.channel.transport.getPeer()}>"
