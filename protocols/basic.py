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
from typing import Any, ClassVar

from reactorlib.protocols.filesender import FileSender
from reactorlib.protocols.framing import (
    Fault,
    Framer,
    IntFramer,
    LineFramer,
    NetstringFramer,
    netstring,
)
from reactorlib.protocols.receiver import BATCH, MOST_GATHERED, Receiver

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

    _line_framer: LineFramer | None = None

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
        gathered = self._gathered
        if gathered is None:
            self.transport.write(line + self.delimiter)
        else:
            gathered.append(line + self.delimiter)
            if len(gathered) >= MOST_GATHERED:
                self.flush_gathered()

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
            self._backlog().put_back(extra)
            self.dataReceived(b"")
        elif extra:
            self.dataReceived(extra)

    def clearLineBuffer(self) -> bytes:
        """Forget what was received and not delivered; returns it."""
        return self._take_unfinished() + self._backlog().take_all()

    def _take_unfinished(self) -> bytes:
        return self._line_framer.take_rest() if self._line_framer else b""

    def _deliver_piece(self, data: bytes) -> bool:
        if self.line_mode:
            return self._deliver_lines(data)
        data = self._take_unfinished() + data
        if data:
            self.rawDataReceived(data)
        return bool(self._undelivered)

    def _deliver_lines(self, data: bytes) -> bool:
        framer, delimiter, max_length = self._line_framer, self.delimiter, self.MAX_LENGTH
        if framer is None or framer.delimiter != delimiter or framer.max_length != max_length:
            data = self._take_unfinished() + data
            framer = self._new_framer()
        framer.feed(data)
        frames, transport = framer.frames, self.transport
        if len(frames) >= BATCH:
            self._gather()
        while frames:
            self.lineReceived(frames.popleft())
            if (
                self.paused
                or not self.line_mode
                or max_length != self.MAX_LENGTH
                or self.delimiter is not delimiter
                or (transport is not None and transport.disconnecting)
            ):
                self._backlog().put_back(framer.take_rest())
                return True
        if framer.fault is not None:
            self.lineLengthExceeded(self.clearLineBuffer())
            return True
        return bool(self._undelivered)

    def _new_framer(self) -> LineFramer:
        self._own_attributes("paused", "line_mode", "delimiter", "MAX_LENGTH")
        self._line_framer = LineFramer(self.delimiter, self.MAX_LENGTH)
        return self._line_framer


class LineOnlyReceiver(LineReceiver):
    """A LineReceiver for protocols that never leave line mode."""


class _StringReceiver(Receiver):
    """Strings that a framer cuts out."""

    MAX_LENGTH = 99999

    _string_framer: Framer | None = None
    _is_broken = False

    def stringReceived(self, string: bytes) -> Any:
        """A string. Override this."""
        raise NotImplementedError

    def _make_framer(self) -> Framer:
        raise NotImplementedError

    def _fault_found(self, fault: Fault) -> None:
        """The peer broke the rules; nothing more will come."""
        raise NotImplementedError

    def _deliver_piece(self, data: bytes) -> bool:
        framer, max_length = self._string_framer, self.MAX_LENGTH
        if framer is None or framer.max_length != max_length:
            data = (framer.take_rest() if framer else b"") + data
            framer = self._new_framer()
        framer.feed(data)
        frames, transport = framer.frames, self.transport
        if len(frames) >= BATCH:
            self._gather()
        while frames:
            self.stringReceived(frames.popleft())
            if (
                self.paused
                or max_length != self.MAX_LENGTH
                or (transport is not None and transport.disconnecting)
            ):
                self._backlog().put_back(framer.take_rest())
                return True
        if framer.fault is not None and not self._is_broken:
            self._is_broken = True
            self._fault_found(framer.fault)
        return bool(self._undelivered) or max_length != self.MAX_LENGTH

    def _new_framer(self) -> Framer:
        self._own_attributes("paused", "MAX_LENGTH")
        self._is_broken = False
        self._string_framer = self._make_framer()
        return self._string_framer


class NetstringReceiver(_StringReceiver):
    """Netstrings of up to `MAX_LENGTH` bytes; a bad one loses the connection.

    `brokenPeer` is true once the peer has sent one.
    """

    brokenPeer: bool | int = False

    def sendString(self, string: bytes) -> None:
        """Send a netstring."""
        gathered = self._gathered
        if gathered is None:
            self.transport.write(netstring(string))
        else:
            gathered.append(netstring(string))
            if len(gathered) >= MOST_GATHERED:
                self.flush_gathered()

    def _make_framer(self) -> Framer:
        return NetstringFramer(self.MAX_LENGTH)

    def _fault_found(self, fault: Fault) -> None:
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
        gathered = self._gathered
        if gathered is None:
            self.transport.write(prefix + string)
        else:
            gathered.append(prefix + string)
            if len(gathered) >= MOST_GATHERED:
                self.flush_gathered()

    def lengthLimitExceeded(self, length: int) -> None:
        """The peer announced a string of `length` bytes, too long. Loses the connection.

        An override that raises `MAX_LENGTH` gets the string; one that does neither
        gets nothing more.
        """
        self.transport.loseConnection()

    def _make_framer(self) -> Framer:
        return IntFramer(struct.Struct(self.structFormat), self.MAX_LENGTH)

    def _fault_found(self, fault: Fault) -> None:
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
