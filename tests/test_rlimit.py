"""The limit of open files: real limits in a child process, odd systems as fakes."""

from __future__ import annotations

import errno
import importlib.util
import os
import resource
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from unittest import mock

import pytest
from hypothesis import given
from hypothesis import strategies as some

from reactorlib import rlimit
from reactorlib.rlimit import UNLIMITED, Limits, NofileLimits, raise_nofile

INFINITIES = [-1, 2**63 - 1, 2**64 - 1]


class FakeResource:
    """A system with one limit, that takes no soft limit above `ceiling`."""

    RLIMIT_NOFILE = 7

    def __init__(
        self,
        soft: int,
        hard: int,
        *,
        ceiling: float = float("inf"),
        refusal: Exception | None = None,
        infinity: int = -1,
    ) -> None:
        self.RLIM_INFINITY = infinity
        self.limits = (soft, hard)
        self.asked: list[int] = []
        self._ceiling = ceiling
        self._refusal = refusal or ValueError("current limit exceeds maximum limit")

    def comparable(self, limit: int) -> float:
        return float("inf") if limit == self.RLIM_INFINITY else limit

    def getrlimit(self, which: int) -> tuple[int, int]:
        assert which == self.RLIMIT_NOFILE
        return self.limits

    def setrlimit(self, which: int, limits: tuple[int, int]) -> None:
        assert which == self.RLIMIT_NOFILE
        assert limits[1] == self.limits[1], "the hard limit was touched"
        assert self.comparable(limits[0]) >= self.comparable(self.limits[0]), "lowered"
        self.asked.append(limits[0])
        if limits[0] > min(self._ceiling, self.comparable(limits[1])):
            raise self._refusal
        self.limits = limits


@pytest.fixture
def system(monkeypatch: pytest.MonkeyPatch) -> type:
    """Makes a FakeResource and puts it in place of the module."""

    class Installed(FakeResource):
        def __init__(self, *args: int, **keywords: object) -> None:
            super().__init__(*args, **keywords)  # type: ignore[arg-type]
            monkeypatch.setattr(rlimit, "resource", self)

    return Installed


@pytest.fixture
def macos(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rlimit, "sys", SimpleNamespace(platform="darwin"))


class TestRealLimits:
    """Each runs in a child process, whose limits die with it."""

    def child(self, soft: int, want: str) -> list[int]:
        program = (
            "import resource; from reactorlib.rlimit import raise_nofile;"
            "hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1];"
            f"resource.setrlimit(resource.RLIMIT_NOFILE, ({soft}, hard));"
            f"result = raise_nofile({want});"
            "print(*result.before, *result.after, *resource.getrlimit(resource.RLIMIT_NOFILE))"
        )
        ended = subprocess.run(
            [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=60
        )
        return [int(word) for word in ended.stdout.split()]

    def test_to_a_wanted_number(self) -> None:
        before_soft, hard, *after = self.child(64, "100")
        assert before_soft == 64
        assert after == [100, hard, 100, hard]

    def test_to_the_hard_limit(self) -> None:
        before_soft, hard, *after = self.child(64, "")
        assert before_soft == 64
        assert after == [hard, hard, hard, hard]

    def test_above_the_hard_limit(self) -> None:
        _, hard, *after = self.child(64, "hard + 1")
        assert after == [hard, hard, hard, hard]

    def test_never_down(self) -> None:
        _, hard, *after = self.child(64, "20")
        assert after == [64, hard, 64, hard]

    def test_this_process_is_only_read(self) -> None:
        soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
        assert raise_nofile(1).after == raise_nofile(1).before
        assert rlimit.read() == Limits(soft, hard)
        assert resource.getrlimit(resource.RLIMIT_NOFILE) == (soft, hard)


class TestInfinity:
    @pytest.mark.parametrize("infinity", INFINITIES)
    def test_soft_infinite_is_left_alone(self, system: type, infinity: int) -> None:
        fake = system(infinity, infinity, infinity=infinity)
        result = raise_nofile()
        assert result == NofileLimits(Limits(UNLIMITED, UNLIMITED), Limits(UNLIMITED, UNLIMITED))
        assert fake.asked == []

    @pytest.mark.parametrize("infinity", INFINITIES)
    def test_hard_infinite_takes_what_is_wanted(self, system: type, infinity: int) -> None:
        fake = system(256, infinity, infinity=infinity)
        assert raise_nofile(5000).after == Limits(5000, UNLIMITED)
        assert fake.limits == (5000, infinity)

    @pytest.mark.parametrize("infinity", INFINITIES)
    @pytest.mark.parametrize("unlimited", [True, False])
    def test_hard_infinite_and_no_number_goes_to_nr_open(
        self,
        system: type,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        infinity: int,
        unlimited: bool,
    ) -> None:
        (tmp_path / "nr_open").write_text("77777\n")
        monkeypatch.setattr(rlimit, "_NR_OPEN", tmp_path / "nr_open")
        system(256, infinity, infinity=infinity)
        assert raise_nofile(infinity if unlimited else None).after == Limits(77777, UNLIMITED)

    @pytest.mark.parametrize("content", [None, "nonsense"])
    def test_nr_open_cannot_be_read(
        self,
        system: type,
        monkeypatch: pytest.MonkeyPatch,
        tmp_path: Path,
        content: str | None,
    ) -> None:
        if content is not None:
            (tmp_path / "nr_open").write_text(content)
        monkeypatch.setattr(rlimit, "_NR_OPEN", tmp_path / "nr_open")
        system(256, -1)
        assert raise_nofile().after.soft == 1 << 20

    @pytest.mark.parametrize("want", [255, 256, 0, -7])
    def test_nothing_more_is_wanted(self, system: type, want: int) -> None:
        fake = system(256, 4096)
        assert raise_nofile(want).after == Limits(256, 4096)
        assert fake.asked == []

    def test_infinity_wanted_under_a_finite_hard_limit(self, system: type) -> None:
        system(256, 4096)
        assert raise_nofile(-1).after == Limits(4096, 4096)

    def test_a_huge_number_is_wanted(self, system: type) -> None:
        system(256, 4096)
        assert raise_nofile(10**30).after == Limits(4096, 4096)


@pytest.mark.usefixtures("macos")
class TestMacOS:
    INFINITY = 2**63 - 1

    def test_hard_infinite_goes_to_open_max(self, system: type) -> None:
        fake = system(256, self.INFINITY, ceiling=10240, infinity=self.INFINITY)
        assert raise_nofile() == NofileLimits(Limits(256, UNLIMITED), Limits(10240, UNLIMITED))
        assert fake.asked == [10240]

    def test_more_than_open_max_falls_back_to_it(self, system: type) -> None:
        fake = system(256, self.INFINITY, ceiling=10240, infinity=self.INFINITY)
        result = raise_nofile(30000)
        assert result.after.soft == 10240
        assert "30000 was refused" in result.refusal
        assert fake.asked == [30000, 15000, 10240]

    def test_more_than_open_max_where_the_kernel_takes_it(self, system: type) -> None:
        system(256, self.INFINITY, ceiling=61440, infinity=self.INFINITY)
        assert raise_nofile(50000).after.soft == 50000
        assert raise_nofile().after.soft == 50000


class TestRefusal:
    @pytest.mark.parametrize(
        "refusal",
        [
            ValueError("not allowed to raise maximum limit"),
            OSError(errno.EPERM, os.strerror(errno.EPERM)),
            OverflowError("too large to convert"),
        ],
    )
    def test_is_told_and_not_raised(self, system: type, refusal: Exception) -> None:
        system(256, 4096, ceiling=256, refusal=refusal)
        result = raise_nofile()
        assert result.before == result.after == Limits(256, 4096)
        assert result.refusal == f"4096 was refused: {refusal}"

    def test_steps_come_close(self, system: type) -> None:
        fake = system(256, 16384, ceiling=3000)
        assert raise_nofile().after.soft == 2048
        assert fake.asked == [16384, 10240, 8192, 4096, 2048]

    def test_what_the_system_did_is_reported(self, system: type) -> None:
        fake = system(256, 4096)
        fake.setrlimit = lambda which, limits: setattr(fake, "limits", (1000, 4096))
        assert raise_nofile().after == Limits(1000, 4096)


def limit_or_infinity(infinity: int) -> some.SearchStrategy[int]:
    return some.integers(0, 2**31) | some.just(infinity)


@given(some.data())
def test_only_upwards_and_never_past_the_hard_limit(data: some.DataObject) -> None:
    infinity = data.draw(some.sampled_from(INFINITIES), "infinity")
    limits = limit_or_infinity(infinity)
    ceiling = data.draw(some.integers(0, 2**31) | some.just(float("inf")), "ceiling")
    fake = FakeResource(0, infinity, ceiling=ceiling, infinity=infinity)
    fake.limits = (
        data.draw(limits, "soft"),
        hard := data.draw(limits, "hard"),
    )
    if fake.comparable(fake.limits[0]) > fake.comparable(hard):
        fake.limits = (hard, hard)
    want = data.draw(some.none() | some.integers(-10, 2**70) | some.just(infinity), "want")

    with mock.patch.object(rlimit, "resource", fake):
        before, after, refusal = raise_nofile(want)

    assert after.soft >= before.soft
    assert after.hard == before.hard
    assert after.soft <= after.hard
    assert fake.limits[1] == hard
    reached = want is not None and want != infinity and after.soft >= min(want, after.hard)
    if ceiling == float("inf"):
        assert not refusal
        assert reached or want is None or want == infinity or want >= UNLIMITED
    if want is not None and want != infinity and want < UNLIMITED:
        assert after.soft <= max(before.soft, want)


class TestDescribe:
    @pytest.mark.parametrize(
        ("result", "text"),
        [
            (
                NofileLimits(Limits(256, 20000), Limits(20000, 20000)),
                "open files: soft limit raised from 256 to 20000 (hard limit 20000)",
            ),
            (
                NofileLimits(Limits(256, UNLIMITED), Limits(256, UNLIMITED), "400 was refused: no"),
                "open files: soft limit stays at 256 (hard limit unlimited); 400 was refused: no",
            ),
            (
                NofileLimits(Limits(UNLIMITED, UNLIMITED), Limits(UNLIMITED, UNLIMITED)),
                "open files: soft limit stays at unlimited (hard limit unlimited)",
            ),
        ],
    )
    def test_text(self, result: NofileLimits, text: str) -> None:
        assert result.describe() == text


def test_a_system_without_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "resource", None)
    spec = importlib.util.spec_from_file_location("rlimit_elsewhere", rlimit.__file__)
    assert spec is not None
    assert spec.loader is not None
    elsewhere = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(elsewhere)
    result = elsewhere.raise_nofile(100)
    assert result.before == result.after == (UNLIMITED, UNLIMITED)
    assert result.refusal == "this system does not tell its limits"
    assert elsewhere.read() == (UNLIMITED, UNLIMITED)
