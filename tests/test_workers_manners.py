"""What a supervisor bears: another one on its port, a strange directory, signals, a moved log."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
from pathlib import Path

from tests.test_cli import run
from tests.test_cli_listen import ask, place_of, serving
from tests.test_cli_website import get
from tests.working import PATIENCE, is_served, serving_workers, some, wait_until

PLACE = ["--listen", "tcp:0:interface=127.0.0.1"]


def test_a_second_server_does_not_share_the_port_of_the_first() -> None:
    with serving("echo", *PLACE, "--workers", "2") as process:
        host, port = place_of(process)
        second = run("echo", "--listen", f"tcp:{port}:interface={host}", "--workers", "2")
        assert (second.returncode, second.stdout) == (1, "")
        assert "Address already in use" in second.stderr
        assert second.stderr.count("\n") == 1


def test_workers_import_nothing_from_the_directory_they_begin_in(tmp_path: Path) -> None:
    for name in ("json.py", "reactorlib.py", "socket.py"):
        (tmp_path / name).write_text("raise SystemExit('taken from the directory')")
    environment = {key: value for key, value in os.environ.items() if key != "PYTHONSAFEPATH"}
    command = Path(sys.executable).with_name("reactorlib")
    with subprocess.Popen(
        [command, "echo", *PLACE, "--workers", "2"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        cwd=tmp_path,
        env=environment,
    ) as process:
        try:
            assert ask(place_of(process)) == b"hello"
        finally:
            process.terminate()


def test_a_second_SIGTERM_cuts_nobody() -> None:
    """Who sends it to a group of processes sends it twice to some."""
    with serving("echo", *PLACE, "--workers", "2") as process:
        address = place_of(process)
        with socket.create_connection(address, PATIENCE) as peer:
            assert is_served(peer)
            for _ in range(3):
                process.send_signal(signal.SIGTERM)
                assert is_served(peer)


def test_signals_that_would_stop_it_do_nothing() -> None:
    with serving("echo", *PLACE, "--workers", "2") as process:
        address = place_of(process)
        before = serving_workers(process, address, 2)
        process.send_signal(signal.SIGTTIN)
        process.send_signal(signal.SIGTTOU)
        process.send_signal(signal.SIGHUP)
        some(process, 2, but=before)


def test_a_log_that_is_moved_away_is_begun_anew(tmp_path: Path) -> None:
    log, old = tmp_path / "log", tmp_path / "log.1"
    with serving("echo", *PLACE, "--workers", "1", "--log-file", str(log)) as process:
        before = serving_workers(process, place_of(process), 1)
        log.rename(old)
        process.send_signal(signal.SIGHUP)
        some(process, 1, but=before)
        wait_until(lambda: log.exists() and "Workers are replaced" in log.read_text())
        assert "Workers are replaced" not in old.read_text()


PROGRAM = """
from reactorlib.protocols.http.static import Data

page = Data(b"{}", "text/plain")
page.isLeaf = True
"""


def test_reload_serves_what_is_written_anew(tmp_path: Path) -> None:
    """What cannot be loaded leaves what was."""
    program = tmp_path / "program.py"
    program.write_text(PROGRAM.format("before"))
    (tmp_path / ".hidden").mkdir()
    with serving(
        *("web", "--resource", "program.py:page", "--reload", "--no-access-log", *PLACE),
        cwd=tmp_path,
    ) as process:
        address = place_of(process)
        assert get(address)[1] == b"before"
        program.write_text("no program")
        (tmp_path / ".hidden" / "other.py").write_text("")
        assert process.stderr is not None
        for line in process.stderr:
            if "could not be replaced" in line:
                break
        assert get(address)[1] == b"before"
        program.write_text(PROGRAM.format("after"))
        wait_until(lambda: get(address)[1] == b"after")
