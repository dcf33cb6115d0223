"""Workers whose program hangs, and whose supervisor has gone: none is left."""

from __future__ import annotations

import signal
import socket
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from reactorlib.app.workers import worker
from tests.test_cli import COMMAND
from tests.test_cli_listen import place_of
from tests.test_workers_serve import METHODS, place, running
from tests.test_workers_serve import told as line_with
from tests.working import PATIENCE, refuses, some

PLACE = ["--listen", "tcp:0:interface=127.0.0.1"]
HANGS = """
import time
from reactorlib.app.workers import worker
from reactorlib.protocol import Factory, Protocol

worker.TO_BE_KILLED = 0.2 - {grace}

class Hangs(Protocol):
    def dataReceived(self, data):
        print("hangs", flush=True)
        time.sleep(1000)

factory = Factory.forProtocol(Hangs)

def start(given):
    return factory
"""


@contextmanager
def command(program: Path) -> Iterator[subprocess.Popen[str]]:
    program.write_text(HANGS.format(grace=0.1))
    flags = ("--workers", "1", "--graceful-timeout", "0.1")
    with subprocess.Popen(
        [*COMMAND, "run", f"{program}:factory", *PLACE, *flags],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def ends_with_supervisor(process: subprocess.Popen[str], address: Any) -> None:
    (hung,) = [psutil.Process(pid) for pid in some(process, 1)]
    try:
        with socket.create_connection(address, PATIENCE) as peer:
            peer.sendall(b"x")
            line_with(process, "^hangs$")
            process.kill()
            hung.wait(PATIENCE)
        assert refuses(address)
    finally:
        if hung.is_running():
            hung.kill()


def test_one_that_hangs_is_killed_once_its_supervisor_has_gone(tmp_path: Path) -> None:
    with command(tmp_path / "program.py") as process:
        ends_with_supervisor(process, place_of(process))


@pytest.mark.parametrize("method", METHODS)
def test_so_is_a_program_s_own(tmp_path: Path, method: str) -> None:
    with running(tmp_path, HANGS.format(grace=15), method, "1") as process:
        ends_with_supervisor(process, place(process))


def watch(descriptor: int, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The signals that the process sends itself."""
    sent: list[int] = []
    monkeypatch.setattr("os.kill", lambda pid, number: sent.append(number))
    thread = threading.Thread(target=worker._watch, args=(descriptor, 0.0))
    thread.start()
    thread.join(PATIENCE)
    return sent


def test_a_line_that_the_program_has_closed_ends_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    ours, workers = socket.socketpair()
    with ours, workers:
        ours.close()
        assert watch(workers.fileno(), monkeypatch) == [signal.SIGKILL]
        number = workers.fileno()
        workers.close()
        assert watch(number, monkeypatch) == []


def test_it_serves_without_a_thread_too(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def start(self: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    worker._kill_if_left_alone(0, 1.0)
    assert "may outlive its supervisor: can't start new thread" in caplog.text
