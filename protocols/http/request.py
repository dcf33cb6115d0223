"""A request and its answer, as data: what an application sees.

A Request may come from a connection or be made by hand: it speaks to an
IChanRequest and to nothing else. It does nothing by itself with what it is sent:
no arguments, no forms, no buffering.

A body that is written in one piece before the head has left goes with its
length; one that is written in several pieces is framed as the connection allows.
"""

from __future__ import annotations

from collections.abc import Callable
from html import escape
from io import FileIO
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.defer import Deferred, succeed
from reactorlib.failure import Failure
from reactorlib.interfaces import IConsumer
from reactorlib.protocol import connectionDone
from reactorlib.protocols.filesender import FileSender, TransferStopped
from reactorlib.protocols.http.fileparts import Part, extent_of, stopped
from reactorlib.protocols.http.framing import WITHOUT_BODY, bytes_of
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.interfaces import IRequest
from reactorlib.protocols.http.preconditions import checkPreconditions
from reactorlib.protocols.http.status import INTERNAL_SERVER_ERROR, OK, RESPONSES


@implementer(IRequest, IConsumer)
class Request:
    """One request. Override process, and what of the others is of interest.

    Attributes:
        method, uri: bytes, as they came; uri is what stands in the request line.
        clientproto: the client's version, (1, 0) or (1, 1).
        in_headers, requestHeaders: the Headers that came.
        out_headers, responseHeaders: the Headers to send; immutable once they are sent.
        in_trailers: those that came after a chunked body, else None.
        code: the status of the answer.
        chanRequest: what carries it (IChanRequest).
        startedWriting, finished: whether the answer has begun, and ended.
    """

    __slots__ = (
        "__weakref__",
        "_first",
        "_holding",
        "_in_headers",
        "_message",
        "chanRequest",
        "clientproto",
        "code",
        "finished",
        "in_trailers",
        "method",
        "out_headers",
        "startedWriting",
        "uri",
    )

    def __init__(
        self,
        chanRequest: Any,
        command: bytes,
        path: bytes,
        version: tuple[int, int],
        in_headers: Headers | Callable[[], Headers],
    ) -> None:
        """`in_headers` may be a function, which is called when they are first looked at."""
        self.chanRequest = chanRequest
        self.method = command
        self.uri = path
        self.clientproto = version
        self._in_headers = in_headers
        self.out_headers = Headers()
        self.in_trailers: Headers | None = None
        self.code = OK
        self._message: bytes | None = None
        self._first: bytes | None = None  # of the body; held until its length is known
        self._holding = True
        self.startedWriting = False
        self.finished = False

    # What the channel calls

    def process(self) -> Any:
        """The head has come, and nothing of the body yet: answer, or begin to.

        A coroutine or a Deferred that it returns is followed, and its failure is one
        of this request.
        """
        raise NotImplementedError(f"{type(self).__name__} has no process()")

    def handleContentChunk(self, data: bytes) -> None:
        """Some of the body has come; dropped unless this is overridden."""

    def handleContentComplete(self) -> None:
        """All of the body has come; called for a request without one too."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection has gone before the answer was finished.

        What is written afterwards has no effect.
        """

    def processingFailed(self, failure: Failure) -> None:
        """One of the above raised, and it was logged: answer 500, or cut the answer off."""
        if self.startedWriting:
            self.abortConnection(False)
            return
        self._first = None
        self.out_headers = Headers()
        self.writePage(INTERNAL_SERVER_ERROR, "The server has failed to answer this request.")

    def flush(self) -> None:
        """Hold back nothing any more."""
        self._holding = False
        if self._first is not None:
            self._begin()

    # What an application calls: the body of the request

    def acceptData(self) -> None:
        """The body is wanted: tell a client that waits to hear it (100 Continue)."""
        self.chanRequest.acceptData()

    def pauseProducing(self) -> None:
        """Have no more of the body delivered until resumeProducing."""
        self.chanRequest.pauseProducing()

    def resumeProducing(self) -> None:
        """Have it delivered again."""
        self.chanRequest.resumeProducing()

    def stopProducing(self) -> None:
        """Have none of it any more: the connection ends."""
        self.abortConnection(False)

    def checkPreconditions(
        self, entityExists: bool = True, etag: Any = None, lastModified: Any = None
    ) -> bool:
        """Whether what was asked for should be done; if not, it has been answered: 304 or 412.

        `etag` (ETag) and `lastModified` (seconds since the epoch) are those of what
        would be sent, by default those in out_headers. (RFC 9110, 13.2.2)
        """
        status = checkPreconditions(self, None, entityExists, etag, lastModified)
        if status is None:
            return True
        self.setResponseCode(status)
        self.finish()
        return False

    # The head of the answer

    def setResponseCode(self, code: int, message: bytes | None = None) -> None:
        """The status to answer with; `message` in the place of its usual reason.

        Raises RuntimeError once the answer has begun.
        """
        if self.startedWriting:
            raise RuntimeError("the answer has begun already")
        self.code = code
        self._message = message

    def mentions(self, *words: bytes) -> bool:
        """Whether one of some words, in lower case, may stand in the name of a field that came.

        Costs much less than a first look at the fields: if not, no field is so called.
        """
        headers = self._in_headers
        if isinstance(headers, Headers):
            return headers.mentions(*words)
        return bool(self.chanRequest.mentions(*words))

    def getRequestHeader(self, name: str | bytes) -> bytes | None:
        """The value of a field that came; of several, the last one's. None if there is none."""
        values = self.in_headers.getRawHeaders(name)
        return values[-1] if values else None

    def setResponseHeader(self, name: str | bytes, value: str | bytes) -> None:
        """Set a field of the answer, in the place of those of that name.

        Raises ValueError for what must not be sent, TypeError once the head is sent.
        """
        self.out_headers.setRawHeaders(name, (value,))

    def getResponseHeader(self, name: str | bytes) -> bytes | None:
        """The value of a field of the answer, as it was set last; None if it was not."""
        values = self.out_headers.getRawHeaders(name)
        return values[-1] if values else None

    def getHeader(self, key: str | bytes) -> bytes | None:
        """Reads the *request*, as in Twisted: the same as getRequestHeader."""
        return self.getRequestHeader(key)

    def setHeader(self, name: str | bytes, value: str | bytes) -> None:
        """Writes the *response*, as in Twisted: the same as setResponseHeader."""
        self.setResponseHeader(name, value)

    @property
    def in_headers(self) -> Headers:
        headers = self._in_headers
        if not isinstance(headers, Headers):
            headers = self._in_headers = headers()
        return headers

    @property
    def requestHeaders(self) -> Headers:
        """The same as in_headers."""
        return self.in_headers

    @property
    def responseHeaders(self) -> Headers:
        """The same as out_headers."""
        return self.out_headers

    def writeIntermediateResponse(self, code: int, headers: Headers | None = None) -> None:
        """Send 102 or 103 (Early Hints) before the answer. See IChanRequest."""
        self.chanRequest.writeIntermediateResponse(code, headers)

    # The body of the answer

    def write(self, data: bytes) -> None:
        """Send some of the body; the head, if it has not left, goes first.

        Raises TypeError for what is not bytes, ValueError beyond a Content-Length.
        """
        if self.startedWriting:
            self.chanRequest.write(data)
        elif self._holding and self._first is None:
            # Asked here, bytes cost no call.
            self._first = data if data.__class__ is bytes else bytes_of(data)
        else:
            data = bytes_of(data)
            self._begin()
            self.chanRequest.write(data)

    def finish(self) -> None:
        """The answer is complete."""
        if self.finished:
            return
        if self.startedWriting:
            self.finished = True
            self.chanRequest.finish()
            return
        headers = self.out_headers
        self.chanRequest.writeResponse(self.code, headers, self._first or b"", self._message)
        self.startedWriting = self.finished = True
        self._first = None
        headers.immutable = True

    def finishWith(self, data: bytes) -> None:
        """The answer is complete: these bytes are its body, if nothing was written before."""
        if self.startedWriting or self._first is not None:
            self.write(data)
        else:
            self._first = bytes_of(data)
        self.finish()

    def finishWithFile(self, file: Any, offset: int, count: int) -> None:
        """The answer is complete: its body are `count` bytes of a file, from `offset` on.

        They are sent as writeFile sends them. The file is closed when they have left, or
        cannot; if there are fewer of them, the connection ends. What raises, raises before
        the file is this request's. To be called before anything of the body is written.
        """
        if self.startedWriting or self._first is not None:
            raise RuntimeError("some of the body was written before")
        if self.method == b"HEAD":
            self.setResponseHeader(b"Content-Length", b"%d" % count)
            self.finish()
            file.close()
            return
        self._begin(count)
        chanRequest = self.chanRequest
        sent = chanRequest.sendFile(file, offset, count) if type(file) is FileIO else None
        if sent is None:
            file.seek(offset)
            sent = FileSender().beginFileTransfer(Part(file, count), self)
        chanRequest.follow(sent.addBoth(self._file_left, file))

    def _file_left(self, outcome: Any, file: Any) -> Failure | None:
        file.close()
        if not isinstance(outcome, Failure):
            self.finish()
        elif outcome.check(error.ConnectionClosed, TransferStopped) is None:
            return outcome
        return None

    def _begin(self, length: int | None = None) -> None:
        """Send the head, and what of the body was held."""
        self.chanRequest.writeHeaders(self.code, self.out_headers, self._message, length)
        first, self._first = self._first, None
        self.startedWriting = True
        self.out_headers.makeImmutable()
        if first:
            self.chanRequest.write(first)

    def switchProtocol(self, protocol: Any) -> None:
        """Give the connection to another protocol: the answer to Upgrade or CONNECT.

        Sends the head, with the code and fields that were set. See IChanRequest.
        """
        if not self.startedWriting:
            self._begin()
        self.chanRequest.switchProtocol(protocol)
        self.finished = True

    def writePage(self, code: int, text: str) -> None:
        """Answer with a small page about a status, and finish."""
        self.setResponseCode(code)
        title = f"{code} {RESPONSES.get(code, b'').decode()}"
        page = (
            f"<!DOCTYPE html>\n<html lang=en><title>{title}</title>\n"
            f"<h1>{title}</h1>\n<p>{escape(text)}</p>\n</html>\n"
        )
        self.setResponseHeader(b"Content-Type", b"text/html; charset=utf-8")
        self.finishWith(page.encode())

    def writeFile(self, file: Any, count: int | None = None) -> Deferred[int]:
        """Send `count` bytes of a file from where it stands, or all: as fast as they are read.

        The Deferred gives how many were written: fewer than `count` only if there were no
        more. It fails with what reading raised, or with TransferStopped when the client
        has gone. The file is not closed, nor the answer finished; where the file stands
        afterwards is not said. The kernel sends it where it can: a file of the system
        itself, on a connection in clear text, with a Content-Length.
        """
        self._holding = False
        if not self.startedWriting:
            self._begin()
        if self.method == b"HEAD" or self.code in WITHOUT_BODY:
            return succeed(0)
        extent = extent_of(file, count)
        sent: Deferred[int] | None = None
        if extent is not None:
            sent = self.chanRequest.sendFile(file, *extent)
        if sent is not None:
            return sent.addErrback(stopped)
        part = Part(file, count)
        return FileSender().beginFileTransfer(part, self).addCallback(lambda last: part.taken)

    # IConsumer and the rest

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """Have a producer write the body, at the client's pace. See IConsumer."""
        self._holding = False
        if not self.startedWriting:
            self._begin()
        self.chanRequest.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        """It is done."""
        self.chanRequest.unregisterProducer()

    def monitorCongestion(self, callback: Any) -> None:
        """Have `callback(status, pending)` called when the client is slower. See
        ICongestionMonitor."""
        self.chanRequest.monitorCongestion(callback)

    def ignoreCongestion(self) -> None:
        """Have it called no more."""
        self.chanRequest.ignoreCongestion()

    def abortConnection(self, closeWrite: bool = True) -> None:
        """End the connection: after what was written, or (False) with a reset."""
        self.chanRequest.abortConnection(closeWrite)

    def getHost(self) -> Any:
        """This side's address."""
        return self.chanRequest.getHostInfo()[0]

    def isSecure(self) -> bool:
        """Whether the connection is encrypted."""
        secure: bool = self.chanRequest.getHostInfo()[1]
        return secure

    def getClientAddress(self) -> Any:
        """The address of the client, or of the last proxy before this server."""
        return self.chanRequest.getRemoteHost()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.method!r} {self.uri!r}>"
