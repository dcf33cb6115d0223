"""Runs of pytest on a suite of their own."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

INI = "[pytest]\nfilterwarnings = error\n"

WITHOUT_OTHERS = ("-p", "no:asyncio", "-p", "no:twisted")


class Run:
    """What a run of pytest said."""

    def __init__(self, folder: Path, suite: str, *options: str, ini: str = INI) -> None:
        (folder / "pytest.ini").write_text(ini)
        (folder / "test_suite.py").write_text(suite)
        command = [sys.executable, "-m", "pytest", "-v", "-p", "no:cacheprovider", *options]
        environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
        done = subprocess.run(
            command, cwd=folder, env=environment, capture_output=True, text=True, timeout=60
        )
        self.code = done.returncode
        self.text = done.stdout + done.stderr

    def outcomes(self) -> dict[str, str]:
        """By the name of the test: PASSED, FAILED or SKIPPED, and ERROR for its teardown."""
        found: dict[str, str] = {}
        for name, outcome in re.findall(r"^test_suite\.py::(\S+) ([A-Z]+)", self.text, re.M):
            found[name] = f"{found.get(name, '')} {outcome}".strip()
        return found

    def section(self, name: str) -> str:
        """What is told about a failure."""
        parts = re.split(r"^_{3,} (?:ERROR at teardown of )?(\S+) _{3,}$", self.text, flags=re.M)
        told = zip(parts[1::2], parts[2::2], strict=True)
        return "".join(text for title, text in told if title == name)
