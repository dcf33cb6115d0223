"""Child processes: starting one, its transport and its protocol."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from reactorlib.failure import Failure


class IReactorProcess(Interface):
    """A reactor that starts other programs."""

    def spawnProcess(
        processProtocol: Any,
        executable: str | bytes,
        args: Sequence[str | bytes] = (),
        env: Mapping[str, Any] | Mapping[bytes, Any] | None = {},
        path: str | bytes | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool | Sequence[Any] = False,
        childFDs: Mapping[int, str | int] | None = None,
    ) -> Any:
        """Start a program; an IProcessTransport, which the protocol has got by then.

        An `executable` without a slash is looked for along the PATH of `env`.
        `args` begins with the name that the program is to be told as its own;
        without any it is told `executable`. `env` are all its environment
        variables: none by default; None lets it have ours. `path` is the
        directory it works in, ours by default. Text is encoded as file names
        are.

        `uid` and `gid` are the user and the group it belongs to; who sets one
        keeps the other. The supplementary groups are then that user's.

        `childFDs` says of each of its descriptors where it leads: "r" to us, who
        read; "w" from us, who write; a number to our descriptor of that number.
        By default {0: "w", 1: "r", 2: "r"}. It has no others.

        With `usePTY` it has a terminal, in a session of its own: what it writes
        there comes as from descriptor 1, and `write` types. A sequence
        (master, slave, name) is a terminal that exists, and is taken over.

        Raises the OSError that says why the program cannot be started, such as
        FileNotFoundError or PermissionError with its name, and ValueError or
        TypeError for what no program can be given, such as a NUL.
        """


class IProcessTransport(Interface):
    """A child process, as its protocol sees it. As an IConsumer it is standard input."""

    pid: int | None = Attribute("Its process id, None once it has ended.")

    def closeStdin() -> None:
        """Close its standard input, after what was written to it."""

    def closeStdout() -> None:
        """Close its standard output, and read no more of it."""

    def closeStderr() -> None:
        """Close its standard error, and read no more of it."""

    def closeChildFD(descriptor: int) -> None:
        """Close a pipe, after what was written to it."""

    def writeToChild(childFD: int, data: bytes) -> None:
        """Write to one of its descriptors. Raises KeyError if that is not to be written to."""

    def loseConnection() -> None:
        """Close its standard input, output and error."""

    def signalProcess(signalID: str | int) -> None:
        """Send it a signal, such as "TERM", "KILL" or 15.

        Raises ProcessExitedAlready if it has ended, ValueError if there is no such signal.
        """


class IProcessProtocol(Interface):
    """What a user writes: the dealings with one child process."""

    def makeConnection(process: Any) -> None:
        """Called once and first, with the IProcessTransport; calls connectionMade."""

    def childDataReceived(childFD: int, data: bytes) -> None:
        """It wrote to a descriptor."""

    def childConnectionLost(childFD: int) -> None:
        """A pipe is closed, by either side; called once for each."""

    def processExited(reason: Failure) -> None:
        """It has ended; its pipes may be open still, in other processes' hands.

        `reason` holds ProcessDone for exit code 0, else ProcessTerminated, with
        its `exitCode` or its `signal`, and neither if that is not known.
        """

    def processEnded(reason: Failure) -> None:
        """It has ended and all pipes are closed; the last call, and it comes exactly once."""
