"""Framers: bytes in, frames out, and nothing else.

A framer knows no transport, no clock and no protocol. All share one shape:

- `feed(data)` takes what came, however it was divided.
- `frames` is a deque of the complete frames, for the caller to take from the left.
- `fault` says, once `frames` is empty, why nothing will follow: the peer broke
  the rules. A framer with a fault ignores what it is fed.
- `take_rest()` gives back, as bytes, all that was fed and not taken, and leaves
  the framer as new. So the caller may stop between any two frames, or change a
  limit there and feed the rest again.
- `encode(frame)` is the inverse.

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
    """What all framers share: a buffer of what is incomplete."""

    __slots__ = ("_buffer", "fault", "frames", "max_length")

    def __init__(self, max_length: int) -> None:
        self.frames: deque[bytes] = deque()
        self.fault: Fault | None = None
        self.max_length = max_length
        self._buffer = bytearray()

    def feed(self, data: bytes) -> None:
        """Take bytes, and add the frames that they complete."""
        raise NotImplementedError

    def encode(self, frame: bytes) -> bytes:
        """The bytes that stand for a frame."""
        raise NotImplementedError

    def take_rest(self) -> bytes:
        """Everything that was fed and not taken, as the bytes that came."""
        unfinished = self.fault.data if self.fault else bytes(self._buffer)
        rest = b"".join([*map(self.encode, self.frames), unfinished])
        self.frames.clear()
        self._buffer.clear()
        self.fault = None
        return rest


class LineFramer(Framer):
    """Lines that end in `delimiter`, of up to `max_length` bytes without it.

    Both may be changed at any time, and hold for what is fed afterwards.
    """

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

    What is incomplete waits in one buffer until as many bytes are there as are
    needed, so that a frame in many pieces is looked at once.
    """

    __slots__ = ("_needed",)

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length)
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
        self._needed = 1
        return super().take_rest()

    def cut(self, data: bytes) -> int:
        """Add the complete frames; return how many bytes they took.

        Sets `_needed`, or the fault.
        """
        raise NotImplementedError

    def _break(self, reason: str, data: bytes, *, too_long: bool = False) -> None:
        self.fault = Fault(reason, data, too_long)


def netstring(data: bytes) -> bytes:
    """A netstring: `5:hello,`."""
    return b"%d:%b," % (len(data), data)


class NetstringFramer(LengthFramer):
    """Netstrings. A length is `0` or ASCII digits without a leading zero."""

    __slots__ = ("_lengths",)

    def __init__(self, max_length: int) -> None:
        super().__init__(max_length)
        # Lengths seen, by their text with its colon: a peer uses few, one after the other.
        self._lengths: dict[bytes, int] = {}

    def encode(self, frame: bytes) -> bytes:
        return netstring(frame)

    def cut(self, data: bytes) -> int:
        ...
