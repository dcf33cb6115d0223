"""Locks between processes."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
from pathlib import Path

import pytest

from reactorlib.lockfile import FilesystemLock, isLocked

NOBODY = 2**22 + 1  # above what Linux gives out as a process id

HOLDER = """
import sys
from reactorlib.lockfile import FilesystemLock
print(FilesystemLock(sys.argv[1]).lock(), flush=True)
sys.stdin.read()
"""

CONTENDER = """
import sys
from reactorlib.lockfile import FilesystemLock
sys.stdin.readline()
print(FilesystemLock(sys.argv[1]).lock(), flush=True)
sys.stdin.read()
"""


@pytest.fixture
def name(tmp_path: Path) -> str:
    return str(tmp_path / "lock")


def process(script: str, name: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", script, name],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )


def said(holder: subprocess.Popen[str]) -> str:
    assert holder.stdout is not None
    return holder.stdout.readline().strip()


def test_the_life_of_a_lock(name: str) -> None:
    lock = FilesystemLock(name)
    assert (isLocked(name), lock.locked, lock.clean) == (False, False, True)
    assert lock.lock()
    assert (isLocked(name), lock.locked, lock.clean) == (True, True, True)
    assert os.readlink(name) == str(os.getpid())
    lock.unlock()
    assert (isLocked(name), lock.locked, os.path.lexists(name)) == (False, False, False)
    assert lock.lock()
    lock.unlock()


def test_a_name_in_bytes_and_one_without_a_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    lock = FilesystemLock(b"lock")
    assert lock.lock()
    assert isLocked(b"lock")
    assert not FilesystemLock(str(tmp_path / "lock")).lock()
    lock.unlock()


def test_one_at_a_time(name: str) -> None:
    first, second = FilesystemLock(name), FilesystemLock(name)
    assert first.lock()
    assert not second.lock()
    assert not first.lock()
    assert (first.locked, second.locked) == (True, False)
    with pytest.raises(ValueError, match="not of this process"):
        second.unlock()
    first.unlock()
    assert second.lock()
    with pytest.raises(ValueError, match="not of this process"):
        first.unlock()
    second.unlock()


def test_another_process_has_it_until_it_dies(name: str) -> None:
    with process(HOLDER, name) as holder:
        assert said(holder) == "True"
        lock = FilesystemLock(name)
        assert not lock.lock()
        assert isLocked(name)
        with pytest.raises(ValueError, match="not of this process"):
            lock.unlock()
        holder.kill()
        holder.wait()
    assert not isLocked(name)
    assert lock.lock()
    assert (lock.locked, lock.clean) == (True, False)
    lock.unlock()
    assert lock.lock()
    assert lock.clean
    lock.unlock()


def test_an_owner_of_another_user_lives(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(process: int, signal: int) -> None:
        raise PermissionError

    os.symlink("1", name)
    with monkeypatch.context() as patched:
        patched.setattr(os, "kill", refuse)
        assert not FilesystemLock(name).lock()
        assert isLocked(name)


def test_an_owner_that_had_our_process_id_is_dead(name: str) -> None:
    """In a container every first process has the same one."""
    os.symlink(str(os.getpid()), name)
    assert not isLocked(name)
    lock = FilesystemLock(name)
    assert lock.lock()
    assert not lock.clean
    assert isLocked(name)
    lock.unlock()


def test_a_name_through_another_folder_is_the_same_lock(tmp_path: Path) -> None:
    (tmp_path / "real").mkdir()
    (tmp_path / "other").symlink_to("real")
    lock = FilesystemLock(str(tmp_path / "real" / "lock"))
    assert lock.lock()
    assert not FilesystemLock(str(tmp_path / "other" / "lock")).lock()
    lock.unlock()


def test_a_lock_that_vanishes_while_it_is_looked_at(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def vanish(path: str) -> str:
        raise FileNotFoundError

    os.symlink(str(NOBODY), name)
    with monkeypatch.context() as patched:
        patched.setattr(os, "readlink", vanish)
        assert not FilesystemLock(name).lock()


def test_while_another_one_takes_over_nobody_does(name: str) -> None:
    os.symlink(str(NOBODY), name)
    folder = os.open(os.path.dirname(name), os.O_RDONLY)
    fcntl.flock(folder, fcntl.LOCK_EX)
    lock = FilesystemLock(name)
    assert not lock.lock()
    os.close(folder)
    assert lock.lock()
    lock.unlock()


@pytest.mark.parametrize("target", ["nowhere", "0", "-1", "1" * 30, ""])
def test_what_is_no_lock_stays(name: str, target: str) -> None:
    if target:
        os.symlink(target, name)
    else:
        Path(name).write_text("precious")
    for call in (FilesystemLock(name).lock, lambda: isLocked(name)):
        with pytest.raises(ValueError, match="no lock"):
            call()
    assert os.path.lexists(name)


def test_where_there_can_be_no_lock(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        FilesystemLock(str(tmp_path / "missing" / "lock")).lock()


def test_of_many_that_take_over_one_wins(name: str) -> None:
    os.symlink(str(NOBODY), name)
    contenders = [process(CONTENDER, name) for _ in range(6)]
    for each in contenders:
        assert each.stdin is not None
        each.stdin.write("\n")
        each.stdin.flush()
    outcomes = [said(each) for each in contenders]
    owner = os.readlink(name)
    for each in contenders:
        each.communicate()
    assert outcomes.count("True") == 1
    assert owner == str(contenders[outcomes.index("True")].pid)
