"""A child's life: its end is told exactly, whoever else waits for children, and leaves nothing."""

from __future__ import annotations

import logging
import os
import signal
import subprocess
import threading
from collections.abc import Callable
from typing import Any

import pytest

from reactorlib import error
from reactorlib.testing.contract.base import LoggedErrors, open_descriptors
from reactorlib.testing.contract.process_base import Child, ProcessParts

Spawn = Callable[..., Child]

NOTHING: dict[int, Any] = {}
TRUE = ("sh", "-c", "exit 0")


class LifeContract(ProcessParts):
    """Exit codes, signals, many at once, faults, the end of a run."""

    def test_from_its_start_to_its_end(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sh", "-c", "cat; echo said >&2; exit 7")
        assert child.told == ["made"]
        assert child.transport.pid == child.transport.child > 0
        child.transport.write(b"given")
        child.transport.closeStdin()
        assert child.told == ["made"]
        self.until_ended(reactor, child)
        assert child.output == b"given"
        assert child.errors == b"said\n"
        assert child.result == (7, None)
        assert child.transport.pid is None
        assert os.waitstatus_to_exitcode(child.transport.status) == 7

    @pytest.mark.parametrize(
        ("script", "kind", "result"),
        [
            ("exit 0", error.ProcessDone, (0, None)),
            ("exit 1", error.ProcessTerminated, (1, None)),
            ("exit 255", error.ProcessTerminated, (255, None)),
            ("kill -TERM $$", error.ProcessTerminated, (None, signal.SIGTERM)),
            ("kill -ABRT $$", error.ProcessTerminated, (None, signal.SIGABRT)),
        ],
    )
    def test_how_it_ended(
        self, reactor: Any, spawn: Spawn, script: str, kind: type, result: tuple[Any, Any]
    ) -> None:
        child = spawn("sh", "-c", f"ulimit -c 0; {script}")
        self.until_ended(reactor, child)
        assert child.reason is not None
        assert child.reason.type is kind
        assert child.result == result

    def test_a_thousand_quick_ones(self, reactor: Any, spawn: Spawn) -> None:
        children: list[Child] = []
        running = 0

        def ended(child: Child, reason: Any) -> None:
            nonlocal running
            running -= 1

        while len(children) < 1000 or running:
            while running < 50 and len(children) < 1000:
                script = f"exit {len(children) % 256}"
                children.append(spawn("sh", "-c", script, childFDs=NOTHING, processEnded=ended))
                running += 1
            reactor.iterate(0.05)
        assert [child.result for child in children] == [(each % 256, None) for each in range(1000)]

    def test_500_end_at_once_while_others_wait_for_theirs(self, reactor: Any, spawn: Spawn) -> None:
        """The other library is the standard one, in threads; its children must be left to it."""
        gate, opener = os.pipe()
        theirs: list[int] = []

        def wait_for_others() -> None:
            for number in range(100):
                with subprocess.Popen(["sh", "-c", f"exit {number}"]) as process:
                    theirs.append(process.wait())

        others = [threading.Thread(target=wait_for_others) for _ in range(2)]
        children = [
            spawn("sh", "-c", f"read line; exit {number % 256}", childFDs={0: gate})
            for number in range(500)
        ]
        for thread in others:
            thread.start()
        os.close(gate)
        os.close(opener)
        self.until_ended(reactor, *children)
        for thread in others:
            thread.join()
        assert [child.result for child in children] == [(each % 256, None) for each in range(500)]
        assert sorted(theirs) == sorted([*range(100)] * 2)

    def test_somebody_else_has_waited_for_it(
        self, reactor: Any, spawn: Spawn, caplog: pytest.LogCaptureFixture
    ) -> None:
        """A thread of ours may have been faster; a pidfd has to be asked for first."""
        child = spawn("sh", "-c", "exit 3")
        try:
            os.waitpid(child.transport.pid, 0)
            stolen = True
        except ChildProcessError:
            stolen = False
        assert stolen or not reactor.waitsByPidfd
        with pytest.raises(error.ProcessExitedAlready):
            child.transport.signalProcess("TERM")
        self.until_ended(reactor, child)
        assert child.reason is not None
        assert child.reason.check(error.ProcessTerminated)
        assert child.result == (None if stolen else 3, None)
        assert [each.levelno for each in caplog.records] == [logging.WARNING] * stolen
        assert (str(child.transport.child) in caplog.text) == stolen

    def test_children_that_the_kernel_waits_for(
        self, reactor: Any, spawn: Spawn, caplog: pytest.LogCaptureFixture
    ) -> None:
        before = signal.signal(signal.SIGCHLD, signal.SIG_IGN)
        try:
            child = spawn("sh", "-c", "exit 3")
            self.until_ended(reactor, child)
        finally:
            signal.signal(signal.SIGCHLD, before)
        assert child.result == (None, None)
        assert "SIGCHLD" in caplog.text

    # Signals

    @pytest.mark.parametrize("name", ["HUP", "INT", "KILL", "TERM", "USR1", signal.SIGUSR1])
    def test_a_signal_ends_it(self, reactor: Any, spawn: Spawn, name: Any) -> None:
        child = spawn("sleep", "1000")
        child.transport.signalProcess(name)
        self.until_ended(reactor, child)
        expected = name if isinstance(name, int) else signal.Signals[f"SIG{name}"]
        assert child.result == (None, expected)

    def test_it_can_be_stopped_and_go_on(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("cat")
        child.transport.signalProcess("STOP")
        child.transport.write(b"after all")
        child.transport.closeStdin()
        reactor.iterate(0.01)
        assert child.output == b""
        child.transport.signalProcess(signal.SIGCONT)
        self.until_ended(reactor, child)
        assert child.output == b"after all"

    def test_none_can_be_sent_after_its_end(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn(*TRUE)
        self.until_ended(reactor, child)
        for name in ("KILL", signal.SIGTERM):
            with pytest.raises(error.ProcessExitedAlready):
                child.transport.signalProcess(name)

    def test_no_other_one_can_be_sent(self, spawn: Spawn) -> None:
        child = spawn("sleep", "1000")
        with pytest.raises(ValueError, match="no signal SIGNONSENSE"):
            child.transport.signalProcess("NONSENSE")
        with pytest.raises(OSError, match="Invalid argument"):
            child.transport.signalProcess(12345)

    def test_the_protocol_may_kill_at_once(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sleep", "1000", connectionMade=lambda it: it.transport.signalProcess("KILL"))
        self.until_ended(reactor, child)
        assert child.result == (None, signal.SIGKILL)

    def test_it_has_the_signals_of_an_ordinary_program(self, reactor: Any, spawn: Spawn) -> None:
        """None is blocked, and of those that Python ignores none is ignored."""
        signal.pthread_sigmask(signal.SIG_SETMASK, [])
        child = spawn("sh", "-c", 'kill -PIPE $$; echo "still there"')
        self.until_ended(reactor, child)
        assert child.result == (None, signal.SIGPIPE)

    # Faults

    @pytest.mark.parametrize(
        "method", ["connectionMade", "childConnectionLost", "processExited", "processEnded"]
    )
    def test_a_fault_is_logged_and_hides_nothing(
        self, reactor: Any, spawn: Spawn, logged_errors: LoggedErrors, method: str
    ) -> None:
        def fail(*arguments: Any) -> None:
            raise ZeroDivisionError

        child = spawn("sh", "-c", "cat; exit 4", **{method: fail})
        child.transport.closeStdin()
        self.until_ended(reactor, child)
        assert child.result == (4, None)
        assert len(logged_errors.take(ZeroDivisionError)) == child.told.count("made") * (
            3 if method == "childConnectionLost" else 1
        )

    def test_a_fault_with_data_costs_that_pipe(
        self, reactor: Any, spawn: Spawn, logged_errors: LoggedErrors
    ) -> None:
        def fail(*arguments: Any) -> None:
            raise ZeroDivisionError

        child = spawn("sh", "-c", "echo x >&2; cat; exit 4", childDataReceived=fail)
        self.turn_until(reactor, lambda: child.lost)
        assert child.lost == [2]
        child.transport.closeStdin()
        self.until_ended(reactor, child)
        assert child.result == (4, None)
        assert len(logged_errors.take(ZeroDivisionError)) == 1

    # The end of a run

    def test_the_end_of_a_run_closes_its_pipes(self, reactor: Any, spawn: Spawn) -> None:
        child = spawn("sh", "-c", "cat; exit 5")
        child.transport.write(b"words")
        reactor.callWhenRunning(reactor.stop)
        self.run_guarded(reactor)
        if reactor.waitsByPidfd:
            assert child.told[-1] == "ended"
        self.until_ended(reactor, child)
        assert child.result[0] in (5, None)

    def test_a_child_that_outlives_a_run_is_told_of_in_the_next(
        self, reactor: Any, spawn: Spawn
    ) -> None:
        child = spawn("sleep", "1000")
        reactor.callWhenRunning(reactor.stop)
        self.run_guarded(reactor)
        assert sorted(child.lost) == [0, 1, 2]
        assert "exited" not in child.told
        child.transport.signalProcess("KILL")
        self.until_ended(reactor, child)
        assert child.result == (None, signal.SIGKILL)

    def test_its_pidfd_is_closed_behind_our_back(self, reactor: Any, spawn: Spawn) -> None:
        """That is found out when its number comes back; a thread waits from then on."""
        child = spawn("sh", "-c", "read line; exit 6", childFDs={0: "w"})
        for descriptor in pidfds():
            os.close(descriptor)
        other = spawn(*TRUE)
        child.transport.closeStdin()
        self.until_ended(reactor, child, other)
        assert child.result == (6, None)
        assert other.result == (0, None)


def pidfds() -> list[int]:
    """This process's descriptors of other processes."""
    return [number for number, what in open_descriptors().items() if "pidfd" in what]
