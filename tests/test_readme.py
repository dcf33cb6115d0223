"""Every command and every program in README.md does what it says there.

The commands are taken from the text; a new one fails until a test here runs it.
Ports are changed to free ones, and `nc` is played by a socket.
"""

from __future__ import annotations

import re
import signal
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.request import urlopen

import pytest

from tests.checkout import ROOT, run

TEXT = (ROOT / "README.md").read_text()
BLOCKS = re.findall(r"^```(\w+)\n(.*?)^```$", TEXT, re.MULTILINE | re.DOTALL)
PROGRAMS = [block for kind, block in BLOCKS if kind == "python"]
COMMANDS = [line[2:] for kind, block in BLOCKS for line in block.splitlines() if line[:2] == "$ "]
BIN = Path(sys.executable).parent


@contextmanager
def running(
    command: list[str | Path], port_in: str, cwd: Path, env: dict[str, str] | None = None
) -> Iterator[tuple[int, str]]:
    """A server, the port that it prints in that pattern, and all of that line."""
    with subprocess.Popen(command, cwd=cwd, env=env, stdout=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout
            line = process.stdout.readline()
            match = re.search(port_in, line)
            assert match, line
            yield int(match[1]), line
            process.send_signal(signal.SIGINT)
            assert process.wait(20) == 0
        finally:
            process.kill()


@pytest.fixture
def shout(tmp_path: Path) -> Path:
    """shout.py as in README.md, but on a free port, which it prints."""
    (program,) = (block for block in PROGRAMS if "class Shout" in block)
    changes = {
        "\nreactor.listenTCP(8000, ": "\nport = reactor.listenTCP(0, ",
        "\nreactor.run()": "\nprint(port.getHost().port, reactor.name, flush=True)\nreactor.run()",
    }
    for before, after in changes.items():
        assert before in program
        program = program.replace(before, after)
    script = tmp_path / "shout.py"
    script.write_text(program)
    return script


def test_the_program_is_ten_lines_and_answers_as_shown(shout: Path) -> None:
    assert len([line for line in shout.read_text().splitlines() if line]) <= 11
    typed, answered = "hello\n", "HELLO\n"
    assert ("console", f"$ nc 127.0.0.1 8000\n{typed}{answered}") in BLOCKS
    assert "python shout.py" in COMMANDS
    with running([sys.executable, shout], r"^(\d+) ", shout.parent) as (port, _):
        assert asked(port, typed) == answered


def asked(port: int, text: str) -> str:
    """What comes back for a text, if it is as long."""
    with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
        peer.sendall(text.encode())
        return peer.recv(len(text), socket.MSG_WAITALL).decode()


def test_a_backend_is_chosen_by_the_environment(
    shout: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "REACTORLIB_REACTOR=poll python shout.py" in COMMANDS
    monkeypatch.setenv("REACTORLIB_REACTOR", "poll")
    with running([sys.executable, shout], r"^(\d+) poll\n$", shout.parent) as (port, _):
        assert asked(port, "a") == "A"


def test_a_backend_is_chosen_by_a_flag(tmp_path: Path) -> None:
    command = "reactorlib --reactor poll echo --port 8080"
    assert command in COMMANDS
    words = command.replace("8080", "0").split()
    with running([BIN / words[0], *words[1:]], r":(\d+) \(poll\)\n$", tmp_path) as (port, _):
        assert asked(port, "a") == "a"


def test_a_backend_is_chosen_by_code(tmp_path: Path) -> None:
    (program,) = (block for block in PROGRAMS if "install()" in block)
    program += "print(reactor.name)\n"
    assert run(sys.executable, "-c", program, cwd=tmp_path).stdout == "poll\n"


def test_the_backends_are_listed(tmp_path: Path) -> None:
    assert "reactorlib --list-reactors" in COMMANDS
    told = run(BIN / "reactorlib", "--list-reactors", cwd=tmp_path).stdout
    assert re.search(r"^poll +available", told, re.MULTILINE)


def test_the_web_server_greets_by_name(tmp_path: Path) -> None:
    (program,) = (block for block in PROGRAMS if "class Hello" in block)
    changes = {
        "\nreactor.listenTCP(8080, ": "\nport = reactor.listenTCP(0, ",
        "\nreactor.run()": "\nprint(port.getHost().port, flush=True)\nreactor.run()",
    }
    for before, after in changes.items():
        assert before in program
        program = program.replace(before, after)
    with running([sys.executable, "-c", program], r"^(\d+)$", tmp_path) as (port, _):
        for query, name in (("", b"World"), ("?name=you", b"you")):
            with urlopen(f"http://127.0.0.1:{port}/{query}", timeout=20) as answer:
                assert answer.read() == b"Hello, " + name


def test_the_doctor_knows_of_workers(tmp_path: Path) -> None:
    command = "reactorlib doctor --connections 60000"
    assert command in COMMANDS
    words = command.replace("60000", "100").split()
    assert "100 connections fit" in run(BIN / words[0], *words[1:], cwd=tmp_path).stdout


def test_workers_serve_many(tmp_path: Path) -> None:
    command = "reactorlib echo --port 8080 --workers 4 --max-connections 60000"
    assert command in COMMANDS
    words = command.replace("8080", "0").replace("60000", "100").split()
    with running([BIN / words[0], *words[1:]], r":(\d+) ", tmp_path) as (port, _):
        assert asked(port, "a") == "a"


def test_every_command_is_run_by_a_test() -> None:
    """Here, in test_packaging or, what starts with tools/dev.py, in test_dev_tool."""
    elsewhere = ["pip install .", *(command for command in COMMANDS if "tools/dev.py" in command)]
    here = [
        "nc 127.0.0.1 8000",
        "python shout.py",
        "REACTORLIB_REACTOR=poll python shout.py",
        "reactorlib --reactor poll echo --port 8080",
        "reactorlib --list-reactors",
        "reactorlib doctor --connections 60000",
        "reactorlib echo --port 8080 --workers 4 --max-connections 60000",
    ]
    assert sorted(COMMANDS) == sorted(here + elsewhere)
    known = ("class Shout", "class Hello", "install()")
    assert [block for block in PROGRAMS if not any(each in block for each in known)] == []


@pytest.mark.parametrize("command", ["serve", "test", "lint", "types", "check"])
def test_the_tool_has_the_commands(command: str) -> None:
    assert f"python3 tools/dev.py {command}" in COMMANDS
    assert f"tools/dev.py {command}" in (ROOT / "tools" / "dev.py").read_text()


def test_the_links_lead_somewhere() -> None:
    for target in re.findall(r"\]\(([^)]+)\)", TEXT):
        assert (ROOT / target).exists(), target
