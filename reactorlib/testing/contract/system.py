"""What the system does to a reactor: signals, interrupted calls, forks."""

from __future__ import annotations

import contextlib
import hashlib
import os
import signal
import socket
import threading
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from reactorlib.defer import Deferred
from reactorlib.protocol import Factory, Protocol
from reactorlib.testing.contract.base import ContractBase, Pairs
from reactorlib.testing.contract.channel import Channel, receive

STOPPING = [signal.SIGINT, signal.SIGTERM]


class Echo(Protocol):
    """Sends back what comes."""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


def kill_myself(number: int) -> None:
    os.kill(os.getpid(), number)


def forked() -> int:
    """os.fork, without the warning about threads, of which the child uses none."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        return os.fork()


@contextlib.contextmanager
def handled_by(number: int, handler: Any) -> Iterator[None]:
    """A handler for the time of a test."""
    before = signal.signal(number, handler)
    try:
        yield
    finally:
        signal.signal(number, before)


@contextlib.contextmanager
def storm(seconds: float) -> Iterator[list[int]]:
    """A signal each so many seconds; gives the list of those that came."""
    came: list[int] = []
    timer = signal.getitimer(signal.ITIMER_REAL)
    with handled_by(signal.SIGALRM, lambda number, frame: came.append(number)):
        signal.setitimer(signal.ITIMER_REAL, seconds, seconds)
        try:
            yield came
        finally:
            signal.setitimer(signal.ITIMER_REAL, *timer)


class SystemContract(ContractBase):
    """A reactor and the system around it. A storm of signals lasts `storm_seconds`."""

    storm_seconds = 5.0

    @pytest.fixture(autouse=True)
    def handlers_are_put_back(self) -> Iterator[None]:
        """Every test ends with the handlers it began with."""
        before = [signal.getsignal(number) for number in STOPPING]
        wakeup = signal.set_wakeup_fd(-1)
        signal.set_wakeup_fd(wakeup)
        yield
        assert [signal.getsignal(number) for number in STOPPING] == before
        assert signal.set_wakeup_fd(wakeup) == wakeup

    # Signals

    @pytest.mark.parametrize("number", STOPPING)
    def test_a_signal_stops_in_good_order(self, reactor: Any, number: int) -> None:
        calls: list[str] = []
        reactor.addSystemEventTrigger("during", "shutdown", calls.append, "down")
        reactor.callLater(0, kill_myself, number)
        with handled_by(signal.SIGINT, signal.default_int_handler):
            self.run_guarded(reactor, installSignalHandlers=True)
        assert calls == ["down"]

    def test_a_signal_wakes_a_sleeping_reactor(self, reactor: Any) -> None:
        killer = threading.Thread(target=kill_myself, args=(signal.SIGTERM,))
        reactor.callWhenRunning(killer.start)
        self.run_guarded(reactor, installSignalHandlers=True)
        killer.join()

    def test_SIGINT_while_it_ends_ends_it_at_once(self, reactor: Any) -> None:
        never: Deferred[None] = Deferred()

        def hang() -> Deferred[None]:
            reactor.callLater(0, kill_myself, signal.SIGINT)
            return never

        reactor.addSystemEventTrigger("before", "shutdown", hang)
        reactor.callLater(0, kill_myself, signal.SIGTERM)
        self.run_guarded(reactor, installSignalHandlers=True)
        assert not never.called

    def test_a_second_signal_waits_for_no_farewell(
        self, reactor: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """What does not end by itself is given up at once, and told so."""

        class Stays:
            def leave(self) -> None:
                told.append("leave")

            def abandon(self) -> None:
                told.append("abandon")
                del reactor.sinks[-1]

        told: list[str] = []
        reactor.sinks[-1] = Stays()
        monkeypatch.setattr("reactorlib.base.FAREWELL", 1e6)
        reactor.addSystemEventTrigger("before", "shutdown", Deferred)
        reactor.callLater(0, kill_myself, signal.SIGTERM)
        reactor.callLater(0.01, kill_myself, signal.SIGTERM)  # which changes nothing
        reactor.callLater(0.02, kill_myself, signal.SIGINT)
        self.run_guarded(reactor, installSignalHandlers=True)
        assert told == ["leave", "abandon"]

    def test_SIGINT_while_it_takes_its_leave_ends_that(
        self, reactor: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        class Stays:
            def leave(self) -> None:
                kill_myself(signal.SIGINT)

            def abandon(self) -> None:
                del reactor.sinks[-1]

        reactor.sinks[-1] = Stays()
        monkeypatch.setattr("reactorlib.base.FAREWELL", 1e6)
        reactor.callLater(0, reactor.stop)
        self.run_guarded(reactor, installSignalHandlers=True)
        assert not reactor.sinks

    @pytest.mark.parametrize("own", ["function", "ignore"])
    def test_a_programs_own_handler_of_SIGINT_is_respected(self, reactor: Any, own: str) -> None:
        calls: list[int] = []
        handler = signal.SIG_IGN if own == "ignore" else lambda number, _: calls.append(number)
        reactor.callLater(0, kill_myself, signal.SIGINT)
        reactor.callLater(0.01, calls.append, 0)
        reactor.callLater(0.01, reactor.stop)
        with handled_by(signal.SIGINT, handler):
            self.run_guarded(reactor, installSignalHandlers=True)
            assert signal.getsignal(signal.SIGINT) == handler
        assert calls == ([0] if own == "ignore" else [signal.SIGINT, 0])

    def test_a_handler_set_while_it_runs_is_left(self, reactor: Any) -> None:
        def own(number: int, frame: object) -> None:
            raise AssertionError

        def change() -> None:
            signal.signal(signal.SIGTERM, own)
            reactor.stop()

        with handled_by(signal.SIGTERM, signal.SIG_DFL):
            reactor.callWhenRunning(change)
            self.run_guarded(reactor, installSignalHandlers=True)
            assert signal.getsignal(signal.SIGTERM) is own

    def test_none_are_installed_unless_asked_for(self, reactor: Any) -> None:
        before = [signal.getsignal(number) for number in STOPPING]
        during: list[Any] = []
        reactor.callWhenRunning(lambda: during.extend(map(signal.getsignal, STOPPING)))
        reactor.callLater(0, reactor.stop)
        self.run_guarded(reactor)
        assert during == before

    def test_KeyboardInterrupt_leaves_without_handlers(self, reactor: Any) -> None:
        killer = threading.Thread(target=kill_myself, args=(signal.SIGINT,))
        reactor.callWhenRunning(killer.start)
        with handled_by(signal.SIGINT, signal.default_int_handler):
            with pytest.raises(KeyboardInterrupt):
                self.run_guarded(reactor)
            killer.join()
        assert not reactor.running
        reactor.callLater(0, reactor.stop)
        self.run_guarded(reactor)

    def test_a_run_that_is_refused_installs_none(self, reactor: Any, pairs: Pairs) -> None:
        """Another thread turns the reactor while this one asks to run it."""
        ours, theirs = pairs()
        turning, refused = threading.Event(), threading.Event()

        def hold(channel: Channel) -> None:
            receive(channel)
            turning.set()
            refused.wait(self.patience)

        channel = Channel(ours, on_read=hold)
        reactor.addReader(channel)
        theirs.send(b"x")
        thread = threading.Thread(target=reactor.iterate, args=(self.patience,))
        thread.start()
        turning.wait(self.patience)
        try:
            with pytest.raises(RuntimeError):
                reactor.run()
        finally:
            refused.set()
            thread.join()
        reactor.removeReader(channel)

    # Interrupted calls

    def test_a_storm_of_signals_harms_nothing(self, reactor: Any, pairs: Pairs) -> None:
        """An echo, in portions that make both sides wait: no byte is lost or changed."""
        ours, theirs = pairs()
        sent, got = hashlib.sha256(), hashlib.sha256()
        portion = os.urandom(50_000)
        amounts = {"sent": 0, "got": 0}
        done: Deferred[None] = Deferred()

        def write(channel: Channel) -> None:
            size = ours.send(portion)
            sent.update(portion[:size])
            amounts["sent"] += size
            reactor.removeWriter(channel)
            if reactor.seconds() < until:
                reactor.callLater(0.0015, reactor.addWriter, channel)
            else:
                ours.shutdown(socket.SHUT_WR)

        def read(channel: Channel) -> None:
            data = ours.recv(20_000)
            got.update(data)
            amounts["got"] += len(data)
            if not data:
                reactor.removeReader(channel)
                done.callback(None)

        with storm(0.001) as came:
            until = reactor.seconds() + self.storm_seconds
            reactor.adoptStreamConnection(theirs.fileno(), theirs.family, Factory.forProtocol(Echo))
            theirs.close()
            channel = Channel(ours, on_read=read, on_write=write)
            reactor.addReader(channel)
            reactor.addWriter(channel)
            self.run_until(reactor, done)
        assert len(came) > 100 * self.storm_seconds
        assert amounts["got"] == amounts["sent"] > 0
        assert got.digest() == sent.digest()

    # Forks

    def test_a_fork_cannot_use_it_and_its_parent_goes_on(self, reactor: Any, pairs: Pairs) -> None:
        ours, theirs = pairs()
        channel, other = Channel(ours, on_read=receive), Channel(pairs()[0])
        reactor.addReader(channel)
        factory = Factory.forProtocol(Echo)
        factory.noisy = False

        def run_again() -> None:
            reactor.crash()  # else it is refused because it runs
            reactor.run(installSignalHandlers=False)

        uses = {
            1: reactor.iterate,
            2: lambda: reactor.addReader(other),
            3: lambda: reactor.removeReader(channel),
            4: lambda: reactor.listenTCP(0, factory, interface="127.0.0.1"),
            5: lambda: reactor.callFromThread(fork),
            6: run_again,
        }

        def is_refused(use: Callable[[], object]) -> bool:
            try:
                use()
            except RuntimeError as refusal:
                return "forked child" in str(refusal)
            except BaseException:
                return False
            return False

        def in_child() -> int:
            """The number of the first use that is not refused; 0 when all are, tracelessly."""
            for number, use in uses.items():
                if not is_refused(use):
                    return number
            return 9 if factory.numPorts else 0

        def fork() -> None:
            child = forked()
            if child == 0:
                os._exit(in_child())
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))
            theirs.send(b"x")

        statuses: list[int] = []
        reactor.callLater(0, fork)
        reactor.callLater(0.02, reactor.crash)
        self.run_guarded(reactor)
        self.turn_until(reactor, lambda: channel.reads)
        assert statuses == [0]
        reactor.removeReader(channel)

    @pytest.mark.parametrize("number", STOPPING)
    def test_a_signal_to_a_fork_is_not_taken_for_its_parents(
        self, reactor: Any, number: signal.Signals
    ) -> None:
        """The fork dies of it, as it would without a reactor."""
        statuses: list[int] = []

        def fork() -> None:
            child = forked()
            if child == 0:
                with contextlib.suppress(KeyboardInterrupt):
                    kill_myself(number)
                    os._exit(1)
                os._exit(0)
            statuses.append(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]))

        reactor.callLater(0, fork)
        reactor.callLater(0.01, reactor.crash)
        default = {signal.SIGINT: signal.default_int_handler, signal.SIGTERM: signal.SIG_DFL}
        with handled_by(number, default[number]):
            self.run_guarded(reactor, installSignalHandlers=True)
        assert statuses == [0 if number == signal.SIGINT else -number]

    def test_a_fork_that_goes_on_running_it_is_put_out(self, reactor: Any) -> None:
        parent = os.getpid()
        children: list[int] = []

        def fork() -> None:
            children.append(forked())
            if children[0]:
                reactor.callLater(0.01, reactor.crash)

        reactor.callLater(0, fork)
        try:
            self.run_guarded(reactor)
        except RuntimeError:
            if os.getpid() != parent:
                os._exit(0)
            raise
        finally:
            if os.getpid() != parent:
                os._exit(1)
        assert os.waitstatus_to_exitcode(os.waitpid(children[0], 0)[1]) == 0
