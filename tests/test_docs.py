"""Every program in docs/ runs as it stands, and every link leads somewhere."""

from __future__ import annotations

import re
import sys

import pytest

from tests.checkout import ROOT, run

PAGES = sorted((ROOT / "docs").glob("*.md"))
PROGRAMS = [
    pytest.param(block, id=f"{page.name}-{number}")
    for page in PAGES
    for number, block in enumerate(
        re.findall(r"^```python\n(.*?)^```$", page.read_text(), re.MULTILINE | re.DOTALL)
    )
]


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_runs(program, tmp_path):
    script = tmp_path / "test_program.py"
    script.write_text(program)
    result = run(sys.executable, script.name, cwd=tmp_path)
    assert "Traceback" not in result.stderr
    if "\nclass Test" in program or "\ndef test_" in program:
        tested = run(sys.executable, "-m", "pytest", "-q", script.name, cwd=tmp_path)
        assert " passed" in tested.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target
