"""Reads a stream of requests as a server does, from pieces of any size: to compare readings."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from reactorlib.protocols.http.parser import (
    CHUNKED,
    HAS_BODY,
    ChunkDecoder,
    HTTPParseError,
    RequestHead,
    readFields,
)


@dataclass
class Message:
    """A request, and of its body what has come."""

    head: bytes
    fields: list[tuple[bytes, bytes]]
    flags: int
    body: bytes = b""
    trailers: list[tuple[bytes, bytes]] = field(default_factory=list)
    is_whole: bool = False


class MessageReader:
    """Messages as they come; `status` and `reason` are those of the error that ended it."""

    def __init__(self, line: int = 8192, head: int = 16384, fields: int = 100) -> None:
        self.messages: list[Message] = []
        self.status = 0
        self.reason = ""
        self.rest = b""
        self._head = RequestHead(line=line, head=head, fields=fields)
        self._scanned = 0
        self._chunks: ChunkDecoder | None = None
        self._left = 0

    @property
    def complete(self) -> int:
        """How many messages are whole."""
        return sum(message.is_whole for message in self.messages)

    def feed(self, data: bytes) -> None:
        self.rest += data
        try:
            while not self.status and self._step():
                pass
        except HTTPParseError as error:
            self.status, self.reason = error.status, str(error)

    def feed_all(self, pieces: Iterable[bytes]) -> MessageReader:
        for piece in pieces:
            self.feed(piece)
        return self

    def _step(self) -> bool:
        """Read one thing; whether there is any hope for another."""
        if not self.messages or self.messages[-1].is_whole:
            return self._read_head()
        return self._read_chunks() if self._chunks else self._read_counted()

    def _read_head(self) -> bool:
        # Not at the beginning of what is parsed: offsets that begin at 0 are too easy.
        data = b"GET" + self.rest
        length = self._head.parse(data, 3, len(data), 3 + self._scanned)
        self._scanned = 0 if length else len(self.rest)
        if not length:
            return False
        values = self._head.values()
        flags, content_length, start, count = values[5:]
        fields = readFields(data, start, 3 + length - 2, count)
        assert len(fields) == count
        self.messages.append(Message(self.rest[:length], fields, flags))
        self.rest = self.rest[length:]
        self._chunks = ChunkDecoder(self._head.limits) if flags & CHUNKED else None
        self._left = max(content_length, 0)
        assert bool(flags & HAS_BODY) == bool(self._chunks or self._left)
        return True

    def _read_counted(self) -> bool:
        part, self.rest = self.rest[: self._left], self.rest[self._left :]
        self._left -= len(part)
        message = self.messages[-1]
        message.body += part
        message.is_whole = not self._left
        return message.is_whole

    def _read_chunks(self) -> bool:
        assert self._chunks
        message = self.messages[-1]
        pieces = self._chunks.feed(self.rest)
        assert all(pieces)
        message.body += b"".join(pieces)
        self.rest = self.rest[self._chunks.consumed :]
        message.trailers, message.is_whole = self._chunks.trailers, self._chunks.done
        return message.is_whole
