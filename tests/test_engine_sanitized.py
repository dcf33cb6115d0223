"""The engine's conformance suite once more, under the address and undefined-behaviour sanitizers.

In a process of its own, for the sanitizers' libraries must come first. Leaks
are looked for by the driver in C: Python leaves too much for the search.
"""

from __future__ import annotations

import os
import subprocess
import sys

import pytest

from tests.backends import VARIABLE
from tests.native.build import ROOT, SANITIZED, extension, sanitizer_runtimes


@pytest.mark.timeout(600)
def test_the_contract_holds_without_a_finding() -> None:
    extension(SANITIZED)
    command = [
        sys.executable,
        "-m",
        "pytest",
        "-q",
        "-p",
        "no:cacheprovider",
        "tests/test_engine.py",
        "tests/test_spawn.py",
    ]
    # Measuring coverage as well would take minutes, and tell nothing about the C.
    inherited = {name: text for name, text in os.environ.items() if "COVERAGE" not in name}
    environment = {
        **inherited,
        VARIABLE: SANITIZED.name,
        "LD_PRELOAD": sanitizer_runtimes(),
        "ASAN_OPTIONS": "detect_leaks=0",
        "PYTHONSAFEPATH": "1",
    }
    result = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=False
    )
    assert result.returncode == 0, result.stdout + result.stderr
