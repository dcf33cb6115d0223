"""The pytest plugin, in pytest runs of their own."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from reactorlib.backends import registry
from tests.pytest_runs import INI, WITHOUT_OTHERS, Run

pytestmark = pytest.mark.timeout(120)

SUITE = """
import os

import pytest

from reactorlib.defer import Deferred, inlineCallbacks
from reactorlib.protocol import Factory, Protocol
from reactorlib.task import deferLater
from reactorlib.testing import AccumulatingProtocol


class Failing(Protocol):
    def dataReceived(self, data):
        raise KeyError(data)


async def test_coroutine(reactor):
    assert reactor.running
    await deferLater(reactor, 0.001)


def test_deferred(reactor):
    return deferLater(reactor, 0.001)


@inlineCallbacks
def test_generator(reactor):
    yield deferLater(reactor, 0.001)


@pytest.mark.reactorlib
async def test_marked():
    pass


@pytest.mark.reactorlib
def test_marked_function():
    pass


class TestMethods:
    async def test_method(self, reactor, tmp_path):
        await deferLater(reactor, 0.001)


class TestOwnReactor:
    @pytest.fixture
    def reactor(self):
        return object()

    async def test_time(self, reactor, clock):
        await deferLater(clock, 1)


@pytest.mark.parametrize("number", [1, 2])
async def test_parameters(reactor, number):
    await deferLater(reactor, 0.001)
    assert number == 1


async def test_skipped(reactor):
    await deferLater(reactor, 0.001)
    pytest.skip("for a reason")


async def test_false(reactor):
    await deferLater(reactor, 0.001)
    assert "apples" == "pears"


def test_failed_deferred(reactor):
    return deferLater(reactor, 0.001, {}.__getitem__, "pears")


@pytest.mark.reactorlib(timeout=0.05)
async def test_endless():
    await Deferred()  # here


@pytest.mark.reactorlib(timeout=0.05)
def test_endless_deferred():
    return Deferred()


@pytest.mark.reactorlib(timeout=0.05)
async def test_endless_and_obstinate():
    try:
        await Deferred()
    except Exception:
        return 5


async def test_fail(reactor):
    await deferLater(reactor, 0.001)
    pytest.fail("as it should")


async def test_false_on_a_clock(clock):
    await deferLater(clock, 1)
    assert "apples" == "pears"


def test_returned_coroutine(reactor):
    async def coroutine():
        await deferLater(reactor, 0.001)
        assert "apples" == "pears"

    return coroutine()


async def test_stopped(reactor):
    reactor.callLater(0, reactor.stop)
    await Deferred()


def test_leaves_a_call(reactor):
    def forgotten():
        pass

    reactor.callLater(9, forgotten)


def test_leaves_a_port(reactor):
    reactor.listenTCP(0, Factory.forProtocol(Protocol), interface="127.0.0.1")


def test_leaves_a_descriptor(reactor):
    os.open(__file__, os.O_RDONLY)


def test_leaves_an_error(reactor):
    reactor.callLater(0, lambda: 1 // 0)
    reactor.iterate()


def test_takes_its_error(reactor, logged_errors):
    reactor.callLater(0, lambda: 1 // 0)
    reactor.iterate()
    assert len(logged_errors.take(ZeroDivisionError)) == 1


def test_fails_and_leaves(reactor):
    reactor.callLater(9, print)
    assert False


def test_fresh_1(reactor, request):
    request.config.seen = reactor


def test_fresh_2(reactor, request):
    assert reactor is not request.config.seen
    with pytest.raises(Exception):
        request.config.seen.listenTCP(0, Factory())


async def test_a_clock_jumps(clock, memory_reactor, link):
    assert clock is memory_reactor is link.clock
    await deferLater(clock, 3600)
    assert clock.seconds() == 3600


def test_a_clock_jumps_for_a_deferred(clock):
    return deferLater(clock, 3600)


async def test_a_link_moves(link):
    server = AccumulatingProtocol()
    ours, _ = link.connect(Protocol(), server)
    server.closedDeferred = Deferred()
    ours.write(b"x")
    ours.loseConnection()
    await server.closedDeferred
    assert server.data == b"x"


async def test_nothing_is_due(clock):
    await Deferred()  # here


@pytest.mark.reactorlib(timeout=0.05)
async def test_a_clock_without_end(clock):
    def again():
        clock.callLater(1, again)

    again()
    await Deferred()


async def test_a_protocol_fails(link):
    ours, _ = link.connect(Protocol(), Failing())
    ours.write(b"x")
    await Deferred()


def test_a_protocol_fails_unseen(link):
    for _ in range(2):
        ours, _ = link.connect(Protocol(), Failing())
        ours.abortConnection()
    link.reactor.faults.append(KeyError("unseen"))


def test_a_link_fails(link):
    assert link.seed == 0


def test_deliveries(delivery):
    for protocol in delivery(AccumulatingProtocol, b"abc"):
        assert protocol.data == b"abc"


async def test_errors_only(logged_errors):
    assert logged_errors.records == []
"""


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("plugin")
    return Run(folder, SUITE, *WITHOUT_OTHERS)


PASSING = [
    "test_coroutine",
    "test_deferred",
    "test_generator",
    "test_marked",
    "test_marked_function",
    "TestMethods::test_method",
    "TestOwnReactor::test_time",
    "test_parameters[1]",
    "test_takes_its_error",
    "test_fresh_1",
    "test_fresh_2",
    "test_a_clock_jumps",
    "test_a_clock_jumps_for_a_deferred",
    "test_a_link_moves",
    "test_errors_only",
    "test_deliveries[whole]",
    "test_deliveries[bytes]",
    "test_deliveries[splits]",
]

# What is said about those that fail; and about those that leave something, and pass.
FAILING = {
    "test_parameters[2]": r"assert 2 == 1",
    "test_false": r"assert 'apples' == 'pears'",
    "test_fail": r"Failed: as it should",
    "test_false_on_a_clock": r"assert 'apples' == 'pears'",
    "test_returned_coroutine": r"assert 'apples' == 'pears'",
    "test_failed_deferred": r"KeyError: 'pears'",
    "test_endless": r">       await Deferred\(\)  # here(?s:.*)the test did not end within 0\.05 s",
    "test_endless_deferred": r"the test did not end within 0\.05 s",
    "test_endless_and_obstinate": r"the test did not end within 0\.05 s",
    "test_stopped": r"the test did not end before the run ended",
    "test_fails_and_leaves": r"assert False",
    "test_nothing_is_due": r">       await Deferred\(\)  # here(?s:.*)nothing is due on its clock",
    "test_a_clock_without_end": r"the test did not end within 0\.05 s",
    "test_a_protocol_fails": r"KeyError: b'x'",
    "test_a_link_fails": r"Link\(seed=(\d+)\); to repeat it: --reactorlib-seed=\1",
}
LEAVING = {
    "test_leaves_a_call": r"delayed call: .*forgotten",
    "test_leaves_a_port": r"transport: <.*Factory on port \d+>",
    "test_leaves_a_descriptor": r"descriptor \d+: .*test_suite\.py",
    "test_leaves_an_error": r"logged: (?s:.*)ZeroDivisionError",
    "test_a_protocol_fails_unseen": r"raised by a protocol: KeyError\('unseen'\)",
}
EXPECTED = (
    dict.fromkeys(PASSING, "PASSED")
    | dict.fromkeys(FAILING, "FAILED")
    | dict.fromkeys(LEAVING, "PASSED ERROR")
    | {"test_skipped": "SKIPPED"}
)


def test_the_outcomes(report: Run) -> None:
    assert report.outcomes() == EXPECTED, report.text


@pytest.mark.parametrize("name", [*FAILING, *LEAVING])
def test_a_failure_says_what_is_wrong(report: Run, name: str) -> None:
    section = report.section(name.partition("[")[0]) or report.section(name)
    assert re.search((FAILING | LEAVING)[name], section), report.text


BACKENDS = """
import pytest


def test_plain():
    pass


def test_named(reactor, request):
    assert f"[{reactor.name}]" in request.node.name


@pytest.mark.reactorlib
async def test_marked(request):
    assert f"[{request.getfixturevalue('reactor').name}]" in request.node.name


@pytest.mark.reactorlib
def test_without(clock):
    pass
"""


def test_backends_multiply_the_tests_of_a_reactor(tmp_path: Path) -> None:
    options = ("--reactorlib-backend", "poll", "--reactorlib-backend=all")
    run = Run(tmp_path, BACKENDS, *options, *WITHOUT_OTHERS)
    names = ["poll", *(name for name in registry.available() if name != "poll")]
    tests = [f"test_{kind}[{name}]" for kind in ("named", "marked") for name in names]
    assert run.outcomes() == dict.fromkeys(["test_plain", *tests, "test_without"], "PASSED")


def test_a_backend_that_there_is_not_is_a_mistake_of_the_user(tmp_path: Path) -> None:
    run = Run(tmp_path, BACKENDS, "--reactorlib-backend=nosuch", *WITHOUT_OTHERS)
    assert run.code == pytest.ExitCode.USAGE_ERROR
    assert re.search(r"^ERROR: .*'nosuch'.*Available: .*poll", run.text, re.MULTILINE)
    assert "Traceback" not in run.text


OPTIONS = """
from reactorlib.defer import Deferred

def test_seed(link):
    assert link.reactor.engine._chance.random() == 0

async def test_timeout(reactor):
    await Deferred()
"""


def test_its_options(tmp_path: Path) -> None:
    ini = INI + "reactorlib_timeout = 0.05\n"
    first, second = (
        Run(tmp_path, OPTIONS, "--reactorlib-seed=7", *WITHOUT_OTHERS, ini=ini) for _ in range(2)
    )
    chance = re.search(r"assert 0\.\d+ == 0", first.text)
    assert chance
    assert chance[0] in second.text
    assert "Link(seed=7); to repeat it: --reactorlib-seed=7" in first.text
    assert "did not end within 0.05 s" in first.text
