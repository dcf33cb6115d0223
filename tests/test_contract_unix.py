"""The conformance suites of UNIX sockets on every backend."""

from __future__ import annotations

from typing import Any

from reactorlib.testing.contract.base import ContractBase
from reactorlib.testing.contract.unix import UNIXContract, UNIXTransportContract
from tests.backends import BACKENDS


def applied(contract: type[ContractBase], name: str) -> type[ContractBase]:
    """A contract for one backend."""

    def make_engine(self: ContractBase) -> Any:
        return BACKENDS[name]()

    return type(f"Test{contract.__name__}_{name}", (contract,), {"make_engine": make_engine})


for _name in BACKENDS:
    for _contract in (UNIXContract, UNIXTransportContract):
        _class = applied(_contract, _name)
        globals()[_class.__name__] = _class
