"""HTTP/1.1 messages by RFC 9112, strictly: the Python face of the parser in C.

Bytes in, offsets and bytes out: nothing here knows a transport or a clock.
Messages are read in one way only. What has two readings, or breaks the
grammar, is refused with HTTPParseError, at the first byte that decides it; and
the outcome does not depend on how the bytes were divided. After a refusal
nothing more of that connection must be read.

For the hot path, `requestHead(data, start, end, scanned, head.out)`
with `head = RequestHead()` is the function in C itself, with its answers as
protocols/native/http_api.h has them: the head's length, 0 if more bytes are
needed, or minus the status; then `head.values()` gives the integers. What it
writes is overwritten by the next call, so one RequestHead does for all
connections of a thread.
"""

from __future__ import annotations

import struct
from collections.abc import Callable
from functools import partial
from typing import Any

from reactorlib import compiled

_http = compiled.load("reactorlib.protocols._http", "http_version")
_new, _buffer, _unpack, _lib = _http.ffi.new, _http.ffi.buffer, _http.ffi.unpack, _http.lib

requestHead: Callable[..., int] = _lib.http_request_head
responseHead: Callable[..., int] = _lib.http_response_head

CHUNKED: int = _lib.HTTP_CHUNKED
KEEP_ALIVE: int = _lib.HTTP_KEEP_ALIVE
EXPECT_CONTINUE: int = _lib.HTTP_EXPECT_CONTINUE
EXPECT_UNKNOWN: int = _lib.HTTP_EXPECT_UNKNOWN
UPGRADE: int = _lib.HTTP_UPGRADE
HAS_HOST: int = _lib.HTTP_HAS_HOST
HAS_BODY: int = _lib.HTTP_HAS_BODY
IS_HEAD: int = _lib.HTTP_IS_HEAD
IS_CONNECT: int = _lib.HTTP_IS_CONNECT
ABSOLUTE: int = _lib.HTTP_ABSOLUTE
ASTERISK: int = _lib.HTTP_ASTERISK
UNTIL_CLOSE: int = _lib.HTTP_UNTIL_CLOSE

MAX_LINE, MAX_HEAD, MAX_FIELDS = 8192, 16384, 100
_LIMITS = _new("struct http_limits *", (MAX_LINE, MAX_HEAD, MAX_FIELDS))

# Pieces of a chunked body that are found in one call.
_PIECES = 64

_LAYOUT = struct.Struct("=6Iq2I")
_ROW = struct.Struct("=4I")

Fields = list[tuple[bytes, bytes]]


class HTTPParseError(Exception):
    """A message is refused.

    `status` is the one to answer a request with; the text says why, to people.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status


def parseError(answer: int, fault: int) -> HTTPParseError:
    """The error for a negative answer of the parser."""
    return HTTPParseError(-answer, _http.ffi.string(_lib.http_fault_text(fault)).decode())


class _Head:
    """Where the parser writes what it finds: see RequestHead and ResponseHead.

    `line` is the longest request line, in bytes without its CRLF; `head` the
    longest head, in bytes; `fields` the greatest number of field lines.
    """

    __slots__ = ("_rows", "_table", "limits", "out", "values")

    _type: str
    _parse: Callable[..., int]

    def __init__(
        self, line: int = MAX_LINE, head: int = MAX_HEAD, fields: int = MAX_FIELDS
    ) -> None:
        self.limits = _new("struct http_limits *", (line, head, fields))
        self.out = _new(self._type, {"limits": self.limits[0]})
        found = memoryview(_buffer(self.out))[-_LAYOUT.size :]
        self.values: Callable[[], tuple[int, ...]] = partial(_LAYOUT.unpack_from, found)
        self._table = _new("uint32_t[]", 4 * fields)
        self._rows = memoryview(_buffer(self._table))

    def fields(self, data: bytes, start: int, end: int, count: int) -> Fields:
        """As readFields, for a head that this has parsed; in one thread at a time."""
        found = _lib.http_fields(data, start, end, self._table, count)
        rows = _ROW.iter_unpack(self._rows[: _ROW.size * found])
        return [(data[name:colon], data[value:end]) for name, colon, value, end in rows]

    def parse(
        self, data: bytes, start: int = 0, end: int | None = None, scanned: int | None = None
    ) -> int:
        """The length of the head that begins at start, or 0 if it is not complete.

        `scanned` is the `end` of an earlier call for the same head. Raises HTTPParseError.
        """
        end = len(data) if end is None else end
        scanned = start if scanned is None else scanned
        length = self._parse(data, start, end, scanned, self.out)
        if length < 0:
            raise parseError(length, self.out.flags)
        return length


class RequestHead(_Head):
    """A request's head.

    `values()`, after a success: method_start, method_end, target_start,
    target_end, minor, flags, content_length (-1 if there is none),
    fields_start, and how many field lines there are.
    """

    __slots__ = ()

    _type = "struct http_request *"
    _parse = staticmethod(requestHead)


class ResponseHead(_Head):
    """A response's head.

    `values()`, after a success: minor, status, reason_start, reason_end,
    fields_start, flags, content_length (-1 if there is none), how many field
    lines there are, and 0. HAS_BODY and UNTIL_CLOSE do not hold for the answer
    to HEAD, nor for a 2xx to CONNECT.
    """

    __slots__ = ()

    _type = "struct http_response *"
    _parse = staticmethod(responseHead)


def readFields(data: bytes, start: int, end: int, count: int) -> Fields:
    """Name and value of `count` field lines, at most, of a section that the parser accepted.

    The section goes from fields_start to 2 bytes before the end of the head; what stands
    behind those lines is not read.
    """
    table = _new("uint32_t[]", 4 * count)
    found = _lib.http_fields(data, start, end, table, count)
    rows = _ROW.iter_unpack(_buffer(table, _ROW.size * found))
    return [(data[name:colon], data[value:end]) for name, colon, value, end in rows]


class ChunkDecoder:
    """A chunked body and its trailers, to the last byte.

    After the last one `done` is true, `consumed` is the offset, in the data that
    was fed last, of what follows the message, and `trailers` holds the trailer
    fields as they came: nobody has vouched for them, so they are kept apart
    from the fields of the head. `limits`, those of a RequestHead, bound them.
    """

    __slots__ = ("_limits", "_pieces", "_state", "_tail", "consumed", "done", "trailers")

    def __init__(self, limits: Any = _LIMITS) -> None:
        self._limits = limits
        self._state = _new("struct http_chunks *")
        self._pieces = _new("uint32_t[]", 2 * _PIECES)
        self._tail = b""
        self.consumed = 0
        self.done = False
        self.trailers: Fields = []

    @property
    def received(self) -> int:
        """Bytes of the body so far."""
        return int(self._state.received)

    @property
    def expected(self) -> int:
        """Bytes of the body so far, and those that the present chunk still has to bring."""
        return int(self._state.received + self._state.left)

    def feed(self, data: bytes, start: int = 0, end: int | None = None) -> list[bytes]:
        """The pieces of the body that are in this data.

        Raises HTTPParseError; the pieces before the fault are then dropped.
        """
        end = len(data) if end is None else end
        pieces: list[bytes] = []
        self.consumed = start
        while self.consumed < end and not self._state.done:
            self._take_pieces(data, end, pieces)
        if self.consumed < end and not self.done:
            self._take_trailers(data, end)
        return pieces

    def _take_pieces(self, data: bytes, end: int, pieces: list[bytes]) -> None:
        state, table = self._state, self._pieces
        count = _lib.http_chunks(data, self.consumed, end, state, table, _PIECES)
        if count < 0:
            raise parseError(count, state.fault)
        offsets = iter(_unpack(table, 2 * count))
        pieces += [data[a:b] for a, b in zip(offsets, offsets, strict=True)]
        self.consumed = state.consumed

    def _take_trailers(self, data: bytes, end: int) -> None:
        if data.startswith(b"\r\n", self.consumed, end) and not self._tail:
            self.consumed += 2
            self.done = True
            return
        scanned = len(self._tail)
        section = self._tail + data[self.consumed : end]
        out: Any = _new("uint32_t *")
        length = _lib.http_trailers(section, 0, len(section), scanned, self._limits, out)
        if length < 0:
            raise parseError(length, out[0])
        if length == 0:
            self._tail = section
            self.consumed = end
            return
        self.trailers = readFields(section, 0, length - 2, out[0])
        self.consumed += length - scanned
        self.done = True
