"""Where processes can be looked at: whose directories are believed, and what is left behind."""

from __future__ import annotations

import os
import socket
import stat
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reactorlib.app.status import places
from tests.looking import own_place


@pytest.fixture
def place() -> Iterator[str]:
    with own_place() as path:
        yield path


def mode(path: str) -> int:
    return stat.S_IMODE(os.stat(path).st_mode)


def a_dead_process() -> int:
    process = subprocess.Popen([sys.executable, "-c", ""])
    process.wait()
    return process.pid


def leave_behind(place: str, process: int) -> str:
    """A socket that nobody listens on any more."""
    path = places.path_for(place, process)
    with socket.socket(socket.AF_UNIX) as sock:
        sock.bind(path)
    return path


def test_the_runtime_directory_comes_first(place: str) -> None:
    old = os.umask(0)
    try:
        assert places.prepared() == place
    finally:
        os.umask(old)
    assert mode(place) == 0o700
    assert places.prepared() == place


@pytest.mark.parametrize("runtime", ["", "relative", "/nowhere/to/be/found"])
def test_without_one_it_is_the_temporary_directory(
    place: str, runtime: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", runtime)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert places.prepared() == str(tmp_path / f"reactorlib-{os.geteuid()}")
    monkeypatch.delenv("XDG_RUNTIME_DIR")
    assert places.prepared() == str(tmp_path / f"reactorlib-{os.geteuid()}")


def test_a_hostile_runtime_directory_gives_way_to_the_temporary_one(
    place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    os.symlink(tmp_path, place)
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    assert places.prepared() == str(tmp_path / f"reactorlib-{os.geteuid()}")


@pytest.mark.parametrize("what", ["link", "open", "file", "others"])
def test_a_planted_directory_is_not_believed(
    place: str, what: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    planted = tmp_path / f"reactorlib-{os.geteuid()}"
    if what == "link":
        (tmp_path / "other").mkdir(mode=0o700)
        planted.symlink_to(tmp_path / "other")
    elif what == "file":
        planted.write_text("")
    else:
        planted.mkdir(mode=0o700)
        if what == "open":
            planted.chmod(0o770)
        else:
            real = os.lstat(planted)
            theirs = os.stat_result((*real[:4], real.st_uid + 1, *real[5:10]))
            monkeypatch.setattr(places.os, "lstat", lambda path: theirs)
    monkeypatch.setattr(places, "directories", lambda: [str(planted)])
    monkeypatch.setattr(places, "elsewhere", lambda: [str(planted)])
    with pytest.raises(places.NotOurs, match=str(planted)):
        places.prepared()
    if what != "file":
        (planted / "1.sock").write_text("")
    assert places.sockets() == {}


def test_sockets_are_found_wherever_their_processes_put_them(
    place: str, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    first, second = tmp_path / "a", tmp_path / "b"
    for each, number in ((first, 7), (second, 7), (second, 8)):
        each.mkdir(mode=0o700, exist_ok=True)
        (each / f"{number}.sock").write_text("")
    (first / "notes.txt").write_text("")
    (first / "x.sock").write_text("")
    there = [str(first), "/nowhere", str(second)]
    monkeypatch.setattr(places, "elsewhere", lambda: there)
    assert places.sockets() == {7: str(first / "7.sock"), 8: str(second / "8.sock")}


def test_all_places_are_looked_into_once(place: str) -> None:
    every = places.elsewhere()
    assert every[0] == place
    assert len(set(every)) == len(every)
    assert set(places.directories()) < set(every)


def test_what_the_dead_have_left_is_removed_and_nothing_else(place: str) -> None:
    places.prepared()
    dead = leave_behind(place, a_dead_process())
    mine = leave_behind(place, os.getpid())
    deaf = leave_behind(place, os.getppid())  # it lives, and may be about to listen
    with socket.socket(socket.AF_UNIX) as listening:
        other = places.path_for(place, a_dead_process())
        listening.bind(other)
        listening.listen(1)
        places.sweep(place)
        assert os.path.exists(other), "another container's process of that number"
    assert not os.path.exists(dead)
    assert not os.path.exists(mine)
    assert os.path.exists(deaf)


def test_a_process_of_somebody_else_lives(monkeypatch: pytest.MonkeyPatch, place: str) -> None:
    def refuse(process: int, number: int) -> None:
        raise PermissionError

    places.prepared()
    theirs = leave_behind(place, a_dead_process())
    monkeypatch.setattr(places.os, "kill", refuse)
    places.sweep(place)
    assert os.path.exists(theirs)
