"""Every error a reactor reports, by Twisted's names and base classes.

An error's text is for people: what happened, the system's own name for the
cause, and what to do where something can be done. Programs read attributes
and classes, never the text.

Every error can be copied and pickled, and its `args` are what it was made
with. This module must never import another module of the package.

`TimeoutError` and `ConnectionRefusedError` hide the built-in classes of the
same names and are not related to them.
"""

from __future__ import annotations

import os
import signal as signals
import socket
from collections.abc import Sequence
from errno import (
    EACCES,
    EADDRINUSE,
    EADDRNOTAVAIL,
    ECONNREFUSED,
    EHOSTUNREACH,
    EMFILE,
    ENETUNREACH,
    ENFILE,
    ETIMEDOUT,
    errorcode,
)
from typing import ClassVar

FIRST_UNPRIVILEGED_PORT = 1024


def describe_errno(number: int, text: str = "") -> str:
    """Name and text of an errno: `ECONNRESET (Connection reset by peer)`.

    `text` replaces the system's own words for the number.
    """
    return f"{errorcode.get(number, f'errno {number}')} ({text or os.strerror(number)})"


def _describe_cause(cause: object) -> str:
    """Text of an errno, of an OSError, or of anything else."""
    if isinstance(cause, int):
        return describe_errno(cause)
    if isinstance(cause, socket.gaierror):  # its numbers are EAI codes, not errnos
        return str(cause.strerror or cause)
    if isinstance(cause, OSError) and cause.errno is not None:
        return describe_errno(cause.errno, cause.strerror or "")
    return str(cause)


def _sentence(message: str, *details: str) -> str:
    """`Message: detail detail.`, or `Message.` when there is no detail."""
    detail = " ".join(filter(None, details))
    text = f"{message}: {detail}" if detail else message
    return text if text.endswith((".", "!", "?")) else f"{text}."


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names) or "none"


class _Described(Exception):
    """Text is the class's MESSAGE and then the arguments."""

    MESSAGE: ClassVar[str] = ""

    def __str__(self) -> str:
        return _sentence(self.MESSAGE, *map(str, self.args))


# Listening and datagrams


class BindError(_Described):
    """A socket could not be bound to its address."""

    MESSAGE = "Could not bind to the address"


class CannotListenError(BindError):
    """A port could not be opened.

    `interface` is an address, or empty for any; `port` a number, or the path
    of a UNIX socket; `socketError` the exception that caused it.
    """

    def __init__(
        self, interface: str | None, port: int | str | bytes | None, socketError: Exception
    ) -> None:
        super().__init__(interface, port, socketError)
        self.interface = interface
        self.port = port
        self.socketError = socketError

    def __str__(self) -> str:
        text = _sentence(f"Cannot listen on {self._place()}", _describe_cause(self.socketError))
        advice = self._advice()
        return f"{text} {advice}" if advice else text

    def _place(self) -> str:
        if isinstance(self.port, int):
            return f"{self.interface or 'any interface'}, port {self.port}"
        return f"UNIX socket {self.port!r}"

    def _advice(self) -> str:
        number = getattr(self.socketError, "errno", None)
        if not isinstance(self.port, int):
            return _PATH_ADVICE.get(number, "")
        if number == EACCES and self.port >= FIRST_UNPRIVILEGED_PORT:
            return "The system's policy forbids this port: choose another."
        return _PORT_ADVICE.get(number, "")


_PORT_ADVICE: dict[int | None, str] = {
    EADDRINUSE: "The port is taken: stop the program that holds it, or choose another port.",
    EACCES: (
        f"Ports below {FIRST_UNPRIVILEGED_PORT} are privileged: choose a higher one, "
        "or start with the right to use it (root, or CAP_NET_BIND_SERVICE on Linux)."
    ),
    EADDRNOTAVAIL: (
        "This machine does not have that address: give one of its own, "
        "or leave the interface empty for all."
    ),
}

_PATH_ADVICE: dict[int | None, str] = {
    EADDRINUSE: "The path exists: stop the program that listens on it, or remove a stale file.",
    EACCES: "This user may not create it: choose a directory the user can write to.",
}


class MulticastJoinError(Exception):
    """A multicast group could not be joined."""


class MessageLengthError(_Described):
    """A datagram is longer than the system sends."""

    MESSAGE = "The message is too long to send"


# Connecting


class DNSLookupError(_Described, OSError):
    """A host name could not be resolved."""

    MESSAGE = "The name could not be resolved"


class ConnectInProgressError(Exception):
    """A connect was started and has not finished yet."""


class ConnectError(_Described):
    """A connection could not be made.

    `osError` is the errno, or None where the system gave none; `string` says more.
    """

    MESSAGE = "Could not connect"

    def __init__(self, osError: int | None = None, string: object = "") -> None:
        super().__init__(osError, string)
        self.osError = osError
        self.string = string

    def __str__(self) -> str:
        if self.osError is None:
            return _sentence(self.MESSAGE, str(self.string))
        return _sentence(self.MESSAGE, self._describe_number(self.osError, str(self.string)))

    @staticmethod
    def _describe_number(number: int, text: str) -> str:
        return describe_errno(number, text)


class ConnectBindError(ConnectError):
    """The local address asked for could not be bound before connecting."""

    MESSAGE = "Could not bind to the local address of the connection"


class UnknownHostError(ConnectError):
    """The host is not known. `osError` is a resolver's (EAI) code, not an errno."""

    MESSAGE = "The host is unknown"

    @staticmethod
    def _describe_number(number: int, text: str) -> str:
        return text or f"resolver code {number}"


class NoRouteError(ConnectError):
    """The network has no way to the address."""

    MESSAGE = "There is no route to the host"


class ConnectionRefusedError(ConnectError):
    """Nothing listens at the address."""

    MESSAGE = "The other side refused the connection"


class TCPTimedOutError(ConnectError):
    """The system gave up waiting for the other side."""

    MESSAGE = "The other side did not answer the connection attempt"


class BadFileError(ConnectError):
    """The path is not that of a usable UNIX socket."""

    MESSAGE = "The file is not a usable UNIX socket"


class ServiceNameUnknownError(ConnectError):
    """A service was given by name, and the system has no port for it."""

    MESSAGE = "The service name is unknown"


class UserError(ConnectError):
    """The program itself ended the attempt to connect."""

    MESSAGE = "The connection attempt was ended by the program"


class TimeoutError(UserError):
    """The time allowed for connecting is over."""

    MESSAGE = "The connection was not made in the time allowed"


class SSLError(ConnectError):
    """TLS could not be set up."""

    MESSAGE = "TLS failed"


class NotTLSError(SSLError):
    """The other side speaks something else."""

    MESSAGE = "What the other side sends is not TLS"


class HandshakeCutError(SSLError):
    """One side ended before the hand-shake was done."""

    MESSAGE = "The hand-shake was cut"


class HandshakeTimeoutError(SSLError):
    """The hand-shake was not done in the time allowed."""

    MESSAGE = "The hand-shake was not done in the time allowed"


class VerifyError(_Described):
    """Something that had to be verified was not."""

    MESSAGE = "Verification failed"


class PeerVerifyError(VerifyError):
    """The other side's identity could not be verified."""

    MESSAGE = "The other side could not be verified"


class CertificateExpiredError(PeerVerifyError):
    """The other side's certificate, or one that it stands on, has expired."""

    MESSAGE = "The other side's certificate has expired"


class CertificateError(_Described):
    """A certificate is missing or wrong."""

    MESSAGE = "The certificate cannot be used"


class ConnectingCancelledError(Exception):
    """The Deferred of an attempt to connect to `address` was cancelled."""

    def __init__(self, address: object) -> None:
        super().__init__(address)
        self.address = address

    def __str__(self) -> str:
        return f"Connecting to {self.address} was cancelled."


_CONNECT_ERRORS: dict[int, type[ConnectError]] = {
    ECONNREFUSED: ConnectionRefusedError,
    ETIMEDOUT: TCPTimedOutError,
    ENETUNREACH: NoRouteError,
    EHOSTUNREACH: NoRouteError,
}


def getConnectError(error: int | tuple[int, str] | Exception) -> ConnectError:
    """The ConnectError, or subclass of it, for a failed connect.

    `error` is an errno, a pair of errno and text, or the exception itself.
    A resolver's error gives UnknownHostError. What has no class of its own
    gives a plain ConnectError with `osError` set.
    """
    if isinstance(error, int):
        error = (error, "")
    if isinstance(error, tuple):
        number, text = error
        return _CONNECT_ERRORS.get(number, ConnectError)(number, text or os.strerror(number))
    if isinstance(error, socket.gaierror):
        return UnknownHostError(error.errno, error.strerror or "")
    if isinstance(error, OSError) and error.errno is not None:
        return getConnectError((error.errno, error.strerror or ""))
    return ConnectError(string=error)


# The end of a connection


class ConnectionClosed(Exception):
    """A connection has ended, cleanly or not."""

    MESSAGE: ClassVar[str] = "The connection has ended"

    def __str__(self) -> str:
        return _sentence(self.MESSAGE, *map(_describe_cause, self.args))


class ConnectionLost(ConnectionClosed):
    """The connection broke. Made with an errno or an OSError, it names it."""

    MESSAGE = "The connection to the other side broke"


class ConnectionAborted(ConnectionLost):
    """This side ended the connection with `abortConnection`."""

    MESSAGE = "The connection was aborted by this side"


class ConnectionTruncated(ConnectionLost):
    """The other side ended TLS without its announcement (close_notify): anybody can send that."""

    MESSAGE = "The other side ended without notice: what it sent may be cut short"


class ConnectionDone(ConnectionClosed):
    """The connection was closed in good order."""

    MESSAGE = "The connection was closed cleanly"


class FileDescriptorOverrun(ConnectionLost):
    """A UNIX connection got more descriptors than bytes to carry them."""

    MESSAGE = "The other side sent more file descriptors than can be received"


class ConnectionFdescWentAway(ConnectionLost):
    """A descriptor was closed while the reactor still watched it."""

    MESSAGE = "The connection's file descriptor was closed behind the reactor's back"


# Processes


class PotentialZombieWarning(Warning):
    """A child was started while nothing would notice its end."""


class ProcessDone(ConnectionDone):
    """A child process ended with exit code 0. `status` is what wait gave."""

    def __init__(self, status: int | None) -> None:
        super().__init__(status)
        self.exitCode = 0
        self.signal: int | None = None
        self.status = status

    def __str__(self) -> str:
        return "The process ended with exit code 0."


class ProcessTerminated(ConnectionLost):
    """A child process failed: it has an `exitCode`, or the `signal` that killed it.

    `status` is what wait gave.
    """

    MESSAGE = "The process failed"

    def __init__(
        self, exitCode: int | None = None, signal: int | None = None, status: int | None = None
    ) -> None:
        super().__init__(exitCode, signal, status)
        self.exitCode = exitCode
        self.signal = signal
        self.status = status

    def __str__(self) -> str:
        if self.signal is not None:
            return _sentence(self.MESSAGE, f"killed by {_signal_name(self.signal)}")
        if self.exitCode is not None:
            return _sentence(self.MESSAGE, f"exit code {self.exitCode}")
        return _sentence(self.MESSAGE)


def _signal_name(number: int) -> str:
    try:
        return f"{signals.Signals(number).name} (signal {number})"
    except ValueError:
        return f"signal {number}"


class ProcessExitedAlready(Exception):
    """The child process has ended; nothing can be sent to it."""


# Calls and states


class AlreadyCalled(_Described, ValueError):
    """A delayed call has run; it cannot be cancelled or moved."""

    MESSAGE = "The call has already run"


class AlreadyCancelled(_Described, ValueError):
    """A delayed call was cancelled; it cannot be cancelled again or moved."""

    MESSAGE = "The call has already been cancelled"


class NotConnectingError(_Described, RuntimeError):
    """A connector was told to stop connecting, and is not connecting."""

    MESSAGE = "No connection attempt is in progress"


class NotListeningError(_Described, RuntimeError):
    """A port was told to stop listening, and is not listening."""

    MESSAGE = "The port is not listening"


class AlreadyListened(Exception):
    """An endpoint that can listen once was told to listen again."""


class NoProtocol(Exception):
    """A factory gave no protocol for a connection."""


class UnsupportedAddressFamily(Exception):
    """A socket was given whose address family the reactor cannot use."""


class UnsupportedSocketType(Exception):
    """A socket was given whose type the reactor cannot use."""


class InvalidAddressError(ValueError):
    """`address` is not one that can be used; `message` says why."""

    def __init__(self, address: object, message: str) -> None:
        super().__init__(address, message)
        self.address = address
        self.message = message

    def __str__(self) -> str:
        return f"{self.address!r} is not a usable address: {self.message}"


# The reactor


class ReactorNotRunning(RuntimeError):
    """The reactor was told to stop, and is not running."""


class ReactorNotRestartable(RuntimeError):
    """The reactor was told to run again in a state in which it cannot."""


class ReactorAlreadyRunning(RuntimeError):
    """The reactor was told to run, and is running."""


class ReactorAlreadyInstalledError(AssertionError):
    """A reactor was installed while another one is in place."""


class NoSuchReactor(ValueError):
    """No backend has this `name`. `available` are the names that can be given."""

    def __init__(self, name: str, available: Sequence[str]) -> None:
        super().__init__(name, available)
        self.name = name
        self.available = tuple(available)

    def __str__(self) -> str:
        return f"There is no reactor named {self.name!r}. Available: {_listed(self.available)}."


class BackendUnavailable(RuntimeError):
    """The backend `name` exists but cannot be used here; `why` says it.

    `available` are the names that can be used instead.
    """

    def __init__(self, name: str, why: str, available: Sequence[str]) -> None:
        super().__init__(name, why, available)
        self.name = name
        self.why = why
        self.available = tuple(available)

    def __str__(self) -> str:
        text = _sentence(f"The {self.name} reactor cannot be used here", self.why)
        return f"{text} Available: {_listed(self.available)}."


# Limits of the system


class FileDescriptorLimit(Exception):
    """No descriptor was left, as a reason for a factory's `overloaded`.

    `errno` is EMFILE (this process has too many) or ENFILE (the system has),
    `limit` the number allowed, or None where it is not known.
    """

    def __init__(self, errno: int, limit: int | None = None) -> None:
        super().__init__(errno, limit)
        self.errno = errno
        self.limit = limit

    def __str__(self) -> str:
        limit = "" if self.limit is None else f"; the limit is {self.limit}"
        text = f"No file descriptor is left: {describe_errno(self.errno)}{limit}."
        return f"{text} {_DESCRIPTOR_ADVICE.get(self.errno, '')}".rstrip()


_DESCRIPTOR_ADVICE = {
    EMFILE: (
        "Raise this process's limit with reactorlib.rlimit.raise_nofile or `ulimit -n`; "
        "`reactorlib doctor` tells what bounds it here, and how to lift that."
    ),
    ENFILE: (
        "The whole system's table is full (fs.file-max on Linux, kern.maxfiles on macOS); "
        "reactorlib.rlimit.raise_nofile and `ulimit -n` do not lift that: see `reactorlib doctor`."
    ),
}


class ConnectionLimitReached(Exception):
    """As many connections are open as this program allows: `limit`."""

    def __init__(self, limit: int) -> None:
        super().__init__(limit)
        self.limit = limit

    def __str__(self) -> str:
        return f"All {self.limit} connections that this program allows are open."


class SelectLimitError(ValueError):
    """select cannot watch `descriptor`: it is not below FD_SETSIZE, `limit`."""

    def __init__(self, descriptor: int, limit: int) -> None:
        super().__init__(descriptor, limit)
        self.descriptor = descriptor
        self.limit = limit

    def __str__(self) -> str:
        return (
            f"The select reactor cannot watch descriptor {self.descriptor}: "
            f"it takes only those below {self.limit} (FD_SETSIZE). "
            "Use --reactor epoll or --reactor poll (kqueue on BSD and macOS)."
        )
