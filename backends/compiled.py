"""Loads the compiled engine and makes sure that it belongs to this source."""

from __future__ import annotations

import importlib
from typing import Any

from reactorlib._version import __version__

REBUILD = "Build it with `pip install .` (or `pip install -e .`) in the source tree."


def load(module: str = "reactorlib.backends._engine") -> Any:
    """The module of that name, with `ffi` and `lib`.

    Raises ImportError, saying what to do, if it is missing or was built from
    another version.
    """
    try:
        compiled = importlib.import_module(module)
    except ImportError as error:
        raise ImportError(
            f"The compiled engine {module} cannot be loaded ({error}). {REBUILD}"
        ) from error
    version = compiled.ffi.string(compiled.lib.engine_version()).decode()
    if version != __version__:
        raise ImportError(
            f"The compiled engine {module} is of version {version}, "
            f"reactorlib of {__version__}. {REBUILD}"
        )
    return compiled
