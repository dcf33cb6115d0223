"""Framers: bytes in, frames out, and nothing else.

A framer knows no transport, no clock and no protocol. All share one shape:

- `feed(data)` takes what came, however it was divided.
- `frames` is a deque of the complete frames, for the caller to take from the left.
- `fault` says, once `frames` is empty, why nothing will follow: the peer broke
  the rules. A framer with a fault ignores what it is fed.
- `take_rest()` gives back, as bytes, all that was fed and not taken, and leaves
  the framer empty. So the caller may stop between any two frames and go on with
  raw bytes, or with another framer.
- `encode(frame)` is the inverse.

The work is linear in the bytes that come, and what is kept is bounded: a frame's
greatest length and its prefix. No regular expression, no `int` of unchecked text.
Limits and delimiters hold for a framer's life.
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
    """What all framers share; `max_length` is that of a frame, in bytes."""

    __slots__ = ("_buffer", "fault", "frames", "max_length")

    def __init__(self, max_length: int) -> None:
        self.frames: deque[bytes] = deque()
        self.fault: Fault | None = None
        self.max_length = max_length
        self._buffer = bytearray()  # a frame's beginning

    def feed(self, data: bytes) -> None:
        """Take bytes, and add the frames that they complete."""
        raise NotImplementedError

    def encode(self, frame: bytes) -> bytes:
        """The bytes that stand for a frame."""
        raise NotImplementedError

    def take_rest(self) -> bytes:
        """Everything that was fed and not taken, as the bytes that came."""
        if not (self.frames or self._buffer or self.fault):
            return b""
        rest = b"".join(map(self.encode, self.frames))
        rest += self._buffer if self.fault is None else self.fault.data
        self.frames.clear()
        self._buffer.clear()
        self.fault = None
        return rest


class LineFramer(Framer):
    """Lines that end in `delimiter`; neither a frame nor its length includes it."""

    __slots__ = ("delimiter",)

    def __init__(self, delimiter: bytes = b"\r\n", max_length: int = 16384) -> None:
        if not delimiter:
            raise ValueError("a delimiter has at least one byte")
        super().__init__(max_length)
        self.delimiter = delimiter

    def feed(self, data: bytes) -> None:
        if self.fault is not None:
            return
        partial = self._buffer
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

    def encode(self, frame: bytes) -> bytes:
        return frame + self.delimiter

    def _check_partial(self) -> None:
        # What may yet prove to be the delimiter's first bytes does not count.
        if self.fault is None and len(self._buffer) >= self.max_length + len(self.delimiter):
            self._overflow(bytes(self._buffer))

    def _check_lines(self, lines: list[bytes]) -> None:
        for index, line in enumerate(lines):
            if len(line) > self.max_length:
                self._overflow(self.delimiter.join([*lines[index:], self._buffer]))
                del lines[index:]
                return

    def _overflow(self, data: bytes) -> None:
        self._buffer.clear()
        self.fault = Fault(f"a line is longer than {self.max_length} bytes", data, too_long=True)


class LengthFramer(Framer):
    """Frames that say their length first; a subclass reads the prefix.

    What is incomplete waits until as many bytes are there as are needed, so that
    a frame in many pieces is looked at once.
    """

    __slots__ = ("_needed",)

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length)
        self._needed = 0  # to go on; set whenever something is incomplete

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
        if self.fault is None and done < len(data):
            buffer += data[done:]

    def cut(self, data: bytes) -> int:
        """Add the complete frames; return how many bytes they took.

        Sets `_needed`, or the fault.
        """
        raise NotImplementedError

    def _break(self, reason: str, data: bytes, *, too_long: bool = False) -> None:
        self.fault = Fault(reason, data, too_long)

    def _refuse(self, length: int, data: bytes) -> None:
        reason = f"a string of {length} bytes; {self.max_length} are allowed"
        self._break(reason, data, too_long=True)


COMMA = ord(",")
ZERO = ord("0")

# Most strings are shorter: for them no number is written or read.
SHORT = 1000
LENGTHS = [b"%d:" % length for length in range(SHORT)]
KNOWN_LENGTHS = {text: length for length, text in enumerate(LENGTHS)}


def netstring(data: bytes) -> bytes:
    """A netstring, such as `5:hello,`."""
    size = len(data)
    return (LENGTHS[size] if size < SHORT else b"%d:" % size) + data + b","


class NetstringFramer(LengthFramer):
    """Netstrings. A length is `0` or ASCII digits without a leading zero."""

    __slots__ = ("_digits", "_width")

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length)
        self._digits = len(str(max_length))
        self._width = 1  # of the last length with its colon: the next may well be as wide

    def encode(self, frame: bytes) -> bytes:
        return netstring(frame)

    def cut(self, data: bytes) -> int:
        done, size, add = 0, len(data), self.frames.append
        width, most, known = self._width, self.max_length, KNOWN_LENGTHS.get
        while done < size:
            start = done + width
            length = known(data[done:start])
            if length is None:
                start = data.find(b":", done, done + self._digits + 1) + 1
                length = self._read_length(data, done, start)
                if length < 0:
                    break
                width = start - done
            if length > most:
                self._refuse(length, data[done:])
                break
            end = start + length
            if end >= size:
                self._needed = data.index(b":", done) - done + length + 2
                break
            if data[end] != COMMA:
                self._break("a netstring does not end in a comma", data[done:])
                break
            add(data[start:end])
            done = end + 1
        self._width = width
        return done

    def _read_length(self, data: bytes, start: int, end: int) -> int:
        """The length that is written before `end`, a colon's; -1 if it is incomplete or wrong."""
        text = data[start : end - 1] if end else data[start : start + self._digits + 1]
        if not text.isdigit() or (text[0] == ZERO and len(text) > 1):
            self._break(f"{text!r} is not the length of a netstring", data[start:])
        elif end:
            return int(text)
        elif len(text) > self._digits:
            self._break("a netstring is too long", data[start:], too_long=True)
        else:
            self._needed = len(text) + 1
        return -1


class IntFramer(LengthFramer):
    """Frames behind their length as an integer, which `prefix` packs."""

    __slots__ = ("_prefix",)

    def __init__(self, prefix: struct.Struct, max_length: int) -> None:
        super().__init__(max_length)
        self._prefix = prefix

    def encode(self, frame: bytes) -> bytes:
        return self._prefix.pack(len(frame)) + frame

    def cut(self, data: bytes) -> int:
        done, size, add = 0, len(data), self.frames.append
        read, width, most = self._prefix.unpack_from, self._prefix.size, self.max_length
        while (start := done + width) <= size:
            (length,) = read(data, done)
            if length > most:
                self._refuse(length, data[done:])
                return done
            end = start + length
            if end > size:
                self._needed = width + length
                return done
            add(data[start:end])
            done = end
        self._needed = width
        return done
