"""The access log: a line for each answer, also for those that requests never got to give.

It holds, whatever clients send and whoever reads the log:

- A line is printable ASCII. Whatever else a client sent stands there as `\\xHH`, and a
  quote or a backslash behind a backslash: nobody adds a line, ends a field, or speaks
  to a terminal.
- The size is that of the body: without head and chunk framing, and nothing for HEAD. Of
  an answer that was cut off it is what the kernel had taken by then (over TLS, a little
  less); `complete` tells it from others.
- An answer is logged when it has been written, or, if more than the high-water mark waits
  for the client then, when most of that has left, or the connection was lost.
- What fails in the log is logged, and costs no answer.

A factory without a log has none of this on its way.
"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import lru_cache
from typing import Any

from reactorlib.failure import Failure
from reactorlib.protocols.http.chanrequest import LAST_CHUNK, ChannelRequest
from reactorlib.protocols.http.framing import CHUNKED, FINISHED, LENGTH, UNTIL_CLOSE
from reactorlib.protocols.http.headers import Headers

logger = logging.getLogger("reactorlib")
access = logging.getLogger("reactorlib.access")

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
MANY_CHUNKS = 256
LONGEST = 8_192  # characters of what a client sent, in one field of a line


@dataclass(frozen=True)
class Entry:
    """One request and its answer.

    Attributes:
        client: the address of the client, as IChanRequest.getRemoteHost gives it.
        began: when its head had come, in seconds since the epoch.
        seconds: from then until the answer was logged.
        method, uri, version: the request; b"", b"" and None of what was none.
        status: of the answer; None if there was none.
        size: bytes of the answer's body, as far as the kernel has taken them.
        complete: whether it has taken all of them.
        headers: the fields of the request.
    """

    client: Any
    began: float
    seconds: float
    method: bytes
    uri: bytes
    version: tuple[int, int] | None
    status: int | None
    size: int
    complete: bool
    headers: Headers


def escaped(data: bytes) -> str:
    """Bytes of a client as printable ASCII, also within quotes."""
    text = data.decode("latin-1")
    if text.isascii() and text.isprintable() and '"' not in text and "\\" not in text:
        return text if len(text) <= LONGEST else text[:LONGEST] + "..."
    if len(text) > LONGEST:
        return escaped(data[:LONGEST]) + "..."
    return "".join(map(_escape, text))


def _escape(character: str) -> str:
    if character in '"\\':
        return "\\" + character
    return character if " " <= character <= "~" else f"\\x{ord(character):02x}"


def client_of(entry: Entry) -> str:
    """The client's address; "-" for one that has none, as over UNIX sockets."""
    return escaped(str(getattr(entry.client, "host", None) or "-").encode())


def field_of(entry: Entry, name: bytes) -> bytes | None:
    """The last field of that name."""
    values = entry.headers.getRawHeaders(name)
    return values[-1] if values else None


@lru_cache(8)
def _date(second: int) -> str:
    year, month, day, hour, minute, now, *_ = time.gmtime(second)
    return f"{day:02}/{MONTHS[month - 1]}/{year}:{hour:02}:{minute:02}:{now:02} +0000"


def combined(entry: Entry) -> str:
    """The line in the combined format, with the seconds that it took at its end."""
    request = "-"
    if entry.version is not None:
        version = "HTTP/{}.{}".format(*entry.version)
        request = f"{escaped(entry.method)} {escaped(entry.uri)} {version}"
    referer = escaped(field_of(entry, b"referer") or b"-")
    agent = escaped(field_of(entry, b"user-agent") or b"-")
    return (
        f'{client_of(entry)} - - [{_date(int(entry.began))}] "{request}" '
        f'{entry.status or "-"} {entry.size} "{referer}" "{agent}" {entry.seconds:.6f}'
    )


def jsonLine(entry: Entry) -> str:
    """The same as an object in JSON, in one line; what there is none of is null."""
    fields = {
        "time": round(entry.began, 6),
        "client": getattr(entry.client, "host", None),
        "method": _text(entry.method or None),
        "uri": _text(entry.uri or None),
        "version": entry.version and "{}.{}".format(*entry.version),
        "status": entry.status,
        "size": entry.size,
        "seconds": round(entry.seconds, 6),
        "complete": entry.complete,
        "referer": _text(field_of(entry, b"referer")),
        "userAgent": _text(field_of(entry, b"user-agent")),
    }
    return json.dumps(fields).replace("\x7f", "\\u007f")


def _text(data: bytes | None) -> str | None:
    return None if data is None else data[:LONGEST].decode("latin-1")


FORMATS: dict[str, Callable[[Entry], str]] = {"combined": combined, "json": jsonLine}


class AccessLog:
    """Logs each entry as a line, in one of FORMATS, to the logger `reactorlib.access`.

    Whether that waits for who reads it is for the logger's handlers to decide.
    """

    def __init__(self, format: str = "combined") -> None:
        self._format = FORMATS[format]

    def __call__(self, entry: Entry) -> None:
        if access.isEnabledFor(logging.INFO):
            access.info("%s", self._format(entry))


def tell(log: Callable[[Entry], object], entry: Entry) -> None:
    """Log an entry. Raises nothing."""
    try:
        log(entry)
    except Exception:
        logger.exception("The access log failed")


class LoggedRequest(ChannelRequest):
    """A ChannelRequest that tells `log`, of the class, how it ended."""

    __slots__ = ()

    log: Callable[[Entry], object]
    _ended = False
    _status: int | None = None
    _announced = 0
    _streamed = 0
    _chunks: Chunks | None = None
    _end_position = 0  # in the stream of the connection
    _trailing = 0  # bytes of it that follow the last chunk

    def __init__(self, channel: Any, data: bytes, head: Any) -> None:
        super().__init__(channel, data, head)
        self._came = channel.transport.reactor.seconds()

    def writeHeaders(
        self,
        code: int,
        headers: Headers,
        message: bytes | None = None,
        length: int | None = None,
    ) -> None:
        super().writeHeaders(code, headers, message, length)
        if self._framing != FINISHED:
            self._status = code
            if self._framing == LENGTH:
                self._announced = self._left
            elif self._framing == CHUNKED:
                self._chunks = Chunks()

    def write(self, data: bytes) -> None:
        super().write(data)
        if self._framing == UNTIL_CLOSE:
            self._streamed += len(data)
        elif self._framing == CHUNKED and data:
            self._streamed += len(data)
            assert self._chunks is not None
            if self._chunks.add(len(data)) and not self.queued:
                self._chunks.forget_before(self.channel.position - self.channel.accepted)

    def sendFile(self, file: Any, offset: int, count: int) -> Any:
        sent = super().sendFile(file, offset, count)
        if sent is not None and self._framing == UNTIL_CLOSE:
            self._streamed += count
        return sent

    def writeResponse(
        self, code: int, headers: Headers, body: bytes, message: bytes | None = None
    ) -> None:
        lost = self._framing == FINISHED
        super().writeResponse(code, headers, body, message)
        if self._status is None and not lost:  # it left in one piece
            self._status, self._announced = code, len(body)
            self._is_written(True)

    def finish(self) -> None:
        super().finish()
        if not self.queued:
            self._is_written(not self._left)

    def noLongerQueued(self) -> None:
        finished = self._framing == FINISHED
        super().noLongerQueued()
        if finished and self._status is None:
            self._end(0, False)
        elif finished:
            self._is_written(not self._left)

    def _take_back(self) -> None:
        super()._take_back()
        self._status = self._chunks = None
        self._announced = self._streamed = 0

    def switchProtocol(self, protocol: Any) -> None:
        super().switchProtocol(protocol)
        self._end(self._written, True)

    def connectionLost(self, reason: Failure) -> None:
        queued = self.queued
        self._end_position = self.channel.position
        super().connectionLost(reason)
        if queued:  # nothing has left
            self._status = None
            self._end(0, False)
        else:
            self._end(self._taken, False)

    def departed(self, lost: bool) -> None:
        if lost:
            self._end(self._taken, self._end_position <= self.channel.accepted)
        else:
            self._end(self._written, True)

    def _is_written(self, complete: bool) -> None:
        """All of it has been written that will be."""
        channel = self.channel
        if channel.choked and not self._ended:
            self._end_position = channel.position
            self._trailing = 0 if self._chunks is None else len(LAST_CHUNK)
            channel.departing = [*channel.departing, self]
        else:
            self._end(self._written, complete)

    @property
    def _written(self) -> int:
        return self._announced - self._left + self._streamed

    @property
    def _taken(self) -> int:
        """Bytes of the body that the kernel has taken, of all that was written."""
        waiting = max(0, self._end_position - self.channel.accepted)
        if self._chunks is not None:
            waiting = self._chunks.body_of_last(waiting - self._trailing)
        return max(0, self._written - waiting)

    def _end(self, size: int, complete: bool) -> None:
        if not self._ended:
            self._ended = True
            tell(type(self).log, self._entry(size, complete))

    def _entry(self, size: int, complete: bool) -> Entry:
        seconds = self.channel.transport.reactor.seconds() - self._came
        head, data = self._head, self._data
        return Entry(
            self.getRemoteHost(),
            time.time() - seconds,
            seconds,
            self.method,
            data[head[2] : head[3]],
            (1, head[4]) if data else None,
            self._status,
            size,
            complete,
            self.headers(),
        )


class Chunks:
    """The sizes of the last chunks of a body: those of which some may not have left."""

    __slots__ = ("_most", "_sizes")

    def __init__(self) -> None:
        self._sizes: list[int] = []
        self._most = MANY_CHUNKS

    def add(self, size: int) -> bool:
        """One more; whether there are so many that some should be forgotten."""
        self._sizes.append(size)
        return len(self._sizes) > self._most

    def forget_before(self, count: int) -> None:
        """All but those that have some of the last `count` bytes."""
        first = len(self._sizes)
        while first and count > 0:
            first -= 1
            count -= framed(self._sizes[first])
        del self._sizes[:first]
        self._most = MANY_CHUNKS + 2 * len(self._sizes)

    def body_of_last(self, count: int) -> int:
        """How many of the last `count` bytes are of the body, and no framing."""
        found = 0
        for size in reversed(self._sizes):
            found += max(0, min(size, count - 2))  # a line ends after them
            count -= framed(size)
        return found


def framed(size: int) -> int:
    """The length of a chunk with its framing."""
    return len(b"%x" % size) + 4 + size


def logged(log: Callable[[Entry], object], exchange: type[ChannelRequest]) -> type[ChannelRequest]:
    """The class of such exchanges that tell `log`."""
    bases = (LoggedRequest,) if exchange is ChannelRequest else (LoggedRequest, exchange)
    return type("LoggedRequest", bases, {"__slots__": (), "log": staticmethod(log)})
