"""Workers, as real processes: what a supervisor promises, and what it survives."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import psutil
import pytest

from tests.test_cli import COMMAND, read_all, run
from tests.test_cli_listen import ask, line_of, place_of, serving
from tests.working import (
    PATIENCE,
    refuses,
    serving_workers,
    some,
    wait_until,
    was_lost,
    workers_of,
)

PLACE = ["--listen", "tcp:0:interface=127.0.0.1"]


def test_several_processes_answer_on_one_port() -> None:
    with serving("echo", *PLACE, "--workers", "3") as process:
        address = place_of(process)
        some(process, 3)
        for _ in range(20):
            assert ask(address) == b"hello"


def test_one_that_is_killed_is_replaced_and_costs_its_own_connections_only() -> None:
    with serving("echo", *PLACE, "--workers", "2") as process:
        address = place_of(process)
        before = some(process, 2)
        peers = [socket.create_connection(address, PATIENCE) for _ in range(20)]
        for peer in peers:
            peer.sendall(b"x")
            assert peer.recv(1) == b"x"
        victim = min(before)
        served = {
            connection.raddr.port
            for connection in psutil.Process(victim).net_connections("tcp")
            if connection.raddr
        }
        os.kill(victim, signal.SIGKILL)
        some(process, 2, but={victim})
        for peer in peers:
            alive = peer.getsockname()[1] not in served
            if alive:
                peer.sendall(b"y")
                assert peer.recv(1) == b"y"
            else:
                assert was_lost(peer)
            peer.close()
        assert ask(address) == b"hello"


def test_workers_do_not_outlive_a_supervisor_that_is_killed() -> None:
    process = subprocess.Popen(
        [*COMMAND, "echo", *PLACE, "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        address = place_of(process)
        assert ask(address) == b"hello"
        workers = [psutil.Process(pid) for pid in some(process, 2)]
        process.kill()
        _, alive = psutil.wait_procs(workers, PATIENCE)
        assert alive == []
    finally:
        process.kill()
        process.communicate()


def test_hup_replaces_them_and_refuses_nobody() -> None:
    with serving("echo", *PLACE, "--workers", "2") as process:
        address = place_of(process)
        before = some(process, 2)
        answers: list[bytes] = []
        enough = threading.Event()

        def load() -> None:
            while not enough.is_set():
                answers.append(ask(address))

        thread = threading.Thread(target=load)
        thread.start()
        try:
            process.send_signal(signal.SIGHUP)
            some(process, 2, but=before)
        finally:
            enough.set()
            thread.join()
        assert set(answers) == {b"hello"}
        assert ask(address) == b"hello"


def test_what_is_wrong_with_the_first_is_told_once_and_ends_all(tmp_path: Path) -> None:
    program = tmp_path / "broken.py"
    program.write_text("raise RuntimeError('not today')\n")
    done = run("run", f"{program}:factory", *PLACE, "--workers", "2")
    assert done.returncode == 1
    assert "no worker could begin" in done.stderr
    assert "not today" in done.stderr


def test_a_port_that_is_taken() -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        place = f"tcp:{taken.getsockname()[1]}:interface=127.0.0.1"
        done = run("echo", "--listen", place, "--workers", "2")
    assert done.returncode == 1
    assert "Traceback" not in done.stderr
    assert "in use" in done.stderr


def test_a_unix_socket_is_shared_and_removed(tmp_path: Path) -> None:
    path = tmp_path / "socket"
    with serving("echo", "--listen", f"unix:{path}", "--workers", "2") as process:
        assert line_of(process).startswith(f"echo on unix:{path}")
        before = some(process, 2)
        os.kill(min(before), signal.SIGTERM)
        some(process, 2, but={min(before)})
        assert ask(str(path), family=socket.AF_UNIX) == b"hello"
    assert not path.exists()


def test_an_inherited_descriptor_is_handed_on() -> None:
    with socket.create_server(("127.0.0.1", 0)) as sock:
        number = sock.fileno()
        with serving(
            "echo", "--listen", f"fd:{number}", "--workers", "2", pass_fds=[number]
        ) as process:
            assert place_of(process) == sock.getsockname()
            assert ask(sock.getsockname()) == b"hello"


HURRIED = """
import reactorlib.base
from reactorlib.app.main import main
reactorlib.base.FAREWELL = 1000.0  # seconds; without a second interrupt, it would be waited for
main()
"""


def test_a_second_interrupt_ends_at_once(tmp_path: Path) -> None:
    program = tmp_path / "stubborn.py"
    program.write_text(
        "from reactorlib.defer import Deferred\n"
        "from reactorlib.protocol import Factory\n"
        "from reactorlib.protocols.wire import Echo\n"
        "class Stubborn(Factory):\n"
        "    protocol = Echo\n"
        "    def allConnectionsClosed(self):\n"
        "        print('leaving', flush=True)\n"
        "        return Deferred()\n"
        "factory = Stubborn()\n"
    )
    process = subprocess.Popen(
        [sys.executable, "-c", HURRIED, "run", f"{program}:factory", *PLACE, "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    address = place_of(process)
    assert ask(address) == b"hello"
    workers = [psutil.Process(pid) for pid in some(process, 1)]
    process.send_signal(signal.SIGINT)
    assert line_of(process) == "leaving\n"
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=PATIENCE)
    _, alive = psutil.wait_procs(workers, PATIENCE)
    assert alive == []


def test_the_end_waits_for_what_has_begun_and_no_longer(tmp_path: Path) -> None:
    process = subprocess.Popen(
        [
            *(*COMMAND, "run", f"{slow_page(tmp_path)}:factory", *PLACE),
            *("--workers", "2", "--graceful-timeout", "15"),
        ],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    address = place_of(process)
    with socket.create_connection(address, PATIENCE) as peer:
        peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
        assert line_of(process) == "asked\n"
        process.send_signal(signal.SIGTERM)
        said = read_all(peer)
    assert said.startswith(b"HTTP/1.1 200 OK\r\n")
    assert b"Connection: close\r\n" in said
    assert b"at last" in said
    process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def slow_page(folder: Path) -> Path:
    program = folder / "slow.py"
    program.write_text(
        "from reactorlib.protocols.http.factory import HTTPFactory\n"
        "from reactorlib.protocols.http.request import Request\n"
        "from reactorlib.task import deferLater\n"
        "class Slow(Request):\n"
        "    async def process(self):\n"
        "        print('asked', flush=True)\n"
        "        await deferLater(self.chanRequest.reactor, 0.5)\n"
        "        self.write(b'at last')\n"
        "        self.finish()\n"
        "factory = HTTPFactory(Slow)\n"
    )
    return program


ECHO = (
    "from reactorlib.protocol import Factory\n"
    "from reactorlib.protocols.wire import Echo\n"
    "factory = Factory.forProtocol(Echo)\n"
)
BROKEN = "raise RuntimeError('not today')\n"
HANGING = "import time\nprint('hangs', flush=True)\ntime.sleep(1000)\n"


def test_a_new_one_that_cannot_begin_leaves_the_old_ones_alone(tmp_path: Path) -> None:
    program, log = tmp_path / "program.py", tmp_path / "log"
    program.write_text(ECHO)
    command = ["--log-file", str(log), "run", f"{program}:factory", *PLACE, "--workers", "2"]
    with subprocess.Popen(
        [*COMMAND, *command], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        try:
            address = place_of(process)
            before = serving_workers(process, address, 2)
            program.write_text(BROKEN)
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: "could not be replaced" in log.read_text())
            assert workers_of(process) == before
            assert ask(address) == b"hello"
            program.write_text(ECHO)
            process.send_signal(signal.SIGHUP)
            some(process, 2, but=before)
            assert log.read_text().count("could not be replaced") == 1
        finally:
            process.terminate()
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def test_a_second_hup_replaces_one_that_hangs(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(ECHO)
    with serving("run", f"{program}:factory", *PLACE, "--workers", "2") as process:
        address = place_of(process)
        before = serving_workers(process, address, 2)
        program.write_text(HANGING)
        process.send_signal(signal.SIGHUP)
        assert line_of(process) == "hangs\n"
        assert ask(address) == b"hello"
        program.write_text(ECHO)
        process.send_signal(signal.SIGHUP)
        some(process, 2, but=before)
        assert ask(address) == b"hello"


def test_one_that_hangs_at_its_start_does_not_outlive_its_supervisor(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    program.write_text(HANGING)
    process = subprocess.Popen(
        [*COMMAND, "run", f"{program}:factory", *PLACE, "--workers", "1"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert line_of(process) == "hangs\n"  # and no place, for none is served
    workers = [psutil.Process(pid) for pid in some(process, 1)]
    process.kill()
    _, alive = psutil.wait_procs(workers, PATIENCE)
    for each in alive:
        each.kill()
    process.communicate()
    assert alive == []


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_to_all_processes_at_once_cuts_nobody(number: int) -> None:
    """As a terminal does at Ctrl-C, and systemd at the end of a service."""
    with subprocess.Popen(
        [*COMMAND, "echo", *PLACE, "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as process:
        address = place_of(process)
        serving_workers(process, address, 2)
        with socket.create_connection(address, PATIENCE) as peer:
            for sent in (b"1", b"2", b"3"):
                peer.sendall(sent)
                assert peer.recv(1) == sent
                if sent == b"1":
                    os.killpg(process.pid, number)
                    wait_until(lambda: refuses(address))
        process.communicate(timeout=PATIENCE)
    assert process.returncode == 0


def test_a_hangup_of_all_processes_replaces_workers_and_cuts_nobody() -> None:
    with serving("echo", *PLACE, "--workers", "2", start_new_session=True) as process:
        address = place_of(process)
        before = serving_workers(process, address, 2)
        with socket.create_connection(address, PATIENCE) as peer:
            peer.sendall(b"x")
            assert peer.recv(1) == b"x"
            os.killpg(process.pid, signal.SIGHUP)
            wait_until(lambda: len(workers_of(process) - before) == 2)
            peer.sendall(b"y")
            assert peer.recv(1) == b"y"


def test_descriptors_run_out_in_the_supervisor() -> None:
    with serving("echo", *PLACE, "--workers", "2", start_new_session=True) as process:
        address = place_of(process)
        before = serving_workers(process, address, 2)
        supervisor = psutil.Process(process.pid)
        limits = supervisor.rlimit(psutil.RLIMIT_NOFILE)
        supervisor.rlimit(psutil.RLIMIT_NOFILE, (4, limits[1]))
        os.kill(min(before), signal.SIGKILL)
        threading.Event().wait(0.5)
        assert workers_of(process) == {max(before)}
        supervisor.rlimit(psutil.RLIMIT_NOFILE, limits)
        some(process, 2)


def test_several_ports_that_the_system_chooses() -> None:
    with serving("echo", *PLACE, *PLACE, "--workers", "2") as process:
        for address in (place_of(process), place_of(process)):
            assert ask(address) == b"hello"


def test_what_workers_cannot_share(tmp_path: Path) -> None:
    done = run("echo", "--listen", "stdio", "--workers", "2")
    assert done.returncode == 2
    assert "no socket to share at stdio" in done.stderr
    program = tmp_path / "function.py"
    program.write_text("def start(reactor):\n    pass\n")
    done = run("run", f"{program}:start", "--port", "0", "--workers", "2")
    assert done.returncode == 2
    assert "--workers is for a factory" in done.stderr


def test_replaced_workers_leave_no_descriptor_behind() -> None:
    with serving("echo", *PLACE, "--workers", "1") as process:
        address = place_of(process)
        before = serving_workers(process, address, 1)
        held = psutil.Process(process.pid).num_fds()
        for _ in range(3):
            process.send_signal(signal.SIGHUP)
            before = some(process, 1, but=before)
        assert psutil.Process(process.pid).num_fds() == held


@pytest.mark.parametrize(
    ("command", "begun", "waits"), [("echo", b"x", True), ("web", b"GET / HTTP/1.1\r\n", False)]
)
def test_what_is_not_finished_after_the_grace_is_cut(
    command: str, begun: bytes, waits: bool
) -> None:
    """Half of a head is not waited for."""
    with subprocess.Popen(
        [*COMMAND, command, *PLACE, "--workers", "1", "--graceful-timeout", "0.5"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as process:
        address = place_of(process)
        serving_workers(process, address, 1, begun)
        with socket.create_connection(address, PATIENCE) as peer:
            peer.sendall(begun)
            threading.Event().wait(0.2)
            process.send_signal(signal.SIGTERM)
            _, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0
    assert errors.count("After 0.5 s some connections are not finished: they are cut") == waits
    assert "Traceback" not in errors
    assert "killed" not in errors
