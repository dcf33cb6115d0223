"""Timeouts: of a protocol's own, and of a factory's connections."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.protocols.policies import (
    TimeoutFactory,
    TimeoutMixin,
)
from reactorlib.task import Clock
from reactorlib.testing import AccumulatingProtocol, StringTransport
from tests.wrapped import (
    DONE,
    Accumulating,
    connect,
)


class TestTimeoutMixin:
    class Timing(TimeoutMixin, AccumulatingProtocol):
        pass

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def protocol(self, clock: Clock) -> Any:
        protocol = self.Timing()
        protocol.makeConnection(StringTransport(reactor=clock))
        return protocol

    def test_the_connection_is_lost_when_the_time_is_over(
        self, protocol: Any, clock: Clock
    ) -> None:
        assert protocol.setTimeout(5) is None
        clock.advance(4.9)
        assert not protocol.transport.disconnecting
        clock.advance(0.2)
        assert protocol.transport.disconnecting
        assert not clock.getDelayedCalls()

    def test_activity_begins_it_anew(self, protocol: Any, clock: Clock) -> None:
        protocol.setTimeout(5)
        for _ in range(3):
            clock.advance(4)
            protocol.resetTimeout()
        assert not protocol.transport.disconnecting
        clock.advance(5)
        assert protocol.transport.disconnecting
        protocol.resetTimeout()
        assert not clock.getDelayedCalls()

    def test_another_length_holds_from_now(self, protocol: Any, clock: Clock) -> None:
        protocol.setTimeout(5)
        assert protocol.setTimeout(10) == 5
        assert protocol.timeOut == 10
        clock.advance(9)
        assert not protocol.transport.disconnecting
        clock.advance(1)
        assert protocol.transport.disconnecting

    def test_none_is_none(self, protocol: Any, clock: Clock) -> None:
        assert protocol.setTimeout(None) is None
        protocol.setTimeout(5)
        assert protocol.setTimeout(None) == 5
        protocol.resetTimeout()
        assert not clock.getDelayedCalls()

    def test_an_end_after_the_call_was_cancelled_by_another(
        self, protocol: Any, clock: Clock
    ) -> None:
        protocol.setTimeout(5)
        clock.calls[0].cancel()
        assert protocol.setTimeout(None) == 5
        protocol.setTimeout(5)
        clock.advance(5)
        assert protocol.transport.disconnecting

    def test_what_happens_can_be_chosen_and_begun_again(self, clock: Clock) -> None:
        class Patient(self.Timing):  # type: ignore[name-defined, misc]
            warnings = 0

            def timeoutConnection(self) -> None:
                self.warnings += 1
                self.setTimeout(1)

        protocol = Patient()
        protocol.makeConnection(StringTransport(reactor=clock))
        protocol.setTimeout(1)
        clock.pump([1, 1, 1])
        assert protocol.warnings == 3

    def test_the_clock_can_be_another(self) -> None:
        clock = Clock()

        class Own(self.Timing):  # type: ignore[name-defined, misc]
            def callLater(self, period: float, func: Any) -> Any:
                return clock.callLater(period, func)

        protocol = Own()
        protocol.makeConnection(StringTransport())
        protocol.setTimeout(1)
        clock.advance(1)
        assert protocol.transport.disconnecting


class TestTimeoutFactory:
    @pytest.mark.parametrize("given", [True, False], ids=["argument", "transport"])
    def test_idle_connections_are_lost(self, given: bool) -> None:
        clock = Clock()
        factory = TimeoutFactory(Accumulating(), 10, reactor=clock if given else None)
        wrapper, transport = connect(factory, reactor=None if given else clock)
        for act in (
            lambda: wrapper.write(b"x"),
            lambda: wrapper.writeSequence([b"x"]),
            lambda: wrapper.dataReceived(b"x"),
        ):
            clock.advance(9)
            act()
        clock.advance(9.9)
        assert not transport.disconnecting
        clock.advance(0.2)
        assert transport.disconnecting
        wrapper.connectionLost(DONE)
        assert not clock.getDelayedCalls()

    def test_the_end_ends_the_timeout(self) -> None:
        clock = Clock()
        wrapper, _ = connect(TimeoutFactory(Accumulating(), reactor=clock))
        (call,) = clock.getDelayedCalls()
        assert call.getTime() == 30 * 60
        wrapper.connectionLost(DONE)
        assert not clock.getDelayedCalls()

    def test_a_protocol_can_change_its_own(self) -> None:
        clock = Clock()
        wrapper, transport = connect(TimeoutFactory(Accumulating(), 10, reactor=clock))
        protocol = wrapper.wrappedProtocol
        protocol.transport.setTimeout(20)
        assert wrapper.timeoutPeriod == 20
        clock.advance(15)
        protocol.transport.cancelTimeout()
        clock.advance(100)
        assert not transport.disconnecting

    def test_none_is_none(self) -> None:
        clock = Clock()
        connect(TimeoutFactory(Accumulating(), None, reactor=clock))
        assert not clock.getDelayedCalls()
