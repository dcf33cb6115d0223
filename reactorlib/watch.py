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

    def event(self, kind: int, first: int, second: int) -> None:
        if kind == LOST or self.target.fileno() != self.descriptor:
            self._end(Failure(error.ConnectionFdescWentAway("the descriptor was closed unannounced")))
        elif kind == READABLE and self.reading:
            self._ended_by(self.target.doRead())
        elif kind == WRITABLE and self.writing:
            self._ended_by(self.target.doWrite())

    def hold(self, data: bytes) -> None:
        raise AssertionError("a watched descriptor is never read")

    def raised(self, failure: Failure) -> None:
        self._end(failure)

    def _ended_by(self, why: object) -> None:
        if isinstance(why, BaseException):
            self._end(Failure(why))

    def _end(self, reason: Failure) -> None:
        if self._watches.drop(self):
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
        if watch is None:
            if not reading and not writing:
                return
            watch = self._add(target)
        before = watch.reading, watch.writing
        watch.reading = before[0] if reading is None else reading
        watch.writing = before[1] if writing is None else writing
        if not watch.reading and not watch.writing:
            self.drop(watch)
        elif before != (watch.reading, watch.writing):
            self._apply(watch)

    def _add(self, target: Any) -> Watch:
        descriptor = target.fileno()
        if descriptor < 0:
            raise error.ConnectionFdescWentAway(f"{target!r} has no descriptor")
        handle = self._engine.add(descriptor, WATCHED)
        watch = Watch(self, target, descriptor, handle)
        self._by_target[id(target)] = self._sinks[handle] = watch
        return watch

    def _apply(self, watch: Watch) -> None:
        try:
            self._engine.watch(watch.handle, watch.reading, watch.writing)
        except BaseException:
            self.drop(watch)
            raise

    def drop(self, watch: Watch) -> bool:
        """Forget it; whether it was there."""
        self._sinks.pop(watch.handle, None)
        self._engine.detach(watch.handle)
        return self._by_target.pop(id(watch.target), None) is not None

    def targets(self, role: str) -> list[Any]:
        """The objects watched in a role, `reading` or `writing`."""
        return [watch.target for watch in self._by_target.values() if getattr(watch, role)]

    def remove_all(self) -> list[Any]:
        """Forget all; what was there."""
        watches = list(self._by_target.values())
        for watch in watches:
            self.drop(watch)
        return [watch.target for watch in watches]


