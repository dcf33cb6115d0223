"""The map and the reference leave nothing out, and the commands that are shown are right."""

from __future__ import annotations

import importlib
import inspect
import re
import shlex
from pathlib import Path

import pytest

import reactorlib.endpoints
import reactorlib.testing
from reactorlib.app.main import COMMANDS, _parse, main
from reactorlib.endpoints.strings import _PARSERS, serverFromString
from tests.checkout import ROOT
from tests.test_layers import LAYER_OF, LAYERS, SOURCES, TRANSPORTS


def read(page: Path) -> str:
    return page.read_text(encoding="utf-8")


MAP = read(ROOT / "docs" / "architecture.md")
REFERENCE = read(ROOT / "docs" / "reference.md")
VARIADIC = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def quoted(text: str) -> set[str]:
    """What stands there as code, in whole and in words."""
    code = re.findall(r"`([^`\n]+)`", text)
    return {*code, *(word for each in code for word in each.split())}


def named(text: str) -> set[str]:
    """Every name there, with or without dots."""
    return set(re.findall(r"\w+", text))


def rows(heading: str) -> dict[str, str]:
    """The rows of a table in the reference, by the code in their first column."""
    table = REFERENCE.partition(f"| {heading} | ")[2].partition("\n\n")[0]
    cells = [line.strip("| ").split(" | ", 1) for line in table.splitlines()[2:]]
    return {name: each[-1] for each in cells for name in re.findall(r"`([^`]+)`", each[0])}


def test_the_map_has_every_module() -> None:
    code = {name.removeprefix("reactorlib.") for name in quoted(MAP)}
    modules = {name for name in LAYER_OF if name not in ("backends", "protocols")}
    assert modules - code == set()
    assert {"backends/", "protocols/"} <= quoted(MAP)


@pytest.mark.parametrize(("heading", "layer"), [("0 values", 0), ("2 reactor", 2), ("5 use", 5)])
def test_the_map_has_each_module_in_its_layer(heading: str, layer: int) -> None:
    row = MAP.partition(f"| {heading} | ")[2].partition(" | ")[0]
    assert set(re.findall(r"`(\w+)`", row)) == set(LAYERS[layer].split())


def test_the_map_has_each_transport() -> None:
    table = MAP.partition("The transports, from below upwards")[2].partition("\nA module")[0]
    assert quoted(table) == set(LAYERS[TRANSPORTS].split())


def test_the_map_has_every_file_of_the_engine() -> None:
    files = {path.name for path in (ROOT / "backends" / "native").glob("*.c")}
    assert {"engine.c", "calls.c"} <= files
    pollers = {name for name in files if name.startswith("poll")}
    assert files - pollers - quoted(MAP) == set()
    assert "poller.h" in quoted(MAP)


def test_the_reference_has_every_protocol() -> None:
    modules = {name.split(".")[2] for name in SOURCES if name.startswith("reactorlib.protocols.")}
    assert modules - named(REFERENCE) == set()


@pytest.mark.parametrize("package", [reactorlib.endpoints, reactorlib.testing])
def test_the_reference_has_every_name_of(package: object) -> None:
    assert set(package.__all__) - named(REFERENCE) == set()  # type: ignore[attr-defined]


def test_the_reference_has_every_command() -> None:
    assert {name.split()[0] for name in rows("command")} == set(COMMANDS)


@pytest.mark.parametrize("command", [None, *COMMANDS])
def test_the_reference_has_every_flag(
    command: str | None, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit):
        main(["--help"] if command is None else [command, "--help"])
    flags = set(re.findall(r"(?<![\w-])--?[a-z][a-z-]*", capsys.readouterr().out))
    assert flags - quoted(REFERENCE) == {"-h"}


def commands() -> list[str]:
    """The command lines of ours that are shown, on all pages."""
    pages = [ROOT / "README.md", *(ROOT / "docs").glob("*.md")]
    return re.findall(r"^\$ (?:.* )?reactorlib (.+)$", "\n".join(map(read, pages)), re.MULTILINE)


def test_there_are_commands() -> None:
    assert len(commands()) >= 6


@pytest.mark.parametrize("line", sorted(set(commands())))
def test_a_command_that_is_shown_has_the_right_words(line: str) -> None:
    options = _parse(shlex.split(line))
    for place in getattr(options, "listen", None) or []:
        kind, _, _ = place.removeprefix("haproxy:").partition(":")
        assert kind == "systemd" or serverFromString(None, place)


@pytest.mark.parametrize("kind", _PARSERS)
@pytest.mark.parametrize(
    ("heading", "method"), [("to listen", "parseStreamServer"), ("to connect", "parseStreamClient")]
)
def test_the_reference_has_every_field(heading: str, method: str, kind: str) -> None:
    module, name = _PARSERS[kind].split(":")
    parser = getattr(importlib.import_module(module), name)
    assert (kind in rows(heading)) == hasattr(parser, method)
    if hasattr(parser, method):
        parameters = list(inspect.signature(getattr(parser, method)).parameters.values())[2:]
        fields = {each.name for each in parameters if each.kind not in VARIADIC}
        assert fields - named(rows(heading)[kind]) == set()
