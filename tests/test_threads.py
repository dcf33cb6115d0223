"""Results that cross between the reactor's thread and others."""

from __future__ import annotations

import gc
import threading
import weakref
from collections.abc import Callable, Iterator
from queue import SimpleQueue
from threading import Event, Thread
from typing import Any

import pytest
from zope.interface import implementer

import reactorlib
from reactorlib.defer import CancelledError, Deferred, fail, succeed
from reactorlib.failure import Failure
from reactorlib.interfaces import IReactorThreads
from reactorlib.threadpool import ThreadPool
from reactorlib.threads import (
    blockingCallFromThread,
    callMultipleInThread,
    deferToThread,
    deferToThreadPool,
)

PATIENCE = 20.0  # seconds; reached only when a test fails


@implementer(IReactorThreads)
class FakeReactor:
    """The thread part of a reactor; it runs in the thread that calls `turn`."""

    def __init__(self, pool: ThreadPool) -> None:
        self.pool = pool
        self.calls: SimpleQueue[Callable[[], object]] = SimpleQueue()

    def callFromThread(self, callable: Callable[..., object], *args: Any, **kw: Any) -> None:
        self.calls.put(lambda: callable(*args, **kw))

    def callInThread(self, callable: Callable[..., object], *args: Any, **kw: Any) -> None:
        self.pool.callInThread(callable, *args, **kw)

    def getThreadPool(self) -> ThreadPool:
        return self.pool

    def suggestThreadPoolSize(self, size: int) -> None:
        self.pool.adjustPoolsize(maxthreads=size)

    def turn(self) -> None:
        self.calls.get(timeout=PATIENCE)()


@pytest.fixture
def reactor() -> Iterator[FakeReactor]:
    pool = ThreadPool(0, 3, "test")
    pool.start()
    yield FakeReactor(pool)
    pool.stop()


@pytest.fixture
def process_reactor(reactor: FakeReactor, monkeypatch: pytest.MonkeyPatch) -> FakeReactor:
    """The fake, in the place of the process's reactor, which must not be made."""
    monkeypatch.setitem(vars(reactorlib), "reactor", reactor)
    return reactor


class Caller:
    """A blockingCallFromThread under way in a thread of its own."""

    def __init__(self, reactor: FakeReactor, f: Callable[..., Any], *a: Any, **kw: Any) -> None:
        self.outcome: Any = None
        self._thread = Thread(target=self._call, args=(reactor, f, a, kw))
        self._thread.start()

    def _call(
        self, reactor: FakeReactor, f: Callable[..., Any], a: tuple[Any, ...], kw: dict[str, Any]
    ) -> None:
        try:
            self.outcome = blockingCallFromThread(reactor, f, *a, **kw)
        except BaseException as error:
            self.outcome = error

    def join(self) -> Any:
        self._thread.join(PATIENCE)
        assert not self._thread.is_alive()
        return self.outcome

    @property
    def waits(self) -> bool:
        return self._thread.is_alive()


class TestDeferToThread:
    def test_the_result_comes_in_the_reactors_thread(self, reactor: FakeReactor) -> None:
        def work(*args: object, **kw: object) -> tuple[Any, ...]:
            return threading.get_ident(), args, kw

        seen: list[Any] = []
        deferred = deferToThreadPool(reactor, reactor.pool, work, 1, key="value")
        deferred.addCallback(lambda result: seen.append((threading.get_ident(), *result)))
        assert seen == []
        reactor.turn()
        ((here, there, args, kw),) = seen
        assert here == threading.get_ident() != there
        assert (args, kw) == ((1,), {"key": "value"})

    def test_an_error_comes_as_a_failure(self, reactor: FakeReactor) -> None:
        def failing() -> None:
            raise LookupError("the reason")

        seen: list[Failure] = []
        deferToThreadPool(reactor, reactor.pool, failing).addErrback(seen.append)
        reactor.turn()
        assert seen[0].check(LookupError)
        assert "failing" in seen[0].getTraceback()

    def test_a_cancelled_call_drops_its_result(
        self, reactor: FakeReactor, caplog: pytest.LogCaptureFixture
    ) -> None:
        seen: list[Failure] = []
        deferred = deferToThreadPool(reactor, reactor.pool, lambda: 1)
        deferred.addErrback(seen.append)
        deferred.cancel()
        reactor.turn()
        assert seen[0].check(CancelledError)
        assert caplog.records == []

    def test_the_process_reactor_is_used_without_one(self, process_reactor: FakeReactor) -> None:
        seen: list[int] = []
        deferToThread(lambda number, power: number**power, 3, power=2).addCallback(seen.append)
        process_reactor.turn()
        assert seen == [9]


class TestCallMultipleInThread:
    def test_calls_in_order_in_one_thread(self, process_reactor: FakeReactor) -> None:
        seen: list[tuple[Any, ...]] = []
        done = Event()

        def work(*args: object, **kw: object) -> None:
            seen.append((threading.get_ident(), args, kw))

        callMultipleInThread([(work, [1], {"a": 2}), (work, (3,), {}), (done.set, [], {})])
        assert done.wait(PATIENCE)
        assert [call[1:] for call in seen] == [((1,), {"a": 2}), ((3,), {})]
        assert len({call[0] for call in seen}) == 1

    def test_an_error_is_logged_and_ends_it(
        self, process_reactor: FakeReactor, caplog: pytest.LogCaptureFixture
    ) -> None:
        seen: list[int] = []

        def failing() -> None:
            raise LookupError

        callMultipleInThread([(seen.append, [1], {}), (failing, [], {}), (seen.append, [2], {})])
        process_reactor.pool.stop()
        assert seen == [1]
        (record,) = caplog.records
        assert record.exc_info is not None
        assert record.exc_info[0] is LookupError


class TestBlockingCallFromThread:
    def test_a_plain_result(self, reactor: FakeReactor) -> None:
        caller = Caller(reactor, lambda *a, **kw: (threading.get_ident(), a, kw), 1, key=2)
        reactor.turn()
        assert caller.join() == (threading.get_ident(), (1,), {"key": 2})

    def test_none_is_a_result(self, reactor: FakeReactor) -> None:
        caller = Caller(reactor, lambda: None)
        reactor.turn()
        assert caller.join() is None

    def test_it_waits_for_a_deferred(self, reactor: FakeReactor) -> None:
        deferred: Deferred[str] = Deferred()
        caller = Caller(reactor, lambda: deferred)
        reactor.turn()
        assert caller.waits
        deferred.callback("the result")
        assert caller.join() == "the result"

    def test_it_waits_for_a_coroutine(self, reactor: FakeReactor) -> None:
        async def work(number: int) -> int:
            return number + await succeed(1)

        caller = Caller(reactor, work, 1)
        reactor.turn()
        assert caller.join() == 2

    @pytest.mark.parametrize("how", ["raise", "deferred", "coroutine"])
    def test_an_error_is_raised_in_the_calling_thread(
        self, reactor: FakeReactor, how: str, caplog: pytest.LogCaptureFixture
    ) -> None:
        reason = LookupError("the reason")

        def raising() -> None:
            raise reason

        async def coroutine() -> None:
            raise reason

        functions: dict[str, Callable[[], object]] = {
            "raise": raising,
            "deferred": lambda: fail(reason),
            "coroutine": coroutine,
        }
        caller = Caller(reactor, functions[how])
        reactor.turn()
        assert caller.join() is reason
        gc.collect()
        assert caplog.records == []

    def test_an_error_leaves_no_cycle(self, reactor: FakeReactor) -> None:
        class Held(Exception):
            pass

        def raising() -> None:
            raise Held

        def work() -> weakref.ref[Held]:
            try:
                blockingCallFromThread(reactor, raising)
            except Held as error:
                return weakref.ref(error)
            pytest.fail("nothing was raised")

        references: SimpleQueue[weakref.ref[Held]] = SimpleQueue()
        thread = Thread(target=lambda: references.put(work()))
        gc.disable()
        try:
            thread.start()
            reactor.turn()
            thread.join(PATIENCE)
            assert references.get(timeout=PATIENCE)() is None
        finally:
            gc.enable()
