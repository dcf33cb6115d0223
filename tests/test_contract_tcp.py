"""The TCP conformance suite on every backend."""

from __future__ import annotations

from typing import Any

from reactorlib.backends import compiled
from reactorlib.testing import contract
from tests.backends import BACKENDS


def applied(name: str) -> type[contract.TCPContract]:
    """The contract for one backend."""

    def make_engine(self: contract.ContractBase) -> Any:
        return BACKENDS[name]()

    limit = compiled.load().lib.engine_select_limit() if name == "select" else None
    attributes = {"__module__": __name__, "make_engine": make_engine, "descriptor_limit": limit}
    return type(f"TestTCP_{name}", (contract.TCPContract,), attributes)


for _name in BACKENDS:
    globals()[f"TestTCP_{_name}"] = applied(_name)


def test_no_part_hides_a_test_of_another() -> None:
    names = [
        name
        for part in contract.TCPContract.__bases__
        for name in vars(part)
        if name.startswith("test_")
    ]
    assert len(names) > 100
    assert len(set(names)) == len(names)
