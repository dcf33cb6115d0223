"""IReactorThreads: the ways into a reactor from other threads, and out of it to them."""

from __future__ import annotations

import sys
import threading
from collections.abc import Callable
from typing import Any

import pytest

from reactorlib.defer import Deferred
from reactorlib.testing.contract.base import ContractBase, LoggedErrors, Pairs
from reactorlib.testing.contract.channel import Channel, receive
from reactorlib.threads import blockingCallFromThread, deferToThreadPool


def start(function: Callable[..., object], *args: Any) -> threading.Thread:
    """Run a function in a thread of its own."""
    thread = threading.Thread(target=function, args=args)
    thread.start()
    return thread


class ThreadsContract(ContractBase):
    """What every reactor does with threads. `calls_per_thread` are made from each of eight."""

    calls_per_thread = 125_000

    def in_thread(self, reactor: Any, function: Callable[..., Any], *args: Any) -> Deferred[Any]:
        """The result of a function that is called in the reactor's pool."""
        return deferToThreadPool(reactor, reactor.getThreadPool(), function, *args)

    # callFromThread

    def test_no_call_is_lost_and_each_thread_keeps_its_order(self, reactor: Any) -> None:
        got: list[list[int]] = [[] for _ in range(8)]
        done: Deferred[None] = Deferred()
        total = 8 * self.calls_per_thread

        def send(index: int) -> None:
            add = got[index].append
            for number in range(self.calls_per_thread):
                reactor.callFromThread(add, number)
            reactor.callFromThread(sent)

        def sent() -> None:
            finished.append(1)
            if len(finished) == 8:
                done.callback(None)

        finished: list[int] = []
        threads = [start(send, index) for index in range(8)]
        self.run_until(reactor, done)
        for thread in threads:
            thread.join()
        assert sum(map(len, got)) == total
        assert all(numbers == list(range(self.calls_per_thread)) for numbers in got)

    def test_each_call_wakes_a_sleeping_reactor(self, reactor: Any) -> None:
        """Each thread asks again when it was answered; often all of them sleep."""
        asking, times = 3, 2000
        interval = sys.getswitchinterval()
        silent: list[int] = []
        left = list(range(asking))

        def ask() -> None:
            answered = threading.Semaphore(0)
            for number in range(times):
                reactor.callFromThread(answered.release)
                if not answered.acquire(timeout=self.patience / 2):
                    silent.append(number)
                    break
            reactor.callFromThread(finish)

        def finish() -> None:
            left.pop()
            if not left:
                reactor.crash()

        threads = [start(ask) for _ in left]
        try:
            sys.setswitchinterval(1e-6)  # a thread may lose the processor anywhere
            self.run_guarded(reactor)
        finally:
            sys.setswitchinterval(interval)
        for thread in threads:
            thread.join()
        assert silent == []

    def test_from_its_own_thread_a_call_waits_for_the_next_turn(self, reactor: Any) -> None:
        calls: list[str] = []

        def first() -> None:
            reactor.callFromThread(calls.append, "second")
            calls.append("first")

        reactor.callFromThread(first)
        reactor.iterate()
        assert calls == ["first"]
        reactor.iterate()
        assert calls == ["first", "second"]

    def test_a_flood_of_calls_does_not_starve_descriptors(self, reactor: Any, pairs: Pairs) -> None:
        ours, theirs = pairs()
        made: list[int] = []
        seen: list[int] = []

        def read(channel: Channel) -> None:
            receive(channel)
            seen.append(len(made))

        channel = Channel(ours, on_read=read)
        reactor.addReader(channel)
        theirs.send(b"x")
        for number in range(20_000):
            reactor.callFromThread(made.append, number)
        self.turn_until(reactor, lambda: len(made) == 20_000)
        assert seen
        assert seen[0] < 20_000
        assert made == list(range(20_000))
        reactor.removeReader(channel)

    # The pool

    def test_results_come_back_to_the_reactors_thread(self, reactor: Any) -> None:
        where: list[threading.Thread] = []

        def work() -> int:
            where.append(threading.current_thread())
            return 42

        result = self.in_thread(reactor, work)
        result.addCallback(lambda value: (value, threading.current_thread()))
        value, thread = self.run_until(reactor, result)
        assert value == 42
        assert thread is threading.current_thread() is not where[0]

    def test_failures_come_back_too(self, reactor: Any) -> None:
        with pytest.raises(ZeroDivisionError):
            self.run_until(reactor, self.in_thread(reactor, lambda: 1 // 0))

    def test_callInThread_logs_what_it_raises(
        self, reactor: Any, logged_errors: LoggedErrors
    ) -> None:
        done: Deferred[None] = Deferred()

        def work() -> None:
            reactor.callFromThread(done.callback, None)
            raise ZeroDivisionError

        reactor.callInThread(work)
        self.run_until(reactor, done)
        reactor.callWhenRunning(reactor.stop)
        self.run_guarded(reactor)  # waits for the threads
        self.turn_until(reactor, lambda: logged_errors.records)
        assert len(logged_errors.take(ZeroDivisionError)) == 1

    def test_a_thread_that_waits_never_stalls_the_loop(self, reactor: Any, pairs: Pairs) -> None:
        release = threading.Event()
        ours, theirs = pairs()
        channel = Channel(ours, on_read=receive)
        reactor.addReader(channel)
        result = self.in_thread(reactor, release.wait, self.patience)
        for _ in range(3):
            theirs.send(b"x")
            self.turn_until(reactor, lambda: channel.reads)
            channel.reads = 0
        assert not result.called
        release.set()
        assert self.run_until(reactor, result) is True
        reactor.removeReader(channel)

    def test_blockingCallFromThread_gives_results_and_failures(self, reactor: Any) -> None:
        later: Deferred[str] = Deferred()

        def work() -> list[object]:
            got = [
                blockingCallFromThread(reactor, lambda: threading.current_thread()),
                blockingCallFromThread(reactor, lambda: later),
            ]
            with pytest.raises(ZeroDivisionError):
                blockingCallFromThread(reactor, lambda: 1 // 0)
            return got

        result = self.in_thread(reactor, work)
        reactor.callLater(0.01, later.callback, "later")
        assert self.run_until(reactor, result) == [threading.current_thread(), "later"]

    def test_the_pool_grows_while_it_runs(self, reactor: Any) -> None:
        """As many as the size work at once: they wait for one another."""
        for size in (2, 20):
            reactor.suggestThreadPoolSize(size)
            together = threading.Barrier(size)
            waits = [self.in_thread(reactor, together.wait, self.patience) for _ in range(size)]
            for each in waits:
                self.run_until(reactor, each)

    def test_the_pool_has_no_more_threads_than_suggested(self, reactor: Any) -> None:
        reactor.suggestThreadPoolSize(2)
        threads: set[threading.Thread] = set()

        def work() -> None:
            threads.add(threading.current_thread())

        for each in [self.in_thread(reactor, work) for _ in range(50)]:
            self.run_until(reactor, each)
        assert 1 <= len(threads) <= 2

    def test_a_negative_size_is_refused(self, reactor: Any) -> None:
        with pytest.raises(ValueError, match="-1"):
            reactor.suggestThreadPoolSize(-1)

    # The end

    def test_stop_lets_the_threads_finish_and_serves_them_meanwhile(self, reactor: Any) -> None:
        got: list[object] = []

        def work() -> None:
            reactor.callFromThread(reactor.stop)
            for number in range(3):
                got.append(blockingCallFromThread(reactor, int, number))

        result = reactor.callWhenRunning(lambda: finish(self.in_thread(reactor, work)))

        def finish(deferred: Deferred[None]) -> None:
            deferred.addCallback(lambda _: got.append("told"))

        assert result is not None
        self.run_guarded(reactor)
        assert got == [0, 1, 2, "told"]

    def test_the_pool_is_new_in_the_next_run(self, reactor: Any) -> None:
        for number in range(2):
            got: list[object] = []

            def begin(number: int = number, got: list[object] = got) -> None:
                result = self.in_thread(reactor, lambda: number)
                result.addCallback(got.append)
                result.addCallback(lambda _: reactor.stop())

            reactor.callWhenRunning(begin)
            self.run_guarded(reactor)
            assert got == [number]

    def test_no_thread_is_left_when_an_exception_leaves(self, reactor: Any) -> None:
        result = self.in_thread(reactor, threading.current_thread)

        def leave(thread: threading.Thread) -> None:
            threads.append(thread)
            reactor.callLater(0, exit_by, SystemExit)

        def exit_by(kind: type[BaseException]) -> None:
            raise kind

        threads: list[threading.Thread] = []
        result.addCallback(leave)
        with pytest.raises(SystemExit):
            self.run_guarded(reactor)
        threads[0].join(self.patience)
        assert not threads[0].is_alive()

    # A reactor's thread

    def test_another_thread_cannot_use_what_belongs_to_the_reactors(
        self, reactor: Any, pairs: Pairs
    ) -> None:
        """The refusals leave everything as it was."""
        ours, theirs = pairs()
        old, new = Channel(ours, on_read=receive), Channel(pairs()[0])
        uses: list[Callable[[], object]] = [
            reactor.iterate,
            lambda: reactor.addReader(new),
            lambda: reactor.addWriter(old),
            lambda: reactor.removeReader(old),
            reactor.removeAll,
        ]

        def work() -> None:
            for use in uses:
                with pytest.raises(RuntimeError):
                    use()

        calls: list[threading.Thread] = []

        def begin() -> None:
            thread = start(work)
            reactor.callLater(0, lambda: calls.append(threading.current_thread()))
            thread.join()
            done.callback(None)

        done: Deferred[None] = Deferred()
        reactor.addReader(old)
        reactor.callFromThread(begin)
        self.run_until(reactor, done)
        theirs.send(b"x")
        self.turn_until(reactor, lambda: old.reads and calls)
        assert calls == [threading.current_thread()]
        assert reactor.getReaders() == [old]
        assert reactor.getWriters() == []
        reactor.removeReader(old)
