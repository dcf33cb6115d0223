"""The reactor's conformance suite on every backend."""

from __future__ import annotations

from typing import Any

from reactorlib.testing import contract
from tests.backends import BACKENDS

CONTRACTS = (
    contract.CoreContract,
    contract.TimeContract,
    contract.ThreadsContract,
    contract.DescriptorsContract,
    contract.DescriptorEndsContract,
    contract.StreamsContract,
    contract.SystemContract,
)


def applied(base: type[contract.ContractBase], name: str) -> type[contract.ContractBase]:
    """A contract class for one backend."""

    def make_engine(self: contract.ContractBase) -> Any:
        return BACKENDS[name]()

    attributes = {"__module__": __name__, "make_engine": make_engine}
    class_name = f"Test{base.__name__}_{name}"
    return type(class_name, (base,), attributes)


for _name in BACKENDS:
    for _contract in CONTRACTS:
        _class = applied(_contract, _name)
        globals()[_class.__name__] = _class
