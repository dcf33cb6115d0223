"""A child process as a place to connect to: its standard input and output are the stream.

The end of its output is the end of the connection, unless the protocol is an
IHalfCloseableProtocol. connectionLost comes when the process has ended and its
pipes are closed, with ProcessDone or ProcessTerminated as the reason.
"""

from __future__ import annotations

import contextlib
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Any

from zope.interface import implementer

from reactorlib.defer import Deferred
from reactorlib.endpoints.connecting import connect_once
from reactorlib.error import ProcessExitedAlready
from reactorlib.failure import Failure
from reactorlib.interfaces import (
    IAddress,
    IHalfCloseableProtocol,
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
    ITransport,
)
from reactorlib.protocol import ProcessProtocol

logger = logging.getLogger("reactorlib")


class StandardErrorBehavior(Enum):
    """What becomes of what a process writes to its standard error."""

    LOG = "log"
    DROP = "drop"


@implementer(IAddress)
@dataclass(frozen=True)
class ProcessAddress:
    """Where a process is: there is no more to say."""


@implementer(IStreamClientEndpoint)
class ProcessEndpoint:
    """A process that is started for each connection; the arguments are those of spawnProcess.

    `args` begins with the process's own name. A connect fails with the OSError that
    says why it cannot be started.
    """

    def __init__(
        self,
        reactor: Any,
        executable: str | bytes,
        args: Sequence[str | bytes] = (),
        env: Mapping[str | bytes, str | bytes] | None = {},
        path: str | bytes | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool | Sequence[Any] = False,
        childFDs: Mapping[int, str | int] | None = None,
        errFlag: StandardErrorBehavior = StandardErrorBehavior.LOG,
    ) -> None:
        self._reactor = reactor
        self._program = (executable, args, env, path, uid, gid, usePTY, childFDs)
        self._err_flag = errFlag

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        return connect_once(self._start, protocolFactory)

    def _start(self, factory: Any) -> None:
        protocol = factory.buildProtocol(ProcessAddress())
        if protocol is not None:
            child = _Child(protocol, self._program[0], self._err_flag)
            self._reactor.spawnProcess(child, *self._program)


@implementer(ITransport)
class ProcessStream:
    """The transport: a process, with the methods that a stream has besides."""

    def __init__(self, process: Any) -> None:
        self._process = process
        self.disconnecting = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self._process, name)

    def getPeer(self) -> ProcessAddress:
        """The process."""
        return ProcessAddress()

    def getHost(self) -> ProcessAddress:
        """This process."""
        return ProcessAddress()

    def loseConnection(self) -> None:
        """Close the pipes, standard input after what was written."""
        self.disconnecting = True
        self._process.loseConnection()

    def leave(self) -> None:
        """Close the pipes, standard input after what was written: wait for no producer."""
        self.loseConnection()
        if 0 in self._process.pipes:
            self._process.pipes[0].leave()

    def loseWriteConnection(self) -> None:
        """Close standard input after what was written."""
        self._process.closeStdin()

    def abortConnection(self) -> None:
        """Kill the process."""
        self.loseConnection()
        with contextlib.suppress(ProcessExitedAlready):
            self._process.signalProcess("KILL")


class _Child(ProcessProtocol):
    """Tells a stream's protocol what a process does."""

    def __init__(
        self, protocol: Any, executable: str | bytes, err_flag: StandardErrorBehavior
    ) -> None:
        self._protocol = protocol
        self._executable = executable
        self._err_flag = err_flag
        self._half_closeable = IHalfCloseableProtocol.providedBy(protocol)
        self._stream: Any = None

    def connectionMade(self) -> None:
        self._stream = ProcessStream(self.transport)
        self._protocol.makeConnection(self._stream)

    def outReceived(self, data: bytes) -> None:
        self._protocol.dataReceived(data)

    def errReceived(self, data: bytes) -> None:
        if self._err_flag is StandardErrorBehavior.LOG:
            logger.info("%r wrote to its standard error: %r", self._executable, data)

    def inConnectionLost(self) -> None:
        if self._half_closeable and not self._stream.disconnecting:
            self._protocol.writeConnectionLost()

    def outConnectionLost(self) -> None:
        if self._half_closeable and not self._stream.disconnecting:
            self._protocol.readConnectionLost()
        else:
            self._stream.leave()

    def processEnded(self, reason: Failure) -> None:
        self._protocol.connectionLost(reason)


@implementer(IStreamClientEndpointStringParserWithReactor)
class ProcessParser:
    """`process:/usr/bin/tr:a-z:A-Z`: a program and its arguments, in our environment."""

    prefix = "process"

    def parseStreamClient(self, reactor: Any, executable: str, *args: str) -> ProcessEndpoint:
        return ProcessEndpoint(reactor, executable, [executable, *args], env=None)
