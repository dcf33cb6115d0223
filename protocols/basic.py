"""Protocols of lines, netstrings and counted strings: thin glue on the framers.

The names and meanings are those of twisted.protocols.basic. What holds for
all: after the connection was lost or told to be, no further string of what
was received is delivered; a peer that breaks the rules loses its connection
and nothing of it is delivered.
"""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable
from typing import Any, ClassVar

from zope.interface import implementer

from reactorlib.defer import Deferred
from reactorlib.interfaces import IPullProducer
from reactorlib.protocol import Protocol
from reactorlib.protocols.framing import Framer, IntFramer, LineFramer, NetstringFramer

logger = logging.getLogger("reactorlib")


class _PausableProtocol(Protocol):
    """One whose pause takes effect before the next string."""

    paused = False

    def pauseProducing(self) -> None:
        """Deliver nothing more, from what was received already either, until resumeProducing."""
        self.paused = True
        self.transport.pauseProducing()

    def resumeProducing(self) -> None:
        """Go on, first with what was received already."""
        self.paused = False
        self.transport.resumeProducing()
        self.dataReceived(b"")

    def stopProducing(self) -> None:
        """Lose the connection."""
        self.paused = True
        self.transport.stopProducing()


class LineReceiver(_PausableProtocol):
    """Lines that end in `delimiter`, and raw bytes in between where the protocol says so.

    A line of more than `MAX_LENGTH` bytes, without its delimiter, is given to
    lineLengthExceeded. After `setRawMode` everything goes to rawDataReceived
    until `setLineMode`.
    """

    delimiter = b"\r\n"
    MAX_LENGTH = 16384
    line_mode: bool | int = True

    _framer: LineFramer | None = None
    _delivering = False
    _raw: list[bytes] | tuple[bytes, ...] = ()

    def lineReceived(self, line: bytes) -> Any:
        """A line, without its delimiter. Override this."""
        raise NotImplementedError

    def rawDataReceived(self, data: bytes) -> Any:
        """Bytes in raw mode. Override this if you use it."""
        raise NotImplementedError

    def lineLengthExceeded(self, line: bytes) -> Any:
        """A line is too long; `line` is what was received of it and after. Loses the connection."""
        return self.transport.loseConnection()

    def sendLine(self, line: bytes) -> None:
        """Send a line; the delimiter is added."""
        self.transport.write(line + self.delimiter)

    def setRawMode(self) -> None:
        """From the next byte on, give bytes to rawDataReceived."""
        self.line_mode = False

    def setLineMode(self, extra: bytes = b"") -> None:
        """From now on, give lines to lineReceived; `extra` comes before what will be received."""
        self.line_mode = True
        if extra:
            self.dataReceived(extra)

    def clearLineBuffer(self) -> bytes:
        """Forget what was received and not delivered; returns it."""
        return self._lines().take_rest()

    def dataReceived(self, data: bytes) -> None:
        if self.line_mode:
            framer = self._framer or self._lines()
            if framer.max_length != self.MAX_LENGTH or framer.delimiter != self.delimiter:
                self._adjust(framer)
            framer.feed(data)
        elif data:
            self._raw = [*self._raw, data]
        if not self._delivering:
            self._delivering = True
            try:
                self._deliver()
            finally:
                self._delivering = False

    def _lines(self) -> LineFramer:
        if self._framer is None:
            self._framer = LineFramer(self.delimiter, self.MAX_LENGTH)
        return self._framer

    def _adjust(self, framer: LineFramer) -> None:
        rest = framer.take_rest()
        self._framer = LineFramer(self.delimiter, self.MAX_LENGTH)
        self._framer.feed(rest)

    def _deliver(self) -> None:
        """Lines and raw bytes, whichever the mode is, until there is nothing left to give."""
        while not self.paused and not self._leaving():
            if not self.line_mode:
                if not self._deliver_raw():
                    return
            elif not self._deliver_lines():
                return

    def _deliver_lines(self) -> bool:
        """Whether it may be worth going on."""
        framer = self._lines()
        frames, transport = framer.frames, self.transport
        while frames:
            self.lineReceived(frames.popleft())
            if self.paused or not self.line_mode or transport.disconnecting:
                return True
            if framer is not self._framer:
                return True
        fault = framer.fault
        if fault is None:
            return False
        self._framer = None
        self.lineLengthExceeded(fault.data)
        return True

    def _deliver_raw(self) -> bool:
        data = b"".join([self._lines().take_rest(), *self._raw])
        self._raw = ()
        if not data:
            return False
        self.rawDataReceived(data)
        return True

    def _leaving(self) -> bool:
        return self.transport is not None and self.transport.disconnecting


class LineOnlyReceiver(Protocol):
    """Lines that end in `delimiter` and nothing else."""

    delimiter = b"\r\n"
    MAX_LENGTH = 16384

    _framer: LineFramer | None = None

    def lineReceived(self, line: bytes) -> Any:
        """A line, without its delimiter. Override this."""
        raise NotImplementedError

    def lineLengthExceeded(self, line: bytes) -> Any:
        """A line is too long. Loses the connection."""
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
            self.lineLengthExceeded(framer.fault.data)


class _StringReceiver(_PausableProtocol):
    """Strings that a framer cuts out."""

    _framer: Any = None
    _delivering = False

    def stringReceived(self, string: bytes) -> Any:
        """A string. Override this."""
        raise NotImplementedError

    def make_framer(self) -> Framer:
        """The framer for this connection."""
        raise NotImplementedError

    def broken(self, framer: Any) -> None:
        """The peer broke the rules; nothing more will come."""
        raise NotImplementedError

    def dataReceived(self, data: bytes) -> None:
        framer = self._framer
        if framer is None:
            framer = self._framer = self.make_framer()
        framer.feed(data)
        if not self._delivering:
            self._delivering = True
            try:
                self._deliver(framer)
            finally:
                self._delivering = False

    def _deliver(self, framer: Any) -> None:
        frames, transport = framer.frames, self.transport
        while frames:
            if self.paused or transport.disconnecting:
                return
            self.stringReceived(frames.popleft())
        if framer.fault is not None and not self.paused and not transport.disconnecting:
            self.broken(framer)


class NetstringReceiver(_StringReceiver):
    """Netstrings of up to `MAX_LENGTH` bytes; a bad one loses the connection.

    `brokenPeer` is true once the peer has sent one.
    """

    MAX_LENGTH = 99999
    brokenPeer: bool | int = False

    def make_framer(self) -> Framer:
        return NetstringFramer(self.MAX_LENGTH)

    def sendString(self, string: bytes) -> None:
        """Send a netstring."""
        self.transport.write(b"%d:%b," % (len(string), string))

    def broken(self, framer: Any) -> None:
        self.brokenPeer = True
        logger.info("%s: %s", self.logPrefix(), framer.fault.reason)
        self.transport.loseConnection()


class IntNStringReceiver(_StringReceiver):
    """Strings behind their length as a big-endian integer.

    A length above `MAX_LENGTH` is given to lengthLimitExceeded.
    """

    MAX_LENGTH = 99999
    structFormat: ClassVar[str]
    prefixLength: ClassVar[int]

    def make_framer(self) -> Framer:
        return IntFramer(struct.Struct(self.structFormat), self.MAX_LENGTH)

    def sendString(self, string: bytes) -> None:
        """Send a string. Raises StringTooLongError if the prefix cannot hold its length."""
        if len(string) >= 2 ** (8 * self.prefixLength):
            raise StringTooLongError(
                f"a string of {len(string)} bytes does not fit a prefix of {self.prefixLength}"
            )
        self.transport.write(struct.pack(self.structFormat, len(string)) + string)

    def lengthLimitExceeded(self, length: int) -> None:
        """The peer announced a string of `length` bytes, too long. Loses the connection."""
        self.transport.loseConnection()

    def broken(self, framer: Any) -> None:
        (length,) = struct.unpack_from(self.structFormat, framer.fault.data)
        self.lengthLimitExceeded(length)


class StringTooLongError(AssertionError):
    """A string is longer than its prefix can say."""


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


@implementer(IPullProducer)
class FileSender:
    """Sends a file through a consumer, a chunk each time the consumer asks."""

    CHUNK_SIZE = 2**16

    file: Any = None
    consumer: Any = None
    deferred: Deferred[bytes] | None = None
    transform: Callable[[bytes], bytes] | None = None
    lastSent = b""

    def beginFileTransfer(
        self, file: Any, consumer: Any, transform: Callable[[bytes], bytes] | None = None
    ) -> Deferred[bytes]:
        """Send `file` (with `read`), each chunk through `transform` if that is given.

        The Deferred gives the last byte sent; it fails with the exception that
        reading raised, or when the consumer stops.
        """
        self.file = file
        self.consumer = consumer
        self.transform = transform
        self.deferred = Deferred()
        consumer.registerProducer(self, False)
        return self.deferred

    def resumeProducing(self) -> None:
        try:
            chunk = self.file.read(self.CHUNK_SIZE) if self.file else b""
            if chunk and self.transform:
                chunk = self.transform(chunk)
        except Exception as failure:
            self._end(lambda deferred: deferred.errback(failure))
            return
        if not chunk:
            self._end(lambda deferred: deferred.callback(self.lastSent))
            return
        self.consumer.write(chunk)
        self.lastSent = chunk[-1:]

    def _end(self, fire: Callable[[Deferred[bytes]], object]) -> None:
        self.file = None
        self.consumer.unregisterProducer()
        deferred, self.deferred = self.deferred, None
        if deferred is not None:
            fire(deferred)

    def pauseProducing(self) -> None:
        """A pull producer is paused by not being asked."""

    def stopProducing(self) -> None:
        deferred, self.deferred = self.deferred, None
        if deferred is not None:
            deferred.errback(ConnectionAbortedByConsumer("the consumer asked for no more"))


class ConnectionAbortedByConsumer(Exception):
    """A transfer ended before its file did."""

