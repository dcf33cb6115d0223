"""What leaves: status lines, the head of an answer, and the framing of its body.

The fields that every answer has are made once a second. Which fields an
application may set, and which frame the message and are ours, is decided here.
"""

from __future__ import annotations

from functools import lru_cache
from time import time
from typing import Any

from reactorlib.protocols.http.fields.dates import generateDate
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.status import RESPONSES

SERVER = b"reactorlib"
WITHOUT_BODY = frozenset((204, 304))

# How a body ends.
UNSENT, LENGTH, CHUNKED, UNTIL_CLOSE, NOTHING, SWITCHING, FINISHED = range(7)


@lru_cache(256)
def status_line(code: int, message: bytes | None = None) -> bytes:
    """The first line of an answer. Raises ValueError for what is no status or reason."""
    if not 100 <= code <= 999:
        raise ValueError(f"a status code has three digits: {code}")
    reason = RESPONSES.get(code, b"") if message is None else message
    if not all(byte == 9 or 32 <= byte != 127 for byte in reason):
        raise ValueError(f"a reason has no control characters: {reason!r}")
    return b"HTTP/1.1 %d %b\r\n" % (code, reason)


class EveryAnswer(dict[int, bytes]):
    """What every answer begins with, by its status: the usual status line, Date and Server.

    Made once a second: whoever looks one up has called `renew` if it was `expires`.
    A dict itself, so that looking up is no call.
    """

    __slots__ = ("_fields", "_server", "expires")

    def __init__(self, server: bytes = SERVER) -> None:
        self._server = server
        self.renew(0.0)
        self.expires = 0.0

    def renew(self, now: float) -> None:
        """Make them anew; `now` is of the clock that `expires` is compared with."""
        today = time()
        self.expires = now + 1 - today % 1
        self.clear()
        date = generateDate(int(today))
        self._fields = b"Date: %b\r\nServer: %b\r\n" % (date, self._server)

    def __missing__(self, code: int) -> bytes:
        if code < 200:
            raise ValueError(f"{code} is no answer by itself")
        head = self[code] = status_line(code) + self._fields
        return head

    def missing(self, given: Headers) -> bytes:
        """The two fields, but for those that were given."""
        if not (given.hasHeader(b"date") or given.hasHeader(b"server")):
            return self._fields
        lines = self._fields.splitlines(keepends=True)
        return b"".join([line for line in lines if line.split(b":")[0].lower() not in given])


def length_line(length: int) -> bytes:
    """The last line of a head, with the length of the body."""
    return b"Content-Length: %d\r\n\r\n" % length


def content_length(headers: Headers) -> int:
    """The length an application announces. Raises ValueError if it is not one number."""
    values = headers.getRawHeaders(b"content-length")
    if len(values) != 1 or not values[0].isdigit() or len(values[0]) > 18:
        raise ValueError(f"Content-Length is one number of bytes, not {values!r}")
    return int(values[0])


def bytes_of(data: Any) -> bytes:
    """The bytes themselves. Raises TypeError for anything else."""
    if isinstance(data, bytes):
        return data
    if isinstance(data, bytearray | memoryview):
        return bytes(data)
    advice = "; encode it first" if isinstance(data, str) else ""
    raise TypeError(f"a body is bytes, not {type(data).__name__}{advice}")


def refusal(status: int, reason: str) -> tuple[Headers, bytes]:
    """Fields and body of the answer to what no application was given, or has failed at."""
    page = b"%d %b: %b\n" % (status, RESPONSES[status], reason.encode())
    headers = Headers(rawHeaders={b"Content-Type": [b"text/plain; charset=utf-8"]})
    headers.setRawHeaders(b"Content-Length", [b"%d" % len(page)])
    return headers, page
