"""The reactor's conformance suite on every backend."""

from __future__ import annotations

from reactorlib.testing import contract
from tests.on_backends import on_every_backend

CONTRACTS = (
    contract.CoreContract,
    contract.TimeContract,
    contract.ThreadsContract,
    contract.DescriptorsContract,
    contract.DescriptorEndsContract,
    contract.StreamsContract,
    contract.SystemContract,
)

globals().update(on_every_backend(*CONTRACTS))
