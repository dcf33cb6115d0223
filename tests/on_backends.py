"""Tests of what needs a reactor, on every backend, with the nets of the contract suite."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.testing.contract.tcp_peers import TCPContractBase
from tests.backends import BACKENDS


class OnEveryBackend(TCPContractBase):
    """The base of a test class: its tests take `reactor` and `net`, and leave nothing behind."""

    @pytest.fixture(autouse=True, params=BACKENDS)
    def backend(self, request: pytest.FixtureRequest) -> str:
        """The name of the backend under the test."""
        self._backend = str(request.param)
        return self._backend

    def make_engine(self) -> Any:
        return BACKENDS[self._backend]()
