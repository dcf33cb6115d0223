"""Standard input and output as one transport; any other pair of descriptors too.

It holds, whatever the descriptors are (pipes, sockets, terminals, files):

- They stay the caller's. They are not closed, so the other side sees the end
  when the program ends; and they block again, if they did before: O_NONBLOCK
  belongs to the open file, which a shell and others may share.
- connectionLost comes exactly once, last, and never from inside a call that the
  user makes. What was written has left by then, unless writing failed.

The end of the input ends the connection in good order, but waits for no producer:
who echoes is his own. That of who reads the output ends it at once. An
IHalfCloseableProtocol is told of either, and the connection ends with the second.
"""

from __future__ import annotations

import fcntl
import os
import stat
from collections.abc import Callable, Iterable
from contextlib import ExitStack
from dataclasses import dataclass
from typing import Any

from zope.interface import implementer

import reactorlib
from reactorlib import error
from reactorlib.backends.events import PIPE, WRITER
from reactorlib.failure import Failure
from reactorlib.files import FileReader, FileWriter
from reactorlib.interfaces import (
    IAddress,
    IConsumer,
    IHalfCloseableProtocol,
    IPushProducer,
    ITransport,
)
from reactorlib.pipes import Pipe
from reactorlib.protocol import connectionDone
from reactorlib.sinks import guarded
from reactorlib.stream import connectionAborted


@implementer(IAddress)
@dataclass(frozen=True)
class PipeAddress:
    """Either side of a StandardIO: pipes have no names."""


@implementer(ITransport, IConsumer, IPushProducer)
class StandardIO:
    """The transport of a protocol on two descriptors, by default 0 and 1.

    Raises OSError if one of them is not open, SelectLimitError if the backend
    cannot hold one more.
    """

    def __init__(self, proto: Any, stdin: int = 0, stdout: int = 1, reactor: Any = None) -> None:
        self.reactor: Any = reactorlib.reactor if reactor is None else reactor
        self.protocol = proto
        self.connected = True
        self.disconnecting = False
        self._flags = ExitStack()
        self._reader: Any = None
        self._writer: Any = None
        try:
            self._reader = self._open(stdin, PIPE, FileReader, _Input(self))
            self._writer = self._open(stdout, WRITER, FileWriter, _Output(self))
        except BaseException:
            self._close()
            raise
        guarded(self, proto.makeConnection, self)

    def _open(self, descriptor: int, kind: int, file: Callable[..., Any], protocol: Any) -> Any:
        """A stream on a duplicate of a descriptor, of what can be waited for; else a file."""
        duplicate = os.dup(descriptor)
        try:
            handle = _add(self.reactor.engine, duplicate, kind)
            if handle is None:
                return file(self.reactor, duplicate, protocol)
        except BaseException:
            os.close(duplicate)
            raise
        stream = Pipe(self.reactor, handle)
        stream.protocol = protocol
        if kind == WRITER and not _tells_of_its_reader(duplicate):
            stream.pauseProducing()
        self._stop_blocking(descriptor)
        return stream

    def _stop_blocking(self, descriptor: int) -> None:
        if os.get_blocking(descriptor):
            keeper = os.dup(descriptor)  # who it belongs to may close it, or put another there
            self._flags.callback(os.close, keeper)
            self._flags.callback(os.set_blocking, keeper, True)
            os.set_blocking(keeper, False)

    # ITransport

    def write(self, data: bytes) -> None:
        if self._writer is not None:
            self._writer.write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        if self._writer is not None:
            self._writer.writeSequence(data)

    def loseConnection(self) -> None:
        if self.connected and not self.disconnecting:
            self.disconnecting = True
            self._discard_reader()
            if self._writer is not None:
                self._writer.loseConnection()
            else:
                self.reactor.callSoon(self._end, connectionDone)

    def loseWriteConnection(self) -> None:
        """Write no more, after what was written; read on."""
        if self._writer is not None:
            self._writer.loseConnection()

    def abortConnection(self) -> None:
        """Close at once, and drop what has not left."""
        if self.connected:
            self.disconnecting = True
            self.reactor.callSoon(self._end, connectionAborted)

    def getPeer(self) -> PipeAddress:
        return PipeAddress()

    def getHost(self) -> PipeAddress:
        return PipeAddress()

    # IConsumer

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        if self._writer is None:
            producer.stopProducing()
        else:
            self._writer.registerProducer(producer, streaming)

    def unregisterProducer(self) -> None:
        if self._writer is not None:
            self._writer.unregisterProducer()

    # IPushProducer

    def pauseProducing(self) -> None:
        """Deliver no more data until resumeProducing."""
        if self._reader is not None:
            self._reader.pauseProducing()

    def resumeProducing(self) -> None:
        """Deliver data again."""
        if self._reader is not None:
            self._reader.resumeProducing()

    def stopProducing(self) -> None:
        """The same as loseConnection."""
        self.loseConnection()

    # What happens

    def received(self, data: bytes) -> None:
        """Some input came."""
        if self.connected:
            self.protocol.dataReceived(data)

    def input_ended(self, reason: Failure) -> None:
        """There is no more input."""
        self._reader = None
        if not reason.check(error.ConnectionDone) or self._writer is None:
            self._end(reason)
        elif IHalfCloseableProtocol.providedBy(self.protocol):
            guarded(self, self.protocol.readConnectionLost)
        else:
            self.disconnecting = True
            self._writer.leave()

    def output_ended(self, reason: Failure) -> None:
        """No more output is taken, because we have closed it or nobody reads it."""
        self._writer = None
        half_closeable = IHalfCloseableProtocol.providedBy(self.protocol)
        if self.disconnecting or self._reader is None:
            self._end(reason)
        elif half_closeable:
            guarded(self, self.protocol.writeConnectionLost)
        elif not reason.check(error.ConnectionDone):
            self._end(reason)

    def raised(self, failure: Failure) -> None:
        """A callback raised: the connection ends, for that reason."""
        self.disconnecting = True
        self.reactor.callSoon(self._end, failure)

    def _end(self, reason: Failure) -> None:
        if self.connected:
            self._close()
            protocol, self.protocol = self.protocol, None
            protocol.connectionLost(reason)

    def _close(self) -> None:
        self.connected = False
        self._discard_reader()
        writer, self._writer = self._writer, None
        if writer is not None:
            writer.discard()
        self._flags.close()

    def _discard_reader(self) -> None:
        reader, self._reader = self._reader, None
        if reader is not None:
            reader.discard()

    def __repr__(self) -> str:
        return f"<standard input and output of {type(self.protocol).__name__}>"


class _Input:
    """The protocol of the reading end."""

    def __init__(self, standard: StandardIO) -> None:
        self.dataReceived = standard.received
        self.connectionLost = standard.input_ended


class _Output:
    """The protocol of the writing end."""

    def __init__(self, standard: StandardIO) -> None:
        self.connectionLost = standard.output_ended


def _add(engine: Any, descriptor: int, kind: int) -> int | None:
    """Its handle, or None if it is always ready, and so nothing to wait for."""
    if stat.S_ISREG(os.fstat(descriptor).st_mode):
        return None
    try:
        handle: int = engine.add(descriptor, kind)
    except PermissionError:  # epoll's answer
        return None
    return handle


def _tells_of_its_reader(descriptor: int) -> bool:
    """Whether to be readable means that nobody reads: of anything else it means input."""
    access = fcntl.fcntl(descriptor, fcntl.F_GETFL) & os.O_ACCMODE
    return stat.S_ISFIFO(os.fstat(descriptor).st_mode) and access == os.O_WRONLY
