"""Loads the compiled engine."""

from __future__ import annotations

from typing import Any

from reactorlib import compiled


def load(module: str = "reactorlib.backends._engine") -> Any:
    """The engine's module, with `ffi` and `lib`; ImportError as from `reactorlib.compiled`."""
    return compiled.load(module, "engine_version")
