"""The TCP conformance suite on every backend."""

from __future__ import annotations

from reactorlib.testing import contract
from tests.on_backends import on_every_backend

globals().update(on_every_backend(contract.TCPContract))


def test_no_part_hides_a_test_of_another() -> None:
    names = [
        name
        for part in contract.TCPContract.__bases__
        for name in vars(part)
        if name.startswith("test_")
    ]
    assert len(names) > 100
    assert len(set(names)) == len(names)
