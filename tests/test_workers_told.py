"""What workers are told: their number, their part of what is divided, their sockets."""

from __future__ import annotations

import os
import socket
from typing import Any

import pytest

import reactorlib.app.workers
from reactorlib.app.commands.listening import count_of_workers
from reactorlib.app.flags import seconds
from reactorlib.app.mistakes import UserMistake
from reactorlib.app.workers.forking import exit_code
from reactorlib.app.workers.sockets import VARIABLE, Inheritance, inherited
from tests.test_cli import run
from tests.test_cli_listen import place_of, serving
from tests.working import PATIENCE, is_served, some

PLACE = ["--listen", "tcp:0:interface=127.0.0.1"]


def test_flags() -> None:
    assert count_of_workers("auto") >= 1
    assert count_of_workers("3") == 3
    assert seconds("0.5") == 0.5
    for wrong in ("-1", "soon", "inf"):
        with pytest.raises(Exception, match="seconds"):
            seconds(wrong)
    done = run("echo", "--workers", "0")
    assert done.returncode == 2
    assert "whole number" in done.stderr


@pytest.mark.parametrize(("whole", "workers"), [(10, 4), (60_000, 4), (4, 4), (7, 3), (5, 1)])
def test_shares_are_the_whole_and_differ_by_one_at_most(whole: int, workers: int) -> None:
    shares = [Inheritance(slot, 3, {}).share(whole, workers) for slot in range(workers)]
    assert sum(shares) == whole
    assert max(shares) - min(shares) <= 1


def test_no_more_connections_than_allowed_are_held_by_all_together() -> None:
    """Two workers of five connections: three and two, whoever comes where."""
    with serving("echo", *PLACE, "--workers", "2", "--max-connections", "5") as process:
        address = place_of(process)
        some(process, 2)
        held = []
        while len(held) < 5:
            peer = socket.create_connection(address, PATIENCE)
            if is_served(peer):
                held.append(peer)
            else:
                peer.close()
        for _ in range(20):
            with socket.create_connection(address, PATIENCE) as peer:
                assert not is_served(peer)
        for peer in held:
            assert is_served(peer)
            peer.close()


def test_fewer_connections_than_workers() -> None:
    done = run("echo", *PLACE, "--workers", "3", "--max-connections", "2")
    assert done.returncode == 2
    assert "--max-connections 2 is not one for each of --workers 3" in done.stderr


def test_what_is_told_to_another_process_is_not_taken(monkeypatch: pytest.MonkeyPatch) -> None:
    told = Inheritance(1, 5, {6: ("tcp", "", 80)}, ("web",))
    monkeypatch.setenv(VARIABLE, told.environment()[VARIABLE])
    with pytest.raises(UserMistake, match="has gone"):
        inherited()
    assert VARIABLE not in os.environ
    monkeypatch.setattr(os, "getpid", os.getppid)
    monkeypatch.setenv(VARIABLE, told.environment()[VARIABLE])
    assert inherited() == told
    assert inherited() is None


def test_the_package_has_nothing_else() -> None:
    with pytest.raises(AttributeError, match="sevre"):
        reactorlib.app.workers.sevre  # noqa: B018


@pytest.mark.parametrize(
    ("given", "code", "said"), [(None, 0, ""), (3, 3, ""), (-1, 255, ""), ("why", 1, "why\n")]
)
def test_codes(capsys: pytest.CaptureFixture[str], given: Any, code: int, said: str) -> None:
    assert exit_code(SystemExit(given)) == code
    assert capsys.readouterr().err == said
