"""`--print-config`: the values in force, and where each of them comes from."""

from __future__ import annotations

import argparse
from typing import Any

from reactorlib.app.flags import origins

SECRET = ("ssl_keyfile_password",)


def describe(options: argparse.Namespace) -> str:
    """A line for each setting: its flag, its value, and its flag, variable or "default"."""
    lines = [
        f"--{name.replace('_', '-')} = {_shown(name, getattr(options, name))}  ({origin})"
        for name, origin in sorted(origins(options).items())
    ]
    return "\n".join([f"PATH = {_shown('path', options.path)}", *lines])


def _shown(name: str, value: Any) -> str:
    if value in (None, [], ""):
        return "-"
    if name in SECRET:
        return "(hidden)"
    if isinstance(value, bool):
        return "on" if value else "off"
    text = " ".join(map(str, value)) if isinstance(value, list) else str(value)
    return text if text.isprintable() else repr(text)
