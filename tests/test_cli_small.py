"""The small services of the command line: real processes, real sockets."""

from __future__ import annotations

import getpass
import re
import socket
import struct
import time
from pathlib import Path
from types import SimpleNamespace

import psutil
import pytest

from reactorlib.app.commands.who import LoggedIn
from tests.test_cli import connect, read_all, run, serving

LOCAL = ("--port", "0", "--host", "127.0.0.1")


def answer_of(*command: str, send: bytes = b"") -> bytes:
    """What a service says to one client until it closes."""
    with serving(*command, *LOCAL) as (process, port, line), connect(port) as sock:
        assert line.startswith(f"{command[0]} on 127.0.0.1:{port} ")
        sock.sendall(send)
        answer = read_all(sock)
        assert process.poll() is None
    return answer


def test_chargen_sends_until_the_client_has_enough() -> None:
    with serving("chargen", *LOCAL) as (process, port, _line):
        for _ in range(2):
            with connect(port) as sock:
                received = bytearray()
                while len(received) < 1_000_000:
                    received += sock.recv(65536)
                lines = bytes(received).split(b"\r\n")
                assert lines[0][:8] == b" !\"#$%&'"
                assert {len(line) for line in lines[:-1]} == {72}
        process.terminate()
        _, errors = process.communicate(timeout=20)
    assert process.returncode == 0
    assert "Traceback" not in errors


def test_chargen_waits_for_who_does_not_read() -> None:
    with serving("chargen", *LOCAL) as (process, port, _line), connect(port) as sock:
        first = sock.recv(1)
        assert first == b" "
        with connect(port) as other:
            assert other.recv(1) == b" "
        used = Path(f"/proc/{process.pid}/statm").read_text().split()[1]
        assert int(used) * 4096 < 200_000_000


def test_daytime() -> None:
    text = answer_of("daytime")
    assert re.fullmatch(rb"\w{3} \w{3} [ \d]\d \d\d:\d\d:\d\d \d{4} UTC\r\n", text)
    told = time.strptime(text.decode().strip(), "%a %b %d %H:%M:%S %Y UTC")
    assert abs(time.mktime(told) - time.mktime(time.gmtime())) < 60


def test_time() -> None:
    (seconds,) = struct.unpack("!I", answer_of("time"))
    assert abs(seconds - 2_208_988_800 - time.time()) < 60


def test_qotd() -> None:
    assert answer_of("qotd").endswith(b".\r\n")


def test_qotd_from_a_file(tmp_path: Path) -> None:
    quotes = tmp_path / "quotes"
    quotes.write_text("Only one,\nin two lines.\n%\n\n%\n")
    assert answer_of("qotd", str(quotes)) == b"Only one,\r\nin two lines.\r\n"


def test_who() -> None:
    assert answer_of("who").split() == sorted({user.name.encode() for user in psutil.users()})


def test_who_is_told_by_name_and_once(monkeypatch: pytest.MonkeyPatch) -> None:
    logged_in = [SimpleNamespace(name=name) for name in ("joe", "ann", "joe", "zoë")]
    monkeypatch.setattr(psutil, "users", lambda: logged_in)
    assert LoggedIn().getUsers() == b"ann\r\njoe\r\nzo?\r\n"


def test_finger(tmp_path: Path) -> None:
    (tmp_path / "joe").write_text("Joe Smith\n")
    answer = answer_of("finger", str(tmp_path), send=b"joe\r\n")
    assert answer == b"Login: joe\r\nJoe Smith\r\n"
    assert answer_of("finger", str(tmp_path), send=b"\r\n") == b"joe\r\n"


def test_ident() -> None:
    with serving("ident", *LOCAL) as (_process, port, _line), connect(port) as sock:
        mine = sock.getsockname()[1]
        sock.sendall(b"%d, %d\r\n1, 1\r\n" % (port, mine))
        sock.shutdown(socket.SHUT_WR)
        with sock.makefile("rb") as lines:
            user = getpass.getuser().encode()
            assert lines.readline() == b"%d, %d : USERID : UNIX : %b\r\n" % (port, mine, user)
            assert lines.readline() == b"1, 1 : ERROR : NO-USER\r\n"


@pytest.mark.parametrize(
    ("args", "code", "text"),
    [
        (["finger"], 2, "FOLDER"),
        (["finger", "nowhere"], 1, "there is no folder nowhere"),
        (["qotd", "nothing"], 1, "cannot read the quotes in nothing: No such file"),
        (["qotd", "empty"], 1, "there are no quotes in empty"),
        (["chargen", "--port", "x"], 2, "a port is a number"),
    ],
)
def test_a_mistake_is_told_without_a_traceback(
    args: list[str], code: int, text: str, tmp_path: Path
) -> None:
    (tmp_path / "empty").write_text("\n%\n")
    result = run(*args, cwd=tmp_path)
    assert result.returncode == code
    assert text in result.stderr
    assert "Traceback" not in result.stderr
    assert not result.stdout
