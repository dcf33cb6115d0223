"""The backends that the tests run on, by name: `BACKENDS["poll"]()` is a new engine.

On Linux all four. Where the system has no kqueue(2) of its own, the engine is
built a second time against the stand-in in tests/native. With
REACTORLIB_TEST_BUILD=sanitized all of them come from the build that runs
under the sanitizers.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from functools import cache, partial
from typing import Any

from reactorlib.backends.engine import Engine, compiled_backends
from reactorlib.backends.registry import PREFERENCE
from tests.native.build import KQUEUE, VARIANTS, load

VARIABLE = "REACTORLIB_TEST_BUILD"


@cache
def native(name: str) -> Any:
    """The compiled module that has the backend `name`; None is the installed one."""
    if VARIABLE in os.environ:
        return _loaded(os.environ[VARIABLE])
    return None if name in compiled_backends() else _loaded(KQUEUE.name)


@cache
def _loaded(variant: str) -> Any:
    return load(VARIANTS[variant])


def open_engine(name: str) -> Engine:
    """A new engine on the backend `name`."""
    return Engine(name, native(name))


BACKENDS: dict[str, Callable[[], Engine]] = {
    name: partial(open_engine, name)
    for name in PREFERENCE
    if name == "kqueue" or name in compiled_backends()
}
