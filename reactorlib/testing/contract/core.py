"""IReactorCore: running, stopping, system events, turns and the faults of callbacks."""

from __future__ import annotations

import resource
import threading
from collections.abc import Callable
from typing import Any

import pytest
from zope.interface import Interface
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.defer import Deferred
from reactorlib.interfaces import (
    IReactorCore,
    IReactorFDSet,
    IReactorSocket,
    IReactorTCP,
    IReactorThreads,
    IReactorTime,
)
from reactorlib.testing.contract.base import ContractBase, LoggedErrors, Pairs
from reactorlib.testing.contract.channel import Channel

INTERFACES = [
    IReactorCore,
    IReactorTime,
    IReactorThreads,
    IReactorFDSet,
    IReactorTCP,
    IReactorSocket,
]


class Abandoned(BaseException):
    """Neither an Exception nor one of those that may leave a reactor."""


def fail(kind: type[BaseException] = ZeroDivisionError) -> None:
    """A callback with a fault."""
    raise kind("a fault of the test's own")


class CoreContract(ContractBase):
    """What every reactor does around its turns."""

    interfaces: tuple[type[Interface], ...] = tuple(INTERFACES)

    def test_provides_its_interfaces(self, reactor: Any) -> None:
        for interface in self.interfaces:
            assert verifyObject(interface, reactor)

    # run, stop, crash

    def test_runs_until_stopped(self, reactor: Any) -> None:
        seen: list[bool] = [reactor.running]
        reactor.callWhenRunning(lambda: seen.append(reactor.running))
        reactor.callLater(0.01, reactor.stop)
        self.run_guarded(reactor)
        assert [*seen, reactor.running] == [False, True, False]

    def test_stop_of_one_that_does_not_run_is_refused(self, reactor: Any) -> None:
        with pytest.raises(error.ReactorNotRunning):
            reactor.stop()

    def test_stop_is_refused_while_stopping(self, reactor: Any) -> None:
        refusals: list[Exception] = []

        def stop_twice() -> None:
            reactor.stop()
            try:
                reactor.stop()
            except error.ReactorNotRunning as refusal:
                refusals.append(refusal)

        reactor.callWhenRunning(stop_twice)
        self.run_guarded(reactor)
        assert len(refusals) == 1

    def test_run_is_refused_while_running(self, reactor: Any, logged_errors: LoggedErrors) -> None:
        reactor.callWhenRunning(reactor.run)
        reactor.callLater(0, reactor.stop)
        self.run_guarded(reactor)
        assert len(logged_errors.take(error.ReactorAlreadyRunning)) == 1

    def test_may_be_stopped_before_the_loop_begins(self, reactor: Any) -> None:
        reactor.addSystemEventTrigger("before", "startup", reactor.stop)
        self.run_guarded(reactor)
        assert not reactor.running

    def test_runs_again_after_stop(self, reactor: Any) -> None:
        calls: list[str] = []
        reactor.addSystemEventTrigger("during", "shutdown", calls.append, "down")
        for turn in range(3):
            reactor.callWhenRunning(calls.append, f"up {turn}")
            reactor.callLater(0, reactor.stop)
            self.run_guarded(reactor)
        assert calls == ["up 0", "down", "up 1", "up 2"]

    def test_crash_fires_no_shutdown_events(self, reactor: Any) -> None:
        calls: list[str] = []
        trigger = reactor.addSystemEventTrigger("before", "shutdown", calls.append, "down")
        reactor.callLater(0, reactor.crash)
        self.run_guarded(reactor)
        assert calls == []
        assert not reactor.running
        reactor.removeSystemEventTrigger(trigger)

    def test_runs_again_after_crash(self, reactor: Any) -> None:
        calls: list[int] = []
        reactor.callLater(0, reactor.crash)
        later = reactor.callLater(2 * self.patience, calls.append, 1)
        self.run_guarded(reactor)
        later.reset(0)
        reactor.callLater(0, reactor.stop)
        self.run_guarded(reactor)
        assert calls == [1]

    def test_what_an_old_shutdown_waited_for_ends_no_later_run(self, reactor: Any) -> None:
        never: Deferred[None] = Deferred()
        reactor.addSystemEventTrigger("before", "shutdown", lambda: never)
        reactor.callWhenRunning(reactor.stop)
        reactor.callLater(0.01, reactor.crash)
        self.run_guarded(reactor)
        calls: list[int] = []
        reactor.callLater(0, never.callback, None)
        reactor.callLater(0.02, calls.append, 1)
        reactor.callLater(0.03, reactor.stop)
        self.run_guarded(reactor)
        assert calls == [1]

    @pytest.mark.parametrize("way_out", [KeyboardInterrupt, SystemExit])
    @pytest.mark.parametrize("kind", ["callLater", "callFromThread", "callWhenRunning"])
    def test_may_be_left_by_exception_and_run_again(
        self, reactor: Any, kind: str, way_out: type[BaseException]
    ) -> None:
        arguments = (0, fail, way_out) if kind == "callLater" else (fail, way_out)
        getattr(reactor, kind)(*arguments)
        with pytest.raises(way_out):
            self.run_guarded(reactor)
        assert not reactor.running
        reactor.callLater(0, reactor.stop)
        self.run_guarded(reactor)

    def test_what_was_due_with_the_way_out_is_not_lost(self, reactor: Any) -> None:
        calls: list[int] = []
        for add in (lambda *a: reactor.callLater(0, *a), reactor.callFromThread):
            add(calls.append, 1)
            add(fail, SystemExit)
            add(calls.append, 2)
        for _ in range(2):
            with pytest.raises(SystemExit):
                self.run_guarded(reactor)
        reactor.callLater(0, reactor.stop)
        self.run_guarded(reactor)
        assert calls == [1, 2, 1, 2]

    def test_runs_in_another_thread(self, reactor: Any) -> None:
        where: list[threading.Thread] = []
        reactor.callWhenRunning(lambda: where.append(threading.current_thread()))
        reactor.callLater(0, reactor.stop)
        thread = threading.Thread(target=reactor.run)  # asks for handlers, which it cannot have
        thread.start()
        thread.join(self.patience)
        assert where == [thread]
        assert not thread.is_alive()

    def test_several_run_in_several_threads(self, new_reactor: Callable[[], Any]) -> None:
        reactors = [new_reactor() for _ in range(3)]
        together = threading.Barrier(3)
        for reactor in reactors:
            reactor.callWhenRunning(together.wait, self.patience)
            reactor.callLater(0.01, reactor.stop)
        threads = [threading.Thread(target=reactor.run, args=(False,)) for reactor in reactors]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(self.patience)
        assert not any(thread.is_alive() for thread in threads)

    def test_raises_the_limit_of_descriptors_unless_told_not_to(self, reactor: Any) -> None:
        limits = resource.getrlimit(resource.RLIMIT_NOFILE)
        lowered = (limits[0] - 1, limits[1])
        found: list[int] = []
        try:
            for wanted in (False, True):
                resource.setrlimit(resource.RLIMIT_NOFILE, lowered)
                reactor.raiseDescriptorLimit = wanted
                reactor.callWhenRunning(reactor.stop)
                self.run_guarded(reactor)
                found.append(resource.getrlimit(resource.RLIMIT_NOFILE)[0])
        finally:
            resource.setrlimit(resource.RLIMIT_NOFILE, limits)
        assert found[0] == lowered[0] < found[1]

    # System events

    def test_phases_come_in_order(self, reactor: Any) -> None:
        calls: list[str] = []
        for event in ("startup", "shutdown"):
            for phase in ("after", "during", "before"):
                for number in (1, 2):
                    name = f"{phase} {event} {number}"
                    reactor.addSystemEventTrigger(phase, event, calls.append, name)
        reactor.callLater(0, reactor.stop)
        self.run_guarded(reactor)
        assert calls == [
            f"{phase} {event} {number}"
            for event in ("startup", "shutdown")
            for phase in ("before", "during", "after")
            for number in (1, 2)
        ]

    @pytest.mark.parametrize("phase", ["before", "during", "after"])
    def test_a_phase_waits_for_its_deferreds(self, reactor: Any, phase: str) -> None:
        calls: list[str] = []
        waiting: list[Deferred[None]] = [Deferred(), Deferred()]

        def fire(deferred: Deferred[None]) -> None:
            calls.append(f"running {reactor.running}")
            deferred.callback(None)

        for deferred in waiting:
            reactor.addSystemEventTrigger(phase, "shutdown", lambda each=deferred: each)
        reactor.addSystemEventTrigger("after", "shutdown", calls.append, "after")
        reactor.callWhenRunning(reactor.stop)
        for index, deferred in enumerate(waiting):
            reactor.callLater(0.01 * (index + 1), fire, deferred)
        self.run_guarded(reactor)
        expected = ["running True", "running True"]
        expected.insert(0 if phase == "after" else 2, "after")
        assert calls == expected

    def test_a_failing_trigger_hinders_no_other(
        self, reactor: Any, logged_errors: LoggedErrors
    ) -> None:
        failing: Deferred[None] = Deferred()
        calls: list[str] = []
        reactor.addSystemEventTrigger("before", "shutdown", fail)
        reactor.addSystemEventTrigger("before", "shutdown", fail, Abandoned)
        reactor.addSystemEventTrigger("before", "shutdown", lambda: failing)
        reactor.addSystemEventTrigger("before", "shutdown", calls.append, "before")
        reactor.addSystemEventTrigger("after", "shutdown", calls.append, "after")
        reactor.callWhenRunning(reactor.stop)
        reactor.callLater(0.01, failing.errback, KeyError("late"))
        self.run_guarded(reactor)
        assert calls == ["before", "after"]
        assert len(logged_errors.take(ZeroDivisionError)) == 1
        assert len(logged_errors.take(Abandoned)) == 1
        assert len(logged_errors.take(KeyError)) == 1

    def test_a_trigger_may_be_removed_once(self, reactor: Any) -> None:
        calls: list[int] = []
        keep = reactor.addSystemEventTrigger("during", "mine", calls.append, 1)
        remove = reactor.addSystemEventTrigger("during", "mine", calls.append, 1)
        reactor.removeSystemEventTrigger(remove)
        with pytest.raises(ValueError, match="trigger"):
            reactor.removeSystemEventTrigger(remove)
        reactor.fireSystemEvent("mine")
        assert calls == [1]
        with pytest.raises(ValueError, match="trigger"):
            reactor.removeSystemEventTrigger(keep)

    def test_a_trigger_may_remove_and_add_others(self, reactor: Any) -> None:
        calls: list[str] = []
        doomed: list[Any] = []

        def change() -> None:
            calls.append("change")
            reactor.removeSystemEventTrigger(doomed[0])
            reactor.addSystemEventTrigger("after", "mine", calls.append, "added")

        reactor.addSystemEventTrigger("before", "mine", change)
        doomed.append(reactor.addSystemEventTrigger("during", "mine", calls.append, "doomed"))
        reactor.fireSystemEvent("mine")
        assert calls == ["change", "added"]

    def test_a_wrong_phase_is_refused(self, reactor: Any) -> None:
        with pytest.raises(KeyError, match="during"):
            reactor.addSystemEventTrigger("meanwhile", "startup", fail)

    def test_callWhenRunning_waits_for_the_start(self, reactor: Any) -> None:
        calls: list[object] = []
        reactor.callWhenRunning(calls.append, 1)
        reactor.removeSystemEventTrigger(reactor.callWhenRunning(calls.append, "removed"))
        reactor.callWhenRunning(lambda: calls.append(reactor.callWhenRunning(calls.append, 2)))
        assert calls == []
        reactor.callLater(0, reactor.stop)
        self.run_guarded(reactor)
        assert calls == [1, 2, None]

    # iterate

    def test_iterate_does_what_is_due(self, reactor: Any) -> None:
        calls: list[str] = []
        reactor.callLater(0, calls.append, "timer")
        reactor.callFromThread(calls.append, "thread")
        reactor.iterate()
        assert sorted(calls) == ["thread", "timer"]

    def test_iterate_waits_no_longer_than_told(self, reactor: Any) -> None:
        reactor.callLater(self.patience, fail)
        before = reactor.seconds()
        reactor.iterate()
        reactor.iterate(0.05)
        assert 0.05 <= reactor.seconds() - before < self.patience
        reactor.getDelayedCalls()[0].cancel()

    def test_iterate_nested_in_calls_neither_loses_nor_doubles(self, reactor: Any) -> None:
        calls: list[tuple[str, int]] = []

        def nest(kind: str, number: int) -> None:
            calls.append((kind, number))
            reactor.iterate()

        for number in range(5):
            reactor.callLater(0, nest, "timer", number)
            reactor.callFromThread(nest, "thread", number)
        self.turn_until(reactor, lambda: len(calls) >= 10)
        reactor.iterate()
        for kind in ("timer", "thread"):
            assert [each for each in calls if each[0] == kind] == [(kind, n) for n in range(5)]

    # Faults

    @pytest.mark.parametrize("fault", [ZeroDivisionError, GeneratorExit, Abandoned])
    @pytest.mark.parametrize("kind", ["callLater", "callFromThread", "callWhenRunning"])
    def test_a_fault_is_logged_once_and_the_loop_goes_on(
        self, reactor: Any, logged_errors: LoggedErrors, kind: str, fault: type[BaseException]
    ) -> None:
        calls: list[int] = []
        arguments = (0,) if kind == "callLater" else ()
        getattr(reactor, kind)(*arguments, fail, fault)
        getattr(reactor, kind)(*arguments, calls.append, 1)
        reactor.callLater(0.01, reactor.stop)
        self.run_guarded(reactor)
        assert calls == [1]
        assert len(logged_errors.take(fault)) == 1

    @pytest.mark.parametrize("kind", ["callLater", "callFromThread"])
    def test_a_slow_callback_is_named(
        self, reactor: Any, caplog: pytest.LogCaptureFixture, kind: str
    ) -> None:
        def sluggard() -> None:
            reactor.stop()

        for threshold, expected in ((0.0, 1), (self.patience, 0), (None, 0)):
            caplog.clear()
            reactor.slowCallbackThreshold = threshold
            assert reactor.slowCallbackThreshold == threshold
            getattr(reactor, kind)(*((0,) if kind == "callLater" else ()), sluggard)
            self.run_guarded(reactor)
            assert sum("sluggard" in message for message in caplog.messages) == expected

    def test_close_ends_everything(self, reactor: Any, pairs: Pairs) -> None:
        reactor.addReader(Channel(pairs()[0]))
        reactor.close()
        reactor.close()
        assert reactor.getReaders() == []
        with pytest.raises(OSError, match=reactor.name):
            reactor.iterate()

    def test_names_its_backend(self, reactor: Any) -> None:
        assert reactor.name
        assert reactor.name in repr(reactor)
