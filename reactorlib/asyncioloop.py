"""An asyncio event loop that lives on a reactor: asyncio's own, with the waiting left out.

Facts, then decision:

- A program of asyncio's needs a running loop, its tasks, timers, transports and
  executor. All of them are asyncio's and stay so: this is its SelectorEventLoop.
- What a loop does besides is wait. Here the reactor waits: for descriptors through a
  selector that only notes what the reactor found ready, for the next timer through
  one delayed call. A turn of the loop is a call in a turn of the reactor, made when
  there is something to do, and costs nothing when there is not.
- So coroutines of asyncio and protocols of the reactor run in one thread, and need
  no locks between them: `deferred.asFuture(loop)` and `Deferred.fromFuture` join them.

It must never block, nor be run or stopped by itself: it runs while the reactor does.
"""

from __future__ import annotations

import asyncio
import sys
from asyncio import Task, current_task
from asyncio.events import _get_running_loop, _set_running_loop
from collections.abc import Callable, Coroutine, Iterator, Mapping
from contextvars import Context
from selectors import EVENT_READ, EVENT_WRITE, BaseSelector, SelectorKey
from typing import Any, TypeVar

from reactorlib.failure import Failure

__all__ = ["ReactorEventLoop", "eventLoopOf"]

T = TypeVar("T")

NAME = "started"  # of tasks that are; asyncio would number them
_ATTRIBUTE = "_asyncio_loop"
_NESTED = object()
_NO_HOOKS = (None, None)


def eventLoopOf(reactor: Any) -> ReactorEventLoop:
    """The asyncio loop of a reactor; every call gives the same one."""
    loop: ReactorEventLoop | None = getattr(reactor, _ATTRIBUTE, None)
    if loop is None:
        loop = ReactorEventLoop(reactor)
        setattr(reactor, _ATTRIBUTE, loop)
    return loop


class ReactorEventLoop(asyncio.SelectorEventLoop):
    """Asyncio on a reactor; `eventLoopOf` makes it.

    It counts as running as long as it is not closed. What it cannot do is be run, and
    handle signals: both are the reactor's. `stop` stops the reactor.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self._asked = False  # whether a turn will come
        self._alarm: Any = None  # the delayed call for the next timer
        self._starting = False
        self._first_step: Callable[[], object]
        self._context: Context
        self._ended = False
        super().__init__(_Noted(reactor, self._ask))
        self.time = reactor.seconds  # type: ignore[method-assign]
        self._firstiter = self._asyncgen_firstiter_hook  # type: ignore[attr-defined]
        self._finalizer = self._asyncgen_finalizer_hook  # type: ignore[attr-defined]

    def start(self, coroutine: Coroutine[Any, Any, T]) -> asyncio.Task[T]:
        """Make a task of a coroutine, and run it at once up to where it first waits.

        Where another task is running it begins in the next turn, as always. Who wants it
        to go on keeps the task: asyncio does not.
        """
        if current_task(self) is not None:
            return self.create_task(coroutine)
        before = self._enter()
        try:
            self._starting = True
            try:
                task = Task(coroutine, loop=self, name=NAME)
            finally:
                self._starting = False
            self._context.run(self._first_step)
        finally:
            self._leave(before)
        return task

    # A turn

    def _ask(self) -> None:
        if not self._asked:
            self._asked = True
            self._reactor.callSoon(self._turn)

    def _turn(self) -> None:
        self._asked = False
        if self._ended:
            return
        before = self._enter()
        try:
            self._run_once()  # type: ignore[attr-defined]
        finally:
            self._leave(before)
        if self._ready:  # type: ignore[attr-defined]
            self._ask()
        elif self._scheduled:  # type: ignore[attr-defined]
            self._wake_at(self._scheduled[0].when())  # type: ignore[attr-defined]

    def _enter(self) -> Any:
        """What runs from now on sees this loop running, and has its generators closed by it."""
        running = _get_running_loop()
        if running is self:
            return _NESTED
        # Hooks are a loop's: where none runs there are none, and nobody needs to be asked.
        hooks = _NO_HOOKS if running is None else sys.get_asyncgen_hooks()
        _set_running_loop(self)
        sys.set_asyncgen_hooks(self._firstiter, self._finalizer)
        return running, hooks

    def _leave(self, before: Any) -> None:
        if before is not _NESTED:
            _set_running_loop(before[0])
            sys.set_asyncgen_hooks(*before[1])

    def _wake_at(self, when: float) -> None:
        """Have a turn at that time, or earlier."""
        alarm = self._alarm
        if alarm is not None and alarm.active():
            if alarm.getTime() <= when:
                return
            alarm.cancel()
        self._alarm = self._reactor.callLater(max(0.0, when - self.time()), self._ask)

    # What asks for turns

    def call_soon(  # type: ignore[override]
        self, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.Handle:
        """See asyncio. The first step of what `start` begins is kept for it."""
        if self._starting:
            self._first_step = callback
            self._context = context
            return None  # type: ignore[return-value]
        handle = super().call_soon(callback, *args, context=context)
        if not self._asked:
            self._ask()
        return handle

    def call_at(  # type: ignore[override]
        self, when: float, callback: Any, *args: Any, context: Any = None
    ) -> asyncio.TimerHandle:
        """See asyncio."""
        handle = super().call_at(when, callback, *args, context=context)
        self._wake_at(when)
        return handle

    def _write_to_self(self) -> None:
        """Another thread has called: asyncio's loop would be woken by a socket."""
        self._reactor.callFromThread(self._ask)

    def _make_self_pipe(self) -> None:
        """The reactor has its own way to be woken."""

    def _close_self_pipe(self) -> None:
        """There is none."""

    # Its life

    def is_running(self) -> bool:
        """Whether coroutines may run on it: until it is closed."""
        return not self._ended

    def stop(self) -> None:
        """Stop the reactor."""
        self._reactor.stop()

    def close(self) -> None:
        """Forget all that is scheduled; the reactor itself goes on."""
        self._ended = True
        if self._alarm is not None and self._alarm.active():
            self._alarm.cancel()
        super().close()

    def __del__(self, _warn: Any = None) -> None:
        """It ends with its reactor; nobody is to blame that did not close it."""
        if not self.is_closed():
            self.close()

    def add_signal_handler(  # type: ignore[override]
        self, sig: int, callback: Any, *args: Any
    ) -> None:
        """Signals are the reactor's. Raises NotImplementedError."""
        raise NotImplementedError("signals are handled by the reactor")


class _Noted(BaseSelector):
    """A selector that never waits: it has noted what the reactor found ready."""

    def __init__(self, reactor: Any, ask: Callable[[], None]) -> None:
        self._reactor = reactor
        self._ask = ask
        self._keys: dict[int, SelectorKey] = {}
        self._watched: dict[int, _Watched] = {}
        self._ready: dict[int, int] = {}

    def note(self, descriptor: int, event: int) -> None:
        """It is ready: the loop shall have a turn."""
        self._ready[descriptor] = self._ready.get(descriptor, 0) | event
        self._ask()

    def select(self, timeout: float | None = None) -> list[tuple[SelectorKey, int]]:
        ready, self._ready = self._ready, {}
        found = []
        for descriptor, mask in ready.items():
            key = self._keys.get(descriptor)
            if key is not None and key.events & mask:
                found.append((key, key.events & mask))
        return found

    def register(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        descriptor = _number_of(fileobj)
        if descriptor in self._keys:
            raise KeyError(f"{fileobj!r} is registered already")
        watched = _Watched(descriptor, self)
        self._watch(watched, 0, events)
        self._watched[descriptor] = watched
        key = self._keys[descriptor] = SelectorKey(fileobj, descriptor, events, data)
        return key

    def modify(self, fileobj: Any, events: int, data: Any = None) -> SelectorKey:
        before = self.get_key(fileobj)
        self._watch(self._watched[before.fd], before.events, events)
        key = self._keys[before.fd] = before._replace(events=events, data=data)
        return key

    def unregister(self, fileobj: Any) -> SelectorKey:
        key = self.get_key(fileobj)
        self._watch(self._watched.pop(key.fd), key.events, 0)
        self._ready.pop(key.fd, None)
        return self._keys.pop(key.fd)

    def _watch(self, watched: _Watched, before: int, events: int) -> None:
        reactor = self._reactor
        for event, add, remove in (
            (EVENT_READ, reactor.addReader, reactor.removeReader),
            (EVENT_WRITE, reactor.addWriter, reactor.removeWriter),
        ):
            if events & event & ~before:
                add(watched)
            elif before & event & ~events:
                remove(watched)

    def get_key(self, fileobj: Any) -> SelectorKey:
        return self._keys[_number_of(fileobj)]

    def get_map(self) -> Mapping[Any, SelectorKey]:
        return _Keys(self._keys)

    def close(self) -> None:
        for key in list(self._keys.values()):
            self.unregister(key.fd)


def _number_of(fileobj: Any) -> int:
    number: int = fileobj if isinstance(fileobj, int) else fileobj.fileno()
    return number


class _Keys(Mapping[Any, SelectorKey]):
    """What is registered, found by descriptor or, as Python 3.13 does, by file."""

    def __init__(self, keys: Mapping[int, SelectorKey]) -> None:
        self._keys = keys

    def __getitem__(self, fileobj: Any) -> SelectorKey:
        return self._keys[_number_of(fileobj)]

    def __iter__(self) -> Iterator[int]:
        return iter(self._keys)

    def __len__(self) -> int:
        return len(self._keys)


class _Watched:
    """One descriptor of the loop's, as the reactor watches it."""

    def __init__(self, descriptor: int, noted: _Noted) -> None:
        self._descriptor = descriptor
        self._noted = noted

    def fileno(self) -> int:
        return self._descriptor

    def doRead(self) -> None:
        self._noted.note(self._descriptor, EVENT_READ)

    def doWrite(self) -> None:
        self._noted.note(self._descriptor, EVENT_WRITE)

    def connectionLost(self, reason: Failure) -> None:
        """It is watched no more: whoever uses it finds out why."""
        self._noted.note(self._descriptor, EVENT_READ | EVENT_WRITE)

    def logPrefix(self) -> str:
        return "asyncio"
