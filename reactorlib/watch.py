"""addReader and addWriter: descriptors that somebody else reads and writes.

One handle serves an object in both roles. An object that closes its
descriptor without saying so is found out when it is next ready, or when the
number comes back under another object, and is told so by `connectionLost`.
"""

from __future__ import annotations

from typing import Any

from reactorlib import error
from reactorlib.backends.events import LOST, READABLE, WATCHED, WRITABLE
from reactorlib.failure import Failure


class Watch:
    """One watched object, as a Sink."""

    receiving = False
    protocol = None

    def __init__(self, watches: Watches, target: Any, descriptor: int, handle: int) -> None:
        self._watches = watches
        self.target = target
        self.descriptor = descriptor
        self.handle = handle
        self.reading = False
        self.writing = False
        self._told = False

    def event(self, kind: int, first: int, second: int) -> None:
        if kind == LOST or self.target.fileno() != self.descriptor:
            self._end(Failure(error.ConnectionFdescWentAway("it was closed unannounced")))
        elif kind == READABLE and self.reading:
            self._ended_by(self.target.doRead())
        elif kind == WRITABLE and self.writing:
            self._ended_by(self.target.doWrite())

    def hold(self, data: bytes) -> None:
        raise AssertionError("a watched descriptor is never read")

    def raised(self, failure: Failure) -> None:
        if not self._told:
            self._end(failure)

    def leave(self) -> None:
        self._end(Failure(error.ConnectionLost("the reactor stopped")))

    abandon = leave

    def _ended_by(self, why: object) -> None:
        if isinstance(why, BaseException):
            self._end(Failure(why))

    def _end(self, reason: Failure) -> None:
        """Tell the target, which may have removed itself, or come back, in the meantime."""
        self._told = True
        self._watches.set(self.target, reading=False, writing=False)
        self.target.connectionLost(reason)

    def __repr__(self) -> str:
        return f"<watched {self.target!r}>"


class Watches:
    """All watched objects of one reactor."""

    def __init__(self, engine: Any, sinks: dict[int, Any]) -> None:
        self._engine = engine
        self._sinks = sinks
        self._by_target: dict[int, Watch] = {}

    def set(self, target: Any, *, reading: bool | None = None, writing: bool | None = None) -> None:
        """Change the interest in an object; without any it is forgotten."""
        watch = self._by_target.get(id(target))
        if watch is not None and (reading or writing) and watch.descriptor != target.fileno():
            self.drop(watch)  # it has closed its descriptor, and comes back with another one
            watch = None
        if watch is None:
            if not reading and not writing:
                return
            watch = self._add(target)
        reading = watch.reading if reading is None else reading
        writing = watch.writing if writing is None else writing
        if reading or writing:
            self._apply(watch, reading, writing)
        else:
            self.drop(watch)

    def _add(self, target: Any) -> Watch:
        descriptor = target.fileno()
        if descriptor < 0:
            raise error.ConnectionFdescWentAway(f"{target!r} has no descriptor")
        handle = self._engine.add(descriptor, WATCHED)
        watch = Watch(self, target, descriptor, handle)
        self._by_target[id(target)] = self._sinks[handle] = watch
        return watch

    def _apply(self, watch: Watch, reading: bool, writing: bool) -> None:
        """Let the engine watch, and note it then: a refusal changes nothing."""
        try:
            self._engine.watch(watch.handle, reading, writing)
        except BaseException:
            if not watch.reading and not watch.writing:
                self.drop(watch)
            raise
        watch.reading, watch.writing = reading, writing

    def drop(self, watch: Watch) -> None:
        """Forget it."""
        self._engine.detach(watch.handle)
        del self._sinks[watch.handle], self._by_target[id(watch.target)]

    def targets(self, role: str) -> list[Any]:
        """The objects watched in a role, `reading` or `writing`."""
        return [watch.target for watch in self._by_target.values() if getattr(watch, role)]

    def remove_all(self) -> list[Any]:
        """Forget all; what was there."""
        watches = list(self._by_target.values())
        for watch in watches:
            self.drop(watch)
        return [watch.target for watch in watches]
