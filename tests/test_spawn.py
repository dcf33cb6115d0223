"""The engine's `spawn`: what C does between the fork and the program.

What a reactor makes of it is in the conformance suite of processes. Here the
system is made to refuse, by strace(1), and the parent is in odd states.
"""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reactorlib.backends.engine import Engine
from reactorlib.program import Program, program
from tests.backends import open_engine

ROOT = os.geteuid() == 0


@pytest.fixture
def engine() -> Iterator[Engine]:
    engine = open_engine("epoll")
    yield engine
    engine.close()


def output(engine: Engine, wanted: Program) -> tuple[bytes, int]:
    """What a program writes, and what wait(2) says of it."""
    reading, writing = os.pipe()
    try:
        pid = engine.spawn(replace(wanted, descriptors=[-1, writing, 2]))
    finally:
        os.close(writing)
    with open(reading, "rb") as pipe:
        written = pipe.read()
    return written, os.waitpid(pid, 0)[1]


def shell(script: str, **variables: str) -> Program:
    return program("sh", ["sh", "-c", script], variables, None)


# Signals


@contextmanager
def disposition(number: int, handler: Any) -> Iterator[None]:
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


def masks(status: bytes) -> dict[str, set[int]]:
    """The sets of signals in /proc/PID/status."""
    found = {}
    for line in status.decode().splitlines():
        name, _, value = line.partition(":")
        if name.startswith("Sig") and name != "SigQ":
            bits = int(value, 16)
            found[name] = {number for number in range(1, 65) if bits >> (number - 1) & 1}
    return found


def ignored() -> set[int]:
    """What this process ignores; some of that since before it began, as under nohup(1)."""
    return {n for n in signal.valid_signals() if signal.getsignal(n) is signal.SIG_IGN}


def test_the_signals_of_a_child(engine: Engine) -> None:
    """No handler and no block of ours, but what is ignored stays so: nohup(1) must work."""
    wanted = program("cat", ["cat", "/proc/self/status"], {}, None)
    with (
        disposition(signal.SIGUSR1, lambda *_: None),
        disposition(signal.SIGHUP, signal.SIG_IGN),
        disposition(signal.SIGPIPE, signal.SIG_IGN),
    ):
        expected = ignored() - {signal.SIGPIPE, signal.SIGXFSZ}
        found = masks(output(engine, wanted)[0])
    assert signal.SIGHUP in expected
    assert found["SigIgn"] == expected
    assert found["SigCgt"] == found["SigBlk"] == found["SigPnd"] == set()


def test_what_the_calling_thread_blocks_its_child_blocks(engine: Engine) -> None:
    wanted = program("cat", ["cat", "/proc/self/status"], {}, None)
    before = signal.pthread_sigmask(signal.SIG_BLOCK, [signal.SIGUSR2])
    try:
        found = masks(output(engine, wanted)[0])
        assert signal.pthread_sigmask(signal.SIG_BLOCK, []) == before | {signal.SIGUSR2}
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)
    assert found["SigBlk"] == {signal.SIGUSR2}


def test_a_storm_of_signals(engine: Engine) -> None:
    """Their handler never runs in a child, and none is lost or cuts anything short."""
    pids = []
    with disposition(signal.SIGALRM, lambda *_: pids.append(os.getpid())):
        signal.setitimer(signal.ITIMER_REAL, 0.0005, 0.0005)
        try:
            results = [output(engine, shell("echo $X", X=str(number))) for number in range(100)]
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
    assert results == [(b"%d\n" % number, 0) for number in range(100)]
    assert set(pids) == {os.getpid()}


# Threads and forks


def test_many_threads_at_once() -> None:
    found: list[list[bytes]] = []

    def work(number: int) -> None:
        mine = open_engine("epoll")
        found.append([output(mine, shell("echo $X", X=str(number)))[0] for _ in range(30)])
        mine.close()

    threads = [threading.Thread(target=work, args=[number]) for number in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(found) == sorted([[b"%d\n" % number] * 30 for number in range(6)])


def test_wrong_threads_and_forked_children_are_refused(engine: Engine) -> None:
    refused = []

    def call() -> None:
        try:
            engine.spawn(shell("exit 0"))
        except RuntimeError as problem:
            refused.append(str(problem))

    engine.own(True)
    thread = threading.Thread(target=call)
    thread.start()
    thread.join()
    engine.own(False)
    pid = os.fork()
    if pid == 0:
        call()
        os._exit(len(refused))
    assert os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]) == 2
    assert len(refused) == 1
    assert "callFromThread" in refused[0]


# Descriptors


def test_descriptors_that_stand_in_each_others_way(engine: Engine) -> None:
    """Every order of three descriptors that have the numbers which they are to get."""
    low = [os.open(os.devnull, os.O_RDONLY) for _ in range(3)]
    pipes = [os.pipe() for _ in range(3)]
    top = max(max(low), *(max(pair) for pair in pipes)) + 1
    try:
        for order in ((0, 1, 2), (0, 2, 1), (1, 0, 2), (1, 2, 0), (2, 0, 1), (2, 1, 0)):
            for number, (_, writing) in zip(low, pipes, strict=True):
                os.dup2(writing, number)
            table = [-1] * top
            for place, source in enumerate(order):
                table[low[place]] = low[source]
            script = "; ".join(f"echo {place} >/dev/fd/{low[place]}" for place in range(3))
            pid = engine.spawn(replace(shell(script), descriptors=table))
            assert os.waitpid(pid, 0)[1] == 0
            got = [os.read(reading, 10) for reading, _ in pipes]
            assert got == [b"%d\n" % order.index(source) for source in range(3)]
    finally:
        for descriptor in (*low, *(each for pair in pipes for each in pair)):
            os.close(descriptor)


def test_a_failure_is_told_though_its_own_descriptor_is_wanted(engine: Engine) -> None:
    """Whatever number it has, the child is to have another descriptor there."""
    wanted = program("/no/such/program", [], {}, None)
    with pytest.raises(FileNotFoundError):
        engine.spawn(replace(wanted, descriptors=[0] * 300))


# What runs in a process of its own

PRELUDE = """
import os, socket, sys
from dataclasses import replace
from reactorlib.backends.engine import Engine
from reactorlib.program import program

engine = Engine("epoll")

def run(wanted):
    reading, writing = os.pipe()
    pid = engine.spawn(replace(wanted, descriptors=[-1, writing, 2]))
    os.close(writing)
    print(open(reading).read().split(), os.waitpid(pid, 0)[1])
"""

LOWERED = """
os.seteuid(65534)
run(program("sh", ["sh", "-c", "id -u; id -ru; id -g"], {}, "/").of_user(1, 2))
print(os.geteuid())
"""

REFUSED = """
sockets = [socket.socket() for _ in range(10)]
for each in sockets:
    each.set_inheritable(True)
wanted = program("sh", ["sh", "-c", "ls /dev/fd/"], {"PATH": os.defpath}, "/")
if sys.argv[1:] == ["fork"]:
    wanted = wanted.of_user(os.getuid(), os.getgid())
try:
    run(wanted)
except OSError as problem:
    print(problem)
try:
    os.waitpid(-1, 0)
except ChildProcessError:
    print("no child is left")
"""


def test_a_program_that_has_lowered_itself(engine: Engine) -> None:
    if not ROOT:
        with pytest.raises(PermissionError):
            output(engine, shell("true").of_user(1, 2))
        return
    command = [sys.executable, "-c", PRELUDE + LOWERED]
    printed = subprocess.run(command, capture_output=True, text=True, check=True)
    assert printed.stdout == "['1', '1', '2'] 0\n65534\n"


WAYS = ["vfork", *(["fork"] if ROOT else [])]


def under_strace(trace: Path, call: str, tampering: str, way: str) -> list[str]:
    """What the program above prints, line by line, when the system answers so."""
    tracer = shutil.which("strace")
    assert tracer, "install strace: this test makes the system refuse with it"
    filters = ("-e", f"trace={call}", "-e", f"inject={call}:{tampering}")
    program = (sys.executable, "-c", PRELUDE + REFUSED, way)
    command = [tracer, "-f", "-q", "-o", str(trace), *filters, *program]
    ran = subprocess.run(command, capture_output=True, text=True, check=False)
    assert ran.returncode == 0, ran.stdout + ran.stderr
    assert re.search("INJECTED|SIGKILL", trace.read_text())
    return ran.stdout.splitlines()


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize("error", ["ENOSYS", "EINVAL", "EPERM"])
def test_a_kernel_without_close_range(tmp_path: Path, way: str, error: str) -> None:
    """Number 0 is the listing itself."""
    lines = under_strace(tmp_path / "trace", "close_range", f"error={error}", way)
    assert lines == ["['0', '1', '2'] 0", "no child is left"]


@pytest.mark.parametrize("way", WAYS)
def test_a_child_that_is_killed_before_it_executes(tmp_path: Path, way: str) -> None:
    """It counts as one that was started and has ended."""
    lines = under_strace(tmp_path / "trace", "chdir", "signal=SIGKILL", way)
    assert lines == ["[] 9", "no child is left"]


@pytest.mark.parametrize("way", WAYS)
@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        ("dup2", "EBUSY", "[Errno 16] Device or resource busy; its descriptors cannot"),
        ("chdir", "EIO", "[Errno 5] Input/output error; no program can start there: '/'"),
    ],
)
def test_a_step_that_fails(tmp_path: Path, way: str, call: str, error: str, words: str) -> None:
    lines = under_strace(tmp_path / "trace", call, f"error={error}", way)
    assert lines[0].startswith(words)
    assert lines[1:] == ["no child is left"]


@pytest.mark.parametrize("way", WAYS)
def test_a_fork_that_fails(tmp_path: Path, way: str) -> None:
    """For another user it is not vfork: who has other rights shares no memory with us."""
    calls = "/^v?fork|^clone$" if way == "vfork" else "/^fork|^clone$"
    lines = under_strace(tmp_path / "trace", calls, "error=EAGAIN", way)
    assert lines == ["[Errno 11] Resource temporarily unavailable: 'sh'", "no child is left"]
