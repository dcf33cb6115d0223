"""Child processes: starting one, and the transport that its protocol is given.

It holds, whatever callbacks do:

- A child gets the descriptors that were asked for and no other one.
- processExited comes exactly once, childConnectionLost once for each pipe, and
  processEnded once, after all of them. None comes from inside a call that the
  user makes, but for what `reactor.iterate` delivers.
- What cannot be started raises, and leaves neither a child nor a descriptor.

The end of the child and those of its pipes come in any order: a grandchild may
hold a pipe for longer than the child lives.
"""

from __future__ import annotations

import logging
import os
import signal
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.exits import Exit
from reactorlib.failure import Failure
from reactorlib.interfaces import IConsumer, IProcessTransport, IPushProducer
from reactorlib.pipes import STANDARD, ChildPipes, Pipe, Target
from reactorlib.program import Program
from reactorlib.sinks import guarded

logger = logging.getLogger("reactorlib")


def spawn(
    reactor: Any,
    protocol: Any,
    wanted: Program,
    terminal: bool | Sequence[Any],
    childFDs: Mapping[int, Target] | None,
) -> Process:
    """See IReactorProcess.spawnProcess."""
    if terminal and childFDs is not None:
        raise ValueError("a child on a terminal has no other descriptors: give no childFDs")
    with ChildPipes(reactor.engine) as pipes:
        if not terminal:
            pipes.open_all(STANDARD if childFDs is None else childFDs)
        elif isinstance(terminal, tuple | list):
            pipes.take_terminal(*terminal[:2])
        else:
            pipes.open_terminal()
        pid = reactor.engine.spawn(pipes.given_to(wanted))
        pipes.keep()
    process = (TerminalProcess if terminal else Process)(reactor, protocol, pid, pipes)
    process.begin()
    return process


@implementer(IProcessTransport, IConsumer, IPushProducer)
class Process:
    """A child process and the pipes to it. As a consumer it is its standard input.

    `pipes` are their streams, by the child's descriptor: each is an IConsumer and
    an ICongestionMonitor. `status` is what wait(2) gave in the end, and `child`
    the process id for ever.
    """

    def __init__(self, reactor: Any, protocol: Any, pid: int, pipes: ChildPipes) -> None:
        self.reactor = reactor
        self.protocol = protocol
        self.pid: int | None = pid
        self.status: int | None = None
        self.child = pid
        self.pipes = {number: Pipe(reactor, each) for number, each in pipes.handles.items()}
        self._writable = pipes.writable
        self._open = len(self.pipes)
        self._reason: Failure | None = None
        self._exit = Exit(reactor, pid, self._exited)

    def begin(self) -> None:
        """Introduce the transport to its protocol, and wait for the end."""
        for number, stream in self.pipes.items():
            stream.protocol = _PipeProtocol(self, number)
        self._exit.watch(self.reactor.waitsByPidfd)
        guarded(self, self.protocol.makeConnection, self)

    def signalProcess(self, signalID: str | int) -> None:
        """See IProcessTransport."""
        number = _signal_number(signalID)
        if self.pid is None:
            raise error.ProcessExitedAlready
        try:
            self._exit.signal(number)
        except ProcessLookupError:
            raise error.ProcessExitedAlready from None

    def forget(self) -> None:
        """In a forked child, whose sibling this is: close what the parent knows its end by."""
        self._exit.forget()

    # Pipes

    def closeStdin(self) -> None:
        """Close the child's standard input after what was written to it."""
        self.closeChildFD(0)

    def closeStdout(self) -> None:
        """Read the child's standard output no more, and close it."""
        self.closeChildFD(1)

    def closeStderr(self) -> None:
        """Read the child's standard error no more, and close it."""
        self.closeChildFD(2)

    def closeChildFD(self, descriptor: int) -> None:
        """Close our end of a pipe, after what was written to it. Nothing if there is none."""
        if descriptor in self.pipes:
            self.pipes[descriptor].loseConnection()

    def loseConnection(self) -> None:
        """Close standard input, output and error."""
        for descriptor in (0, 2, 1):
            self.closeChildFD(descriptor)

    def writeToChild(self, childFD: int, data: bytes) -> None:
        """Write to a descriptor of the child's; after its end the data is dropped.

        Raises KeyError if it was not made to be written to.
        """
        self._input(childFD).write(data)

    def _input(self, number: int) -> Pipe:
        if number not in self._writable:
            raise KeyError(number)
        return self.pipes[self._writable[number]]

    def _outputs(self) -> list[Pipe]:
        return [each for number, each in self.pipes.items() if number not in self._writable]

    # IConsumer: standard input

    def write(self, data: bytes) -> None:
        """Write to the child's standard input, if it has one."""
        if 0 in self._writable:
            self._input(0).write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        """Write each of them to the child's standard input, if it has one."""
        if 0 in self._writable:
            self._input(0).writeSequence(data)

    def registerProducer(self, producer: Any, streaming: bool) -> None:
        """See IConsumer. Without a standard input the producer is stopped at once."""
        if 0 in self._writable:
            self._input(0).registerProducer(producer, streaming)
        else:
            producer.stopProducing()

    def unregisterProducer(self) -> None:
        """See IConsumer."""
        if 0 in self._writable:
            self._input(0).unregisterProducer()

    # IPushProducer: all that the child writes

    def pauseProducing(self) -> None:
        """Read nothing that the child writes, until resumeProducing."""
        for stream in self._outputs():
            stream.pauseProducing()

    def resumeProducing(self) -> None:
        """Read on."""
        for stream in self._outputs():
            stream.resumeProducing()

    def stopProducing(self) -> None:
        """The same as loseConnection."""
        self.loseConnection()

    # What happens

    def raised(self, failure: Failure) -> None:
        """A callback raised: that costs it the pipes."""
        self.loseConnection()

    def pipe_lost(self, number: int) -> None:
        """One of the pipes is closed, on whichever side."""
        self._open -= 1
        guarded(self, self.protocol.childConnectionLost, number)
        self._end_if_over()

    def _exited(self, status: int | None) -> None:
        self.pid = None
        self.status = status
        if status is None:
            logger.warning(
                "How process %d ended is not known: something else in this program "
                "has waited for it, or SIGCHLD is ignored",
                self.child,
            )
        self._reason = Failure(_ending(status))
        guarded(self, self.protocol.processExited, self._reason)
        self._end_if_over()

    def _end_if_over(self) -> None:
        if self._reason is not None and self._open == 0 and self.protocol is not None:
            protocol, self.protocol = self.protocol, None
            guarded(self, protocol.processEnded, self._reason)

    def __repr__(self) -> str:
        state = f"status={self.status}" if self.pid is None else "running"
        return f"<{type(self).__name__} pid={self.child} {state}>"


class TerminalProcess(Process):
    """A child on a terminal of its own, whose one line is its input and its output."""

    def fileno(self) -> int:
        """Our side of the terminal, to set its size by; -1 once it is closed."""
        return self.pipes[1].fileno()

    def closeChildFD(self, descriptor: int) -> None:
        """Do nothing: a terminal has no parts that could be closed."""

    def loseConnection(self) -> None:
        """Hang up, after what was written."""
        for stream in self.pipes.values():
            stream.loseConnection()

    def _outputs(self) -> list[Pipe]:
        return list(self.pipes.values())


class _PipeProtocol:
    """The protocol of one pipe's stream: it says whose it is."""

    __slots__ = ("_number", "_process")

    def __init__(self, process: Process, number: int) -> None:
        self._process = process
        self._number = number

    def dataReceived(self, data: bytes) -> None:
        self._process.protocol.childDataReceived(self._number, data)

    def connectionLost(self, reason: Failure) -> None:
        self._process.pipe_lost(self._number)

    def logPrefix(self) -> str:
        return f"{type(self._process.protocol).__name__}, descriptor {self._number}"


def _signal_number(name: str | int) -> int:
    try:
        return signal.Signals[f"SIG{name}"] if isinstance(name, str) else name
    except KeyError:
        raise ValueError(f"there is no signal SIG{name}") from None


def _ending(status: int | None) -> error.ProcessDone | error.ProcessTerminated:
    if status == 0:
        return error.ProcessDone(status)
    if status is None:
        return error.ProcessTerminated()
    if os.WIFSIGNALED(status):
        return error.ProcessTerminated(signal=os.WTERMSIG(status), status=status)
    return error.ProcessTerminated(exitCode=os.WEXITSTATUS(status), status=status)
