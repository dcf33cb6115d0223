"""Workers of a program of one's own, as real processes, forked and spawned."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import psutil
import pytest

from reactorlib.app.workers import serve
from reactorlib.error import CannotListenError
from tests.test_cli_listen import ask
from tests.working import PATIENCE, connections_of, serving_workers, some, wait_until

METHODS = ["fork", "spawn"]

TOP = """
import logging, os, sys
from functools import partial
from reactorlib import reactor
from reactorlib.app.workers import serve
from reactorlib.defer import Deferred
from reactorlib.protocol import Factory, Protocol
from reactorlib.task import deferLater

logging.basicConfig(level="INFO", format="%(message)s", stream=sys.stdout)
"""

ECHO = """
class Echo(Protocol):
    def dataReceived(self, data):
        reactor.callLater(0, self.transport.write, data)  # the process's reactor is this one's

def start(given):
    assert given is reactor
    return Factory.forProtocol(Echo)
"""

END = """
if __name__ == "__main__":
    serve(
        start,
        listen=[sys.argv[3] if len(sys.argv) > 3 else "tcp:0:interface=127.0.0.1"],
        workers=int(sys.argv[2]),
        method=sys.argv[1],
        gracefulTimeout=15,
    )
    print("served", flush=True)
"""


@contextmanager
def running(
    folder: Path, middle: str, *arguments: str, top: str = TOP, **options: Any
) -> Iterator[subprocess.Popen[str]]:
    """A program that serves, as a user starts it; it and its workers end with this."""
    (folder / "program.py").write_text(top + middle + END)
    process = subprocess.Popen(
        [sys.executable, "program.py", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        **options,
    )
    too_late = threading.Timer(2 * PATIENCE, process.kill)  # what reads from it is told then
    too_late.start()
    try:
        yield process
    finally:
        too_late.cancel()
        process.kill()
        process.communicate()


def told(process: subprocess.Popen[str], pattern: str) -> re.Match[str]:
    """The first line that it prints with that in it."""
    assert process.stdout is not None
    lines = []
    for line in process.stdout:
        lines.append(line)
        if found := re.search(pattern, line):
            return found
    assert process.stderr is not None
    raise AssertionError("".join(lines) + process.stderr.read())


def place(process: subprocess.Popen[str]) -> tuple[str, int]:
    return "127.0.0.1", int(told(process, r"workers serve .*port=(\d+)")[1])


def ended_well(process: subprocess.Popen[str]) -> str:
    """What it printed from here on."""
    printed, errors = process.communicate(timeout=PATIENCE)
    assert process.returncode == 0, errors
    assert "Traceback" not in errors
    assert "served" in printed.splitlines()
    return printed


@pytest.mark.parametrize("method", METHODS)
def test_they_answer_are_replaced_and_end(tmp_path: Path, method: str) -> None:
    with running(tmp_path, ECHO, method, "2") as process:
        address = place(process)
        before = serving_workers(process, address, 2)
        os.kill(min(before), signal.SIGKILL)
        some(process, 2, but={min(before)})
        serving_workers(process, address, 2)
        for _ in range(10):
            assert ask(address) == b"hello"
        process.terminate()
        ended_well(process)


@pytest.mark.parametrize("method", METHODS)
def test_hup_replaces_all_and_only_spawn_loads_anew(tmp_path: Path, method: str) -> None:
    with running(tmp_path, ECHO, method, "2") as process:
        address = place(process)
        before = serving_workers(process, address, 2)
        program = tmp_path / "program.py"
        program.write_text(program.read_text().replace(".write, data", ".write, data.upper()"))
        with socket.create_connection(address, PATIENCE) as peer:
            peer.sendall(b"a")
            assert peer.recv(1) == b"a"
            process.send_signal(signal.SIGHUP)
            wait_until(lambda: len(set(children(process)) - before) == 2)
            peer.sendall(b"b")
            assert peer.recv(1) == b"b"
        some(process, 2, but=before)
        assert ask(address) == (b"hello" if method == "fork" else b"HELLO")
        process.terminate()
        ended_well(process)


def children(process: Any) -> list[int]:
    return [child.pid for child in psutil.Process(process.pid).children()]


HANGING = "import time\ndef start(reactor):\n    print('hangs', flush=True)\n    time.sleep(1000)\n"


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("middle", [ECHO, HANGING], ids=["serving", "hanging"])
def test_none_outlives_a_supervisor_that_is_killed(
    tmp_path: Path, method: str, middle: str
) -> None:
    with running(tmp_path, middle, method, "2") as process:
        if middle is HANGING:
            told(process, "^hangs$")
            told(process, "^hangs$")
        else:
            address = place(process)
            first = serving_workers(process, address, 2)
            os.kill(min(first), signal.SIGKILL)  # the last one was forked while others were there
            some(process, 2, but={min(first)})
            serving_workers(process, address, 2)
        workers = [psutil.Process(pid) for pid in some(process, 2)]
        process.kill()
        _, alive = psutil.wait_procs(workers, PATIENCE)
        assert alive == []


SLOW = """
from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.protocols.http.request import Request

class Slow(Request):
    async def process(self):
        print("asked", flush=True)
        await deferLater(reactor, 0.5)
        self.write(b"at last")
        self.finish()

async def start(given):
    await deferLater(given, 0)
    return HTTPFactory(Slow)
"""


@pytest.mark.parametrize("method", METHODS)
def test_the_end_waits_for_what_has_begun(tmp_path: Path, method: str) -> None:
    """And the beginning, for what `start` has to wait for."""
    with running(tmp_path, SLOW, method, "2") as process:
        address = place(process)
        with socket.create_connection(address, PATIENCE) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            told(process, "^asked$")
            process.terminate()
            answer = b""
            while piece := peer.recv(1000):
                answer += piece
        assert answer.startswith(b"HTTP/1.1 200 OK\r\n")
        assert b"at last" in answer
        ended_well(process)


STUBBORN = """
import reactorlib.base
reactorlib.base.FAREWELL = 1000.0  # seconds; without a second interrupt, it would be waited for

class Stubborn(Factory):
    def allConnectionsClosed(self):
        print("leaving", flush=True)
        return Deferred()

def start(given):
    return Stubborn()
"""


@pytest.mark.parametrize("method", METHODS)
def test_a_second_interrupt_ends_at_once(tmp_path: Path, method: str) -> None:
    with running(tmp_path, STUBBORN, method, "1") as process:
        place(process)
        workers = [psutil.Process(pid) for pid in some(process, 1)]
        process.send_signal(signal.SIGINT)
        told(process, "^leaving$")
        process.send_signal(signal.SIGINT)
        process.wait(PATIENCE)
        _, alive = psutil.wait_procs(workers, PATIENCE)
        assert alive == []


@pytest.mark.parametrize("method", METHODS)
def test_only_its_own_is_left_open_in_a_worker(tmp_path: Path, method: str) -> None:
    """However many came before it, and however many there are beside it."""
    with running(tmp_path, ECHO, method, "3") as process:
        address = place(process)
        before = serving_workers(process, address, 3)
        held = wait_until(lambda: the_same(descriptors, before))
        own = psutil.Process(process.pid).num_fds()
        process.send_signal(signal.SIGHUP)
        after = some(process, 3, but=before)
        serving_workers(process, address, 3)
        wait_until(lambda: the_same(descriptors, after) == held)
        assert psutil.Process(process.pid).num_fds() == own


def the_same(count: Callable[[int], int], pids: set[int]) -> int:
    """The number of each of them, or 0 if they are not the same."""
    numbers = {count(pid) for pid in pids}
    return numbers.pop() if len(numbers) == 1 else 0


def descriptors(pid: int) -> int:
    """How many it has open once it has noticed that nobody is connected."""
    wait_until(lambda: not any(each.raddr for each in connections_of(pid)))
    return psutil.Process(pid).num_fds()


@pytest.mark.parametrize("method", METHODS)
def test_a_unix_socket_and_an_inherited_descriptor(tmp_path: Path, method: str) -> None:
    path = tmp_path / "socket"
    with running(tmp_path, ECHO, method, "2", f"unix:{path}") as process:
        told(process, "workers serve")
        assert ask(str(path), family=socket.AF_UNIX) == b"hello"
        process.terminate()
        ended_well(process)
    assert not path.exists()
    with socket.create_server(("127.0.0.1", 0)) as sock:
        number = sock.fileno()
        with running(tmp_path, ECHO, method, "2", f"fd:{number}", pass_fds=[number]) as process:
            told(process, "workers serve")
            before = serving_workers(process, sock.getsockname(), 2)
            process.send_signal(signal.SIGHUP)
            some(process, 2, but=before)
            assert ask(sock.getsockname()) == b"hello"
            process.terminate()
            ended_well(process)


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("installed", ["top", "main"])
def test_they_have_the_backend_that_was_installed(
    tmp_path: Path, method: str, installed: str
) -> None:
    install = "from reactorlib.backends import poll\npoll.install()\n"
    start = "def start(given):\n    print('on', given.name, flush=True)\n    return Factory()\n"
    top = TOP.replace("from reactorlib import reactor\n", "")
    if installed == "top":
        top = install + top
    else:
        start += f"if __name__ == '__main__':\n    exec({install!r})\n"
    with running(tmp_path, start, method, "1", top=top) as process:
        told(process, "^on poll$")
        process.terminate()
        ended_well(process)


ENDS = {
    "def start(given):\n    raise ZeroDivisionError\n": "ZeroDivisionError",
    "async def start(given):\n    raise ZeroDivisionError\n": "ZeroDivisionError",
    "def start(given):\n    pass\n": "has to give a factory, not None",
    "def start(given):\n    sys.exit('no database')\n": "no database",
    "def start(given):\n    os._exit(3)\n": "exit code 3",
}


@pytest.mark.parametrize("method", METHODS)
@pytest.mark.parametrize("middle", ENDS)
def test_what_is_wrong_with_the_first_ends_all(tmp_path: Path, method: str, middle: str) -> None:
    with running(tmp_path, middle, method, "1") as process:
        printed, errors = process.communicate(timeout=PATIENCE)
        assert process.returncode == 1
        assert ENDS[middle] in printed + errors
        assert errors.strip().endswith("RuntimeError: no worker could begin: the log tells why")
        mine = 1 if "exit" in middle else 2
        assert (printed + errors).count("Traceback") == mine


def test_a_program_without_a_guard_is_told_of_it(tmp_path: Path) -> None:
    program = tmp_path / "program.py"
    call = "serve(start, listen=['tcp:0:interface=127.0.0.1'], workers=1)\n"
    program.write_text(TOP + ECHO + call)
    done = subprocess.run(
        [sys.executable, "program.py"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=PATIENCE,
    )
    assert done.returncode == 1
    assert "if __name__ == '__main__':" in done.stderr


def test_a_partial_of_much_data_is_spawned(tmp_path: Path) -> None:
    middle = """
def begin(text, given):
    print("given", len(text), flush=True)
    return Factory()

start = partial(begin, "x" * 1_000_000)
"""
    with running(tmp_path, middle, "spawn", "1") as process:
        told(process, "^given 1000000$")
        process.terminate()
        ended_well(process)


def nothing(given: Any) -> Any:
    raise AssertionError("no worker is to begin")


PLACE = "tcp:0:interface=127.0.0.1"


def test_arguments_that_make_no_sense() -> None:
    before = psutil.Process().num_fds()
    wrong: dict[str, dict[str, Any]] = {
        "'fork' or 'spawn'": {"listen": [PLACE], "workers": 1, "method": "thread"},
        "1 or more": {"listen": [PLACE], "workers": 0},
        "is not an endpoint": {"listen": ["carrier-pigeon"], "workers": 1},
        "no socket to share at 'stdio'": {"listen": [PLACE, "stdio"], "workers": 1},
    }
    for message, arguments in wrong.items():
        with pytest.raises(ValueError, match=message):
            serve(nothing, **arguments)
    with pytest.raises(ValueError, match="at the top of a module"):
        serve(lambda given: None, listen=[PLACE], workers=1)
    with socket.create_server(("127.0.0.1", 0)) as taken:
        number = taken.getsockname()[1]
        for method in METHODS:
            with pytest.raises(CannotListenError):
                serve(nothing, listen=[f"tcp:{number}"], workers=1, method=method)
    assert psutil.Process().num_fds() == before


def test_a_function_that_is_in_no_file() -> None:
    program = (
        "from reactorlib.app.workers import serve\n"
        "def start(reactor): pass\n"
        f"serve(start, listen=['{PLACE}'], workers=1)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, timeout=PATIENCE
    )
    assert "is in no file that another interpreter can import" in done.stderr
