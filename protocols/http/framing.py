"""What leaves: status lines, the head of an answer, and the framing of its body.

The fields that every answer has are made once a second. Which fields an
application may set, and which frame the message and are ours, is decided here.
"""

from __future__ import annotations

import time
from functools import lru_cache
from typing import Any

from reactorlib.protocols.http.fields.dates import generateDate
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.status import RESPONSES

SERVER = b"reactorlib"
WITHOUT_BODY = frozenset((204, 304))

# How a body ends.
UNSENT, LENGTH, CHUNKED, UNTIL_CLOSE, NOTHING, SWITCHING, FINISHED = range(7)

OUR_OWN = frozenset((b"connection", b"content-length", b"date", b"server", b"transfer-encoding"))


@lru_cache(256)
def status_line(code: int, message: bytes | None = None) -> bytes:
    """The first line of an answer. Raises ValueError for what is no status or reason."""
    if not 100 <= code <= 999:
        raise ValueError(f"a status code has three digits: {code}")
    reason = RESPONSES.get(code, b"") if message is None else message
    if not all(byte == 9 or 32 <= byte != 127 for byte in reason):
        raise ValueError(f"a reason has no control characters: {reason!r}")
    return b"HTTP/1.1 %d %b\r\n" % (code, reason)


class EveryAnswer:
    """The fields of every answer, made once a second."""

    __slots__ = ("_fields", "_second", "_server")

    def __init__(self, server: bytes = SERVER) -> None:
        self._server = server
        self._second = 0
        self._fields = b""

    def fields(self) -> bytes:
        """Date and Server."""
        now = int(time.time())
        if now != self._second:
            self._second = now
            self._fields = b"Date: %b\r\nServer: %b\r\n" % (generateDate(now), self._server)
        return self._fields

    def missing(self, given: Any) -> bytes:
        """Those of them that were not given."""
        lines = self.fields().splitlines(keepends=True)
        return b"".join(line for line in lines if line.split(b":")[0].lower() not in given)


def content_length(headers: Headers) -> int:
    """The length an application announces. Raises ValueError if it is not one number."""
    values = headers.getRawHeaders(b"content-length")
    if len(values) != 1 or not values[0].isdigit() or len(values[0]) > 18:
        raise ValueError(f"Content-Length is one number of bytes, not {values!r}")
    return int(values[0])
