"""The simulated engine under a Link: what a stream asks of an IEngine, without a kernel.

Facts: bytes accepted by `write` wait in the output of their end. A turn puts
them on the wire in pieces, each due some time later; and it takes what is due
off the wire, in order and as much as chance wants. A reset overtakes data. In
each direction a connection holds `capacity` bytes between the two outputs, read
or not, as the buffers of two kernels do. All chance comes from one Random, and
is asked in an order that only the calls decide: the same seed, the same run.

It must never call a transport: `turn` returns what has happened, as records.
"""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from errno import EBADF, ECONNABORTED, ECONNRESET, ENOBUFS, EPIPE
from random import Random

from reactorlib.backends.events import (
    BLOCKED,
    CLEARED,
    DATA,
    DRAINED,
    EMPTIED,
    EOF,
    LOST,
    NOTIFY_CONGESTION,
    NOTIFY_EMPTIED,
    NOTIFY_EOF,
    SHUT,
)
from reactorlib.stream import HIGH_WATER, NO_CAP

# How long, in seconds, an end that was closed goes on taking what its peer sends.
LINGER = 5.0

FIN = b""

Record = tuple[int, int, int, bytes]


@dataclass(frozen=True)
class Conditions:
    """What a network is like; times in seconds, sizes in bytes."""

    delay: tuple[float, float]  # the least and the most
    bandwidth: float  # bytes in a second, in each direction
    capacity: int


class Lane:
    """One direction of the cable, which all connections on it share."""

    def __init__(self) -> None:
        self.free_at = 0.0


class End:
    """One end of a connection."""

    peer: End

    def __init__(self, handle: int, lane: Lane) -> None:
        self.handle = handle
        self.lane = lane  # the way out
        self.output = bytearray()
        self.unread = 0  # bytes on the wire, or at the peer and not taken
        self.sent = 0
        self.inbox: deque[tuple[float, bytes]] = deque()
        self.reset_due = math.inf
        self.low, self.high, self.cap = HIGH_WATER // 4, HIGH_WATER, NO_CAP
        self.notify = 0
        self.error = 0  # of an abort
        self.linger_until = math.inf
        self.paused = self.closing = self.shutting = self.aborted = False
        self.shut = self.ended = self.lingering = self.gone = False
        self.blocked = self.above = self.wrote = False

    def takes_input(self) -> bool:
        """A closing end reads and drops, paused or not."""
        return not self.ended and (self.closing or not self.paused)


class Wire:
    """The ends of all connections of a Link. `wake` is called when a turn is wanted."""

    def __init__(
        self,
        chance: Random,
        conditions: Conditions,
        now: Callable[[], float],
        wake: Callable[[], object],
    ) -> None:
        self._chance = chance
        self._conditions = conditions
        self._now = now
        self._wake = wake
        self._lanes = Lane(), Lane()
        self._ends: dict[int, End] = {}
        self._dirty: dict[End, None] = {}
        self._records: list[Record] = []
        self._last_handle = 0
        self.is_cut = False

    def join(self) -> tuple[int, int]:
        """A new connection: the handles of its ends."""
        first, second = (self._new_end(lane) for lane in self._lanes)
        first.peer, second.peer = second, first
        return first.handle, second.handle

    def _new_end(self, lane: Lane) -> End:
        self._last_handle += 1
        end = self._ends[self._last_handle] = End(self._last_handle, lane)
        return end

    def cut(self) -> None:
        """From now on nothing arrives any more, and nobody is told."""
        self.is_cut = True
        for end in self._ends.values():
            end.inbox.clear()
            end.reset_due = math.inf

    def reset(self) -> None:
        """Both ends of every connection get a reset, at once."""
        for end in self._ends.values():
            end.reset_due = self._now()
        self._wake()

    # What a stream calls, as in IEngine

    def write(self, handle: int, data: bytes, size: int) -> int:
        if type(data) is not bytes:
            raise TypeError("an engine takes bytes")
        end = self._alive(handle)
        if end is None:
            return -EBADF
        if end.aborted or end.shutting:
            return -EPIPE
        if size == 0:
            return 0
        self._mark(end)
        if len(end.output) + size > end.cap:
            end.aborted, end.error = True, ENOBUFS
            return -ENOBUFS
        end.output += data
        end.wrote = True
        if end.above or len(end.output) <= end.high:
            return 0
        end.above = True
        return 1

    def set_limits(self, handle: int, low: int, high: int, cap: int) -> None:
        if end := self._marked(handle):
            end.low, end.high, end.cap = low, high, cap

    def buffered(self, handle: int) -> int:
        end = self._alive(handle)
        return len(end.output) if end else 0

    def sent(self, handle: int) -> int:
        end = self._alive(handle)
        return end.sent if end else 0

    def notify(self, handle: int, mask: int) -> None:
        if end := self._alive(handle):
            end.notify = mask

    def pause(self, handle: int) -> None:
        if end := self._marked(handle):
            end.paused = True

    def resume(self, handle: int) -> None:
        if end := self._marked(handle):
            end.paused = False

    def shut(self, handle: int) -> None:
        if end := self._marked(handle):
            end.shutting = True

    def lose(self, handle: int) -> None:
        if end := self._marked(handle):
            end.closing = True

    def abort(self, handle: int) -> None:
        if end := self._marked(handle):
            end.aborted = True

    def _alive(self, handle: int) -> End | None:
        end = self._ends.get(handle)
        return None if end is None or end.lingering else end

    def _marked(self, handle: int) -> End | None:
        end = self._alive(handle)
        if end is not None:
            self._mark(end)
        return end

    def _mark(self, end: End) -> None:
        self._dirty[end] = None
        self._wake()

    # The turn

    def next_due(self) -> float:
        """When the next turn has something to do; infinite if it has nothing."""
        if self._dirty:
            return self._now()
        return min(map(self._due, self._ends.values()), default=math.inf)

    def turn(self) -> list[Record]:
        """Send, and take in at some of the ends where something has come."""
        self._records = []
        dirty, self._dirty = self._dirty, {}
        for end in self._some(dirty, len(dirty)):
            self._settle(end)
        now = self._now()
        ready = [end for end in self._ends.values() if self._due(end) <= now]
        for end in self._some(ready, self._amount(len(ready))):
            self._read(end)
        return self._records

    def _due(self, end: End) -> float:
        data = end.inbox[0][0] if end.inbox and end.takes_input() else math.inf
        return min(data, end.reset_due)

    def _some(self, ends: Iterable[End], count: int) -> list[End]:
        """So many of them, in any order."""
        return self._chance.sample(list(ends), count)

    def _amount(self, most: int) -> int:
        """At least 1, unless there is none; the extremes are frequent."""
        if most <= 1 or self._chance.random() < 0.25:
            return most
        return self._chance.choice((1, self._chance.randint(1, most)))

    def _record(self, kind: int, end: End, number: int = 0, data: bytes = b"") -> None:
        self._records.append((kind, end.handle, number, data))

    # Sending

    def _settle(self, end: End) -> None:
        """Do what was asked of an end since the last turn."""
        if end.aborted:
            self._send_reset(end)
            self._lost(end, end.error or ECONNABORTED)
            return
        if end.output and not end.blocked:
            self._flush(end)
        if not end.output:
            self._emptied(end)

    def _flush(self, end: End) -> None:
        count = min(len(end.output), self._conditions.capacity - end.unread)
        self._send(end, bytes(end.output[:count]))
        del end.output[:count]
        end.sent += count
        if end.output:
            self._set_blocked(end, True)
        if end.above and len(end.output) <= end.low:
            end.above = False
            self._record(DRAINED, end)

    def _emptied(self, end: End) -> None:
        if end.wrote and end.notify & NOTIFY_EMPTIED:
            self._record(EMPTIED, end)
        end.wrote = False
        if end.closing:
            self._finish(end)
        elif end.shutting and not end.shut:
            self._send_fin(end)
            self._record(SHUT, end)

    def _finish(self, end: End) -> None:
        self._send_fin(end)
        if end.ended:
            self._lost(end, 0)
            return
        self._record(LOST, end)
        end.lingering = True
        end.linger_until = self._now() + LINGER

    def _set_blocked(self, end: End, blocked: bool) -> None:
        end.blocked = blocked
        if end.notify & NOTIFY_CONGESTION:
            self._record(BLOCKED if blocked else CLEARED, end)

    def _send(self, end: End, data: bytes) -> None:
        if end.peer.gone or self._now() > end.peer.linger_until:
            end.reset_due = min(end.reset_due, self._arrival(end, 0))
            return
        end.unread += len(data)
        while data and not self.is_cut:
            count = self._amount(len(data))
            end.peer.inbox.append((self._arrival(end, count), data[:count]))
            data = data[count:]

    def _send_fin(self, end: End) -> None:
        if not end.shut and not self.is_cut:
            end.peer.inbox.append((self._arrival(end, 0), FIN))
        end.shut = True

    def _send_reset(self, end: End) -> None:
        if not self.is_cut:
            end.peer.reset_due = self._arrival(end, 0)

    def _arrival(self, end: End, size: int) -> float:
        """When so many bytes that are sent now arrive."""
        lane = end.lane
        lane.free_at = max(lane.free_at, self._now()) + size / self._conditions.bandwidth
        return lane.free_at + self._chance.uniform(*self._conditions.delay)

    # Receiving

    def _read(self, end: End) -> None:
        now = self._now()
        if end.reset_due <= now:
            self._lost(end, ECONNRESET)
        elif end.inbox[0][1] == FIN:
            end.inbox.popleft()
            self._fin_came(end)
        else:
            data = self._take(end, now)
            if not end.closing:
                self._record(DATA, end, data=data)
            self._taken(end.peer, len(data))

    def _take(self, end: End, now: float) -> bytes:
        pieces = []
        for due, piece in end.inbox:
            if due > now or piece == FIN:
                break
            pieces.append(piece)
        count = self._amount(sum(map(len, pieces)))
        data = b"".join(pieces)
        for _ in pieces:
            end.inbox.popleft()
        if count < len(data):
            end.inbox.appendleft((now, data[count:]))
        return data[:count]

    def _taken(self, sender: End, count: int) -> None:
        """There is room again for one who may wait for it."""
        sender.unread -= count
        room = self._conditions.capacity - sender.unread
        if sender.blocked and not sender.gone and room * 3 >= self._conditions.capacity:
            self._set_blocked(sender, False)
            self._settle(sender)

    def _fin_came(self, end: End) -> None:
        end.ended = True
        if end.lingering:
            self._lost(end, 0)
        elif end.notify & NOTIFY_EOF:
            self._record(EOF, end)
        else:
            end.closing = True
            self._settle(end)

    def _lost(self, end: End, number: int) -> None:
        if not end.lingering:
            self._record(LOST, end, number, bytes(end.output))
        end.gone = True
        del self._ends[end.handle]
