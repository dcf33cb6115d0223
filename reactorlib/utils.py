"""Run a program and get what it said, as a Deferred.

A program that cannot be started fails the Deferred with the OSError of
spawnProcess. Whoever cancels the Deferred kills the program.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import Any

import reactorlib
from reactorlib import error
from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.program import NO_VARIABLES, Environment, Text
from reactorlib.protocol import ProcessProtocol

__all__ = ["getProcessOutput", "getProcessOutputAndValue", "getProcessValue"]


def getProcessOutput(
    executable: Text,
    args: Iterable[Text] = (),
    env: Environment | None = NO_VARIABLES,
    path: Text | None = None,
    reactor: Any = None,
    errortoo: bool | int = False,
) -> Deferred[bytes]:
    """What a program writes to its standard output, whatever its exit code.

    `args` does not contain the program's name; the others are as for
    spawnProcess. With `errortoo` what it writes to standard error is among it;
    without, that fails the Deferred with an OSError, whose `processEnded` is a
    Deferred that fails with the reason when the program has ended.
    """
    collector = _Mixed() if errortoo else _Output()
    return _run(collector, executable, args, env, path, reactor)


def getProcessOutputAndValue(
    executable: Text,
    args: Iterable[Text] = (),
    env: Environment | None = NO_VARIABLES,
    path: Text | None = None,
    reactor: Any = None,
    stdinBytes: bytes | None = None,
) -> Deferred[tuple[bytes, bytes, int]]:
    """A program's standard output, its standard error, and its exit code.

    `stdinBytes` is written to its standard input, which is then closed. A signal
    that ends it fails the Deferred with a tuple of output, error and the signal.
    """
    return _run(_Everything(stdinBytes), executable, args, env, path, reactor)


def getProcessValue(
    executable: Text,
    args: Iterable[Text] = (),
    env: Environment | None = NO_VARIABLES,
    path: Text | None = None,
    reactor: Any = None,
) -> Deferred[int | None]:
    """A program's exit code, None if a signal ended it."""
    return _run(_Value(), executable, args, env, path, reactor)


class UnexpectedErrorOutput(OSError):
    """A program wrote to its standard error where nobody wanted that."""

    def __init__(self, text: bytes) -> None:
        super().__init__(f"the program wrote to its standard error: {text!r}")
        self._waiting: list[Deferred[Any]] = []
        self._reason: Failure | None = None

    @property
    def processEnded(self) -> Deferred[Any]:
        """A new Deferred, which fails with the reason once the program has ended."""
        deferred: Deferred[Any] = Deferred()
        if self._reason is None:
            self._waiting.append(deferred)
        else:
            deferred.errback(self._reason)
        return deferred

    def ended(self, reason: Failure) -> None:
        """The program has ended."""
        self._reason = reason
        for deferred in self._waiting:
            deferred.errback(reason)


class OutputOfTerminated(error.ProcessTerminated):
    """A signal ended a program; unpacks to its output, its error output and the signal."""

    def __init__(self, output: bytes, errors: bytes, reason: error.ProcessTerminated) -> None:
        super().__init__(reason.exitCode, reason.signal, reason.status)
        self.output = output
        self.errors = errors

    def __iter__(self) -> Iterator[Any]:
        return iter((self.output, self.errors, self.signal))


class _Collector(ProcessProtocol):
    """Keeps what a program writes, and fires a Deferred when it has ended."""

    def __init__(self) -> None:
        self.deferred: Deferred[Any] = Deferred(self._cancel)
        self.output: list[bytes] = []
        self.errors: list[bytes] = []

    def outReceived(self, data: bytes) -> None:
        self.output.append(data)

    def errReceived(self, data: bytes) -> None:
        self.errors.append(data)

    def processEnded(self, reason: Failure) -> None:
        if not self.deferred.called:
            self.finish(reason.value)

    def finish(self, reason: Any) -> None:
        """Fire the Deferred; `reason` is ProcessDone or ProcessTerminated."""
        self.deferred.callback(b"".join(self.output))

    def _cancel(self, deferred: Deferred[Any]) -> None:
        with suppress(error.ProcessExitedAlready):
            self.transport.signalProcess("KILL")
        self.transport.loseConnection()


class _Output(_Collector):
    """Standard output; there must be nothing else."""

    problem: UnexpectedErrorOutput | None = None

    def errReceived(self, data: bytes) -> None:
        if self.problem is None:
            self.problem = UnexpectedErrorOutput(data)
            self.transport.loseConnection()
            if not self.deferred.called:
                self.deferred.errback(self.problem)

    def processEnded(self, reason: Failure) -> None:
        super().processEnded(reason)
        if self.problem is not None:
            self.problem.ended(reason)


class _Mixed(_Collector):
    """Standard output and standard error, as they come."""

    def errReceived(self, data: bytes) -> None:
        self.output.append(data)


class _Value(_Collector):
    """The exit code."""

    def finish(self, reason: Any) -> None:
        self.deferred.callback(reason.exitCode)


class _Everything(_Collector):
    """Output, error output and exit code."""

    def __init__(self, standard_input: bytes | None) -> None:
        super().__init__()
        self._standard_input = standard_input

    def connectionMade(self) -> None:
        if self._standard_input is not None:
            self.transport.write(self._standard_input)
            self.transport.closeStdin()

    def finish(self, reason: Any) -> None:
        output, errors = b"".join(self.output), b"".join(self.errors)
        if reason.signal is not None:
            self.deferred.errback(OutputOfTerminated(output, errors, reason))
        else:
            self.deferred.callback((output, errors, reason.exitCode))


def _run(
    collector: _Collector,
    executable: Text,
    args: Iterable[Text],
    env: Environment | None,
    path: Text | None,
    reactor: Any,
) -> Deferred[Any]:
    reactor = reactorlib.reactor if reactor is None else reactor
    try:
        reactor.spawnProcess(collector, executable, (executable, *args), env, path)
    except Exception:
        collector.deferred.errback()
    return collector.deferred
