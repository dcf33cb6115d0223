"""`reactorlib top` on real servers, in real terminals."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import socket
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from time import monotonic
from typing import Any

import psutil
import pytest

from reactorlib.app.mistakes import UserMistake
from reactorlib.app.status import places
from reactorlib.app.top import remote
from reactorlib.app.top.remote import Ended, Remote, chosen, running
from tests.looking import PATIENCE, Spectator, own_place
from tests.test_cli import COMMAND, run
from tests.test_cli_listen import ask, place_of, serving
from tests.test_workers import some, wait_until

PLACE = ["--listen", "tcp:0:interface=127.0.0.1"]


@pytest.fixture(autouse=True)
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Nobody else's servers are seen."""
    with own_place() as path:
        monkeypatch.setattr(places, "elsewhere", lambda: [path])
        yield path


def top(process: Any, *args: str) -> subprocess.CompletedProcess[str]:
    return run("top", str(process.pid), "--once", "--interval", "0.2", *args)


def ready(process: Any, count: int = 0) -> tuple[str, int]:
    """Where it serves, once it and its workers can be looked at."""
    address = place_of(process)
    wait_until(lambda: process.pid in places.sockets())
    if count:
        wait_until(lambda: len(json.loads(top(process, "--json").stdout)) == count)
    return address


def test_one_process() -> None:
    with serving("echo", *PLACE) as process:
        address = ready(process)
        with socket.create_connection(address, 20) as peer:
            peer.sendall(b"x")
            assert peer.recv(1) == b"x"
            shown = top(process)
            assert shown.returncode == 0
            assert f"echo, process {process.pid}  " in shown.stdout
            assert re.search(rf"\n{process.pid} +1 +0 +0 +0 ", shown.stdout), shown.stdout
            assert f"127.0.0.1:{address[1]}: 0 of " in shown.stdout
            assert "\x1b" not in shown.stdout
            (look,) = json.loads(top(process, "--json").stdout)
            assert (look["process"], look["worker"], look["accepted"]) == (process.pid, None, 1)
        os.kill(process.pid, signal.SIGTERM)
        process.wait(20)
    assert process.pid not in places.sockets(), "its socket stayed"


def test_workers_each_and_in_sum() -> None:
    with serving("echo", *PLACE, "--workers", "2") as process:
        address = ready(process, 2)
        peers = [socket.create_connection(address, 20) for _ in range(20)]
        for peer in peers:
            peer.sendall(b"x")
            assert peer.recv(1) == b"x"
        looks = json.loads(top(process, "--json").stdout)
        assert [look["worker"] for look in looks] == [0, 1]
        assert sum(look["connections"]["open"] for look in looks) == 20
        assert {look["process"] for look in looks} == some(process, 2)
        shown = top(process).stdout
        assert f"echo, process {process.pid} with 2 workers" in shown
        assert re.search(r"\nall +20 +0 +0 +0 .*\n0 .*\n1 ", shown), shown
        worker = looks[0]["process"]
        (alone,) = json.loads(run("top", str(worker), "--once", "--json").stdout)
        assert alone["process"] == worker
        for peer in peers:
            peer.close()


def test_a_worker_that_hangs_holds_up_nobody() -> None:
    with serving("echo", *PLACE, "--workers", "2") as process:
        ready(process, 2)
        victim = min(some(process, 2))
        os.kill(victim, signal.SIGSTOP)
        try:
            begun = monotonic()
            looks = json.loads(top(process, "--json").stdout)
            assert victim not in {look["process"] for look in looks}
            assert len(looks) == 1
            assert monotonic() - begun < 10
        finally:
            os.kill(victim, signal.SIGCONT)
        wait_until(lambda: len(json.loads(top(process, "--json").stdout)) == 2)


def test_a_drain_does_not_wait_for_who_looks_and_is_seen_by_him() -> None:
    with serving("echo", *PLACE, "--workers", "1", "--graceful-timeout", "60") as process:
        address = ready(process, 1)
        peer = socket.create_connection(address, 20)
        peer.sendall(b"x")
        assert peer.recv(1) == b"x"
        (worker,) = some(process, 1)
        with Spectator(worker) as spectator:
            assert not spectator.ask(b"look")[0]["draining"]
            process.send_signal(signal.SIGTERM)
            wait_until(lambda: spectator.ask(b"look")[0]["draining"])
            peer.close()
            process.wait(20)


def test_it_survives_what_kills_it_and_leaves_no_litter_for_the_next() -> None:
    pipes: Any = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE}
    process = subprocess.Popen([*COMMAND, "echo", *PLACE], **pipes, text=True)
    try:
        ready(process)
    finally:
        process.kill()
        process.communicate()
    left = places.sockets()[process.pid]
    assert running() == []
    with serving("echo", *PLACE) as other:
        ready(other)
        assert not os.path.exists(left)


def test_a_planted_directory_costs_a_warning_and_no_server(place: str, tmp_path: Path) -> None:
    os.mkdir(place, 0o777)
    os.chmod(place, 0o777)
    (tmp_path / f"reactorlib-{os.geteuid()}").symlink_to(place)
    with serving("echo", *PLACE, env={**os.environ, "TMPDIR": str(tmp_path)}) as process:
        assert ask(place_of(process)) == b"hello"
        process.terminate()
        assert "cannot look at this process" in process.stderr.read()  # type: ignore[union-attr]
    assert os.listdir(place) == []


def test_without_a_runtime_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    env = {**os.environ, "TMPDIR": str(tmp_path)}
    del env["XDG_RUNTIME_DIR"]
    monkeypatch.setattr(places, "elsewhere", lambda: [str(tmp_path / f"reactorlib-{os.geteuid()}")])
    with serving("echo", *PLACE, env=env) as process:
        place_of(process)
        wait_until(lambda: process.pid in places.sockets())
        shown = run("top", str(process.pid), "--once", "--interval", "0.1", env=env)
        assert shown.returncode == 0, shown.stderr


def test_a_name_stands_for_the_only_one_that_has_it() -> None:
    with serving("echo", *PLACE) as one, serving("discard", *PLACE) as two:
        for each in (one, two):
            ready(each)
        assert chosen("echo").process == one.pid
        assert chosen("discard").process == two.pid
        assert chosen(str(one.pid)).name == "echo"
        with serving("echo", *PLACE, "--workers", "1") as three:
            ready(three, 1)
            for wanted, why in (("echo", "not unique"), (None, "name one"), ("web", "no web")):
                with pytest.raises(UserMistake, match=why) as refusal:
                    chosen(wanted)
                for each in (one, two, three):
                    assert str(each.pid) in str(refusal.value)
                (worker,) = some(three, 1)
                assert str(worker) not in str(refusal.value)
            assert chosen(str(worker)).process == worker
            with pytest.raises(UserMistake, match="no process 1 can be looked at"):
                chosen("1")
    with pytest.raises(UserMistake, match="nothing is running"):
        chosen(None)


def test_the_only_one_needs_no_name() -> None:
    with serving("echo", *PLACE) as process:
        ready(process)
        assert chosen(None).process == process.pid


def test_one_that_does_not_answer_is_told_as_such(monkeypatch: pytest.MonkeyPatch) -> None:
    with serving("echo", *PLACE) as process:
        ready(process)
        os.kill(process.pid, signal.SIGSTOP)
        monkeypatch.setattr(remote, "PATIENCE", 0.2)
        try:
            assert [str(each) for each in running()] == [
                f"process {process.pid}, which does not answer"
            ]
            shown = top(process)
            assert shown.returncode == 1
            assert shown.stdout.strip() == f"process {process.pid} does not answer"
        finally:
            os.kill(process.pid, signal.SIGCONT)


def test_an_answer_that_is_late_is_waited_for() -> None:
    with serving("echo", *PLACE) as process:
        ready(process)
        asked = Remote(places.sockets()[process.pid])
        os.kill(process.pid, signal.SIGSTOP)
        try:
            assert asked.looks(0.05) is None
            assert asked.looks(0.05) is None
        finally:
            os.kill(process.pid, signal.SIGCONT)
        for _ in range(2):
            looks = asked.looks(PATIENCE)
            assert looks is not None
            assert looks[0].process == process.pid
        process.terminate()
        process.wait(20)
        with pytest.raises(Ended):
            asked.looks(PATIENCE)
        with pytest.raises(Ended):
            asked.looks(PATIENCE)
        asked.close()


def test_a_mistake_is_one_line() -> None:
    refused = run("top", "no-such-server")
    assert refused.returncode == 1
    assert refused.stderr.startswith("reactorlib: no")
    assert refused.stderr.count("\n") == 1
    assert run("top", "--interval", "0").returncode == 2


# In a terminal


class Screen:
    """A pseudo-terminal in which `top` runs."""

    def __init__(self, process: Any, *args: str, rows: int = 24, columns: int = 80) -> None:
        self.ours, theirs = pty.openpty()
        termios.tcsetwinsize(theirs, (rows, columns)) if hasattr(termios, "tcsetwinsize") else None
        self.before = termios.tcgetattr(theirs)
        self.theirs = theirs
        self.process = subprocess.Popen(
            [*COMMAND, "top", str(process.pid), "--interval", "0.2", *args],
            stdin=theirs,
            stdout=theirs,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.text = ""

    def read_until(self, wanted: str) -> str:
        end = monotonic() + PATIENCE
        while wanted not in self.text:
            assert monotonic() < end, self.text
            if select.select([self.ours], [], [], 0.1)[0]:
                self.text += os.read(self.ours, 65_536).decode()
        return self.text

    def ended(self) -> tuple[int, str, str]:
        """Its exit code, all that it wrote, and its last words."""
        assert self.process.stderr is not None
        while self.process.poll() is None or select.select([self.ours], [], [], 0)[0]:
            if select.select([self.ours], [], [], 0.1)[0]:
                self.text += os.read(self.ours, 65_536).decode()
        return self.process.returncode, self.text, self.process.stderr.read().decode()


@contextmanager
def on_screen(process: Any, *args: str) -> Iterator[Screen]:
    screen = Screen(process, *args)
    try:
        yield screen
        assert termios.tcgetattr(screen.theirs) == screen.before, "the terminal is another"
    finally:
        screen.process.kill()
        screen.process.communicate()
        os.close(screen.ours)
        os.close(screen.theirs)


BEGIN, END = "\x1b[?1049h", "\x1b[?1049l"


@pytest.mark.parametrize("how", ["q", "Q", "interrupt", "terminate"])
def test_it_refreshes_until_it_is_ended_and_restores_the_terminal(how: str) -> None:
    with serving("echo", *PLACE) as process:
        ready(process)
        with on_screen(process) as screen:
            screen.read_until("accept queue")
            assert screen.text.startswith(BEGIN)
            screen.text = ""
            screen.read_until("accept queue")
            os.write(screen.ours, b"x")
            if how == "interrupt":
                screen.process.send_signal(signal.SIGINT)
            elif how == "terminate":
                screen.process.terminate()
            else:
                os.write(screen.ours, how.encode())
            code, text, errors = screen.ended()
            assert code == (128 + signal.SIGTERM if how == "terminate" else 0)
            assert text.rstrip().endswith(END)
            assert errors == ""


def test_the_end_of_the_server_is_told() -> None:
    with serving("echo", *PLACE) as process:
        ready(process)
        with on_screen(process) as screen:
            screen.read_until("accept queue")
            process.terminate()
            code, text, errors = screen.ended()
            assert code == 0
            assert text.rstrip().endswith(END)
            assert errors == f"reactorlib: echo, process {process.pid} has ended\n"


def test_who_reads_no_more_ends_it() -> None:
    with serving("echo", *PLACE) as process:
        ready(process)
        command = [*COMMAND, "top", str(process.pid), "--interval", "0.1"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as reader:
            assert reader.stdout is not None
            assert reader.stderr is not None
            reader.stdout.readline()
            reader.stdout.close()
            assert reader.stderr.read() == b""
            assert reader.wait(20) == 0


def test_while_nobody_looks_it_rests() -> None:
    """An idle server makes no turns, neither before somebody has looked nor afterwards."""
    with serving("echo", *PLACE) as process:
        ready(process)
        assert top(process).returncode == 0
        told = psutil.Process(process.pid)

        def rests() -> bool:
            before = told.num_ctx_switches().voluntary
            time.sleep(0.3)
            return bool(told.num_ctx_switches().voluntary == before)

        wait_until(rests)
