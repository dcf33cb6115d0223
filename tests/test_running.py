"""reactorlib.run: results, exceptions, and being stopped first."""

from __future__ import annotations

import os
import signal

import pytest

import reactorlib
from reactorlib.backends import open_engine
from reactorlib.defer import Deferred, fail, succeed
from reactorlib.posixbase import Reactor
from reactorlib.task import deferLater


@pytest.fixture
def reactor():
    reactor = Reactor(open_engine())
    yield reactor
    reactor.close()


def test_the_result_is_returned_and_the_arguments_arrive(reactor):
    async def main(given, one, two):
        assert given is reactor
        assert reactor.running
        return await deferLater(given, 0, lambda: one + two)

    assert reactorlib.run(main, 1, 2, reactor=reactor) == 3


def test_it_may_return_a_deferred(reactor):
    assert reactorlib.run(lambda reactor: succeed(5), reactor=reactor) == 5


def test_an_exception_is_raised_and_the_reactor_can_run_again(reactor):
    async def main(reactor):
        raise ZeroDivisionError("mine")

    for _ in range(2):
        with pytest.raises(ZeroDivisionError, match="mine"):
            reactorlib.run(main, reactor=reactor)
    with pytest.raises(KeyError):
        reactorlib.run(lambda reactor: fail(KeyError()), reactor=reactor)


def test_what_main_raises_before_it_waits_is_raised(reactor):
    def main(reactor):
        raise LookupError

    with pytest.raises(LookupError):
        reactorlib.run(main, reactor=reactor)


def test_a_signal_cancels_main_which_may_clean_up(reactor):
    steps = []

    async def main(reactor):
        reactor.callLater(0, os.kill, os.getpid(), signal.SIGINT)
        try:
            await Deferred()
        finally:
            await deferLater(reactor, 0.01, lambda: None)
            steps.append("cleaned up")

    with pytest.raises(KeyboardInterrupt):
        reactorlib.run(main, reactor=reactor)
    assert steps == ["cleaned up"]


def test_main_may_end_well_although_it_was_cancelled(reactor):
    async def main(reactor):
        reactor.callLater(0, reactor.stop)
        try:
            await Deferred()
        finally:
            return "all the same"  # noqa: B012

    assert reactorlib.run(main, reactor=reactor) == "all the same"


def test_a_crash_ends_it(reactor):
    async def main(reactor):
        reactor.callLater(0, reactor.crash)
        await Deferred()

    with pytest.raises(KeyboardInterrupt):
        reactorlib.run(main, reactor=reactor)


def test_without_a_reactor_it_is_the_global_one():
    async def main(reactor):
        return reactor

    assert reactorlib.run(main) is reactorlib.reactor


def test_the_package_has_no_other_lazy_names():
    with pytest.raises(AttributeError, match="nonsense"):
        reactorlib.nonsense  # noqa: B018
