"""The engine's conformance suite on every backend."""

from __future__ import annotations

from typing import Any

from reactorlib.backends.compiled import load
from reactorlib.testing.contract.engine import EngineContract
from tests.backends import BACKENDS


class TestEpoll(EngineContract):
    def make_engine(self) -> Any:
        return BACKENDS["epoll"]()


class TestKqueue(EngineContract):
    def make_engine(self) -> Any:
        return BACKENDS["kqueue"]()


class TestPoll(EngineContract):
    def make_engine(self) -> Any:
        return BACKENDS["poll"]()


class TestSelect(EngineContract):
    descriptor_limit = load().lib.engine_select_limit()

    def make_engine(self) -> Any:
        return BACKENDS["select"]()
