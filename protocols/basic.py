"""Protocols of lines, netstrings and counted strings: thin glue on the framers.

The names and meanings are those of twisted.protocols.basic. A peer that breaks
the rules loses its connection, and nothing of what came after is delivered.
A limit or a delimiter that is changed holds from the next string on,
however the bytes were divided.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from contextlib import suppress
from typing import Any, ClassVar

from reactorlib.protocol import Protocol
from reactorlib.protocols.filesender import FileSender
from reactorlib.protocols.framing import (
    Fault,
    Framer,
    IntFramer,
    LineFramer,
    NetstringFramer,
    netstring,
)
from reactorlib.protocols.receiver import Receiver

__all__ = [
    "FileSender",
    "Int8StringReceiver",
    "Int16StringReceiver",
    "Int32StringReceiver",
    "IntNStringReceiver",
    "LineOnlyReceiver",
    "LineReceiver",
    "NetstringReceiver",
    "StatefulStringProtocol",
    "StringTooLongError",
]

logger = logging.getLogger("reactorlib")


class LineReceiver(Receiver):
    """Lines that end in `delimiter`, and raw bytes in between where the protocol says so.

    A line of more than `MAX_LENGTH` bytes, without its delimiter, is given to
    lineLengthExceeded. After `setRawMode` everything goes to rawDataReceived
    until `setLineMode`; `line_mode` says which it is.
    """

    delimiter = b"\r\n"
    MAX_LENGTH = 16384
    line_mode: bool | int = True

    _framer: LineFramer | None = None

    def lineReceived(self, line: bytes) -> Any:
        """A line, without its delimiter. Override this."""
        raise NotImplementedError

    def rawDataReceived(self, data: bytes) -> Any:
        """Bytes in raw mode. Override this if you use it."""
        raise NotImplementedError

    def lineLengthExceeded(self, line: bytes) -> Any:
        """A line is too long; `line` is what was received of it and after. Loses the connection.

        An override may go on instead; what comes next begins after `line`.
        """
        return self.transport.loseConnection()

    def sendLine(self, line: bytes) -> None:
        """Send a line; the delimiter is added."""
        self.transport.write(line + self.delimiter)

    def setRawMode(self) -> None:
        """From the next byte on, give bytes to rawDataReceived."""
        self.line_mode = False

    def setLineMode(self, extra: bytes = b"") -> None:
        """From now on, give lines to lineReceived.

        `extra` is what rawDataReceived got and does not want: it is received
        again, before anything else.
        """
        was_raw, self.line_mode = not self.line_mode, True
        if extra and was_raw:
            self._put_back(extra)
            self.dataReceived(b"")
        elif extra:
            self.dataReceived(extra)

    def clearLineBuffer(self) -> bytes:
        """Forget what was received and not delivered; returns it."""
        rest = self._framer.take_rest() if self._framer else b""
        return rest + self._take_waiting()

    def _take(self, data: bytes) -> bool:
        if not self.line_mode:
            return self._take_raw(data)
        framer = self._framer
        if (
            framer is None
            or framer.delimiter != self.delimiter
            or framer.max_length != self.MAX_LENGTH
        ):
            data = self._take_partial() + data
            framer = self._framer = self._new_framer()
        framer.feed(data)
        frames, transport = framer.frames, self.transport
        delimiter, max_length = self.delimiter, self.MAX_LENGTH
        while frames:
            self.lineReceived(frames.popleft())
            if (
                self.paused
                or not self.line_mode
                or self.MAX_LENGTH != max_length
                or self.delimiter is not delimiter
                or (transport is not None and transport.disconnecting)
            ):
                self._put_back(framer.take_rest())
                return True
        if framer.fault is not None:
            self.lineLengthExceeded(self.clearLineBuffer())
            return True
        return bool(self._waiting)

    def _take_raw(self, data: bytes) -> bool:
        data = self._take_partial() + data
        if data:
            self.rawDataReceived(data)
        return bool(self._waiting)

    def _take_partial(self) -> bytes:
        return self._framer.take_rest() if self._framer else b""

    def _new_framer(self) -> LineFramer:
        # Each of these is asked for after each line, and read faster from here than from the class.
        self.paused, self.line_mode = self.paused, self.line_mode
        with suppress(AttributeError):  # a property
            self.delimiter, self.MAX_LENGTH = self.delimiter, self.MAX_LENGTH
        return LineFramer(self.delimiter, self.MAX_LENGTH)


class LineOnlyReceiver(Protocol):
    """Lines that end in `delimiter` and nothing else."""

    delimiter = b"\r\n"
    MAX_LENGTH = 16384

    _framer: LineFramer | None = None

    def lineReceived(self, line: bytes) -> Any:
        """A line, without its delimiter. Override this."""
        raise NotImplementedError

    def lineLengthExceeded(self, line: bytes) -> Any:
        """A line is too long; `line` is what was received of it and after. Loses the connection."""
        return self.transport.loseConnection()

    def sendLine(self, line: bytes) -> None:
        """Send a line; the delimiter is added."""
        self.transport.write(line + self.delimiter)

    def dataReceived(self, data: bytes) -> None:
        framer = self._framer
        if framer is None:
            framer = self._framer = LineFramer(self.delimiter, self.MAX_LENGTH)
        framer.feed(data)
        frames, transport = framer.frames, self.transport
        while frames and not transport.disconnecting:
            self.lineReceived(frames.popleft())
        if framer.fault is not None and not transport.disconnecting:
            self.lineLengthExceeded(framer.take_rest())


class _StringReceiver(Receiver):
    """Strings that a framer cuts out."""

    MAX_LENGTH = 99999

    _framer: Framer | None = None
    _broken = False

    def stringReceived(self, string: bytes) -> Any:
        """A string. Override this."""
        raise NotImplementedError

    def _new_framer(self) -> Framer:
        raise NotImplementedError

    def _refused(self, fault: Fault) -> None:
        """The peer broke the rules; nothing more will come."""
        raise NotImplementedError

    def _take(self, data: bytes) -> bool:
        framer = self._framer
        if framer is None or framer.max_length != self.MAX_LENGTH:
            data = (framer.take_rest() if framer else b"") + data
            self._broken = False
            framer = self._framer = self._new_framer()
        framer.feed(data)
        frames, transport, max_length = framer.frames, self.transport, self.MAX_LENGTH
        while frames:
            self.stringReceived(frames.popleft())
            if self.paused or transport.disconnecting or self.MAX_LENGTH != max_length:
                self._put_back(framer.take_rest())
                return True
        if framer.fault is not None and not self._broken:
            self._broken = True
            self._refused(framer.fault)
        return bool(self._waiting)


class NetstringReceiver(_StringReceiver):
    """Netstrings of up to `MAX_LENGTH` bytes; a bad one loses the connection.

    `brokenPeer` is true once the peer has sent one.
    """

    brokenPeer: bool | int = False

    def sendString(self, string: bytes) -> None:
        """Send a netstring."""
        self.transport.write(netstring(string))

    def _new_framer(self) -> Framer:
        return NetstringFramer(self.MAX_LENGTH)

    def _refused(self, fault: Fault) -> None:
        self.brokenPeer = True
        logger.info("%s: %s", self.logPrefix(), fault.reason)
        self.transport.loseConnection()


class StringTooLongError(AssertionError):
    """A string is longer than its prefix can say."""


class IntNStringReceiver(_StringReceiver):
    """Strings behind their length, an integer in `structFormat` of `prefixLength` bytes.

    A length above `MAX_LENGTH` is given to lengthLimitExceeded.
    """

    structFormat: ClassVar[str]
    prefixLength: ClassVar[int]

    def sendString(self, string: bytes) -> None:
        """Send a string. Raises StringTooLongError if the prefix cannot hold its length."""
        try:
            prefix = struct.pack(self.structFormat, len(string))
        except struct.error as error:
            raise StringTooLongError(
                f"a length of {len(string)} does not fit {self.prefixLength} bytes"
            ) from error
        self.transport.write(prefix + string)

    def lengthLimitExceeded(self, length: int) -> None:
        """The peer announced a string of `length` bytes, too long. Loses the connection.

        An override that raises `MAX_LENGTH` gets the string; one that does neither
        gets nothing more.
        """
        self.transport.loseConnection()

    def _new_framer(self) -> Framer:
        return IntFramer(struct.Struct(self.structFormat), self.MAX_LENGTH)

    def _refused(self, fault: Fault) -> None:
        (length,) = struct.unpack_from(self.structFormat, fault.data)
        self.lengthLimitExceeded(length)


class Int32StringReceiver(IntNStringReceiver):
    """Strings behind a length of 4 bytes."""

    structFormat = "!I"
    prefixLength = struct.calcsize(structFormat)


class Int16StringReceiver(IntNStringReceiver):
    """Strings behind a length of 2 bytes."""

    structFormat = "!H"
    prefixLength = struct.calcsize(structFormat)


class Int8StringReceiver(IntNStringReceiver):
    """Strings behind a length of 1 byte."""

    structFormat = "!B"
    prefixLength = struct.calcsize(structFormat)


class StatefulStringProtocol:
    """Dispatches strings to `proto_STATE`, each of which returns the next state.

    Mix it in before a string receiver; it begins in state `init`, and the state
    `done` loses the connection.
    """

    state = "init"
    transport: Any

    def stringReceived(self, string: bytes) -> None:
        handler: Callable[[bytes], str] = getattr(self, f"proto_{self.state}")
        self.state = handler(string)
        if self.state == "done":
            self.transport.loseConnection()
