"""The contract of requests: on the channel in memory, on real connections, and on the double."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reactorlib.posixbase import Reactor
from reactorlib.testing.contract.http_exchanges import (
    Exchange,
    MemoryExchange,
    StringExchange,
    TCPExchange,
)
from reactorlib.testing.contract.http_request import HTTPRequestContract
from reactorlib.testing.leaks import GRACE, FreshReactors, expect_none
from tests.backends import BACKENDS


class TestMemoryChanRequest(HTTPRequestContract):
    @pytest.fixture
    def exchange(self) -> Exchange:
        return MemoryExchange()


class TestChannelOnStringTransport(HTTPRequestContract):
    @pytest.fixture
    def exchange(self) -> Exchange:
        return StringExchange()


class TestChannelOnTCP(HTTPRequestContract):
    @pytest.fixture(params=BACKENDS)
    def exchange(self, request: Any) -> Iterator[Exchange]:
        reactors = FreshReactors(lambda: Reactor(BACKENDS[request.param]()), GRACE)
        exchange = TCPExchange(reactors.new())
        yield exchange
        exchange.close()
        expect_none(reactors.close())
