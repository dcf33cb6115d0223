"""ProcessProtocol, the functions of utils, and what the conformance suite cannot show."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest

from reactorlib import error, exits, utils
from reactorlib.defer import CancelledError, Deferred
from reactorlib.exits import Exit
from reactorlib.failure import Failure
from reactorlib.interfaces import IProcessProtocol, IReactorProcess
from reactorlib.program import program
from reactorlib.protocol import ProcessProtocol
from tests.on_backends import OnEveryBackend

# The protocol


class Calls(ProcessProtocol):
    """Keeps the calls of the methods that stand for one descriptor."""

    def __init__(self) -> None:
        self.calls: list[Any] = []

    def connectionMade(self) -> None:
        self.calls.append("made")

    def outReceived(self, data: bytes) -> None:
        self.calls.append(("out", data))

    def errReceived(self, data: bytes) -> None:
        self.calls.append(("err", data))

    def inConnectionLost(self) -> None:
        self.calls.append("in lost")

    def outConnectionLost(self) -> None:
        self.calls.append("out lost")

    def errConnectionLost(self) -> None:
        self.calls.append("err lost")


def test_each_descriptor_has_its_method() -> None:
    protocol = Calls()
    transport = object()
    protocol.makeConnection(transport)
    assert protocol.transport is transport
    for number in (0, 1, 2, 3):
        protocol.childDataReceived(number, b"%d" % number)
    for number in (0, 1, 2, 3):
        protocol.childConnectionLost(number)
    received = [("out", b"1"), ("err", b"2")]
    assert protocol.calls == ["made", *received, "in lost", "out lost", "err lost"]


def test_a_protocol_need_not_do_anything() -> None:
    protocol = ProcessProtocol()
    assert IProcessProtocol.providedBy(protocol)
    assert protocol.logPrefix() == "ProcessProtocol"
    protocol.makeConnection(None)
    for number in range(4):
        protocol.childDataReceived(number, b"")
        protocol.childConnectionLost(number)
    reason = Failure(error.ProcessDone(0))
    protocol.processExited(reason)
    protocol.processEnded(reason)


# What is to be started


def test_a_program_is_looked_for_where_its_own_path_says() -> None:
    def candidates(name: str, env: dict[str, str]) -> list[bytes]:
        return program(name, [], env, None).candidates()

    assert candidates("ls", {"PATH": "/a:/b"}) == [b"/a/ls", b"/b/ls"]
    assert candidates("ls", {"PATH": "/a::"}) == [b"/a/ls", b"ls", b"ls"]
    assert candidates("./ls", {"PATH": "/a"}) == [b"./ls"]
    assert candidates("/bin/ls", {}) == [b"/bin/ls"]
    folders = os.defpath.split(":")
    assert candidates("ls", {}) == [os.path.join(folder, "ls").encode() for folder in folders]


def test_what_belongs_to_a_user() -> None:
    plain = program("ls", [], {}, None)
    assert plain.of_user(None, None) is plain
    assert plain.of_user(54321, 5).groups == [5]
    own = plain.of_user(None, os.getegid())
    assert (own.uid, own.gid) == (os.geteuid(), os.getegid())
    assert os.getegid() in own.groups


# The functions


class TestUtils(OnEveryBackend):
    """getProcessOutput and its like."""

    def test_the_reactor_says_what_it_can_do(self, reactor: Any) -> None:
        assert IReactorProcess.providedBy(reactor)

    def shell(self, reactor: Any, function: Any, script: str, **options: Any) -> Any:
        return self.run_until(reactor, function("sh", ["-c", script], reactor=reactor, **options))

    def test_output(self, reactor: Any, tmp_path: Path) -> None:
        get = utils.getProcessOutput
        assert self.shell(reactor, get, "printf abc; exit 3") == b"abc"
        assert self.shell(reactor, get, "echo $A", env={"A": "1"}) == b"1\n"
        assert self.shell(reactor, get, "printf %s $PATH", env=None) == os.environb[b"PATH"]
        assert self.shell(reactor, get, "pwd", path=tmp_path) == os.fsencode(tmp_path) + b"\n"
        assert self.shell(reactor, get, "echo a; echo b >&2", errortoo=True) == b"a\nb\n"
        assert len(self.shell(reactor, get, "head -c 5000000 /dev/zero")) == 5_000_000

    def test_unexpected_errors(self, reactor: Any) -> None:
        with pytest.raises(OSError, match="oh no") as caught:
            self.shell(reactor, utils.getProcessOutput, "echo oh no >&2; read x; exit 4")
        assert isinstance(caught.value, utils.UnexpectedErrorOutput)
        with pytest.raises(error.ProcessTerminated) as ended:
            self.run_until(reactor, caught.value.processEnded)
        assert ended.value.exitCode == 4
        with pytest.raises(error.ProcessTerminated):
            self.run_until(reactor, caught.value.processEnded)

    def test_unexpected_errors_that_nobody_asks_about(self, reactor: Any) -> None:
        script = "echo oh >&2; exec 2>&-; sleep 0.01; exit 0"
        with pytest.raises(utils.UnexpectedErrorOutput):
            self.shell(reactor, utils.getProcessOutput, script)
        self.turn_until(reactor, lambda: not reactor.sinks)

    def test_output_and_value(self, reactor: Any) -> None:
        get = utils.getProcessOutputAndValue
        assert self.shell(reactor, get, "echo a; echo b >&2; exit 5") == (b"a\n", b"b\n", 5)
        assert self.shell(reactor, get, "cat", stdinBytes=b"given") == (b"given", b"", 0)
        assert self.shell(reactor, get, "cat", stdinBytes=b"") == (b"", b"", 0)

    def test_output_and_signal(self, reactor: Any) -> None:
        with pytest.raises(utils.OutputOfTerminated) as caught:
            self.shell(reactor, utils.getProcessOutputAndValue, "echo a; echo b >&2; kill -TERM $$")
        assert tuple(caught.value) == (b"a\n", b"b\n", signal.SIGTERM)
        assert caught.value.status is not None
        assert "SIGTERM" in str(caught.value)

    def test_value(self, reactor: Any) -> None:
        get = utils.getProcessValue
        assert self.shell(reactor, get, "echo ignored; echo ignored >&2; exit 6") == 6
        assert self.shell(reactor, get, "kill -KILL $$") is None
        assert self.run_until(reactor, get("true", reactor=reactor)) == 0

    @pytest.mark.parametrize(
        "function",
        [utils.getProcessOutput, utils.getProcessOutputAndValue, utils.getProcessValue],
    )
    def test_a_program_that_does_not_exist(self, reactor: Any, function: Any) -> None:
        with pytest.raises(FileNotFoundError, match="'/no/such'"):
            self.run_until(reactor, function("/no/such", reactor=reactor))
        with pytest.raises(ValueError, match="NUL"):
            self.run_until(reactor, function("true", ["\0"], reactor=reactor))

    @pytest.mark.parametrize(
        "function",
        [utils.getProcessOutput, utils.getProcessOutputAndValue, utils.getProcessValue],
    )
    def test_who_cancels_kills(self, reactor: Any, function: Any) -> None:
        deferred: Deferred[Any] = function("sleep", ["1000"], reactor=reactor)
        deferred.cancel()
        with pytest.raises(CancelledError):
            self.run_until(reactor, deferred)
        self.turn_until(reactor, lambda: not reactor.sinks)

    def test_to_cancel_late_changes_nothing(self, reactor: Any) -> None:
        deferred = utils.getProcessValue("true", reactor=reactor)
        assert self.run_until(reactor, deferred) == 0
        deferred.cancel()

    # Exits

    def test_a_debugger_sees_the_end_first(self, reactor: Any, monkeypatch: Any) -> None:
        """A pidfd may be ready before there is anything to wait for: it is asked again."""
        told: list[int | None] = []
        answers = iter([(0, 0), (0, 0), (77, 256)])
        child = subprocess.Popen(["true"])
        exit = Exit(reactor, child.pid, told.append)
        assert str(child.pid) in repr(exit)
        exit.watch()
        with monkeypatch.context() as patched:
            patched.setattr(os, "waitpid", lambda pid, options: next(answers))
            self.turn_until(reactor, lambda: told)
        assert told == [256]
        assert child.wait() == 0

    def test_there_may_be_no_pidfd(self, reactor: Any, monkeypatch: Any) -> None:
        def refuse(pid: int) -> int:
            raise PermissionError

        monkeypatch.setattr(os, "pidfd_open", refuse)
        assert self.run_until(reactor, utils.getProcessValue("true", reactor=reactor)) == 0

    @pytest.mark.parametrize("has_waitid", [True, False])
    def test_no_signal_follows_the_end_though_nobody_knows_of_it(
        self, reactor: Any, monkeypatch: Any, has_waitid: bool
    ) -> None:
        """The number may be another process's before the reactor hears of the end."""
        told: list[int | None] = []
        monkeypatch.setattr(exits, "HAS_WAITID", has_waitid)
        child = subprocess.Popen(["true"])
        exit = Exit(reactor, child.pid, told.append)
        exit.watch(False)
        for thread in threading.enumerate():
            if str(child.pid) in thread.name:
                thread.join()
        monkeypatch.setattr(os, "kill", None)
        with pytest.raises(ProcessLookupError):
            exit.signal(signal.SIGKILL)
        assert told == []
        self.turn_until(reactor, lambda: told)
        assert told == [0]
        assert child.wait() == 0

    def test_a_signal_while_its_end_is_seen_goes_to_the_child_or_nobody(
        self, reactor: Any, monkeypatch: Any
    ) -> None:
        """It waits until the number is given back, or is sent before."""
        told: list[int | None] = []
        reaping, go_on = threading.Event(), threading.Event()
        wait = os.waitpid

        def slow(pid: int, options: int) -> tuple[int, int]:
            result = wait(pid, options)
            reaping.set()
            go_on.wait()
            return result

        monkeypatch.setattr(os, "waitpid", slow)
        child = subprocess.Popen(["true"])
        exit = Exit(reactor, child.pid, told.append)
        exit.watch(False)
        reaping.wait()
        helper = threading.Timer(0.01, go_on.set)
        helper.start()
        monkeypatch.setattr(os, "kill", None)
        with pytest.raises(ProcessLookupError):
            exit.signal(signal.SIGKILL)
        helper.join()
        self.turn_until(reactor, lambda: told)
        monkeypatch.undo()
        assert child.wait() == 0


PROGRAM = """
import sys
from reactorlib import reactor, utils

def show(value):
    print(value)
    reactor.stop()

utils.getProcessOutput("/bin/echo", ["hello"]).addCallback(show)
reactor.run()
"""


def test_the_process_reactor_is_the_default() -> None:
    ran = subprocess.run(
        [sys.executable, "-c", PROGRAM], capture_output=True, text=True, check=True
    )
    assert (ran.stdout, ran.stderr) == ("b'hello\\n'\n", "")
