"""Modules that may be installed, or None: those of the extra `compression`."""

from __future__ import annotations

import importlib
from types import ModuleType


def optional(name: str) -> ModuleType | None:
    """A module, if it is installed."""
    try:
        return importlib.import_module(name)
    except ImportError:
        return None


brotli = optional("brotli")
zstandard = optional("zstandard")
