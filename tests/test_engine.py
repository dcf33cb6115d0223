"""The engine's conformance suite on every backend."""

from __future__ import annotations

from typing import Any

from reactorlib.backends.compiled import load
from reactorlib.testing.contract import EngineContract
from tests.backends import BACKENDS

LIMITS = {"select": load().lib.engine_select_limit()}


def applied(name: str) -> type[EngineContract]:
    """The contract class for one backend."""

    def make_engine(self: EngineContract) -> Any:
        return BACKENDS[name]()

    attributes = {
        "__module__": __name__,
        "make_engine": make_engine,
        "descriptor_limit": LIMITS.get(name),
    }
    return type(f"Test{name.capitalize()}", (EngineContract,), attributes)


for _name in BACKENDS:
    _class = applied(_name)
    globals()[_class.__name__] = _class
del _class
