"""One command for a running server, one for the tests; both start from a fresh clone.

    python3 tools/dev.py serve [--port 8080] [flags of `reactorlib web`]
    python3 tools/dev.py test [flags of pytest]       without any: all tests, on all cores
    python3 tools/dev.py lint
    python3 tools/dev.py types
    python3 tools/dev.py check [flags of pytest]      lint, types and test

Needs Python 3.10 or later, a C compiler and nothing else. Makes `.venv`, and
installs the package there with what the command needs; again only when what is
compiled or required has changed. Changes nothing outside the checkout.
"""

import argparse
import configparser
import hashlib
import importlib.util
import os
import shutil
import subprocess
import sys
from pathlib import Path

# Up to here and in its grammar this file is Python 3.6, so that an old one gets to say this.
if sys.version_info < (3, 10):  # noqa: UP036
    sys.exit(
        f"reactorlib needs Python 3.10 or later; {sys.executable} is {sys.version.split()[0]}. "
        f"Run {sys.argv[0]} with a later one, such as python3.12."
    )

ROOT = Path(__file__).resolve().parent.parent
VENV = ROOT / ".venv"
STAMP = VENV / "installed"
COMPILED = ("backends/_engine.*.so", "protocols/_http.*.so")
INSTALLED_FROM = ("setup.cfg", "setup.py", "pyproject.toml", "reactorlib/_version.py")

# Twice as many as there are cores: many tests wait for a clock or another process.
PROCESSES = str(2 * (os.cpu_count() or 1))
ON_ALL_CORES = ("--numprocesses", PROCESSES, "--dist", "loadfile", "--no-loadscope-reorder")

WHAT_TO_TRY = """
The documentation and the examples are served on port {port}. Look at them in a browser or
another terminal:

    http://127.0.0.1:{port}/
    curl -i http://127.0.0.1:{port}/

Ctrl-C ends it. Another backend: --reactor poll
"""
NO_VENV = """\
This Python ({python}) cannot make virtual environments: it has no {module}. Install it:

    apt-get install python3-venv         Debian, Ubuntu (or python{version}-venv)
"""


def main(arguments: list[str]) -> int:
    """Run a command line; returns the exit code."""
    commands = {"serve": serve, "test": test, "lint": lint, "types": types, "check": check}
    command, *rest = arguments or ["no command"]
    if command not in commands:
        asked = command in ("-h", "--help", "help")
        print(__doc__, file=sys.stdout if asked else sys.stderr)
        return 0 if asked else 2
    try:
        return commands[command](rest)
    except KeyboardInterrupt:
        return 130


def serve(arguments: list[str]) -> int:
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=False)
    parser.add_argument("--port", default="8080")
    options, rest = parser.parse_known_args(arguments)
    set_up()
    print(WHAT_TO_TRY.format(port=options.port), flush=True)
    handbook = f"{ROOT / 'tools' / 'handbook.py'}:root"
    return become("reactorlib", "web", "--resource", handbook, "--port", options.port, *rest)


def test(arguments: list[str]) -> int:
    set_up("test")
    os.chdir(ROOT)
    os.environ.pop("PYTHONDONTWRITEBYTECODE", None)  # the tests start hundreds of interpreters
    return become("pytest", *(arguments or ON_ALL_CORES))


def lint(_: list[str]) -> int:
    set_up("test")
    return call("ruff", "check", ".") or call("ruff", "format", "--check", ".")


def types(_: list[str]) -> int:
    set_up("test")
    settings = ("--config-file", str(ROOT / "setup.cfg"), "--cache-dir", str(ROOT / ".mypy_cache"))
    return call("mypy", *settings, "-p", "reactorlib", cwd=installed_tree()) or call(
        "mypy", *settings, "setup.py", "tools/dev.py", "tools/interpreters.py"
    )


def check(arguments: list[str]) -> int:
    return lint([]) or types([]) or test(arguments)


def set_up(extra: str = "") -> None:
    """Have the package in `.venv`, built from what is in the checkout now."""
    if is_installed(extra):
        return
    STAMP.unlink(missing_ok=True)
    make_venv()
    what = "reactorlib and its tools" if extra else "reactorlib"
    print(f"Building and installing {what} in {VENV}, which can take a minute", flush=True)
    pip = [str(VENV / "bin" / "python"), "-m", "pip", "install", "--disable-pip-version-check"]
    source = f".[{extra}]" if extra else "."
    if subprocess.run([*pip, "--quiet", "--editable", source], cwd=ROOT).returncode:
        sys.exit("dev.py: reactorlib could not be installed; the reason is above.")
    STAMP.write_text(f"{fingerprint()} {extra}")


def is_installed(extra: str) -> bool:
    if not STAMP.exists() or not all(any(ROOT.glob(pattern)) for pattern in COMPILED):
        return False
    return STAMP.read_text() in (f"{fingerprint()} {extra}", f"{fingerprint()} test")


def fingerprint() -> str:
    """Differs whenever the package has to be installed anew."""
    files = [ROOT / name for name in INSTALLED_FROM]
    for folder in ("backends/native", "protocols/native"):
        files += sorted(file for file in (ROOT / folder).glob("*.*") if file.is_file())
    digest = hashlib.sha256(f"{ROOT} {(VENV / 'bin' / 'python').resolve()}".encode())
    for file in files:
        digest.update(f"\0{file}\0".encode() + file.read_bytes())
    return digest.hexdigest()


def make_venv() -> None:
    """Make `.venv` unless there is one that works: whole, not moved here, its Python alive."""
    if is_usable(VENV):
        return
    for module in ("venv", "ensurepip"):
        if importlib.util.find_spec(module) is None:
            version = f"{sys.version_info[0]}.{sys.version_info[1]}"
            sys.exit(NO_VENV.format(python=sys.executable, module=module, version=version))
    print(f"Making {VENV} with Python {sys.version.split()[0]}", flush=True)
    if subprocess.run([sys.executable, "-m", "venv", "--clear", VENV]).returncode:
        sys.exit("dev.py: the virtual environment could not be made; the reason is above.")


def is_usable(venv: Path) -> bool:
    try:
        told = subprocess.run([venv / "bin" / "pip", "--version"], capture_output=True, text=True)
    except OSError:
        return False
    return told.returncode == 0 and str(venv) in told.stdout


def installed_tree() -> Path:
    """A copy of the packages as they install: type checkers cannot follow the mapped folders."""
    tree = ROOT / "build" / "types"
    shutil.rmtree(tree, ignore_errors=True)
    settings = configparser.ConfigParser()
    settings.read(ROOT / "setup.cfg")
    for line in settings["options"]["package_dir"].strip().split("\n"):
        package, folder = line.replace(" ", "").split("=")
        target = tree.joinpath(*package.split("."))
        shutil.copytree(ROOT / folder, target, ignore=shutil.ignore_patterns("native", "*.so"))
    return tree


def call(program: str, *arguments: str, cwd: Path = ROOT) -> int:
    return subprocess.run([VENV / "bin" / program, *arguments], cwd=cwd).returncode


def become(program: str, *arguments: str) -> int:
    """Turn into that program of `.venv`: signals and the exit code are its own."""
    os.execv(VENV / "bin" / program, [program, *arguments])


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
