"""The command line as a user meets it: real processes, real sockets."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import pytest

from reactorlib import __version__
from reactorlib.backends import available

COMMAND = (
    [sys.executable, "-P", "-m", "reactorlib"]
    if sys.version_info >= (3, 11)
    else [
        sys.executable,
        "-m",
        "reactorlib",
    ]
)


def run(*args: str, env: dict[str, str] | None = None, cwd: Path | None = None):
    return subprocess.run(
        [*COMMAND, *args],
        capture_output=True,
        text=True,
        timeout=30,
        env={**os.environ, **(env or {})},
        cwd=cwd,
    )


@contextmanager
def serving(*args: str, **options) -> Iterator[tuple[subprocess.Popen, int, str]]:
    """A running command, its port, and the line it printed."""
    process = subprocess.Popen(
        [*COMMAND, *args], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
    )
    try:
        line = process.stdout.readline()
        match = re.search(r":(\d+) ", line)
        assert match, line + process.stderr.read()
        yield process, int(match[1]), line
    finally:
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=20)


def connect(port: int) -> socket.socket:
    sock = socket.create_connection(("127.0.0.1", port), timeout=20)
    sock.settimeout(20)
    return sock


def read_all(sock: socket.socket) -> bytes:
    data = b""
    while chunk := sock.recv(65536):
        data += chunk
    return data


@pytest.mark.parametrize("backend", available())
@pytest.mark.parametrize("before", [True, False])
def test_echo_on_each_backend(backend, before):
    flags = ["--reactor", backend]
    command = ["echo", "--port", "0", "--host", "127.0.0.1"]
    with serving(*(flags + command if before else command + flags)) as (process, port, line):
        assert line == f"echo on 127.0.0.1:{port} ({backend})\n"
        with connect(port) as sock:
            sock.sendall(b"hello")
            sock.shutdown(socket.SHUT_WR)
            assert read_all(sock) == b"hello"
        process.send_signal(signal.SIGINT)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in errors


def test_sigterm_ends_a_server_cleanly():
    with serving("echo", "--port", "0") as (process, _, _line):
        process.send_signal(signal.SIGTERM)
        _, errors = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Received signal 15" in errors


def test_echo_does_not_read_from_who_does_not_read():
    with serving("echo", "--port", "0") as (_process, port, _line), connect(port) as sock:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, 65536)
        sock.settimeout(0.5)
        sent = 0
        with suppress(TimeoutError):
            while sent < 200_000_000:
                sent += sock.send(b"x" * 65536)
        assert sent < 200_000_000
        sock.settimeout(20)
        sock.shutdown(socket.SHUT_WR)
        assert len(read_all(sock)) == sent


def test_discard():
    with serving("discard", "--port", "0") as (_process, port, _line), connect(port) as sock:
        sock.sendall(b"x" * 100_000)
        sock.shutdown(socket.SHUT_WR)
        assert read_all(sock) == b""


def test_environment_variables_and_their_precedence():
    env = {"REACTORLIB_REACTOR": "select", "REACTORLIB_PORT": "0"}
    with serving("echo", env={**os.environ, **env}) as (_process, _port, line):
        assert "(select)" in line
    with serving("--reactor", "poll", "echo", env={**os.environ, **env}) as (_p, _port, line):
        assert "(poll)" in line


def test_forward_passes_both_directions_and_their_ends():
    payload = os.urandom(3_000_000)
    with (
        serving("echo", "--port", "0") as (_process, target, _line),
        serving("forward", "127.0.0.1:0", f"127.0.0.1:{target}") as (_forward, port, _listening),
        connect(port) as sock,
    ):
        sending = threading.Thread(target=send_all, args=(sock, payload))
        sending.start()
        assert read_all(sock) == payload
        sending.join()


def send_all(sock: socket.socket, data: bytes) -> None:
    sock.sendall(data)
    sock.shutdown(socket.SHUT_WR)


def test_forward_to_nobody_closes():
    with socket.socket() as unused:
        unused.bind(("127.0.0.1", 0))
        target = unused.getsockname()[1]
    with serving("forward", "127.0.0.1:0", f"127.0.0.1:{target}") as (process, port, _line):
        with connect(port) as sock:
            assert read_all(sock) == b""
        assert process.poll() is None


PROGRAM = """
from reactorlib.protocol import Factory, Protocol

class Shout(Protocol):
    def dataReceived(self, data):
        self.transport.write(data.upper())

factory = Factory.forProtocol(Shout)
number = 5

def start(reactor):
    port = reactor.listenTCP(0, factory, interface="127.0.0.1")
    print("mine on 127.0.0.1:%d " % port.getHost().port, flush=True)

class Starter:
    def __call__(self, reactor):
        start(reactor)

starter = Starter()
broken = lambda reactor: 1 / 0
"""


@pytest.fixture
def program(tmp_path: Path) -> Path:
    path = tmp_path / "shout.py"
    path.write_text(PROGRAM)
    return path


@pytest.mark.parametrize("attribute", ["factory", "start", "starter"])
@pytest.mark.parametrize("by_path", [True, False])
def test_run(program, attribute, by_path):
    place = str(program) if by_path else "shout"
    running = serving("run", f"{place}:{attribute}", "--port", "0", cwd=program.parent)
    with running as (_process, port, _line), connect(port) as sock:
        sock.sendall(b"hello")
        assert sock.recv(10) == b"HELLO"


def test_a_flag_is_stronger_than_the_program_s_own_choice(program):
    program.write_text("from reactorlib.backends import poll\npoll.install()\n" + PROGRAM)
    running = serving("--reactor", "select", "run", f"{program}:factory", "--port", "0")
    with running as (_process, _port, line):
        assert "(select)" in line


def test_a_program_s_fault_keeps_its_traceback(program):
    result = run("run", f"{program}:broken")
    assert result.returncode == 1
    assert "ZeroDivisionError" in result.stderr


MISTAKES = [
    (["--reactor", "nope", "echo"], 2, "no reactor named 'nope'. Available: "),
    (["--reactor", "kqueue", "echo"], 2, "has no kqueue. Available: "),
    (["echo", "--port", "70000"], 2, "a port is a number from 0 to 65535, not '70000'"),
    (["echo", "--port", "http"], 2, "a port is a number"),
    (["echo", "--host", "192.0.2.1"], 1, "192.0.2.1"),
    (["echo", "--host", "not an address"], 1, "not an address"),
    (["forward", "0", "::1:80"], 2, "brackets"),
    (["forward", "0"], 2, "TARGET"),
    (["run", "nothing.py:factory"], 1, "there is no file nothing.py"),
    (["run", "no.such.module:factory"], 1, "there is no module no.such.module"),
    (["run", "os:nothing"], 1, "os has no attribute 'nothing'"),
    (["run", "os"], 2, "FILE_OR_MODULE:ATTRIBUTE"),
    (["run", "os:sep"], 1, "neither a factory"),
    (["--max-connections", "0", "echo"], 2, "1 or more"),
    (["--log-file", "/nowhere/at/all", "echo"], 1, "cannot open the log file /nowhere/at/all"),
    (["frobnicate"], 2, "frobnicate"),
    ([], 2, "a command is needed"),
]


@pytest.mark.parametrize(("args", "code", "text"), MISTAKES, ids=[" ".join(m[0]) for m in MISTAKES])
def test_a_mistake_is_told_on_stderr_without_a_traceback(args, code, text, tmp_path):
    if sys.platform != "linux" and "kqueue" in args:
        args = ["--reactor", "epoll", "echo"]
        text = "has no epoll. Available: "
    result = run(*args, cwd=tmp_path)
    assert result.returncode == code
    assert text in result.stderr
    assert "Traceback" not in result.stderr
    assert not result.stdout


@pytest.mark.parametrize(
    ("name", "value", "args", "text"),
    [
        ("REACTORLIB_PORT", "x", ["echo"], "a port is a number"),
        ("REACTORLIB_VERBOSE", "maybe", ["echo"], "it must be one of"),
        ("REACTORLIB_REACTOR", "nope", ["echo"], "no reactor named 'nope'"),
        ("REACTORLIB_MAX_CONNECTIONS", "-1", ["echo"], "1 or more"),
    ],
)
def test_a_wrong_variable_is_named(name, value, args, text):
    result = run(*args, env={name: value})
    assert result.returncode == 2
    assert name in result.stderr or value in result.stderr
    assert text in result.stderr
    assert "Traceback" not in result.stderr


def test_a_port_that_is_taken(tmp_path):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = str(taken.getsockname()[1])
        result = run("echo", "--port", port, "--host", "127.0.0.1")
    assert result.returncode == 1
    assert port in result.stderr
    assert "taken" in result.stderr
    assert "Traceback" not in result.stderr


def test_a_privileged_port():
    """Root may; so root gives the right up first."""
    with open("/proc/sys/net/ipv4/ip_unprivileged_port_start") as setting:
        assert int(setting.read()) > 1, "this machine has no privileged ports"
    drop = ["setpriv", "--bounding-set=-net_bind_service", "--inh-caps=-net_bind_service"]
    command = [*(drop if os.getuid() == 0 else []), *COMMAND, "echo", "--port", "1"]
    result = subprocess.run(command, capture_output=True, text=True, timeout=30)
    assert result.returncode == 1, result.stderr
    assert "privileged" in result.stderr
    assert "Traceback" not in result.stderr


def test_version():
    assert run("--version").stdout == f"reactorlib {__version__}\n"


def test_list_reactors_names_the_default_and_says_why_not():
    lines = run("--list-reactors").stdout.splitlines()
    by_name = {line.split()[0]: line for line in lines}
    assert list(by_name)[:4] == ["epoll", "kqueue", "poll", "select"]
    assert by_name[available()[0]].endswith("available (default)")
    assert "available" in by_name["poll"]
    missing = {"epoll", "kqueue"} - set(available())
    assert all(f"has no {name}" in by_name[name] for name in missing)


def test_max_connections_raises_the_limit_and_turns_the_rest_away():
    command = " ".join([*COMMAND, "--max-connections 300 echo --port 0 --host 127.0.0.1"])
    process = subprocess.Popen(
        ["bash", "-c", f"ulimit -Sn 128; exec {command}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        port = int(re.search(r":(\d+) ", process.stdout.readline())[1])
        held = [connect(port) for _ in range(300)]
        for sock in held:
            sock.sendall(b"x")
            assert sock.recv(1) == b"x"
        with connect(port) as refused:
            assert refused.recv(1) == b""
        held.pop().close()
        # The place is free once the server has read the end of that connection.
        for _ in range(1000):
            with connect(port) as again:
                again.sendall(b"y")
                if again.recv(1) == b"y":
                    break
        else:
            pytest.fail("no place became free")
        for sock in held:
            sock.close()
    finally:
        process.send_signal(signal.SIGINT)
        _, text = process.communicate(timeout=20)
    assert "soft limit raised from 128 to 364" in text
    assert "All 300 connections that this program allows are open" in text
    assert "Traceback" not in text
