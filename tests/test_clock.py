"""The time that moves when it is told to."""

from __future__ import annotations

from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib.interfaces import IReactorTime
from reactorlib.task import (
    Clock,
    LoopingCall,
)
from tests.clocks import Clocks


class TestClock(Clocks):
    def test_interface(self, clock: Clock) -> None:
        assert verifyObject(IReactorTime, clock)

    def test_time_stands_still_until_advanced(self, clock: Clock) -> None:
        assert clock.seconds() == 0.0
        clock.advance(1.5)
        clock.advance(0)
        assert clock.seconds() == clock.rightNow == 1.5

    def test_time_does_not_go_back(self, clock: Clock) -> None:
        with pytest.raises(ValueError, match="back"):
            clock.advance(-1)
        assert clock.seconds() == 0.0

    def test_calls_are_made_in_order_when_due(self, clock: Clock) -> None:
        ran: list[Any] = []
        clock.callLater(2, ran.append, "second")
        clock.callLater(1, lambda *a, **kw: ran.append((a, kw)), 1, key=2)
        clock.callLater(2, ran.append, "third")
        clock.advance(0.5)
        assert ran == []
        clock.advance(0.5)
        assert ran == [((1,), {"key": 2})]
        clock.advance(5)
        assert ran[1:] == ["second", "third"]

    def test_callbacks_see_the_time_that_was_advanced_to(self, clock: Clock) -> None:
        seen: list[float] = []
        clock.callLater(1, lambda: seen.append(clock.seconds()))
        clock.advance(10)
        assert seen == [10]

    def test_what_callbacks_call_at_once_is_called_in_the_same_advance(self, clock: Clock) -> None:
        ran: list[int] = []

        def again() -> None:
            ran.append(len(ran))
            if len(ran) < 5:
                clock.callLater(0, again)

        clock.callLater(1, again)
        clock.advance(1)
        assert ran == [0, 1, 2, 3, 4]

    def test_what_callbacks_call_later_waits(self, clock: Clock) -> None:
        ran: list[int] = []
        clock.callLater(1, clock.callLater, 1, ran.append, 1)
        clock.advance(5)
        assert ran == []
        clock.advance(1)
        assert ran == [1]

    def test_an_error_is_raised_and_the_rest_stays_due(self, clock: Clock) -> None:
        ran: list[int] = []

        def failing() -> None:
            raise LookupError

        clock.callLater(1, failing)
        clock.callLater(1, ran.append, 1)
        with pytest.raises(LookupError):
            clock.advance(1)
        assert ran == []
        clock.advance(0)
        assert ran == [1]

    def test_calls_can_be_cancelled_moved_and_listed(self, clock: Clock) -> None:
        ran: list[str] = []
        cancelled, moved, plain = (clock.callLater(3, ran.append, n) for n in ("c", "m", "p"))
        cancelled.cancel()
        moved.reset(1)
        assert clock.getDelayedCalls() == clock.calls == [moved, plain]
        clock.advance(1)
        assert ran == ["m"]

    def test_pump(self, clock: Clock) -> None:
        ran: list[float] = []
        loop = LoopingCall(lambda: ran.append(clock.seconds()))
        loop.clock = clock
        loop.start(1)
        clock.pump([0.5, 0.5, 1])
        assert ran == [0, 1, 2]
