"""Tries the wheel on every CPython from 3.10 that is on PATH or kept by pyenv.

    python3 tools/dev.py test --version      once, for .venv
    python3 tools/interpreters.py

One wheel is built, with `.venv`. Each Python gets it in a fresh environment,
and has to echo once through it. Prints a line for each; the exit code is 1 if
one failed. A Python that cannot load the stable interface is passed over.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PIP = (str(ROOT / ".venv" / "bin" / "python"), "-m", "pip", "--disable-pip-version-check", "-q")

# An answer for each Python that can load the wheel: its version.
ASK = """\
import sys, sysconfig
if sys.implementation.name == "cpython" and sys.version_info >= (3, 10):
    if not sysconfig.get_config_var("Py_GIL_DISABLED"):
        print("%d.%d" % sys.version_info[:2])
"""

ECHO_ONCE = """\
from reactorlib import reactor
from reactorlib.protocol import ClientFactory, Factory, Protocol

class Echo(Protocol):
    def dataReceived(self, data):
        self.transport.write(data)

class Ask(Protocol):
    def connectionMade(self):
        self.transport.write(b"?")

    def dataReceived(self, data):
        print("echo answered", data.decode())
        reactor.stop()

port = reactor.listenTCP(0, Factory.forProtocol(Echo), interface="127.0.0.1")
reactor.connectTCP("127.0.0.1", port.getHost().port, ClientFactory.forProtocol(Ask))
reactor.callLater(20, reactor.stop)
reactor.run()
"""


def main() -> int:
    found = interpreters()
    with tempfile.TemporaryDirectory() as folder:
        wheel = build_wheel(Path(folder))
        failed = [version for version in found if not passes(found[version], wheel, version)]
    return 1 if failed else 0


def interpreters() -> dict[str, str]:
    """The path of one Python for each version, by version."""
    names = [Path(folder) for folder in os.get_exec_path()]
    versions = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    folders = [*names, *(folder / "bin" for folder in sorted(versions.glob("*")))]
    candidates = [
        file
        for folder in folders
        for file in sorted(folder.glob("python3*"))
        if re.fullmatch(r"python3(\.\d+)?", file.name)
    ]
    found: dict[str, str] = {}
    for candidate in candidates:
        found.setdefault(version_of(candidate), str(candidate))
    found.pop("", None)
    return dict(sorted(found.items(), key=lambda item: int(item[0].partition(".")[2])))


def version_of(python: Path) -> str:
    """Its version, such as "3.12"; empty if the wheel is not for it or it does not run."""
    try:
        told = subprocess.run([python, "-c", ASK], capture_output=True, text=True, timeout=30)
    except OSError:
        return ""
    return told.stdout.strip() if told.returncode == 0 else ""


def build_wheel(folder: Path) -> Path:
    """Made from a copy: a build leaves files behind that outlive their sources."""
    copy = folder / "source"
    shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "build", "*.so", "*.egg-info"))
    subprocess.run([*PIP, "wheel", "--no-deps", "-w", folder, copy], check=True)
    return next(folder.glob("*.whl"))


def passes(python: str, wheel: Path, version: str) -> bool:
    """Whether an environment of that Python, with the wheel in it, echoes."""
    with tempfile.TemporaryDirectory() as folder:
        subprocess.run([python, "-m", "venv", "--without-pip", folder], check=True)
        own = Path(folder, "bin", "python")
        subprocess.run([*PIP, "--python", own, "install", wheel], check=True)
        told = subprocess.run(
            [own, "-c", ECHO_ONCE], cwd=folder, text=True, stdout=subprocess.PIPE, timeout=60
        )
    answered = told.returncode == 0 and told.stdout == "echo answered ?\n"
    print(f"Python {version}: {'echo answered' if answered else 'FAILED'} ({python})", flush=True)
    return answered


if __name__ == "__main__":
    sys.exit(main())
