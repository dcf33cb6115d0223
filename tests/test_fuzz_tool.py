"""The fuzz driver: it finds what is broken, makes it small, and comes to it again."""

from __future__ import annotations

import os
import random
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from tests.checkout import ROOT, load

FUZZ = ROOT / "tools" / "fuzz"

BROKEN = '''
"""No input has an x in it.

More about that.
"""
SEEDS = [b"abc"]
TOKENS = [b"x", b"y"]

def check(data, random):
    assert b"x" not in data
'''


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(FUZZ / "run.py"), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60)


@pytest.fixture
def driver() -> ModuleType:
    return load(FUZZ / "run.py")


@pytest.fixture
def broken(driver: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    (tmp_path / "targets").mkdir()
    (tmp_path / "targets" / "broken.py").write_text(BROKEN)
    monkeypatch.setattr(driver, "HERE", tmp_path)
    return driver


def test_all_targets_hold_for_half_a_second() -> None:
    result = run("--seconds", "0.5", "--seed", "1")
    assert result.returncode == 0, result.stdout + result.stderr
    names = run("--list").stdout.split()
    assert [line.split(":")[0] for line in result.stdout.splitlines()] == ["seed 1", *names]
    assert len(names) >= 5


def test_a_target_begins_with_its_invariant(driver: ModuleType) -> None:
    for name in driver.targets():
        assert driver.load(name).__doc__.strip()


def test_what_is_broken_is_told_with_the_smallest_input(
    broken: ModuleType, capsys: pytest.CaptureFixture[str]
) -> None:
    assert broken.main(["--seconds", "20", "--seed", "3"]) == 1
    output = capsys.readouterr()
    assert output.out.startswith(
        "seed 3\nbroken: No input has an x in it.\nis not so for check(b'x',"
    )
    assert "More about that" not in output.out
    assert "AssertionError" in output.err
    assert broken.main(["--seconds", "20", "--seed", "3"]) == 1
    assert capsys.readouterr().out == output.out


def test_a_target_that_is_not_there() -> None:
    result = run("nothing")
    assert result.returncode == 2
    assert "no target 'nothing'; there are http_requests, " in result.stderr


def test_without_reactorlib_it_runs_again_where_that_is(
    driver: ModuleType, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver.importlib.util, "find_spec", lambda name: None)
    monkeypatch.setattr(driver, "VENV", tmp_path)
    with pytest.raises(SystemExit, match="reactorlib is not installed"):
        driver.main(["--seconds", "1"])
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").touch()
    ran: list[object] = []

    def execv(*command: object) -> None:
        ran.append(command)
        raise SystemExit

    monkeypatch.setattr(os, "execv", execv)
    monkeypatch.setattr(sys, "argv", ["run.py", "--seconds", "1"])
    with pytest.raises(SystemExit):
        driver.main(["--seconds", "1"])
    python = tmp_path / "bin" / "python"
    assert ran == [(python, [str(python), "run.py", "--seconds", "1"])]


class TestMutations:
    @pytest.fixture
    def mutations(self, driver: ModuleType) -> ModuleType:
        return sys.modules["mutations"]

    def test_every_change_is_made_on_any_input(self, mutations: ModuleType) -> None:
        numbers = random.Random(1)
        for change in mutations.CHANGES:
            for data in (b"", b"a", b"a long one" * 100):
                seen = set()
                for _ in range(100):
                    changed = bytearray(data)
                    change(changed, numbers, [b"token"])
                    seen.add(bytes(changed))
                assert len(seen) > 1 or len(data) < 2

    def test_the_same_numbers_give_the_same_inputs(self, mutations: ModuleType) -> None:
        first, second = (
            [mutations.mutated(numbers, [b"one", b"two"], [b"x"]) for _ in range(100)]
            for numbers in (random.Random(5), random.Random(5))
        )
        assert first == second
        assert len(set(first)) > 50

    def test_pieces_make_the_whole(self, mutations: ModuleType) -> None:
        numbers = random.Random(1)
        for size in range(50):
            data = numbers.randbytes(size)
            assert b"".join(mutations.divided(data, numbers)) == data

    def test_the_smallest(self, mutations: ModuleType) -> None:
        data = b"a" * 100 + b"x" + b"b" * 57 + b"y" + b"c"
        assert mutations.smallest(data, lambda part: b"x" in part and b"y" in part) == b"xy"
