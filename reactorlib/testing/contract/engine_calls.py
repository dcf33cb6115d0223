"""Who may call an engine, when, and how long a turn takes."""

from __future__ import annotations

import os
import signal
import socket
import threading
import warnings
from collections.abc import Callable
from functools import partial
from time import monotonic, process_time
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib.backends.events import LISTENER, READABLE, STREAM, WATCHED
from reactorlib.interfaces import IEngine
from reactorlib.testing.contract.engine_base import EngineParts, pattern
from reactorlib.testing.contract.engine_driver import EngineDriver


def in_thread(function: Callable[[], object]) -> object:
    """What a function returns in another thread, or the exception it raises."""
    outcome: list[object] = []

    def run() -> None:
        try:
            outcome.append(function())
        except Exception as error:
            outcome.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return outcome[0]


def in_child(function: Callable[[], bool]) -> bool:
    """Whether a function is true in a forked child."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", DeprecationWarning)
        child = os.fork()
    if child == 0:
        status = 2
        try:
            status = 0 if function() else 1
        finally:
            os._exit(status)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


def raises(error: type[Exception], function: Callable[[], object]) -> bool:
    try:
        function()
    except error:
        return True
    return False


class EngineCalls(EngineParts):
    """Time, threads, forks, signals, the close."""

    def test_provides_the_interface(self, driver: EngineDriver) -> None:
        assert verifyObject(IEngine, driver.engine)
        assert isinstance(driver.engine.name, str)

    # Time

    @pytest.mark.parametrize("seconds", [0.0, 0.0001, 0.0011, 0.0123, 0.05])
    def test_a_turn_is_never_early(self, driver: EngineDriver, seconds: float) -> None:
        for _ in range(3):
            begun = monotonic()
            assert driver.turn(seconds) == 0
            assert seconds <= monotonic() - begun < seconds + self.patience

    def test_a_turn_does_not_wait_when_something_is_there(self, driver: EngineDriver) -> None:
        handle, _ = driver.connection()
        handle.abort()
        assert driver.turn(-1.0) == 1

    @pytest.mark.parametrize("seconds", [-1.0, 1e9, float("inf")])
    def test_long_waits_end_by_events(self, driver: EngineDriver, seconds: float) -> None:
        handle, peer = driver.connection()
        timer = threading.Timer(0.01, peer.sendall, [b"x"])
        timer.start()
        assert driver.turn(seconds) == 1
        assert handle.received == b"x"
        timer.join()

    # Waking

    def test_wake_ends_a_wait(self, driver: EngineDriver) -> None:
        driver.engine.own(True)
        for _ in range(3):
            timer = threading.Timer(0.01, driver.engine.wake)
            timer.start()
            assert driver.turn(-1.0) == 0
            timer.join()
        driver.engine.wake()
        assert driver.turn(-1.0) == 0
        driver.engine.own(False)
        driver.expect_quiet(rest=1)

    def test_wakes_without_number_neither_block_nor_stay(self, driver: EngineDriver) -> None:
        for _ in range(100_000):
            driver.engine.wake()
        driver.turn(-1.0)
        driver.expect_quiet(rest=2)

    def test_a_byte_written_by_a_signal_handler_wakes(self, driver: EngineDriver) -> None:
        os.write(driver.engine.wake_descriptor(), b"\x0f")
        assert driver.turn(-1.0) == 0
        driver.expect_quiet(rest=1)

    def test_wakes_by_many_threads_while_it_closes(self, driver: EngineDriver) -> None:
        """A late one must not write into what has the descriptor by then."""
        for _ in range(20):
            engine = self.make_engine()
            stop = threading.Event()

            def keep_waking(engine: Any = engine, stop: threading.Event = stop) -> None:
                while not stop.is_set():
                    engine.wake()

            threads = [threading.Thread(target=keep_waking) for _ in range(2)]
            for thread in threads:
                thread.start()
            engine.turn(0.001)
            engine.close()
            pipes = [os.pipe() for _ in range(4)]
            stop.set()
            for thread in threads:
                thread.join()
            for reader, writer in pipes:
                os.close(writer)
                assert os.read(reader, 1) == b""
                os.close(reader)

    # Threads

    def _all_calls(self, engine: Any, handle: int, descriptor: int) -> list[Callable[[], object]]:
        return [
            lambda: engine.turn(0.0),
            lambda: engine.add(descriptor, STREAM),
            lambda: engine.detach(handle),
            lambda: engine.descriptor(handle),
            lambda: engine.watch(handle, True, True),
            lambda: engine.notify(handle, 1),
            lambda: engine.explain_write(engine.write(handle, b"x", 1)),
            lambda: engine.explain_write(engine.write(handle, bytes(100_000), 100_000)),
            lambda: engine.set_limits(handle, 1, 2, 3),
            lambda: engine.buffered(handle),
            lambda: engine.sent(handle),
            lambda: engine.pause(handle),
            lambda: engine.resume(handle),
            lambda: engine.shut(handle),
            lambda: engine.lose(handle),
            lambda: engine.abort(handle),
            lambda: engine.explain_write(engine.send_to(handle, b"x", 1, -1)),
            lambda: engine.explain_write(engine.send_to_bytes(handle, b"x", 1, bytes(28), 28)),
            lambda: engine.set_longest(handle, 1),
            lambda: engine.take_descriptors(handle),
            lambda: engine.pass_descriptor(handle, descriptor),
            lambda: engine.send_file(handle, descriptor, 0, 1),
            lambda: engine.wake_descriptor(),
            lambda: engine.own(True),
            lambda: engine.own(False),
        ]

    def test_other_threads_are_refused_while_it_is_owned(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        engine = driver.engine
        calls = self._all_calls(engine, handle.number, peer.fileno())
        engine.own(True)
        for call in calls:
            assert isinstance(in_thread(call), RuntimeError)
        assert isinstance(in_thread(engine.close), RuntimeError)
        assert in_thread(engine.wake) is None
        assert driver.turn(1.0) == 0
        engine.own(False)
        assert in_thread(lambda: engine.buffered(handle.number)) == 0
        handle.write(b"alive")
        assert driver.read(peer, 5) == b"alive"

    # Forks

    def test_a_forked_child_is_refused(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        calls = self._all_calls(driver.engine, handle.number, peer.fileno())
        assert in_child(lambda: all(raises(RuntimeError, call) for call in calls))
        driver.expect_quiet()
        handle.write(b"alive")
        assert driver.read(peer, 5) == b"alive"

    def test_a_close_in_a_child_leaves_the_parents_alone(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        listener, address = driver.listener()
        ours, theirs = socket.socketpair()
        watched = driver.add(driver.own(ours).fileno(), WATCHED)
        watched.watch(True, False)
        driver.turn()

        def close() -> bool:
            opened = [os.pipe() for _ in range(10)]
            driver.engine.close()
            return all(os.fstat(end) for ends in opened for end in ends)

        assert in_child(close)
        driver.expect_quiet()
        peer.sendall(b"x")
        theirs.sendall(b"x")
        driver.client(address)
        driver.until(lambda: handle.received and listener.accepted and watched.count(READABLE))
        theirs.close()

    def test_a_child_may_have_its_own(self, driver: EngineDriver) -> None:
        def use() -> bool:
            other = EngineDriver(self.make_engine(), self.patience)
            handle, peer = other.connection()
            handle.write(b"x")
            good = other.read(peer, 1) == b"x"
            other.close()
            return good

        assert in_child(use)

    # Signals

    def test_signals_interrupt_and_harm_nothing(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        data = pattern(4_000_000)
        signals: list[int] = []
        before = signal.signal(signal.SIGALRM, lambda number, frame: signals.append(number))
        signal.setitimer(signal.ITIMER_REAL, 0.001, 0.001)
        try:
            handle.write(data)
            assert driver.read(peer, len(data)) == data
            while len(signals) < 100:
                driver.turn(0.01)
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0.0)
            signal.signal(signal.SIGALRM, before)
        driver.expect_quiet()

    # The end

    def test_close_closes_everything_but_what_is_watched(self, driver: EngineDriver) -> None:
        handle, peer = driver.connection()
        listener, address = driver.listener()
        waiting, _ = driver.connection()
        waiting.write(bytes(10_000_000))
        waiting.lose()
        lingering, lingering_peer = driver.connection()
        lingering.lose()
        ours, theirs = socket.socketpair()
        driver.own(ours)
        watched = driver.add(ours.fileno(), WATCHED)
        watched.watch(True, False)
        driver.turn()
        driver.engine.close()
        driver.engine.close()
        assert peer.recv(1) == b""
        assert lingering_peer.recv(1) == b""
        with pytest.raises(ConnectionRefusedError):
            driver.client(address)
        theirs.sendall(b"x")
        assert ours.recv(1) == b"x"
        theirs.close()
        assert set(driver.engine.counters().values()) == {0}
        for number in (handle.number, listener.number, watched.number):
            assert driver.engine.descriptor(number) == driver.engine.detach(number) == -1
            driver.engine.lose(number)
        assert handle.write(b"x") < 0

    def test_a_closed_engine_takes_and_does_nothing(self, driver: EngineDriver) -> None:
        driver.engine.close()
        sock = driver.own(socket.socket())
        for seconds in (0.0, -1.0):
            assert raises(OSError, partial(driver.engine.turn, seconds))
        assert raises(OSError, partial(driver.engine.add, sock.fileno(), LISTENER))
        assert raises(OSError, driver.engine.wake_descriptor)
        driver.engine.wake()

    def test_waiting_costs_nothing(self, driver: EngineDriver) -> None:
        for _ in range(50):
            driver.connection()
        driver.listener()
        driver.turn()
        turns, used = driver.engine.counters()["turns"], process_time()
        begun = monotonic()
        while monotonic() - begun < 0.2:
            driver.turn(0.05)
        assert driver.engine.counters()["turns"] - turns <= 6
        assert process_time() - used < 0.1
