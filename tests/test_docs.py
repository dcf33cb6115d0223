"""Every program in docs/ runs as it stands, and every link leads somewhere.

A program that begins with its name, `# chat.py`, is there for those after it on
the page; one with tests is given to pytest.
"""

from __future__ import annotations

import os
import re
import sys

import pytest

from tests.checkout import ROOT, run

PAGES = sorted((ROOT / "docs").glob("*.md"))
BLOCK = re.compile(r"^```python\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAME = re.compile(r"# (\w+\.py)\n")


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_programs_run(page, tmp_path):
    env = {**os.environ, "PYTHONPATH": str(tmp_path)}
    for number, program in enumerate(BLOCK.findall(page.read_text())):
        named = NAME.match(program)
        script = tmp_path / (named[1] if named else f"test_{number}.py")
        script.write_text(program)
        result = run(sys.executable, script.name, cwd=tmp_path, env=env)
        assert "Traceback" not in result.stderr
        if "\nclass Test" in program or "\ndef test_" in program:
            pytest_command = (sys.executable, "-m", "pytest", "-q", script.name)
            tested = run(*pytest_command, cwd=tmp_path, env=env)
            assert " passed" in tested.stdout


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_the_links_lead_somewhere(page):
    for target in re.findall(r"\]\(([^)#]+)[^)]*\)", page.read_text()):
        assert "://" in target or (page.parent / target).exists(), target
