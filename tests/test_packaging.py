"""What pip makes of the checkout: sdist, wheel, both installs, and what goes wrong."""

from __future__ import annotations

import configparser
import os
import re
import runpy
import sys
import sysconfig
import tarfile
import venv
import zipfile
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import setuptools

from reactorlib import __version__, compiled
from tests.checkout import PIP, ROOT, copy_checkout, files_below, load, offline, run

pytestmark = pytest.mark.timeout(300)

BUILD_SDIST = "import setuptools.build_meta as backend; backend.build_sdist('dist')"
ECHO_ONCE: str = load(ROOT / "tools" / "interpreters.py").ECHO_ONCE
COMPILED = {"reactorlib/backends/_engine.abi3.so", "reactorlib/protocols/_http.abi3.so"}
HTTP = ("reactorlib.protocols._http", "http_version")
PACKAGES = {"reactorlib": "reactorlib", "backends": "reactorlib/backends"}
PACKAGES["protocols"] = "reactorlib/protocols"


@pytest.fixture(scope="module")
def env(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    return offline(tmp_path_factory.mktemp("site"))


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return copy_checkout(tmp_path_factory.mktemp("checkout"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory, env: dict[str, str]) -> Path:
    copy = copy_checkout(tmp_path_factory.mktemp("sdist"))
    run(sys.executable, "-c", BUILD_SDIST, cwd=copy, env=env)
    (made,) = (copy / "dist").iterdir()
    return made


@pytest.fixture(scope="module")
def wheel(sdist: Path, env: dict[str, str]) -> Path:
    run(*PIP, "wheel", sdist, cwd=sdist.parent, env=env)
    (made,) = sdist.parent.glob("*.whl")
    return made


def fresh_environment(folder: Path) -> Path:
    venv.create(folder, symlinks=True)
    return folder / "bin" / "python"


def test_the_sdist_has_every_file(sdist: Path, checkout: Path) -> None:
    with tarfile.open(sdist) as archive:
        members = [name for name in archive.getnames() if archive.getmember(name).isfile()]
    names = {name.partition("/")[2] for name in members}
    assert files_below(checkout) - names == set()
    assert [name for name in names if name.endswith((".so", ".o", ".pyc"))] == []


def test_the_wheel_is_for_the_stable_interface(wheel: Path) -> None:
    assert re.fullmatch(rf"reactorlib-{re.escape(__version__)}-cp310-abi3-\w+\.whl", wheel.name)


def test_the_wheel_has_every_module_and_what_is_compiled(wheel: Path, checkout: Path) -> None:
    names = set(zipfile.ZipFile(wheel).namelist())
    modules = {
        f"{package}/{file}"
        for folder, package in PACKAGES.items()
        for file in files_below(checkout / folder)
        if file.endswith(".py") and not file.startswith("native/")
    }
    data = {name for name in names if ".dist-info/" not in name}
    page = "reactorlib/app/status/browser"
    shown = {f"{page}/{file}" for file in files_below(checkout / page)}
    assert f"{page}/page.js" in shown
    assert data == modules | COMPILED | shown | {"reactorlib/py.typed"}


def test_the_wheel_names_what_it_needs(wheel: Path) -> None:
    archive = zipfile.ZipFile(wheel)
    info = f"reactorlib-{__version__}.dist-info"
    metadata = archive.read(f"{info}/METADATA").decode()
    needs = re.findall(r"^Requires-Dist: ([\w.]+)[^;\n]*$", metadata, re.MULTILINE)
    assert sorted(needs) == ["cffi", "psutil", "zope.interface"]
    assert "\nRequires-Python: >=3.10\n" in metadata
    assert "\nProvides-Extra: test\n" in metadata
    scripts = configparser.ConfigParser()
    scripts.read_string(archive.read(f"{info}/entry_points.txt").decode())
    assert dict(scripts["console_scripts"]) == {"reactorlib": "reactorlib.app.main:main"}


def test_the_installed_wheel_echoes(wheel: Path, env: dict[str, str], tmp_path: Path) -> None:
    python = fresh_environment(tmp_path / "venv")
    run(*PIP, "--python", python, "install", wheel, cwd=tmp_path, env=env)
    assert run(python, "-c", ECHO_ONCE, cwd=tmp_path, env=env).stdout == "echo answered ?\n"
    told = run(python.parent / "reactorlib", "--version", cwd=tmp_path, env=env)
    assert told.stdout == f"reactorlib {__version__}\n"
    place = run(
        python, "-c", "import reactorlib; print(reactorlib.__file__)", cwd=tmp_path, env=env
    )
    assert Path(place.stdout).is_relative_to(tmp_path)


def test_an_install_from_the_folder_takes_a_new_version_with_it(
    env: dict[str, str], tmp_path: Path
) -> None:
    copy = copy_checkout(tmp_path / "checkout")
    python = fresh_environment(tmp_path / "venv")
    for version in ("7.8.9", "7.8.10"):
        (copy / "reactorlib" / "_version.py").write_text(f'__version__ = "{version}"\n')
        run(*PIP, "--python", python, "install", ".", cwd=copy, env=env)
        run(python, "-c", "import reactorlib.backends.engine", cwd=tmp_path, env=env)
        told = run(python.parent / "reactorlib", "--version", cwd=tmp_path, env=env)
        assert told.stdout == f"reactorlib {version}\n"


def test_an_editable_install_uses_the_folders(env: dict[str, str], tmp_path: Path) -> None:
    copy = copy_checkout(tmp_path / "checkout")
    python = fresh_environment(tmp_path / "venv")
    run(*PIP, "--python", python, "install", "--editable", ".", cwd=copy, env=env)
    assert run(python, "-c", ECHO_ONCE, cwd=tmp_path, env=env).stdout == "echo answered ?\n"
    where = "import reactorlib.backends._engine as engine; print(engine.__file__)"
    told = run(python, "-c", where, cwd=tmp_path, env=env)
    assert Path(told.stdout.strip()) == copy / "backends" / "_engine.abi3.so"


def test_without_pyproject_toml_s_cffi_a_wheel_would_have_no_c_in_it() -> None:
    text = (ROOT / "pyproject.toml").read_text()
    requires = re.search(r"^requires = \[(.*)\]$", text, re.MULTILINE)
    assert requires
    assert re.findall(r'"([a-z]+)', requires[1]) == ["setuptools", "wheel", "cffi"]


def test_a_missing_compiler_is_named_with_its_packages(
    checkout: Path, env: dict[str, str], tmp_path: Path
) -> None:
    told = run(
        *PIP,
        *("wheel", "--wheel-dir", tmp_path, checkout),
        cwd=tmp_path,
        env={**env, "CC": "/nonexistent/cc"},
        code=1,
    )
    text = told.stdout + told.stderr
    assert "needs a C compiler, and there is no /nonexistent/cc" in text
    assert "apt-get install gcc python3-dev" in text
    assert "Traceback" not in text


def test_missing_headers_are_named_with_their_packages(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(setuptools, "setup", lambda **_: None)
    build: Any = runpy.run_path(str(ROOT / "setup.py"))["BuildEngine"]
    monkeypatch.setattr(sysconfig, "get_path", lambda name: str(tmp_path / name))
    unfinished = SimpleNamespace(compiler=SimpleNamespace(compiler_so=[sys.executable]))
    with pytest.raises(SystemExit, match=r"Python\.h is missing:\n\n *apt-get .* python3-dev"):
        build.build_extensions(unfinished)


def test_another_version_of_a_compiled_module_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(compiled, "__version__", "0.0.7")
    with pytest.raises(ImportError, match=rf"{re.escape(__version__)}.* 0\.0\.7.*pip install"):
        compiled.load(*HTTP)


def test_an_engine_that_was_not_built_says_how_to_build_it() -> None:
    with pytest.raises(ImportError, match=r"reactorlib\.backends\._nowhere .*pip install"):
        compiled.load("reactorlib.backends._nowhere", "engine_version")


@pytest.mark.parametrize("folder", ["backends", "protocols"])
def test_the_mapped_folders_have_one_name(folder: str) -> None:
    assert folder not in sys.modules
    assert str(ROOT) not in [os.path.abspath(place) for place in sys.path]
