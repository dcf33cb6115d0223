"""Tests of what needs an engine, on every backend.

A class of cases may be multiplied (`on_every_backend`), as the contracts are, or
its tests may (`EveryBackend`).
"""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.backends.compiled import load
from reactorlib.testing.contract.base import ContractBase
from reactorlib.testing.contract.tcp_peers import TCPContractBase
from tests.backends import BACKENDS

LIMITS = {"select": load().lib.engine_select_limit()}


def on_backend(cases: type, name: str, **attributes: object) -> type:
    """A test class: the cases on one backend."""
    made = {
        "__module__": cases.__module__,
        "make_engine": lambda self: BACKENDS[name](),
        "descriptor_limit": LIMITS.get(name),
    }
    return type(f"Test{cases.__name__}_{name}", (cases,), made | attributes)


def on_every_backend(*cases: type) -> dict[str, type]:
    """A test class for each of these and each backend, by its name: for a module's globals."""
    made = (on_backend(each, name) for each in cases for name in BACKENDS)
    return {each.__name__: each for each in made}


class EveryBackend(ContractBase):
    """A base of a test class: its tests run on each backend."""

    @pytest.fixture(autouse=True, params=BACKENDS)
    def backend(self, request: pytest.FixtureRequest) -> str:
        """The name of the backend under the test."""
        self._backend = str(request.param)
        return self._backend

    def make_engine(self) -> Any:
        return BACKENDS[self._backend]()


class OnEveryBackend(EveryBackend, TCPContractBase):
    """The base of a test class: its tests take `reactor` and `net`, and leave nothing behind."""
