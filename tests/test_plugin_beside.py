"""The pytest plugin beside pytest-asyncio and pytest-twisted: to each its own tests."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.pytest_runs import INI, Run

pytestmark = pytest.mark.timeout(120)

BESIDE = """
import asyncio
import unittest

import pytest
import pytest_twisted
from twisted.internet import reactor as twisted_reactor
from twisted.internet.task import deferLater as twisted_later

from reactorlib.task import deferLater


async def test_ours(reactor):
    await deferLater(reactor, 0.001)
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


def test_our_deferred(reactor):
    return deferLater(reactor, 0.001)


@pytest.mark.reactorlib
async def test_our_mark():
    with pytest.raises(RuntimeError):
        asyncio.get_running_loop()


async def test_our_time(link):
    await deferLater(link.clock, 3600)


def test_our_function(reactor):
    reactor.callLater(0, reactor.stop)
    reactor.run(installSignalHandlers=False)


@pytest.mark.asyncio
async def test_asyncio():
    await asyncio.sleep(0.001)


@pytest.mark.asyncio
async def test_asyncio_on_our_clock(clock):
    await asyncio.sleep(0.001)
    clock.advance(1)


def test_twisted():
    assert twisted_reactor.running
    return twisted_later(twisted_reactor, 0.001)


def test_twisted_on_our_clock(clock):
    return twisted_later(twisted_reactor, 0.001)


@pytest_twisted.inlineCallbacks
def test_twisted_generator(clock):
    yield twisted_later(twisted_reactor, 0.001)


class TestCase(unittest.TestCase):
    @pytest.fixture(autouse=True)
    def take(self, reactor):
        self.reactor = reactor

    def test_case(self):
        assert not self.reactor.running
"""

STRICT = """

@pytest_twisted.ensureDeferred
async def test_twisted_coroutine():
    await twisted_later(twisted_reactor, 0.001)


@pytest_twisted.ensureDeferred
async def test_twisted_coroutine_on_our_link(link):
    await twisted_later(twisted_reactor, 0.001)
"""

AUTO = """

async def test_asyncio_without_a_mark():
    await asyncio.sleep(0.001)


@pytest.fixture
async def asynchronous():
    await asyncio.sleep(0.001)


async def test_asyncio_fixture(asynchronous):
    await asyncio.sleep(0.001)
"""


CONTRACT = """
from reactorlib.backends import open_engine
from reactorlib.testing.contract import ContractBase


class TestContract(ContractBase):
    def make_engine(self):
        return open_engine("poll")

    def test_leaves_nothing(self, reactor):
        reactor.iterate()
"""


def test_a_contract_is_not_told_of_what_another_loop_opens(tmp_path: Path) -> None:
    """pytest-twisted starts its reactor in the first test that it runs."""
    run = Run(tmp_path, CONTRACT, "-p", "no:asyncio")
    assert "twisted-" in run.text
    assert run.outcomes() == {"TestContract::test_leaves_nothing": "PASSED"}, run.text


@pytest.mark.parametrize(("mode", "more"), [("strict", STRICT), ("auto", AUTO)])
def test_every_plugin_gets_its_own_tests(tmp_path: Path, mode: str, more: str) -> None:
    """In its mode `auto`, pytest-asyncio takes the coroutine functions of pytest-twisted."""
    ini = INI + "asyncio_default_fixture_loop_scope = function\n"
    run = Run(tmp_path, BESIDE + more, f"--asyncio-mode={mode}", ini=ini)
    assert "asyncio-" in run.text
    assert "twisted-" in run.text
    assert run.code == 0, run.text
    assert set(run.outcomes().values()) == {"PASSED"}, run.text
    assert len(run.outcomes()) == (BESIDE + more).count("def test_")
