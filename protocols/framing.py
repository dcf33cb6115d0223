"""Framers: bytes in, frames out, and nothing else.

A framer knows no transport, no clock and no protocol. All share one shape:

- `feed(data)` takes what came, however it was divided.
- `frames` is a deque of the complete frames, for the caller to take from the left.
  He may stop between any two, and take the rest as bytes by `take_rest`.
- `fault` says, once `frames` is empty, why nothing will follow: the peer broke
  the rules. A framer with a fault ignores what it is fed.

The work is linear in the bytes that come, and what is kept is bounded: a frame's
greatest length and its prefix. No regular expression, no `int` of unchecked text.
"""

from __future__ import annotations

import struct
from collections import deque
from dataclasses import dataclass


@dataclass(frozen=True)
class Fault:
    """Why a stream cannot be framed any further.

    `data` is what was not framed; `too_long` tells a frame over the limit from
    a malformed one.
    """

    reason: str
    data: bytes
    too_long: bool = False


class Framer:
    """What all framers share."""

    __slots__ = ("fault", "frames")

    def __init__(self) -> None:
        self.frames: deque[bytes] = deque()
        self.fault: Fault | None = None

    def feed(self, data: bytes) -> None:
        """Take bytes, and add the frames that they complete."""
        raise NotImplementedError


class LineFramer(Framer):
    """Lines that end in `delimiter`, of up to `max_length` bytes without it.

    The limits may be changed at any time, and hold for what is fed afterwards.
    """

    __slots__ = ("_partial", "delimiter", "max_length")

    def __init__(self, delimiter: bytes = b"\r\n", max_length: int = 16384) -> None:
        super().__init__()
        if not delimiter:
            raise ValueError("a delimiter has at least one byte")
        self.delimiter = delimiter
        self.max_length = max_length
        self._partial = bytearray()

    def feed(self, data: bytes) -> None:
        if self.fault is not None:
            return
        partial = self._partial
        if partial:
            # The delimiter may straddle the border, and begins nowhere earlier.
            start = max(0, len(partial) - len(self.delimiter) + 1)
            partial += data
            if partial.find(self.delimiter, start) < 0:
                self._check_partial()
                return
            data = bytes(partial)
            partial.clear()
        lines = data.split(self.delimiter)
        partial += lines.pop()
        if len(data) > self.max_length:
            self._check_lines(lines)
            self._check_partial()
        self.frames += lines

    def take_rest(self) -> bytes:
        """Everything that was fed and not taken, as the bytes that came."""
        rest = self.delimiter.join([*self.frames, bytes(self._partial)])
        self.frames.clear()
        self._partial.clear()
        return rest

    def _check_partial(self) -> None:
        # What may yet prove to be the delimiter's first bytes does not count.
        if self.fault is None and len(self._partial) >= self.max_length + len(self.delimiter):
            self._overflow(bytes(self._partial))

    def _check_lines(self, lines: list[bytes]) -> None:
        for index, line in enumerate(lines):
            if len(line) > self.max_length:
                self._overflow(self.delimiter.join([*lines[index:], bytes(self._partial)]))
                del lines[index:]
                return

    def _overflow(self, data: bytes) -> None:
        self._partial.clear()
        self.fault = Fault(f"a line is longer than {self.max_length} bytes", data, too_long=True)


class LengthFramer(Framer):
    """Frames that say their length first; a subclass reads the prefix.

    What is incomplete waits in one buffer until as many bytes are there as are
    needed, so that a frame in many pieces is looked at once.
    """

    __slots__ = ("_buffer", "_needed", "max_length")

    def __init__(self, max_length: int) -> None:
        super().__init__()
        self.max_length = max_length
        self._buffer = bytearray()
        self._needed = 1

    def feed(self, data: bytes) -> None:
        if self.fault is not None:
            return
        buffer = self._buffer
        if buffer:
            buffer += data
            if len(buffer) < self._needed:
                return
            data = bytes(buffer)
            buffer.clear()
        done = self.cut(data)
        if self.fault is None:
            buffer += data[done:] if done else data

    def take_rest(self) -> bytes:
        """The bytes that were fed and belong to no complete frame."""
        rest = bytes(self._buffer)
        self._buffer.clear()
        self._needed = 1
        return rest

    def cut(self, data: bytes) -> int:
        """Add the complete frames; return how many bytes they took.

        Sets `_needed`, or the fault.
        """
        raise NotImplementedError

    def _break(self, reason: str, data: bytes, *, too_long: bool = False) -> None:
        self.fault = Fault(reason, data, too_long)


class NetstringFramer(LengthFramer):
    """Netstrings: `5:hello,`. The length is `0` or ASCII digits without a leading zero."""

    __slots__ = ()

    def cut(self, data: bytes) -> int:
        done, size, add = 0, len(data), self.frames.append
        digits = len(str(self.max_length))
        while done < size:
            colon = data.find(b":", done, done + digits + 1)
            if colon < 0:
                self._check_unfinished_length(data[done : done + digits + 1], digits)
                self._needed = size - done + 1
                return done
            length = self._length(data[done:colon])
            if length < 0:
                return done
            end = colon + 1 + length
            if end >= size:
                self._needed = end + 1 - done
                return done
            if data[end] != 0x2C:
                self._break("a netstring does not end in a comma", data[done:])
                return done
            add(data[colon + 1 : end])
            done = end + 1
        return done

    def _length(self, text: bytes) -> int:
        """The length that the text stands for, or -1 after a fault."""
        if not text.isdigit() or (text[0] == 0x30 and len(text) > 1):
            self._break(f"{text!r} is not the length of a netstring", text)
            return -1
        length = int(text)
        if length > self.max_length:
            self._break(
                f"a netstring of {length} bytes; {self.max_length} are allowed", text, too_long=True
            )
            return -1
        return length

    def _check_unfinished_length(self, text: bytes, digits: int) -> None:
        if len(text) > digits:
            too_long = text.isdigit() and text[0] != 0x30
            self._break("the length of a netstring has no end", text, too_long=too_long)
        elif text and (not text.isdigit() or (text[0] == 0x30 and len(text) > 1)):
            self._break(f"{text!r} is not the length of a netstring", text)


class IntFramer(LengthFramer):
    """Frames behind their length as a big-endian integer of 1, 2 or 4 bytes."""

    __slots__ = ("_prefix",)

    def __init__(self, prefix: struct.Struct, max_length: int) -> None:
        super().__init__(max_length)
        self._prefix = prefix

    def cut(self, data: bytes) -> int:
        done, size, add = 0, len(data), self.frames.append
        read, width, most = self._prefix.unpack_from, self._prefix.size, self.max_length
        while size - done >= width:
            (length,) = read(data, done)
            if length > most:
                self._break(f"a frame of {length} bytes; {most} are allowed", data[done:], too_long=True)
                return done
            start = done + width
            if size - start < length:
                self._needed = width + length
                return done
            done = start + length
            add(data[start:done])
        self._needed = width
        return done
