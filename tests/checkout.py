"""Copies of this checkout, and building in them with what is installed, without a network."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).resolve().parent.parent
PIP = (sys.executable, "-m", "pip", "--disable-pip-version-check")


def copy_checkout(target: Path) -> Path:
    """Copy the project there, but for what `.gitignore` names: that is made from the rest."""
    ignored = [line.rstrip("/") for line in (ROOT / ".gitignore").read_text().splitlines()]
    shutil.copytree(
        ROOT, target, ignore=shutil.ignore_patterns(".git", *ignored), dirs_exist_ok=True
    )
    return target


def files_below(folder: Path) -> set[str]:
    return {str(file.relative_to(folder)) for file in folder.rglob("*") if file.is_file()}


def offline(folder: Path) -> dict[str, str]:
    """An environment in which pip installs from what is installed beside these tests.

    All of that but reactorlib and pip is put on PYTHONPATH, through `folder`.
    """
    for place in {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}:
        for entry in Path(place).iterdir():
            if entry.suffix != ".pth" and not entry.name.startswith(("reactorlib", "pip", "__")):
                (folder / entry.name).symlink_to(entry)
    # For pip, "0" of an option named no-… means that it is on.
    settings = {"PIP_NO_BUILD_ISOLATION": "0", "PIP_NO_DEPS": "1", "PIP_NO_INDEX": "1"}
    kept = {name: value for name, value in os.environ.items() if not name.startswith("PIP_")}
    return {**kept, **settings, "PIP_CONFIG_FILE": os.devnull, "PYTHONPATH": str(folder)}


def run(
    *command: str | Path, cwd: Path, env: dict[str, str] | None = None, code: int = 0
) -> subprocess.CompletedProcess[str]:
    """Run a program that has to end with that exit code."""
    done = subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done


def load(script: Path) -> ModuleType:
    """A script of `tools/`, which is no package, as a module."""
    spec = importlib.util.spec_from_file_location(script.stem, script)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module
