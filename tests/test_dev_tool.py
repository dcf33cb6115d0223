"""tools/dev.py from a fresh clone on, and tools/interpreters.py."""

from __future__ import annotations

import ast
import importlib.util
import re
import signal
import socket
import stat
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from urllib.request import urlopen

import pytest

from tests.checkout import ROOT, copy_checkout, load, offline, run

pytestmark = pytest.mark.timeout(300)

TOOL = ROOT / "tools" / "dev.py"
MADE = "Making "
BUILT = "Building "


class Fresh:
    """A clone in which nothing was made yet, and the tool in it."""

    def __init__(self, root: Path, env: dict[str, str]) -> None:
        self.root = root
        self.env = env
        self.command = (sys.executable, str(root / "tools" / "dev.py"))

    def run(self, *arguments: str, code: int = 0) -> str:
        done = run(*self.command, *arguments, cwd=self.root.parent, env=self.env, code=code)
        return done.stdout + done.stderr

    @contextmanager
    def serving(self) -> Iterator[tuple[subprocess.Popen[str], int, str]]:
        """The tool as a server: its process, its port, and what it said until it was ready."""
        with subprocess.Popen(
            [*self.command, "serve", "--port", "0", "--host", "127.0.0.1"],
            cwd=self.root.parent,
            env=self.env,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ) as process:
            try:
                assert process.stdout
                said = ""
                while (match := re.search(r"^web on .*:(\d+) ", said, re.MULTILINE)) is None:
                    line = process.stdout.readline()
                    assert line, said
                    said += line
                yield process, int(match[1]), said
            finally:
                process.kill()


@pytest.fixture
def fresh(tmp_path: Path) -> Fresh:
    (site := tmp_path / "site").mkdir()
    return Fresh(copy_checkout(tmp_path / "a clone"), offline(site))


@pytest.fixture
def tool(tmp_path: Path) -> ModuleType:
    """The tool in a checkout without an environment."""
    return load(copy_checkout(tmp_path / "checkout") / "tools" / "dev.py")


def test_a_fresh_clone_serves_and_runs_its_tests(fresh: Fresh) -> None:
    with fresh.serving() as (process, port, said):
        assert MADE in said
        assert BUILT in said
        assert "curl -i http://127.0.0.1:0/\n" in said
        with socket.create_connection(("127.0.0.1", port), timeout=20) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: a\r\n\r\n")
            assert peer.recv(15, socket.MSG_WAITALL) == b"HTTP/1.1 200 OK"
        for place in ("docs/tutorial.md", "examples/shout.py"):
            with urlopen(f"http://127.0.0.1:{port}/{place}", timeout=20) as answer:
                assert answer.headers.get_content_type() == "text/plain"
                assert answer.read() == (ROOT / place).read_bytes()
        process.send_signal(signal.SIGINT)
        rest, _ = process.communicate(timeout=20)
        assert process.returncode == 0
        assert "Traceback" not in rest

    with fresh.serving() as (_, _, said):
        assert MADE not in said
        assert BUILT not in said

    # The environment of this test has no index to install pytest's command from.
    script = fresh.root / ".venv" / "bin" / "pytest"
    script.write_text('#!/bin/sh\nexec "${0%/*}/python" -m pytest -p no:cacheprovider "$@"\n')
    script.chmod(0o755)
    said = fresh.run("test", "tests/test_address.py")
    assert MADE not in said
    assert BUILT in said
    assert re.search(r"^=+ \d+ passed in .*=+\n\Z", said, re.MULTILINE)
    said = fresh.run("test", "tests/test_address.py", "-k", "absent", code=5)
    assert BUILT not in said


def test_it_installs_again_when_the_c_has_changed(tool: ModuleType) -> None:
    modules = [tool.ROOT / "backends/_engine.abi3.so", tool.ROOT / "protocols/_http.abi3.so"]
    for module in modules:
        module.touch()
    tool.VENV.mkdir()
    tool.STAMP.write_text(f"{tool.fingerprint()} test")
    assert tool.is_installed("")
    assert tool.is_installed("test")
    header = tool.ROOT / "backends" / "native" / "engine.h"
    header.write_text(header.read_text() + "\n")
    assert not tool.is_installed("")
    tool.STAMP.write_text(f"{tool.fingerprint()} ")
    assert tool.is_installed("")
    assert not tool.is_installed("test")
    for module in modules:
        module.unlink()
        assert not tool.is_installed("")
        module.touch()


def test_a_half_made_or_moved_environment_is_made_anew(tool: ModuleType, tmp_path: Path) -> None:
    assert not tool.is_usable(tmp_path)
    pip = tmp_path / "bin" / "pip"
    pip.parent.mkdir()
    pip.touch(stat.S_IRWXU)
    for script, usable in {
        "#!/nonexistent/python\n": False,
        "#!/bin/sh\nexit 1\n": False,
        "#!/bin/sh\necho pip 26.0 from /elsewhere/.venv/lib\n": False,
        f"#!/bin/sh\necho pip 26.0 from '{tmp_path}/lib'\n": True,
    }.items():
        pip.write_text(script)
        assert tool.is_usable(tmp_path) is usable


def test_the_checked_tree_is_laid_out_as_it_installs(tool: ModuleType) -> None:
    for _ in range(2):
        tree = tool.installed_tree()
        assert (tree / "reactorlib" / "py.typed").exists()
        assert (tree / "reactorlib" / "backends" / "engine.py").exists()
        assert (tree / "reactorlib" / "protocols" / "__init__.py").exists()
        assert not (tree / "reactorlib" / "backends" / "native").exists()


def test_check_stops_at_what_fails_first(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    called: list[str] = []

    def call(program: str, *_: str, **__: Path) -> int:
        called.append(program)
        return int(program == "mypy")

    monkeypatch.setattr(tool, "set_up", lambda extra: None)
    monkeypatch.setattr(tool, "call", call)
    assert tool.main(["check"]) == 1
    assert called == ["ruff", "ruff", "mypy"]


def test_all_the_tests_run_on_all_cores_and_some_as_they_are_asked_for(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    became: list[tuple[str, ...]] = []
    monkeypatch.setattr(tool, "set_up", lambda extra: None)
    monkeypatch.setattr(tool, "become", lambda *command: became.append(command) or 0)
    assert tool.main(["test"]) == tool.main(["test", "-x", "--pdb"]) == 0
    assert became == [("pytest", *tool.ON_ALL_CORES), ("pytest", "-x", "--pdb")]


def test_a_python_without_ensurepip_is_told_what_to_install(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: name != "ensurepip" or None)
    with pytest.raises(SystemExit, match=r"no ensurepip(.|\n)*apt-get install python3-venv"):
        tool.main(["serve"])
    assert capsys.readouterr().out == ""


def test_an_old_python_is_told_so() -> None:
    older = "import sys, runpy; sys.version_info = (3, 9, 2, 'final', 0); sys.argv[0] = sys.argv[1]"
    start = f"{older}; runpy.run_path(sys.argv[1], run_name='__main__')"
    told = run(sys.executable, "-c", start, TOOL, "serve", cwd=ROOT, code=1)
    assert "needs Python 3.10 or later" in told.stderr
    assert "Traceback" not in told.stderr
    # An old parser has to come as far as that.
    assert ast.parse(TOOL.read_text(), feature_version=(3, 7))


def test_it_needs_only_the_standard_library() -> None:
    imported = {
        alias.name.partition(".")[0]
        for node in ast.walk(ast.parse(TOOL.read_text()))
        if isinstance(node, ast.Import)
        for alias in node.names
    } | {
        str(node.module).partition(".")[0]
        for node in ast.walk(ast.parse(TOOL.read_text()))
        if isinstance(node, ast.ImportFrom)
    }
    assert imported <= sys.stdlib_module_names


@pytest.mark.parametrize(
    ("arguments", "code", "stream"), [([], 2, "err"), (["deploy"], 2, "err"), (["-h"], 0, "out")]
)
def test_usage(
    tool: ModuleType,
    capsys: pytest.CaptureFixture[str],
    arguments: list[str],
    code: int,
    stream: str,
) -> None:
    assert tool.main(arguments) == code
    assert "python3 tools/dev.py serve" in getattr(capsys.readouterr(), stream)


def test_control_c_ends_without_a_traceback(
    tool: ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(subprocess, "run", interrupted)
    assert tool.main(["lint"]) == 130


def test_a_failing_pip_is_reported(tool: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tool, "make_venv", lambda: None)
    monkeypatch.setattr(
        subprocess, "run", lambda *_, **__: subprocess.CompletedProcess((), returncode=1)
    )
    with pytest.raises(SystemExit, match="could not be installed"):
        tool.main(["serve"])
    assert not tool.STAMP.exists()


def test_interpreters_are_found_once_and_only_if_they_run(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    own = tmp_path / "bin"
    kept = tmp_path / "pyenv" / "versions" / "x" / "bin"
    for folder in (own, kept):
        folder.mkdir(parents=True)
    (own / "python3").symlink_to(sys.executable)
    (own / "python3.12").write_text("#!/bin/sh\nexit 127\n")
    (own / "python3.12").chmod(0o755)
    (own / "python3.13").touch()
    (own / "python3-config").touch(0o755)
    (kept / "python3").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", str(own))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    found = load(ROOT / "tools" / "interpreters.py").interpreters()
    assert found == {f"{sys.version_info[0]}.{sys.version_info[1]}": str(own / "python3")}
