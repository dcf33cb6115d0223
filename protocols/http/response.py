"""Answers as a client reads them: bytes in, heads and pieces of bodies out.

It knows no transport and no clock. Messages are read by the strict parser; what that
refuses raises HTTPParseError, and then nothing more of the connection must be read.
How a body ends is decided here, by the answer's head and the method of the request
(RFC 9112, 6.3); trailers are kept apart from the fields of the head.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.parser import (
    CHUNKED,
    HAS_BODY,
    KEEP_ALIVE,
    UNTIL_CLOSE,
    ChunkDecoder,
    Fields,
    HTTPParseError,
    ResponseHead,
    readFields,
)
from reactorlib.protocols.http.status import BAD_GATEWAY, SWITCHING

MOST_INTERMEDIATE = 32  # answers before the answer; no honest server sends so many
WITHOUT_BODY = frozenset((SWITCHING, 204, 304))


class Head(NamedTuple):
    """What an answer begins with; `final` is false for 100, 103 and their like.

    `length` is what Content-Length says, also where no body follows; -1 if it is not there.
    """

    version: tuple[int, int]
    status: int
    reason: bytes
    headers: Headers
    length: int

    @property
    def final(self) -> bool:
        """Whether this is the answer itself. 101 is: another protocol follows it."""
        return self.status >= 200 or self.status == SWITCHING


class ResponseReader:
    """The answer to one request of that method.

    Attributes:
        done: whether all of it has come.
        persistent: whether the connection may then be used for another request.
        unread: bytes that follow it; before it is done, those of a head that is not complete.
        trailers: the fields behind a chunked body, as they came.
    """

    __slots__ = (
        "_decoder",
        "_intermediate",
        "_left",
        "_method",
        "_parser",
        "_scanned",
        "_take",
        "done",
        "persistent",
        "trailers",
        "unread",
    )

    def __init__(self, method: bytes) -> None:
        self._method = method
        self._parser = ResponseHead()
        self._decoder = ChunkDecoder(self._parser.limits)
        self._take: Callable[[bytes, int, list[Head | bytes]], int] = self._take_head
        self._scanned = 0
        self._left = 0
        self._intermediate = 0
        self.done = False
        self.persistent = False
        self.unread = b""
        self.trailers: Fields = []

    def feed(self, data: bytes) -> list[Head | bytes]:
        """What is in this data: heads, and the pieces of the body. Raises HTTPParseError."""
        if self.unread:
            data = self.unread + data
        found: list[Head | bytes] = []
        start, taken = 0, -1
        while start < len(data) and start != taken and not self.done:
            taken, start = start, self._take(data, start, found)
        self.unread = data[start:]
        return found

    def end(self) -> None:
        """The server has ended the connection: is the answer whole? Raises HTTPParseError."""
        if self._take == self._take_all:
            self.done = True
        if not self.done:
            raise HTTPParseError(BAD_GATEWAY, "the connection ended before the answer did")

    def _take_head(self, data: bytes, start: int, found: list[Head | bytes]) -> int:
        end = len(data)
        length = self._parser.parse(data, start, end, start + self._scanned)
        if not length:
            self._scanned = end - start
            return start
        self._scanned = 0
        minor, status, reason, reason_end, fields, flags, size, count, _ = self._parser.values()
        pairs = readFields(data, fields, start + length - 2, count)
        headers = Headers.deferred(lambda: pairs)
        head = Head((1, minor), status, data[reason:reason_end], headers, size)
        found.append(head)
        if head.final:
            self._begin_body(status, flags, size)
        else:
            self._intermediate += 1
            if self._intermediate > MOST_INTERMEDIATE:
                raise HTTPParseError(BAD_GATEWAY, "too many answers before the answer")
        return start + length

    def _begin_body(self, status: int, flags: int, length: int) -> None:
        switched = status == SWITCHING or (self._method == b"CONNECT" and status < 300)
        self.persistent = bool(flags & KEEP_ALIVE) and not switched
        if switched or self._method == b"HEAD" or status in WITHOUT_BODY:
            self.done = True
        elif flags & CHUNKED:
            self._take = self._take_chunks
        elif flags & UNTIL_CLOSE:
            self.persistent = False
            self._take = self._take_all
        elif flags & HAS_BODY:
            self._left = length
            self._take = self._take_length
        else:
            self.done = True

    def _take_chunks(self, data: bytes, start: int, found: list[Head | bytes]) -> int:
        found += self._decoder.feed(data, start)
        if self._decoder.done:
            self.done = True
            self.trailers = self._decoder.trailers
        return self._decoder.consumed

    def _take_length(self, data: bytes, start: int, found: list[Head | bytes]) -> int:
        piece = data[start : start + self._left]
        found.append(piece)
        self._left -= len(piece)
        self.done = not self._left
        return start + len(piece)

    def _take_all(self, data: bytes, start: int, found: list[Head | bytes]) -> int:
        found.append(data[start:])
        return len(data)
