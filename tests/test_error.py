"""The errors: their place under Twisted's bases, their texts, their copies."""

from __future__ import annotations

import copy
import errno
import os
import pickle
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reactorlib import error

BASES: list[tuple[type[BaseException], type[BaseException]]] = [
    (error.BindError, Exception),
    (error.CannotListenError, error.BindError),
    (error.MulticastJoinError, Exception),
    (error.MessageLengthError, Exception),
    (error.DNSLookupError, OSError),
    (error.ConnectInProgressError, Exception),
    (error.ConnectError, Exception),
    (error.ConnectBindError, error.ConnectError),
    (error.UnknownHostError, error.ConnectError),
    (error.NoRouteError, error.ConnectError),
    (error.ConnectionRefusedError, error.ConnectError),
    (error.TCPTimedOutError, error.ConnectError),
    (error.BadFileError, error.ConnectError),
    (error.ServiceNameUnknownError, error.ConnectError),
    (error.UserError, error.ConnectError),
    (error.TimeoutError, error.UserError),
    (error.SSLError, error.ConnectError),
    (error.NotTLSError, error.SSLError),
    (error.HandshakeCutError, error.SSLError),
    (error.HandshakeTimeoutError, error.SSLError),
    (error.VerifyError, Exception),
    (error.PeerVerifyError, error.VerifyError),
    (error.CertificateExpiredError, error.PeerVerifyError),
    (error.CertificateError, Exception),
    (error.ConnectingCancelledError, Exception),
    (error.ConnectionClosed, Exception),
    (error.ConnectionLost, error.ConnectionClosed),
    (error.ConnectionAborted, error.ConnectionLost),
    (error.ConnectionTruncated, error.ConnectionLost),
    (error.ConnectionDone, error.ConnectionClosed),
    (error.FileDescriptorOverrun, error.ConnectionLost),
    (error.ConnectionFdescWentAway, error.ConnectionLost),
    (error.PotentialZombieWarning, Warning),
    (error.ProcessDone, error.ConnectionDone),
    (error.ProcessTerminated, error.ConnectionLost),
    (error.ProcessExitedAlready, Exception),
    (error.AlreadyCalled, ValueError),
    (error.AlreadyCancelled, ValueError),
    (error.NotConnectingError, RuntimeError),
    (error.NotListeningError, RuntimeError),
    (error.AlreadyListened, Exception),
    (error.NoProtocol, Exception),
    (error.UnsupportedAddressFamily, Exception),
    (error.UnsupportedSocketType, Exception),
    (error.InvalidAddressError, ValueError),
    (error.ReactorNotRunning, RuntimeError),
    (error.ReactorNotRestartable, RuntimeError),
    (error.ReactorAlreadyRunning, RuntimeError),
    (error.ReactorAlreadyInstalledError, AssertionError),
    (error.NoSuchReactor, ValueError),
    (error.BackendUnavailable, RuntimeError),
    (error.FileDescriptorLimit, Exception),
    (error.SelectLimitError, ValueError),
    (error.ConnectionLimitReached, Exception),
]

EXAMPLES: list[tuple[BaseException, str]] = [
    (error.BindError(), "Could not bind to the address."),
    (error.MessageLengthError(70000, "bytes"), "The message is too long to send: 70000 bytes."),
    (error.DNSLookupError("no.invalid"), "The name could not be resolved: no.invalid."),
    (error.ConnectError(), "Could not connect."),
    (error.ConnectError(string="why?"), "Could not connect: why?"),
    (error.ConnectError(errno.EMFILE, "full"), "Could not connect: EMFILE (full)."),
    (error.UnknownHostError(-2, "unheard of"), "The host is unknown: unheard of."),
    (error.UnknownHostError(-2), "The host is unknown: resolver code -2."),
    (error.TimeoutError(), "The connection was not made in the time allowed."),
    (error.ConnectingCancelledError("there"), "Connecting to there was cancelled."),
    (error.ConnectionDone(), "The connection was closed cleanly."),
    (error.ConnectionLost("reason"), "The connection to the other side broke: reason."),
    (error.ProcessDone(0), "The process ended with exit code 0."),
    (error.ProcessTerminated(3, None, 768), "The process failed: exit code 3."),
    (
        error.ProcessTerminated(None, 9, 9),
        "The process failed: killed by SIGKILL (signal 9).",
    ),
    (error.ProcessTerminated(signal=999), "The process failed: killed by signal 999."),
    (error.ProcessTerminated(), "The process failed."),
    (error.AlreadyCalled(), "The call has already run."),
    (error.InvalidAddressError("x", "too short"), "'x' is not a usable address: too short"),
    (
        error.NoSuchReactor("x", ["epoll", "poll"]),
        "There is no reactor named 'x'. Available: epoll, poll.",
    ),
    (error.NoSuchReactor("x", []), "There is no reactor named 'x'. Available: none."),
    (
        error.BackendUnavailable("kqueue", "no kernel for it", ["epoll"]),
        "The kqueue reactor cannot be used here: no kernel for it. Available: epoll.",
    ),
    (
        error.CannotListenError("", 1, ValueError("no")),
        "Cannot listen on any interface, port 1: no.",
    ),
    (
        error.FileDescriptorLimit(errno.EMFILE, 64),
        f"No file descriptor is left: EMFILE ({os.strerror(errno.EMFILE)}); the limit is 64. "
        "Raise this process's limit with reactorlib.rlimit.raise_nofile or `ulimit -n`; "
        "`reactorlib doctor` tells what bounds it here, and how to lift that.",
    ),
    (
        error.SelectLimitError(1500, 1024),
        "The select reactor cannot watch descriptor 1500: it takes only those below 1024 "
        "(FD_SETSIZE). Use --reactor epoll or --reactor poll (kqueue on BSD and macOS).",
    ),
    (
        error.ConnectionLimitReached(300),
        "All 300 connections that this program allows are open.",
    ),
]


def lost(cause: object) -> str:
    return str(error.ConnectionLost(cause))


def cannot_listen(interface: str | None, port: int | str | bytes, number: int) -> str:
    return str(error.CannotListenError(interface, port, OSError(number, os.strerror(number))))


class TestHierarchy:
    @pytest.mark.parametrize(("kind", "base"), BASES, ids=lambda kind: kind.__name__)
    def test_base(self, kind: type[BaseException], base: type[BaseException]) -> None:
        assert issubclass(kind, base)

    def test_every_error_is_in_the_table(self) -> None:
        public = {
            value
            for name, value in vars(error).items()
            if isinstance(value, type) and issubclass(value, BaseException) and name[0] != "_"
        }
        assert public == {kind for kind, _ in BASES}

    def test_a_clean_end_is_not_a_loss(self) -> None:
        assert not issubclass(error.ConnectionDone, error.ConnectionLost)
        assert not issubclass(error.ProcessDone, error.ConnectionLost)

    def test_a_plain_class_has_the_text_it_was_given(self) -> None:
        assert str(error.ReactorNotRunning("text")) == "text"
        assert str(error.NoProtocol()) == ""


class TestText:
    @pytest.mark.parametrize(("example", "text"), EXAMPLES, ids=lambda value: type(value).__name__)
    def test_text(self, example: BaseException, text: str) -> None:
        assert str(example) == text

    @pytest.mark.parametrize(("kind", "base"), BASES, ids=lambda kind: kind.__name__)
    def test_every_described_class_has_a_message_of_its_own(
        self, kind: type[BaseException], base: type[BaseException]
    ) -> None:
        message = getattr(kind, "MESSAGE", None)
        inherits = (error.CannotListenError, error.ProcessDone)
        if message is not None and kind not in inherits:
            assert message
            assert not message.endswith(".")
            assert message != getattr(base, "MESSAGE", None)

    def test_a_loss_names_its_errno(self) -> None:
        name = f"ECONNRESET ({os.strerror(errno.ECONNRESET)})"
        assert lost(errno.ECONNRESET) == f"The connection to the other side broke: {name}."

    def test_a_loss_names_the_errno_of_an_exception(self) -> None:
        assert lost(OSError(errno.EPIPE, "gone")).endswith(": EPIPE (gone).")
        assert lost(OSError(errno.EPIPE, "")).endswith(f": EPIPE ({os.strerror(errno.EPIPE)}).")

    def test_a_loss_gives_other_exceptions_as_they_are(self) -> None:
        assert lost(OSError("no number")).endswith(": no number.")
        assert lost(ValueError("odd")).endswith(": odd.")

    def test_resolver_codes_are_not_taken_for_errnos(self) -> None:
        assert lost(socket.gaierror(-2, "unheard of")).endswith(": unheard of.")
        assert lost(socket.gaierror("bare")).endswith(": bare.")

    def test_an_errno_without_a_name(self) -> None:
        assert error.describe_errno(99999, "strange") == "errno 99999 (strange)"


class TestCannotListen:
    def test_attributes(self) -> None:
        cause = OSError(errno.EADDRINUSE, "taken")
        failure = error.CannotListenError("127.0.0.1", 80, cause)
        assert (failure.interface, failure.port, failure.socketError) == ("127.0.0.1", 80, cause)
        assert failure.args == ("127.0.0.1", 80, cause)

    def test_a_taken_port(self) -> None:
        with socket.create_server(("127.0.0.1", 0)) as first, socket.socket() as second:
            port = first.getsockname()[1]
            with pytest.raises(OSError, match="in use") as caught:
                second.bind(("127.0.0.1", port))
            text = str(error.CannotListenError("127.0.0.1", port, caught.value))
        assert text.startswith(f"Cannot listen on 127.0.0.1, port {port}: EADDRINUSE (")
        assert text.endswith(
            "The port is taken: stop the program that holds it, or choose another port."
        )

    def test_a_privileged_port(self) -> None:
        text = cannot_listen("", 1023, errno.EACCES)
        assert text.startswith("Cannot listen on any interface, port 1023: EACCES (")
        assert "below 1024 are privileged" in text

    def test_a_forbidden_port_that_is_not_privileged(self) -> None:
        text = cannot_listen(None, 1024, errno.EACCES)
        assert "privileged" not in text
        assert text.endswith("policy forbids this port: choose another.")

    def test_an_address_of_another_machine(self) -> None:
        assert "does not have that address" in cannot_listen("192.0.2.1", 80, errno.EADDRNOTAVAIL)

    def test_another_cause_has_no_advice(self) -> None:
        assert cannot_listen("::1", 80, errno.ENOBUFS) == (
            f"Cannot listen on ::1, port 80: ENOBUFS ({os.strerror(errno.ENOBUFS)})."
        )

    def test_a_path(self) -> None:
        text = cannot_listen(None, "/run/it", errno.EADDRINUSE)
        assert text.startswith("Cannot listen on UNIX socket '/run/it': EADDRINUSE (")
        assert "remove a stale file" in text
        assert "port" not in text

    def test_a_path_that_may_not_be_made(self) -> None:
        text = cannot_listen(None, b"/it", errno.EACCES)
        assert "choose a directory" in text
        assert "port" not in text


class TestGetConnectError:
    @pytest.mark.parametrize(
        ("number", "kind"),
        [
            (errno.ECONNREFUSED, error.ConnectionRefusedError),
            (errno.ETIMEDOUT, error.TCPTimedOutError),
            (errno.ENETUNREACH, error.NoRouteError),
            (errno.EHOSTUNREACH, error.NoRouteError),
            (errno.EBADF, error.ConnectError),
            (errno.EADDRNOTAVAIL, error.ConnectError),
            (errno.EMFILE, error.ConnectError),
            (99999, error.ConnectError),
        ],
    )
    def test_number_pair_and_exception_give_the_same(
        self, number: int, kind: type[error.ConnectError]
    ) -> None:
        text = os.strerror(number)
        made = [
            error.getConnectError(form) for form in (number, (number, text), OSError(number, text))
        ]
        for failure in made:
            assert type(failure) is kind
            assert failure.osError == number
            assert failure.string == text
        assert str(made[0]).endswith(f"({text}).")

    def test_a_real_refusal(self) -> None:
        with socket.socket() as closed, socket.socket() as client:
            closed.bind(("127.0.0.1", 0))  # bound and not listening: nobody else gets the port
            number = client.connect_ex(closed.getsockname())
        assert isinstance(error.getConnectError(number), error.ConnectionRefusedError)

    def test_a_real_missing_path(self, tmp_path: Path) -> None:
        with (
            socket.socket(socket.AF_UNIX) as client,
            pytest.raises(FileNotFoundError) as caught,
        ):
            client.connect(str(tmp_path / "none"))
        assert error.getConnectError(caught.value).osError == errno.ENOENT

    def test_resolver(self) -> None:
        failure = error.getConnectError(socket.gaierror(socket.EAI_NONAME, "unheard of"))
        assert type(failure) is error.UnknownHostError
        assert failure.osError == socket.EAI_NONAME
        assert str(failure) == "The host is unknown: unheard of."
        assert str(error.getConnectError(socket.gaierror())) == "The host is unknown."

    def test_an_exception_without_a_number(self) -> None:
        cause = OSError("odd")
        failure = error.getConnectError(cause)
        assert type(failure) is error.ConnectError
        assert failure.osError is None
        assert failure.string is cause
        assert str(failure) == "Could not connect: odd."


class TestProcesses:
    def test_done(self) -> None:
        done = error.ProcessDone(0)
        assert (done.exitCode, done.signal, done.status) == (0, None, 0)

    def test_terminated(self) -> None:
        terminated = error.ProcessTerminated(exitCode=None, signal=15, status=15)
        assert (terminated.exitCode, terminated.signal, terminated.status) == (None, 15, 15)


class TestLimits:
    def test_attributes(self) -> None:
        reason = error.FileDescriptorLimit(errno.EMFILE, 256)
        assert (reason.errno, reason.limit) == (errno.EMFILE, 256)
        failure = error.SelectLimitError(1500, 1024)
        assert (failure.descriptor, failure.limit) == (1500, 1024)

    def test_system_limit_does_not_promise_what_does_not_help(self) -> None:
        text = str(error.FileDescriptorLimit(errno.ENFILE))
        assert "ENFILE" in text
        assert "the limit is" not in text
        assert "whole system" in text

    def test_other_shortage(self) -> None:
        text = str(error.FileDescriptorLimit(errno.ENOMEM))
        assert text == f"No file descriptor is left: ENOMEM ({os.strerror(errno.ENOMEM)})."

    def test_available_names_are_kept(self) -> None:
        assert error.NoSuchReactor("x", ["a", "b"]).available == ("a", "b")
        unavailable = error.BackendUnavailable("x", "why", ["a"])
        assert (unavailable.name, unavailable.why, unavailable.available) == ("x", "why", ("a",))


@pytest.mark.parametrize("example", [example for example, _ in EXAMPLES], ids=repr)
@pytest.mark.parametrize("duplicate", [copy.copy, lambda value: pickle.loads(pickle.dumps(value))])
def test_a_copy_is_like_the_original(
    example: BaseException, duplicate: Callable[[Any], Any]
) -> None:
    made = duplicate(example)
    assert type(made) is type(example)
    assert str(made) == str(example)
    assert repr(made.args) == repr(example.args)
    assert repr(vars(made)) == repr(vars(example))
