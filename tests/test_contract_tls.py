"""The TLS conformance suite on every backend."""

from __future__ import annotations

from typing import Any

from reactorlib.testing import contract
from reactorlib.testing.contract.tls_streams import (
    TLSMachineContract,
    TLSStreamsContract,
    TLSTransportContract,
)
from tests.backends import BACKENDS

CONTRACTS = (TLSStreamsContract, TLSMachineContract, TLSTransportContract)


def applied(base: type[contract.ContractBase], name: str) -> type[contract.ContractBase]:
    """A contract class for one backend."""

    def make_engine(self: contract.ContractBase) -> Any:
        return BACKENDS[name]()

    attributes = {"__module__": __name__, "make_engine": make_engine}
    return type(f"Test{base.__name__}_{name}", (base,), attributes)


for _name in BACKENDS:
    for _contract in CONTRACTS:
        _class = applied(_contract, _name)
        globals()[_class.__name__] = _class
