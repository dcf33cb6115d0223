"""A call in a while, and programs that are one coroutine or Deferred."""

from __future__ import annotations

import gc
import logging
from collections.abc import Callable
from typing import Any, NoReturn

import pytest

import reactorlib
from reactorlib.defer import CancelledError, Deferred, succeed
from reactorlib.error import ReactorNotRunning
from reactorlib.task import (
    Clock,
    deferLater,
    react,
)
from tests.clocks import Clocks, outcomes_of


class TestDeferLater(Clocks):
    def test_the_function_is_called_then(self, clock: Clock) -> None:
        results = outcomes_of(deferLater(clock, 2, lambda a, b: (a, b, clock.seconds()), 1, b=2))
        clock.advance(1)
        assert results == []
        clock.advance(1)
        assert results == [(1, 2, 2)]

    def test_without_a_function(self, clock: Clock) -> None:
        results = outcomes_of(deferLater(clock, 1))
        clock.advance(1)
        assert results == [None]

    def test_its_error(self, clock: Clock) -> None:
        def failing() -> None:
            raise LookupError

        results = outcomes_of(deferLater(clock, 1, failing))
        clock.advance(1)
        assert results[0].check(LookupError)

    def test_its_deferred(self, clock: Clock) -> None:
        inner: Deferred[int] = Deferred()
        results = outcomes_of(deferLater(clock, 1, lambda: inner))
        clock.advance(1)
        assert results == []
        inner.callback(1)
        assert results == [1]

    def test_cancelling_before(self, clock: Clock) -> None:
        ran: list[int] = []
        deferred = deferLater(clock, 1, ran.append, 1)
        results = outcomes_of(deferred)
        deferred.cancel()
        assert results[0].check(CancelledError)
        assert clock.getDelayedCalls() == []
        assert ran == []

    def test_cancelling_what_the_function_returned(self, clock: Clock) -> None:
        cancelled: list[Deferred[int]] = []
        inner: Deferred[int] = Deferred(cancelled.append)
        deferred = deferLater(clock, 1, lambda: inner)
        results = outcomes_of(deferred)
        clock.advance(1)
        deferred.cancel()
        assert cancelled == [inner]
        assert results[0].check(CancelledError)


class FakeReactor:
    """A reactor that runs until it is stopped."""

    def __init__(self) -> None:
        self.running = False
        self.stopped = 0
        self.starting: list[Callable[[], object]] = []
        self.clock = Clock()

    def callWhenRunning(self, callable: Callable[..., object], *args: Any) -> None:
        self.starting.append(lambda: callable(*args))

    def run(self) -> None:
        self.running = True
        for function in self.starting:
            function()
        while self.running:
            assert self.clock.getDelayedCalls(), "this reactor would never end"
            self.clock.advance(1)

    def stop(self) -> None:
        if not self.running:
            raise ReactorNotRunning
        self.running = False
        self.stopped += 1


class TestReact:
    @pytest.fixture
    def reactor(self) -> FakeReactor:
        return FakeReactor()

    def exit_code(self, *args: Any, **kw: Any) -> Any:
        with pytest.raises(SystemExit) as caught:
            react(*args, **kw)
        return caught.value.code

    def test_main_gets_the_running_reactor_and_its_arguments(self, reactor: FakeReactor) -> None:
        seen: list[Any] = []

        def main(*args: object) -> Deferred[None]:
            seen.append((reactor.running, args))
            return deferLater(reactor.clock, 2)

        assert self.exit_code(main, ("one", "two"), _reactor=reactor) == 0
        assert seen == [(True, (reactor, "one", "two"))]
        assert reactor.clock.seconds() == 2
        assert reactor.stopped == 1

    def test_a_coroutine_function(self, reactor: FakeReactor) -> None:
        seen: list[float] = []

        async def main(reactor: FakeReactor) -> str:
            await deferLater(reactor.clock, 3)
            seen.append(reactor.clock.seconds())
            return "dropped"

        assert self.exit_code(main, _reactor=reactor) == 0
        assert seen == [3]

    def test_the_process_reactor_is_the_default(
        self, reactor: FakeReactor, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setitem(vars(reactorlib), "reactor", reactor)
        assert self.exit_code(lambda given: succeed(given)) == 0
        assert reactor.stopped == 1

    @pytest.mark.parametrize("when", [0, 1])
    def test_an_error_is_logged_and_gives_1(
        self, reactor: FakeReactor, caplog: pytest.LogCaptureFixture, when: int
    ) -> None:
        def failing() -> NoReturn:
            raise LookupError("the reason")

        def main(reactor: FakeReactor) -> Deferred[None]:
            if when:
                return deferLater(reactor.clock, when, failing)
            return failing()

        assert self.exit_code(main, _reactor=reactor) == 1
        (record,) = caplog.records
        assert (record.name, record.levelno) == ("reactorlib", logging.ERROR)
        assert record.exc_info is not None
        assert record.exc_info[0] is LookupError

    @pytest.mark.parametrize("code", [0, 3, "a message", None])
    def test_SystemExit_gives_its_code_and_logs_nothing(
        self, reactor: FakeReactor, caplog: pytest.LogCaptureFixture, code: int | str | None
    ) -> None:
        def main(reactor: FakeReactor) -> None:
            raise SystemExit(code)

        assert self.exit_code(main, _reactor=reactor) == code
        assert caplog.records == []

    def test_a_reactor_that_is_stopped_first_gives_0(self, reactor: FakeReactor) -> None:
        def main(reactor: FakeReactor) -> Deferred[None]:
            reactor.clock.callLater(1, reactor.stop)
            return Deferred()

        assert self.exit_code(main, _reactor=reactor) == 0

    def test_an_end_while_the_reactor_stops_still_gives_the_code(
        self, reactor: FakeReactor, caplog: pytest.LogCaptureFixture
    ) -> None:
        def main(reactor: FakeReactor) -> Deferred[None]:
            done: Deferred[None] = Deferred()
            reactor.clock.callLater(1, reactor.stop)
            reactor.clock.callLater(1, done.errback, SystemExit(4))
            return done

        assert self.exit_code(main, _reactor=reactor) == 4
        gc.collect()
        assert reactor.stopped == 1
        assert caplog.records == []
