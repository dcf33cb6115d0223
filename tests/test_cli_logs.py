"""`--log-config`: logging as a file says."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.test_cli import run
from tests.test_cli_listen import place_of, serving
from tests.test_cli_website import get
from tests.working import wait_until

WEB = ["web", "--listen", "tcp:0:interface=127.0.0.1"]


def configured(log: Path) -> dict[str, Any]:
    return {
        "version": 1,
        "formatters": {"short": {"format": "%(name)s: %(message)s"}},
        "handlers": {
            "file": {
                "class": "logging.FileHandler",
                "filename": str(log),
                "formatter": "short",
            }
        },
        "loggers": {"reactorlib": {"level": "INFO", "handlers": ["file"]}},
    }


INI = """
[loggers]
keys=root
[handlers]
keys=file
[formatters]
keys=short
[logger_root]
level=INFO
handlers=file
[handler_file]
class=FileHandler
formatter=short
args=({!r},)
[formatter_short]
format=%(name)s: %(message)s
"""


@pytest.mark.parametrize("kind", ["json", "ini"])
def test_answers_and_all_else_go_where_the_file_says(tmp_path: Path, kind: str) -> None:
    log, file = tmp_path / "log", tmp_path / f"logging.{kind}"
    file.write_text(json.dumps(configured(log)) if kind == "json" else INI.format(str(log)))
    with serving(*WEB, "--log-config", str(file)) as process:
        assert get(place_of(process))[0] == 200
        wait_until(lambda: "reactorlib.access: 127.0.0.1 - - [" in log.read_text())
    assert "reactorlib: Received signal 15\n" in log.read_text()


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("none.json", None, "cannot read none.json: No such file"),
        ("bad.json", "{", "bad.json does not configure logging: "),
        ("bad.json", '{"version": 7}', "bad.json does not configure logging: "),
        ("bad.ini", "nonsense", "bad.ini does not configure logging: "),
    ],
)
def test_a_bad_file_is_a_mistake(tmp_path: Path, name: str, text: str | None, told: str) -> None:
    if text is not None:
        (tmp_path / name).write_text(text)
    result = run(*WEB, "--log-config", name, cwd=tmp_path)
    assert result.returncode == 1
    assert result.stderr.startswith(f"reactorlib: {told}")
    assert result.stderr.count("\n") == 1
