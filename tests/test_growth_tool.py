"""The tool that draws what a line without an end costs: its picture, its table, one short run."""

from __future__ import annotations

import json
import subprocess
import sys
from itertools import pairwise
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree

import pytest

from tests.checkout import ROOT, load

sys.path.insert(0, str(ROOT / "tools"))

from bench.programs import Program

TOOL = ROOT / "tools" / "growth.py"
SVG = "{http://www.w3.org/2000/svg}"


@pytest.fixture
def growth() -> ModuleType:
    return load(TOOL)


def squares(sizes: list[int]) -> list[tuple[float, float]]:
    return [(size, (size / 2**20) ** 2) for size in sizes]


def line(root: ElementTree.Element, number: int) -> list[tuple[float, float]]:
    points = root.findall(f"{SVG}polyline")[number].attrib["points"].split()
    return [(float(x), float(y)) for x, y in (point.split(",") for point in points)]


class TestPicture:
    @pytest.fixture
    def root(self, growth: ModuleType) -> ElementTree.Element:
        sizes = growth.sizes(16)
        curves = {"square": squares(sizes[:5]), "line": [(size, size / 2**30) for size in sizes]}
        return ElementTree.fromstring(growth.drawn(curves, 16))

    def test_a_power_is_a_straight_line(self, root: ElementTree.Element) -> None:
        steps = []
        for number, count in ((0, 5), (1, 9)):
            points = line(root, number)
            assert len(points) == count
            widths = [after[0] - before[0] for before, after in pairwise(points)]
            heights = [before[1] - after[1] for before, after in pairwise(points)]
            assert widths == pytest.approx([widths[0]] * (count - 1), abs=0.2)
            assert heights == pytest.approx([heights[0]] * (count - 1), abs=0.2)
            steps.append(heights[0])
        assert steps[0] == pytest.approx(2 * steps[1], abs=0.3)

    def test_it_says_what_is_what(self, root: ElementTree.Element) -> None:
        texts = [text.text for text in root.findall(f"{SVG}text")]
        assert {"square", "line", "size", "seconds", "64 KB", "512 KB", "16 MB"} <= set(texts)

    def test_all_is_inside(self, root: ElementTree.Element) -> None:
        for number in (0, 1):
            for x, y in line(root, number):
                assert 70 <= x <= 520
                assert 40 <= y <= 350


def test_the_table_has_what_was_measured(growth: ModuleType) -> None:
    sizes = growth.sizes(1)
    assert sizes == [65_536, 131_072, 262_144, 524_288, 1_048_576]
    table = growth.table({"one": squares(sizes), "other": squares(sizes[:2])}, 1)
    assert table.splitlines()[0] == "| size | one, s | other, s |"
    assert table.splitlines()[-2:] == ["| 512 KB | 0.250 | - |", "| 1 MB | 1.000 | - |"]


SCRIPT = ROOT / "tools" / "bench" / "micro" / "endless_line.py"


def test_a_short_run(
    growth: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Ours twice, as it is installed for these tests."""

    def command(workshop: object, program: Program) -> list[str]:
        return [sys.executable, str(SCRIPT), "reactorlib", *program.arguments[1:]]

    monkeypatch.setattr(growth.Workshop, "command", command)
    drawn = tmp_path / "growth.svg"
    assert growth.main([str(drawn), "--megabytes", "1"]) == 0
    root = ElementTree.parse(drawn).getroot()
    assert len(line(root, 0)) == len(line(root, 1)) == 33
    rows = capsys.readouterr().out.splitlines()
    assert rows[0] == "| size | twisted, s | reactorlib, s |"
    assert all(0 < float(cell) < 10 for cell in rows[-1].split("|")[2:4])


def test_it_ends_when_the_time_is_over() -> None:
    command = [sys.executable, str(SCRIPT), "reactorlib", "1000000", "-1"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
    ((size, _),) = json.loads(done.stdout)
    assert size == 65_600


def test_what_cannot_be_measured_is_told(
    growth: ModuleType,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setattr(growth.Workshop, "command", lambda *_: [sys.executable, "-c", "1 / 0"])
    assert growth.main([str(tmp_path / "growth.svg")]) == 1
    assert "growth: " in (told := capsys.readouterr().err)
    assert "ZeroDivisionError" in told
    assert not (tmp_path / "growth.svg").exists()
