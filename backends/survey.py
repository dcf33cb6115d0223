"""A look at all connections of an engine, and what each has moved since the look before.

One Survey is one looker: what he has seen last is his own, and gone with him.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from zope.interface import implementer

from reactorlib.interfaces import ISurvey

ROOM = 256  # slots more than there are, so that a server that grows seldom has them copied


class Moved(NamedTuple):
    """A connection: bytes received and sent since the last look, and those still to be sent."""

    handle: int
    received: int
    sent: int
    buffered: int


class Surveyed(NamedTuple):
    """How many connections are in which state, bytes to be sent, handles of listeners.

    `open` is those in none of the other states. `busiest` has those that moved most since
    the last look, or their own beginning: most first, and no more than a few.
    """

    open: int
    paused: int
    closing: int
    lingering: int
    buffered: int
    listeners: list[int]
    busiest: list[Moved]


@implementer(ISurvey)
class Survey:
    """`slots` and `look` are the compiled engine's, bound to it."""

    def __init__(
        self, ffi: Any, slots: Callable[[], int], look: Callable[[Any, int, Any], object]
    ) -> None:
        self._ffi = ffi
        self._slots = slots
        self._look = look
        self._room = 0
        self._known: Any = ffi.NULL
        self._out = ffi.new("struct engine_survey *")

    def look(self) -> Surveyed:
        """See ISurvey."""
        if self._slots() > self._room:
            self._grow(self._slots() * 3 // 2 + ROOM)
        out = self._out
        self._look(self._known, self._room, out)
        return Surveyed(
            out.open,
            out.paused,
            out.closing,
            out.lingering,
            out.buffered,
            [out.listeners[each] for each in range(out.listener_count)],
            [_moved(out.busiest[each]) for each in range(out.busy_count)],
        )

    def _grow(self, room: int) -> None:
        known = self._ffi.new("struct engine_moved[]", room)
        if self._room:
            self._ffi.memmove(known, self._known, self._ffi.sizeof(self._known))
        self._known, self._room = known, room


def _moved(busy: Any) -> Moved:
    return Moved(busy.handle, busy.received, busy.sent, busy.buffered)
