"""tools/scale.py: what it makes of samples, and short runs."""

from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.checkout import ROOT

sys.path.insert(0, str(ROOT / "tools"))

from bench import climb
from bench.watched import Sample

TOOL = ROOT / "tools" / "scale.py"
SVG = "{http://www.w3.org/2000/svg}"
TIMES = {"count": 1000, "p50_ns": 1_500_000, "p99_ns": 20_000_000, "max_ns": 30_000_000}
TOLD: dict[str, Any] = {"seconds_to_open": 4.04, "to_answer": TIMES}


def sample(seconds: float, connections: int, lag: float = 0.001, processor: float = 0.0) -> Sample:
    """Of a server whose connections take 600 bytes, and 8,000 in the kernel."""
    return Sample(
        seconds, connections, 10**7 + 600 * connections, 10**6 + 8000 * connections, lag, processor
    )


OPENING = [sample(number / 2, 125 * number, 0.01, number / 100) for number in range(9)]
OPENED = [*OPENING, sample(5.0, 1000, 0.002, 0.18), sample(6.0, 300, 0.5, 0.5)]


def points(drawn: str) -> list[list[tuple[float, float]]]:
    lines = ElementTree.fromstring(drawn).findall(f"{SVG}polyline")
    return [
        [(float(x), float(y)) for x, y in (point.split(",") for point in each.split())]
        for each in (line.attrib["points"] for line in lines)
    ]


class TestTable:
    def test_a_row(self) -> None:
        row = climb.cells("poll", 2, OPENED, TOLD)
        assert len(row) == len(climb.HEADS)
        assert row[:4] == ["poll", "2", "1,000", "4.0"]
        assert row[4:8] == ["80", "1.50", "20.00", "100"], "microseconds of a connect, of an answer"
        assert row[8:] == ["10", "2", "600", "8,000"], "what came when they were closed is left out"

    def test_it_is_markdown(self) -> None:
        head, line, row = climb.table([["a"] * len(climb.HEADS)]).splitlines()
        assert head.count("|") == line.count("|") == row.count("|") == len(climb.HEADS) + 1


class TestPictures:
    def test_what_is_the_same_for_each_is_a_level_line(self) -> None:
        drawn = climb.pictures(OPENED)
        assert {*drawn} == {"scale-memory.svg", "scale-accepts.svg", "scale-lag.svg"}
        server, kernel = points(drawn["scale-memory.svg"])
        assert len(server) == len(kernel) >= 5
        for line in (server, kernel, *points(drawn["scale-accepts.svg"])):
            assert len({up for _, up in line}) == 1
        assert server[0][1] > kernel[0][1]

    def test_a_step_has_the_worst_of_its_samples(self) -> None:
        late = [*OPENING[:7], sample(3.5, 990, 0.8), *OPENED[8:]]
        (before,) = points(climb.pictures(OPENED)["scale-lag.svg"])
        (after,) = points(climb.pictures(late)["scale-lag.svg"])
        assert len({up for _, up in before}) == 1
        assert after[-1][1] < after[0][1], "higher up"

    def test_the_first_hundredth_is_left_out(self) -> None:
        few = [sample(0, 0), sample(0.1, 9), *(sample(1 + i, 100 + 100 * i) for i in range(10))]
        texts = texts_of(climb.pictures(few)["scale-accepts.svg"])
        assert {"100", "1,000", "connections"} <= {*texts}


def texts_of(drawn: str) -> Sequence[str | None]:
    return [each.text for each in ElementTree.fromstring(drawn).findall(f"{SVG}text")]


def measured(*arguments: str | Path, code: int = 0) -> subprocess.CompletedProcess[str]:
    """A short run. It needs root: where it is refused, it fails and says so."""
    short = ("--connections", "400", "--hold", "1.5", "--rate", "300")
    command = [sys.executable, TOOL, *short, *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=150)
    assert done.returncode == code, done.stdout + done.stderr
    return done


class TestRuns:
    @pytest.mark.parametrize(("reactor", "workers"), [("epoll", "2"), ("kqueue", "1")])
    def test_all_are_opened_and_answer(self, reactor: str, workers: str, tmp_path: Path) -> None:
        done = measured("--reactor", reactor, "--workers", workers, "--pictures", tmp_path)
        row = [cell.strip() for cell in done.stdout.splitlines()[2].strip("|").split("|")]
        assert row[:3] == [reactor, workers, "400"]
        assert 1.2 < float(row[3]) < 30
        assert 100 < int(row[-2].replace(",", "")) < 4000
        assert len(list(tmp_path.glob("scale-*.svg"))) == 3

    def test_a_server_that_does_not_begin(self) -> None:
        done = measured("--reactor", "none", code=1)
        assert "scale: the server does not begin" in done.stderr

    def test_select_holds_what_it_can(self) -> None:
        """It refuses the others, says so, and serves those it has."""
        done = measured("--reactor", "select", "--connections", "1500", code=1)
        assert re.search(r"FD_SETSIZE|1024", done.stderr), done.stderr[-2000:]
