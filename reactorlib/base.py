"""The reactor's heart: one engine, its table of sinks, timers, threads, signals.

A turn: finish what the last turn reported, make due calls, let the engine do
the I/O, dispatch what has happened. It holds that:

- Python is entered once for each finished operation, and the engine once for
  each turn.
- A callback that raises is logged once and costs its own connection at most.
  Only KeyboardInterrupt and SystemExit leave `run`, which can then be called
  again.
- A nested `iterate` first dispatches what the outer turn still holds: both walk
  the same iterator, so nothing is overwritten, doubled or reordered.

It knows no transport: those put themselves into `sinks`.
"""

from __future__ import annotations

import logging
import signal
from collections import deque
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from threading import Thread
from time import monotonic
from typing import Any

from zope.interface import implementer

from reactorlib import error, rlimit
from reactorlib.backends.events import DATA
from reactorlib.failure import Failure
from reactorlib.interfaces import (
    IReactorCore,
    IReactorFDSet,
    IReactorThreads,
    IReactorTime,
)
from reactorlib.signals import SignalHandlers
from reactorlib.sinks import Sink
from reactorlib.stopwatch import Stopwatch, Teller, log_slow
from reactorlib.systemevent import SystemEvent
from reactorlib.threadpool import ThreadPool
from reactorlib.timers import DelayedCall, TimerQueue
from reactorlib.watch import Watches

logger = logging.getLogger("reactorlib")

# At the end of a run, connections get this long, in seconds, to deliver what
# was written to them.
FAREWELL = 1.0

# Of callFromThread, in one turn: a flood of calls must not keep the I/O waiting.
CALLS_IN_A_TURN = 1000


@implementer(IReactorCore, IReactorTime, IReactorThreads, IReactorFDSet)
class ReactorBase:
    """A reactor on an engine (IEngine), without any transport.

    `raiseDescriptorLimit`: whether `run` raises the limit of open files.
    `secondSignalEndsAtOnce`: whether SIGINT while it stops lets it go. Another signal
    changes nothing then: who sends it to a group sends it twice to some.
    `turns`: how often the engine was asked what happened. All that is dispatched between
    two of them had arrived before.
    `slowCallbackThreshold`: seconds; a callback that takes longer is logged
    with the connection it belongs to. None, the default, measures nothing.
    """

    raiseDescriptorLimit = True
    secondSignalEndsAtOnce = True

    def __init__(self, engine: Any) -> None:
        self.engine = engine
        self.sinks: dict[int, Any] = {}
        self.corked: Callable[[], object] | None = None  # see reactorlib.cork
        self.running = False
        self.turns = 0
        self._looping = False
        self._stopping = False
        self._in_haste = False
        self._owned = False
        self._records: Iterator[tuple[int, int, int, int]] = iter(())
        self._timers = TimerQueue(monotonic)
        self._watches = Watches(engine, self.sinks)
        self._system_events: dict[str, SystemEvent] = {}
        self._handlers = SignalHandlers(self._signalled, -1)
        self._soon: deque[tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]] = deque()
        self._awake = False
        self._pool: ThreadPool | None = None
        self._tellers: dict[Teller, float] = {}  # and what is too long for each
        self._stopwatch: Stopwatch | None = None
        self.callLater = self._timers.callLater

    @property
    def name(self) -> str:
        """The backend's name."""
        return str(self.engine.name)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} on {self.name}>"

    # IReactorCore

    def run(self, installSignalHandlers: bool = True) -> None:
        if self.running or self._looping:
            raise error.ReactorAlreadyRunning("This reactor is running already.")
        if self.raiseDescriptorLimit:
            self._raise_limit()
        self._handlers = SignalHandlers(self._signalled, self.engine.wake_descriptor())
        crashed = False
        with self._ownership():
            try:
                if installSignalHandlers:
                    self._handlers.install()
                self._start()
                self._loop()
                crashed = not self._stopping
                if not crashed:
                    self._farewell()
            finally:
                self.running = self._looping = self._stopping = self._in_haste = False
                self._handlers.remove()
                if not crashed:
                    self._end_threads()

    @contextmanager
    def _ownership(self) -> Iterator[None]:
        """Bind the engine to this thread, until the outermost of these ends."""
        self.engine.own(True)
        outermost, self._owned = not self._owned, True
        try:
            yield
        finally:
            if outermost:
                self._owned = False
                self.engine.own(False)

    def _start(self) -> None:
        self._looping = True
        self.running = True
        self._event("startup").fire(lambda: None)

    def _loop(self) -> None:
        while self._looping:
            self._turn(-1.0)

    def stop(self) -> None:
        if not self.running or self._stopping:
            raise error.ReactorNotRunning("This reactor is not running, or is stopping already.")
        self._stopping = True
        self.callFromThread(self._event("shutdown").fire, self._stopped)

    @property
    def stopping(self) -> bool:
        """Whether `stop` was called, and the end is under way."""
        return self._stopping

    def _stopped(self) -> None:
        """The shutdown events are done; threads that still work are served until they end."""
        if not self._stopping:
            return  # the run that waited for this was left by `crash`
        if self._pool is None:
            self.crash()
        else:
            self._end_threads(self._stopped)

    def crash(self) -> None:
        self.running = False
        self._looping = False

    def iterate(self, delay: float = 0) -> None:
        if self.corked is not None:
            self.corked()
        with self._ownership():
            self._turn(delay)

    def fireSystemEvent(self, eventType: str) -> None:
        self._event(eventType).fire(lambda: None)

    def addSystemEventTrigger(
        self, phase: str, eventType: str, callable: Callable[..., object], *args: Any, **kw: Any
    ) -> tuple[str, Any]:
        return eventType, self._event(eventType).add(phase, (callable, args, kw))

    def removeSystemEventTrigger(self, triggerID: tuple[str, Any]) -> None:
        eventType, identifier = triggerID
        self._event(eventType).remove(identifier)

    def callWhenRunning(
        self, callable: Callable[..., object], *args: Any, **kw: Any
    ) -> tuple[str, Any] | None:
        if self.running:
            callable(*args, **kw)
            return None
        return self.addSystemEventTrigger("after", "startup", callable, *args, **kw)

    def _event(self, name: str) -> SystemEvent:
        return self._system_events.setdefault(name, SystemEvent())

    def _signalled(self, number: int) -> None:
        """Called by a signal handler, between any two bytecodes of the main thread."""
        if self._looping:
            self.callFromThread(self._stop_by_signal, number)
        elif self.secondSignalEndsAtOnce and number == signal.SIGINT:  # it is taking its leave
            self._in_haste = True
            self.engine.wake()

    def _stop_by_signal(self, number: int) -> None:
        logger.info("Received signal %d", number)
        if self._stopping:
            if self.secondSignalEndsAtOnce and number == signal.SIGINT:
                self._in_haste = True
                self.crash()
        elif self.running:
            self.stop()

    def _raise_limit(self) -> None:
        limits = rlimit.raise_nofile()
        if limits.before != limits.after:
            logger.info("%s", limits.describe())

    def _farewell(self) -> None:
        """End what is still open: in good order while there is time, else at once."""
        until = monotonic() + FAREWELL
        self._serve()
        self._take_leave("leave")
        while self._is_leaving() and not self._in_haste and monotonic() < until:
            self._io(until - monotonic())
        self._take_leave("abandon")
        self._io(0.0)

    def _is_leaving(self) -> bool:
        return bool(self.sinks or self.engine.counters()["lingering"])

    def _take_leave(self, how: str) -> None:
        for sink in list(self.sinks.values()):
            self._guarded(sink, getattr(sink, how))

    def close(self) -> None:
        """Close the engine for good, and with it every descriptor it holds.

        Raises RuntimeError in another thread than the one that runs it.
        """
        self.engine.close()
        pool, self._pool = self._pool, None
        if pool is not None:
            pool.stop()
        self.sinks.clear()
        self._watches = Watches(self.engine, self.sinks)

    # The turn

    def _turn(self, limit: float) -> None:
        self._serve()
        if self._soon or self._awake:
            self._run_soon()
        self._timers.run_due()
        self._io(self._wait_time(limit))

    def _io(self, seconds: float) -> None:
        self._records = iter(self.engine.turn(seconds))
        self.turns += 1
        self._serve()

    def _wait_time(self, limit: float) -> float:
        """How long the engine may wait: negative without end."""
        if self._soon or (limit < 0 and not self._looping):
            return 0.0
        timeout = self._timers.timeout()
        if timeout is None:
            return limit
        return timeout if limit < 0 else min(timeout, limit)

    def _serve(self) -> None:
        """Dispatch what the engine has reported and nobody has dispatched yet."""
        if self._stopwatch is not None:
            self._stopwatch.serve(self._records, self.sinks, self.engine.arena, self.report)
            return
        find = self.sinks.get
        arena = self.engine.arena
        for kind, handle, first, second in self._records:
            sink = find(handle)
            if sink is None:
                continue
            try:
                if kind != DATA:
                    sink.event(kind, first, second)
                elif sink.receiving:
                    sink.protocol.dataReceived(arena[first:second])
                else:
                    sink.hold(arena[first:second])
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:
                self.report(sink)

    def report(self, sink: Sink) -> None:
        """Log the exception being handled, which costs this sink's connection."""
        failure = Failure()
        logger.error("Unhandled error in %r", sink, exc_info=failure.value)
        self._guarded(sink, sink.raised, failure)

    def _guarded(self, owner: object, callable: Callable[..., object], *args: Any) -> None:
        try:
            callable(*args)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            logger.exception("Unhandled error in %r", owner)

    # Slow callbacks

    @property
    def slowCallbackThreshold(self) -> float | None:
        return self._tellers.get(log_slow)

    @slowCallbackThreshold.setter
    def slowCallbackThreshold(self, seconds: float | None) -> None:
        self.timeCallbacks(log_slow, seconds)

    def timeCallbacks(self, tell: Teller, longer: float | None) -> None:
        """Have `tell(seconds, owner)` called for callbacks that take `longer`; None ends that."""
        self._tellers.pop(tell, None)
        self._tellers |= {} if longer is None else {tell: longer}
        self._stopwatch = Stopwatch(self._tellers) if self._tellers else None
        self._timers.call = self._stopwatch.call_delayed if self._stopwatch else None

    # IReactorTime; callLater is the timer queue's own, and seconds the clock's

    callLater: Callable[..., DelayedCall]
    seconds = staticmethod(monotonic)

    def getDelayedCalls(self) -> list[DelayedCall]:
        return self._timers.getDelayedCalls()

    # IReactorThreads

    def callSoon(self, callable: Callable[..., object], *args: Any, **kw: Any) -> None:
        """Call in the next turn; callFromThread for the reactor's own thread."""
        self._soon.append((callable, args, kw))

    def callFromThread(self, callable: Callable[..., object], *args: Any, **kw: Any) -> None:
        self._soon.append((callable, args, kw))
        if not self._awake:
            self._awake = True
            self.engine.wake()

    def _run_soon(self) -> None:
        """Make the calls there are now; `_awake` goes first, so that none is overslept."""
        self._awake = False
        soon = self._soon
        for _ in range(min(len(soon), CALLS_IN_A_TURN)):
            if not soon:
                return  # a nested turn has made them
            callable, args, kw = soon.popleft()
            try:
                if self._stopwatch is None:
                    callable(*args, **kw)
                else:
                    self._stopwatch.call(callable, args, kw)
            except (KeyboardInterrupt, SystemExit):
                raise
            except BaseException:
                logger.exception("Unhandled error in %r", callable)

    def callInThread(self, callable: Callable[..., object], *args: Any, **kw: Any) -> None:
        self.getThreadPool().callInThread(callable, *args, **kw)

    def getThreadPool(self) -> ThreadPool:
        if self._pool is None:
            self._pool = ThreadPool(minthreads=0, maxthreads=10, name="reactorlib")
            self._pool.start()
        return self._pool

    def suggestThreadPoolSize(self, size: int) -> None:
        self.getThreadPool().adjustPoolsize(maxthreads=size)

    def _end_threads(self, then: Callable[[], object] = lambda: None) -> None:
        """Let the pool finish its work, and call `then`; the loop waits for neither."""
        pool, self._pool = self._pool, None
        if pool is None:
            then()
        else:
            Thread(target=self._wait_for_threads, args=(pool, then)).start()

    def _wait_for_threads(self, pool: ThreadPool, then: Callable[[], object]) -> None:
        pool.stop()
        self.callFromThread(then)

    # IReactorFDSet

    def addReader(self, reader: Any) -> None:
        self._watches.set(reader, reading=True)

    def addWriter(self, writer: Any) -> None:
        self._watches.set(writer, writing=True)

    def removeReader(self, reader: Any) -> None:
        self._watches.set(reader, reading=False)

    def removeWriter(self, writer: Any) -> None:
        self._watches.set(writer, writing=False)

    def removeAll(self) -> list[Any]:
        return self._watches.remove_all()

    def getReaders(self) -> list[Any]:
        return self._watches.targets("reading")

    def getWriters(self) -> list[Any]:
        return self._watches.targets("writing")
