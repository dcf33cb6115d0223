"""Loads what is compiled and makes sure that it belongs to this source."""

from __future__ import annotations

import importlib
from typing import Any

from reactorlib._version import __version__

REBUILD = "Build it with `pip install .` (or `pip install -e .`) in the source tree."


def load(module: str, version_function: str) -> Any:
    """The module of that name, with `ffi` and `lib`, whose function tells its version.

    Raises ImportError, saying what to do, if it is missing or was built from
    another version.
    """
    try:
        compiled = importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"The compiled module {module} cannot be loaded ({error}). {REBUILD}"
        ) from error
    version = compiled.ffi.string(getattr(compiled.lib, version_function)()).decode()
    if version != __version__:
        raise ImportError(
            f"The compiled module {module} is of version {version}, "
            f"reactorlib of {__version__}. {REBUILD}"
        )
    return compiled
