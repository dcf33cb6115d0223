"""The TLS conformance suite on every backend."""

from __future__ import annotations

from reactorlib.testing.contract import tls
from tests.on_backends import on_every_backend

CONTRACTS = (
    tls.TLSContract,
    tls.TLS12Contract,
    tls.TLSMachineContract,
    tls.StartTLSMachineContract,
    tls.TLSTransportContract,
)


globals().update(on_every_backend(*CONTRACTS))


def test_no_part_hides_a_test_of_another() -> None:
    parts = [*tls.TLSContract.__bases__[:-1], *tls.TLSStreamsContract.__bases__]
    names = [name for part in parts for name in vars(part) if name.startswith("test_")]
    assert len(names) > 100
    assert len(set(names)) == len(names)
