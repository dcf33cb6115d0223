"""How a backend is found, chosen and installed, and what is said when it cannot be."""

from __future__ import annotations

import importlib.metadata
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

import reactorlib
from reactorlib import __version__, error
from reactorlib.backends import compiled, engine, registry

HERE = [name for name in registry.PREFERENCE if name in engine.compiled_backends()]
MISSING = [name for name in registry.PREFERENCE if name not in HERE]

Script = Callable[..., subprocess.CompletedProcess[str]]


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Runs the lines of a program in a process of its own, with an environment variable."""

    def run(*lines: str, variable: str | None = None) -> subprocess.CompletedProcess[str]:
        environment = {k: v for k, v in os.environ.items() if k != registry.VARIABLE}
        if variable is not None:
            environment[registry.VARIABLE] = variable
        program = tmp_path / "program.py"
        program.write_text("\n".join(lines), encoding="utf-8")
        return subprocess.run(
            [sys.executable, "-W", "error", program],
            env=environment,
            capture_output=True,
            text=True,
            timeout=30,
            check=False,
        )

    return run


@pytest.fixture
def nothing_installed(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.delenv(registry.VARIABLE, raising=False)
    monkeypatch.setattr(registry, "_installed", None)
    yield
    if registry._installed is not None:
        registry._installed.engine.close()


@pytest.fixture
def entries(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Other packages' entry points."""
    given: list[Any] = []

    def entry_points(*, group: str) -> list[Any]:
        assert group == "reactorlib.backends"
        return given

    monkeypatch.setattr(importlib.metadata, "entry_points", entry_points)
    return given


def entry(name: str, load: Callable[[], object]) -> Any:
    return SimpleNamespace(name=name, value=f"package:{name}", load=load)


def broken_load() -> object:
    raise ImportError("no module named 'liburing'")


# Which one


def test_the_order_of_preference_is_told() -> None:
    assert registry.PREFERENCE == ("epoll", "kqueue", "poll", "select")


@pytest.mark.usefixtures("entries")
def test_own_backends_are_known_in_the_order_of_preference() -> None:
    assert tuple(registry.known()) == registry.PREFERENCE
    assert registry.available() == tuple(HERE)


@pytest.mark.usefixtures("nothing_installed")
def test_the_best_is_the_default() -> None:
    assert registry.installed_engine().name == HERE[0]


@pytest.mark.usefixtures("nothing_installed")
def test_the_environment_goes_before_preference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.VARIABLE, "select")
    assert registry.installed_engine().name == "select"


@pytest.mark.usefixtures("nothing_installed")
def test_code_goes_before_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(registry.VARIABLE, "select")
    registry.install("poll")
    assert registry.installed_engine().name == "poll"


@pytest.mark.usefixtures("nothing_installed")
def test_the_flag_goes_before_code(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setenv(registry.VARIABLE, "nonsense")
    caplog.set_level(logging.INFO)
    registry.install("select", by_flag=True)
    registry.install("poll")
    assert registry.installed_engine().name == "select"
    (message,) = caplog.messages
    assert f"{__file__}:" in message
    assert "poll" in message
    assert "select" in message


@pytest.mark.usefixtures("nothing_installed")
def test_a_flag_comes_first_or_not_at_all() -> None:
    registry.install("select")
    with pytest.raises(error.ReactorAlreadyInstalledError, match="select"):
        registry.install("poll", by_flag=True)


@pytest.mark.usefixtures("nothing_installed", "entries")
@pytest.mark.parametrize("way", ["code", "environment"])
def test_an_unknown_name_is_answered_with_those_that_are_known(
    way: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if way == "environment":
        monkeypatch.setenv(registry.VARIABLE, "epol")
    with pytest.raises(error.NoSuchReactor) as caught:
        registry.install("epol" if way == "code" else None)
    assert caught.value.available == tuple(HERE)
    assert "'epol'" in str(caught.value)
    assert HERE[0] in str(caught.value)
    assert registry._installed is None


@pytest.mark.usefixtures("nothing_installed", "entries")
def test_what_the_system_lacks_says_so_and_lists_what_is_there() -> None:
    assert MISSING, "some backend is missing on every system"
    for name in MISSING:
        with pytest.raises(error.BackendUnavailable) as caught:
            registry.install(name)
        assert sys.platform in caught.value.why
        assert caught.value.available == tuple(HERE)
    assert registry._installed is None


@pytest.mark.parametrize("name", HERE)
def test_an_engine_is_made_by_name(name: str) -> None:
    opened = registry.open_engine(name)
    assert opened.name == name
    opened.close()


# Other packages' backends


@pytest.mark.usefixtures("nothing_installed")
def test_other_packages_add_backends(entries: list[Any]) -> None:
    ours = registry.Backend("io_uring", lambda: engine.Engine("poll"), lambda: "")
    entries.append(entry("io_uring", lambda: ours))
    assert tuple(registry.known()) == (*registry.PREFERENCE, "io_uring")
    assert registry.available() == (*HERE, "io_uring")
    registry.install("io_uring")
    assert isinstance(registry.installed_engine(), engine.Engine)


@pytest.mark.usefixtures("nothing_installed")
def test_one_of_theirs_that_cannot_be_used_gives_its_reason(entries: list[Any]) -> None:
    theirs = registry.Backend("io_uring", broken_load, lambda: "the kernel is too old")
    entries.append(entry("io_uring", lambda: theirs))
    assert registry.available() == tuple(HERE)
    with pytest.raises(error.BackendUnavailable, match="the kernel is too old"):
        registry.install("io_uring")


@pytest.mark.usefixtures("nothing_installed")
def test_one_that_cannot_be_imported_harms_no_other(entries: list[Any]) -> None:
    entries.append(entry("io_uring", broken_load))
    assert registry.available() == tuple(HERE)
    with pytest.raises(error.BackendUnavailable, match=r"package:io_uring.*liburing") as caught:
        registry.install("io_uring")
    assert caught.value.available == tuple(HERE)
    with pytest.raises(error.BackendUnavailable, match="liburing"):
        registry.known()["io_uring"].open()


@pytest.mark.usefixtures("nothing_installed")
def test_one_that_is_something_else_harms_no_other(entries: list[Any]) -> None:
    entries.append(entry("io_uring", lambda: "a string"))
    assert registry.available() == tuple(HERE)
    with pytest.raises(error.BackendUnavailable, match="no Backend but 'a string'"):
        registry.install("io_uring")


@pytest.mark.usefixtures("nothing_installed")
def test_one_whose_probe_raises_harms_no_other(entries: list[Any]) -> None:
    theirs = registry.Backend("io_uring", broken_load, lambda: str(1 / 0))
    entries.append(entry("io_uring", lambda: theirs))
    assert registry.available() == tuple(HERE)
    with pytest.raises(error.BackendUnavailable, match="ZeroDivisionError"):
        registry.install("io_uring")


def test_a_name_of_ours_cannot_be_taken(entries: list[Any]) -> None:
    entries.append(entry("epoll", broken_load))
    assert registry.known()["epoll"] is registry._OWN["epoll"]


# Installing, in programs of their own


@pytest.mark.parametrize("name", HERE)
def test_a_backends_module_installs_it(script: Script, name: str) -> None:
    ran = script(
        f"from reactorlib.backends import {name}",
        f"{name}.install()",
        "from reactorlib import reactor",
        "print(reactor.name, reactor is __import__('reactorlib').reactor)",
    )
    assert (ran.stdout.split(), ran.stderr) == ([name, "True"], "")


@pytest.mark.parametrize("name", MISSING)
def test_a_missing_backends_module_says_what_there_is(script: Script, name: str) -> None:
    ran = script(f"from reactorlib.backends import {name}", f"{name}.install()")
    assert ran.returncode == 1
    last = ran.stderr.splitlines()[-1]
    assert "BackendUnavailable" in last
    assert HERE[0] in last


def test_without_a_choice_the_best_is_there(script: Script) -> None:
    ran = script("import reactorlib", "print(reactorlib.reactor.name)")
    assert (ran.stdout, ran.stderr) == (f"{HERE[0]}\n", "")


def test_the_variable_chooses(script: Script) -> None:
    ran = script("import reactorlib", "print(reactorlib.reactor.name)", variable="select")
    assert ran.stdout == "select\n"


@pytest.mark.parametrize(
    ("first", "installed"),
    [
        (["from reactorlib.backends import select", "select.install()"], "select"),
        (["import reactorlib.backends", "reactorlib.backends.install('select')"], "select"),
        (["import reactorlib", "reactorlib.reactor"], HERE[0]),
        (["", "from reactorlib import reactor"], HERE[0]),
    ],
)
def test_a_second_one_is_refused_and_told_where_the_first_was_installed(
    script: Script, tmp_path: Path, first: list[str], installed: str
) -> None:
    ran = script(*first, "from reactorlib.backends import poll", "poll.install()")
    last = ran.stderr.splitlines()[-1]
    assert "ReactorAlreadyInstalledError" in last
    assert f" {installed} " in last
    assert f"{tmp_path / 'program.py'}:2." in last
    assert ran.returncode == 1


def test_where_it_was_installed_is_the_nearest_line_of_the_program(
    script: Script, tmp_path: Path
) -> None:
    helper = tmp_path / "helper.py"
    helper.write_text("\nimport reactorlib\ndef use():\n    return reactorlib.reactor\n")
    ran = script(
        f"import sys; sys.path.append({str(tmp_path)!r})",
        "import helper",
        "helper.use()",
        "from reactorlib.backends import poll",
        "poll.install()",
    )
    assert f"{helper}:4." in ran.stderr.splitlines()[-1]


def test_the_package_opens_nothing_until_it_is_asked(script: Script) -> None:
    ran = script(
        "import os",
        "import reactorlib, reactorlib.backends, reactorlib.posixbase, reactorlib.threads",
        "from reactorlib.backends import registry",
        "print(registry._installed, [os.readlink(f'/proc/self/fd/{n}') for n in range(3, 9)",
        "    if os.path.exists(f'/proc/self/fd/{n}')])",
    )
    assert (ran.stdout, ran.stderr) == ("None []\n", "")


def test_a_name_that_is_not_there_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="'reactr'"):
        reactorlib.reactr  # noqa: B018 - the access is the test


# The compiled module


def test_a_missing_compiled_module_says_how_to_build_it() -> None:
    with pytest.raises(ImportError, match=r"_gone cannot be loaded.*pip install"):
        compiled.load("reactorlib.backends._gone")


def test_a_compiled_module_of_another_version_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    ours = compiled.load()
    old = ours.ffi.new("char[]", b"0.0.0.dev0")
    fake = SimpleNamespace(ffi=ours.ffi, lib=SimpleNamespace(engine_version=lambda: old))
    monkeypatch.setitem(sys.modules, "old_engine", fake)
    with pytest.raises(ImportError, match=r"old_engine is of version 0\.0\.0\.dev0.*pip install"):
        compiled.load("old_engine")
    assert ours.ffi.string(ours.lib.engine_version()).decode() == __version__
