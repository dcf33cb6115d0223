"""The contract suite's own nets: what a test leaves behind fails it, by name."""

from __future__ import annotations

import os
import re
import subprocess
import sys

import pytest

SUITE = """
import os, socket, threading

import pytest

from reactorlib.backends import open_engine
from reactorlib.defer import Deferred, fail, succeed
from reactorlib.protocol import Factory, Protocol
from reactorlib.testing.contract import ContractBase
from reactorlib.testing.contract import base
from reactorlib.testing.contract.channel import Channel

base.GRACE = 0.05
forever = threading.Event()
kept = []


class Quiet(Protocol):
    pass


class TestLeaks(ContractBase):
    patience = 0.05

    def make_engine(self):
        return open_engine("poll")

    def test_good(self, new_reactor, pairs, logged_errors):
        reactor = new_reactor()
        new_reactor()
        ours, theirs = pairs()
        channel = Channel(ours)
        reactor.addReader(channel)
        reactor.removeReader(channel)
        assert self.run_until(reactor, succeed(1)) == 1
        later = Deferred()
        reactor.callLater(0.001, later.callback, 2)
        assert self.run_until(reactor, later) == 2
        with pytest.raises(KeyError):
            self.run_until(reactor, fail(KeyError()))
        reactor.callFromThread(lambda: 1 // 0)
        reactor.callFromThread(lambda: {}["a"])
        reactor.iterate()
        assert len(logged_errors.take(KeyError)) == 1
        assert len(logged_errors.take()) == 1

    def test_delayed_call(self, reactor):
        def forgotten():
            pass

        reactor.callLater(9, forgotten)

    def test_reader(self, reactor, pairs):
        reactor.addReader(Channel(pairs()[0]))

    def test_writer(self, reactor, pairs):
        reactor.addWriter(Channel(pairs()[0]))

    def test_descriptor(self, reactor):
        os.open(__file__, os.O_RDONLY)

    def test_thread(self, reactor):
        threading.Thread(target=forever.wait, name="sleeper", daemon=True).start()

    def test_port(self, reactor):
        reactor.listenTCP(0, Factory.forProtocol(Quiet), interface="127.0.0.1")

    def test_connection(self, reactor):
        ours, theirs = socket.socketpair()
        kept.append(theirs)
        reactor.adoptStreamConnection(ours.fileno(), ours.family, Factory.forProtocol(Quiet))

    def test_logged_error(self, reactor):
        reactor.callFromThread(lambda: 1 // 0)
        reactor.iterate()

    def test_logged_assertion(self, reactor):
        def check():
            assert "apples" == "pears"

        reactor.callLater(0, check)
        reactor.iterate()

    def test_silent_deferred(self, reactor):
        self.run_until(reactor, Deferred())

    def test_endless_run(self, reactor):
        self.run_guarded(reactor)

    def test_false_condition(self, reactor):
        self.turn_until(reactor, list)

"""

# What a failure says, for each test that is to fail.
EXPECTED = {
    "test_delayed_call": r"delayed call: .*forgotten",
    "test_reader": r"reader: .*Channel",
    "test_writer": r"reader: .*Channel",
    "test_descriptor": r"descriptor \d+: .*test_leaks\.py",
    "test_thread": r"thread sleeper",
    "test_port": r"transport: .*on port \d+",
    "test_connection": r"transport: <connection of Quiet",
    "test_logged_error": r"logged: (?s:.*)ZeroDivisionError",
    "test_logged_assertion": r"logged: (?s:.*)'apples' == 'pears'",
    "test_silent_deferred": r"<Deferred at .* did not fire within 0\.05 s",
    "test_endless_run": r"nothing ended the reactor within 0\.05 s",
    "test_false_condition": r"was not true within 0\.05 s",
}


@pytest.fixture(scope="module")
def report(tmp_path_factory: pytest.TempPathFactory) -> str:
    """What pytest says about the suite."""
    folder = tmp_path_factory.mktemp("leaks")
    (folder / "test_leaks.py").write_text(SUITE, encoding="utf-8")
    environment = {k: v for k, v in os.environ.items() if not k.startswith("PYTEST_")}
    ran = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-rA", "-p", "no:cacheprovider", "test_leaks.py"],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    return ran.stdout + ran.stderr


@pytest.mark.parametrize("name", EXPECTED)
def test_what_is_left_fails_the_test_by_name(report: str, name: str) -> None:
    section = re.search(
        rf"_ (?:ERROR at teardown of )?TestLeaks\.{name} _+\n(.*?)\n(?:____|====|----)",
        report,
        re.DOTALL,
    )
    assert section is not None, report
    assert re.search(EXPECTED[name], section[1]), section[1]


def test_nothing_else_fails(report: str) -> None:
    failed = set(re.findall(r"^(?:ERROR|FAILED) test_leaks\.py::TestLeaks::(\w+)", report, re.M))
    assert failed == set(EXPECTED), report
