"""Every file and every command of docs/tutorial-web.md, as they stand there.

Only ports are changed, to free ones. Each section goes on with the files of those before.
"""

from __future__ import annotations

import re
import shlex
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.checkout import ROOT
from tests.fronts import in_front
from tests.test_cli import COMMAND
from tests.test_cli_listen import place_of, serving

TEXT = (ROOT / "docs" / "tutorial-web.md").read_text()
SECTIONS = dict(
    each.split("\n", 1) for each in re.split(r"^## ", TEXT, flags=re.MULTILINE)[1:] if each
)
BLOCK = re.compile(r"^```(\w+)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NAMED = (r"```python\n# (\w+\.py)\n(.*?)^```$", r"`(site/[\w.]+)`:\n\n```\w+\n(.*?)^```$")
SERVER, PROXY = "127.0.0.1:8080", "127.0.0.1:80/"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where all files of the page are."""
    folder = tmp_path_factory.mktemp("tutorial")
    (folder / "site").mkdir()
    for pattern in NAMED:
        for name, text in re.findall(pattern, TEXT, re.MULTILINE | re.DOTALL):
            (folder / name).write_text(text)
    return folder


def commands(section: str) -> Iterator[tuple[list[str], str]]:
    """Each command of a section, and what it is shown to say."""
    for kind, text in BLOCK.findall(section):
        for each in text.split("$ ")[1:] if kind == "console" else ():
            command, _, output = each.partition("\n")
            yield shlex.split(command), output.rstrip("\n")


def told(*command: str, cwd: Path) -> str:
    """What a command says that has to end well, up to the end of the last line."""
    done = subprocess.run(command, cwd=cwd, capture_output=True, text=True, timeout=60)
    assert done.returncode == 0, done.stderr
    return done.stdout.rstrip("\n")


def on_a_free_port(flags: list[str]) -> list[str]:
    """What `reactorlib web` is given, with 0 for its port."""
    port = flags.index("--port") if "--port" in flags else len(flags)
    return [*flags[:port], *flags[port + 2 :], "--port", "0"]


@pytest.mark.parametrize("title", SECTIONS)
def test_the_commands_say_what_is_shown(title: str, folder: Path, tmp_path: Path) -> None:
    section = SECTIONS[title]
    site = [text for kind, text in BLOCK.findall(section) if kind == "nginx"]
    places: dict[str, str] = {}
    asked = 0
    with ExitStack() as running:
        for (program, *arguments), shown in commands(section):
            if program == "curl":
                (url,) = (each for each in arguments if each.startswith("http://"))
                for known, place in places.items():
                    url = url.replace(known, place)
                arguments = [*(each for each in arguments if not each.startswith("http://")), url]
                assert told("curl", "-sS", "--noproxy", "*", *arguments, cwd=folder) == shown
                asked += 1
            elif "--check-config" in arguments:
                assert told(*COMMAND, *arguments, cwd=folder) == shown
            else:
                assert (program, arguments[0], shown) == ("reactorlib", "web", "")
                process = serving(*on_a_free_port(arguments), cwd=folder)
                place = f"127.0.0.1:{place_of(running.enter_context(process))[1]}"
                places = {SERVER: place}
                if "9000" in arguments:
                    of_us = site[0].replace("127.0.0.1:9000", place)
                    front = in_front("nginx", place, tmp_path, site=of_us)
                    places = {PROXY: running.enter_context(front) + "/"}
    assert asked


def test_it_has_seven_steps() -> None:
    assert len(SECTIONS) == 7
    assert "in seven steps" in TEXT
