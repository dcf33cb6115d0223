"""What files were answered with a moment ago, ready to be sent again.

Facts, then decision:

- To open, read and describe a small file costs several times what its status does; the
  fields alone of a large one cost more than opening it.
- The status of a file that changes is another afterwards, unless both fall into one tick
  of the disk's clock: a file that changed so lately is not kept.
- Nor does it tell of a link that has taken a directory's place, of a new sibling, or of
  what is written through a mapping: nothing is kept for longer than a second.

So a file is described once a second, and looked at after each request was sent: one look
serves all that had arrived in the same turn of the loop. No descriptor is kept, and no
more than so many answers and bytes: those kept first go first.
"""

from __future__ import annotations

import os
from collections.abc import Hashable
from dataclasses import dataclass, field
from operator import attrgetter
from time import monotonic, time

from reactorlib.protocols.http.headers import Headers

AGE = 1.0  # seconds
MOST = 1024
MOST_BYTES = 2**23
# What is another after a change.
_marks = attrgetter("st_mtime_ns", "st_ctime_ns", "st_size", "st_ino", "st_dev")
_TICK = 0.1  # seconds: much longer than that of any but the coarsest disks


@dataclass(slots=True, eq=False)
class Kept:
    """An answer.

    Attributes:
        path: where the file is. What has become a link to it has become another on the way.
        names, suffix: the same place below a root.
        status: that of the file before it was read.
        headers, body: of the answer. A large body is None: it is in the file.
    """

    path: bytes
    names: tuple[bytes, ...]
    suffix: bytes
    status: os.stat_result
    headers: Headers
    body: bytes | None
    until: float = 0.0
    turn: int | None = None  # in which it was looked at
    _marks: tuple[int, ...] = field(init=False)

    def __post_init__(self) -> None:
        self._marks = _marks(self.status)

    def is_of(self, status: os.stat_result) -> bool:
        """Whether a file of that status is still the same."""
        return bool(_marks(status) == self._marks)

    def holds(self, turn: int | None) -> bool:
        """Whether the same file would give the same answer to what came in that turn."""
        if self.until < monotonic():
            return False
        if self.body is None:
            return True  # to be seen when it is opened
        if turn is not None and self.turn == turn:
            return True
        try:
            status = os.stat(self.path)
        except OSError:
            return False
        self.turn = turn
        return bool(_marks(status) == self._marks)


class Shelf:
    """Answers by what was asked for."""

    __slots__ = ("_bytes", "_kept")

    def __init__(self) -> None:
        self._kept: dict[Hashable, Kept] = {}
        self._bytes = 0

    def find(self, key: Hashable, turn: int | None) -> Kept | None:
        """The answer to the same question, if it holds.

        `turn` is that of the loop in which it was asked: the reactor's `turns`; None if
        they are not counted.
        """
        kept = self._kept.get(key)
        if kept is None or kept.holds(turn):
            return kept
        self._drop(key)
        return None

    def keep(self, key: Hashable, kept: Kept) -> None:
        """Keep an answer for a while, unless its file changed just now."""
        status = kept.status
        if time() - max(status.st_mtime, status.st_ctime) < _TICK:
            return
        self._drop(key)
        kept.until = monotonic() + AGE
        self._kept[key] = kept
        self._bytes += len(kept.body or b"")
        while self._bytes > MOST_BYTES or len(self._kept) > MOST:
            self._drop(next(iter(self._kept)))

    def _drop(self, key: Hashable) -> None:
        kept = self._kept.pop(key, None)
        if kept is not None:
            self._bytes -= len(kept.body or b"")
