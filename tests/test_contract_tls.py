"""The TLS conformance suite on every backend."""

from __future__ import annotations

from typing import Any

from reactorlib.testing.contract import ContractBase, tls
from tests.backends import BACKENDS

CONTRACTS = (
    tls.TLSContract,
    tls.TLS12Contract,
    tls.TLSMachineContract,
    tls.StartTLSMachineContract,
    tls.TLSTransportContract,
)


def applied(base: type[ContractBase], name: str) -> type[ContractBase]:
    """A contract class for one backend."""

    def make_engine(self: ContractBase) -> Any:
        return BACKENDS[name]()

    attributes = {"__module__": __name__, "make_engine": make_engine}
    return type(f"Test{base.__name__}_{name}", (base,), attributes)


for _name in BACKENDS:
    for _contract in CONTRACTS:
        _class = applied(_contract, _name)
        globals()[_class.__name__] = _class


def test_no_part_hides_a_test_of_another() -> None:
    parts = [*tls.TLSContract.__bases__[:-1], *tls.TLSStreamsContract.__bases__]
    names = [name for part in parts for name in vars(part) if name.startswith("test_")]
    assert len(names) > 100
    assert len(set(names)) == len(names)
