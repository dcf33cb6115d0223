"""Files of environment variables, as programs that start others read them.

Each line is NAME=VALUE, maybe with `export` before it, or a comment. A value in single
quotes is taken as it stands; in double quotes, `\\n`, `\\"`, `\\$` and `\\\\` are what they
are in a shell. What is set already is stronger. Nothing is ever run or expanded.
"""

from __future__ import annotations

import os
import re

from reactorlib.app.mistakes import UserMistake

LINE = re.compile(
    r"(?:export\s+)?(?P<name>[A-Za-z_][A-Za-z0-9_]*)\s*=\s*"
    r"(?:'(?P<raw>[^']*)'|\"(?P<quoted>(?:[^\"\\]|\\.)*)\"|(?P<plain>[^'\"#\s][^#]*?|))"
    r"(?:\s+#.*)?"
)
ESCAPES = {"n": "\n", "t": "\t", "r": "\r"}


def load(path: str) -> None:
    """Set the variables in a file. Raises UserMistake, and then has set none."""
    try:
        with open(path, encoding="utf-8") as file:
            lines = file.read().splitlines()
    except OSError as cause:
        raise UserMistake(f"cannot read {path}: {cause.strerror}") from cause
    except UnicodeDecodeError as cause:
        raise UserMistake(f"{path} is not in UTF-8") from cause
    for name, value in parse(path, lines).items():
        os.environ.setdefault(name, value)


def parse(path: str, lines: list[str]) -> dict[str, str]:
    """The variables in these lines. Raises UserMistake, which tells the line's number only:
    what stands there may be secret."""
    variables = {}
    for number, line in enumerate(map(str.strip, lines), 1):
        if not line or line.startswith("#"):
            continue
        match = LINE.fullmatch(line)
        if match is None or "\0" in line:
            raise UserMistake(f"{path}, line {number}: write NAME=VALUE")
        variables[match["name"]] = _value(match)
    return variables


def _value(match: re.Match[str]) -> str:
    if match["quoted"] is not None:
        return re.sub(r"\\(.)", lambda m: ESCAPES.get(m[1], m[1]), match["quoted"])
    return match["raw"] if match["raw"] is not None else match["plain"].strip()
