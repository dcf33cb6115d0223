"""IReactorTime: a monotonic clock, and calls that are made once and never early."""

from __future__ import annotations

import random
import socket
import time
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.interfaces import IDelayedCall
from reactorlib.testing.contract.base import ContractBase
from reactorlib.testing.contract.channel import Channel


def never() -> None:
    """What must not be called."""
    raise AssertionError("this call was cancelled")


class TimeContract(ContractBase):
    """What every reactor does by the clock."""

    def test_a_call_comes_with_its_arguments(self, reactor: Any) -> None:
        calls: list[Any] = []
        made = reactor.callLater(0.01, lambda *args, **kw: calls.append((args, kw)), 1, two=2)
        assert verifyObject(IDelayedCall, made)
        assert made.active()
        self.turn_until(reactor, lambda: calls)
        assert calls == [((1,), {"two": 2})]
        assert not made.active()
        for method, arguments in (("cancel", ()), ("reset", (1,)), ("delay", (1,))):
            with pytest.raises(error.AlreadyCalled):
                getattr(made, method)(*arguments)

    def test_a_cancelled_call_is_never_made(self, reactor: Any) -> None:
        call = reactor.callLater(0, never)
        call.cancel()
        reactor.iterate()
        assert not call.active()
        with pytest.raises(error.AlreadyCancelled):
            call.cancel()

    def test_a_call_may_cancel_one_that_is_due_with_it(self, reactor: Any) -> None:
        calls: list[Any] = []
        reactor.callLater(0, lambda: calls.pop().cancel())
        calls.append(reactor.callLater(0, never))
        self.turn_until(reactor, lambda: not calls)
        reactor.iterate()

    def test_getTime_is_on_the_clock(self, reactor: Any) -> None:
        before = reactor.seconds()
        call = reactor.callLater(5, never)
        assert before + 5 <= call.getTime() <= reactor.seconds() + 5
        call.delay(2)
        assert before + 7 <= call.getTime() <= reactor.seconds() + 7
        call.reset(1)
        assert before + 1 <= call.getTime() <= reactor.seconds() + 1
        call.cancel()

    def test_moved_calls_come_at_their_new_time(self, reactor: Any) -> None:
        calls: list[str] = []
        late = reactor.callLater(self.patience, calls.append, "reset")
        late.reset(0.02)
        reactor.callLater(0.03, calls.append, "between")
        early = reactor.callLater(0.01, calls.append, "delayed")
        early.delay(0.04)
        self.turn_until(reactor, lambda: len(calls) == 3)
        assert calls == ["reset", "between", "delayed"]

    def test_getDelayedCalls_are_those_to_come(self, reactor: Any) -> None:
        calls = [reactor.callLater(delay, never) for delay in (3, 1, 2)]
        assert set(reactor.getDelayedCalls()) == set(calls)
        for call in calls:
            call.cancel()
        assert list(reactor.getDelayedCalls()) == []

    @pytest.mark.parametrize("delay", [-1, float("nan"), float("inf")])
    def test_an_impossible_delay_is_refused(self, reactor: Any, delay: float) -> None:
        with pytest.raises(ValueError, match="delay"):
            reactor.callLater(delay, never)

    def test_calls_under_load_are_in_order_and_never_early(self, reactor: Any) -> None:
        seed = random.randrange(1 << 32)
        print(f"seed {seed}")
        numbers = random.Random(seed)
        made: list[tuple[float, float]] = []

        def note(due: list[Any]) -> None:
            made.append((due[0].getTime(), reactor.seconds()))

        pending = []
        for _ in range(2000):
            due: list[Any] = []
            due.append(reactor.callLater(numbers.random() * 0.2, note, due))
            pending.append(due[0])
        for call in numbers.sample(pending, 1000):
            call.cancel()
        reactor.callLater(0.25, reactor.crash)
        self.run_guarded(reactor)
        assert len(made) == 1000
        assert all(due <= now for due, now in made)
        assert made == sorted(made)

    def test_a_waiting_turn_ends_when_a_call_is_due(self, reactor: Any) -> None:
        calls: list[int] = []
        for delay in (0.0004, 0.0011, 0.0205):  # kernels count in milliseconds
            made = reactor.callLater(delay, calls.append, 1)
            reactor.iterate(self.patience)
            assert reactor.seconds() >= made.getTime()
            reactor.iterate(0)
        assert calls == [1, 1, 1]

    def test_a_call_made_by_a_call_waits_for_the_next_turn(self, reactor: Any) -> None:
        calls: list[str] = []
        reactor.callLater(0, lambda: reactor.callLater(0, calls.append, "second"))
        reactor.iterate()
        assert calls == []
        reactor.iterate()
        assert calls == ["second"]

    def test_endless_calls_do_not_starve_descriptors(self, reactor: Any) -> None:
        turns: list[int] = []

        def again() -> None:
            turns.append(1)
            reactor.callLater(0, again)

        ours, theirs = socket.socketpair()
        with ours, theirs:
            channel = Channel(ours, on_read=lambda _: reactor.crash())
            reactor.addReader(channel)
            reactor.callLater(0, again)
            reactor.callLater(0.01, theirs.send, b"x")
            self.run_guarded(reactor)
            reactor.removeReader(channel)
        assert turns
        for call in reactor.getDelayedCalls():
            call.cancel()

    def test_the_time_of_day_does_not_matter(
        self, reactor: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        real, shift = time.time, [0.0]
        monkeypatch.setattr(time, "time", lambda: real() + shift[0])
        calls: list[float] = []
        started = time.monotonic()
        for delay, hours in ((0.01, 1), (0.02, -2), (0.03, 0)):
            reactor.callLater(delay, shift.__setitem__, 0, hours * 3600.0)
            reactor.callLater(delay + 0.005, lambda: calls.append(time.monotonic() - started))
        self.turn_until(reactor, lambda: len(calls) == 3)
        assert calls == sorted(calls)
        assert 0.035 <= calls[-1] < self.patience

    def test_the_clock_never_goes_back(self, reactor: Any) -> None:
        readings = [reactor.seconds() for _ in range(1000)]
        assert readings == sorted(readings)
