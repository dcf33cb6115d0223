"""Streams on pipes, and the descriptors of a child that is to be started."""

from __future__ import annotations

import os
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import replace
from types import TracebackType
from typing import Any, TypeAlias

from reactorlib import rlimit
from reactorlib.backends.events import PIPE, WRITER
from reactorlib.program import Program
from reactorlib.stream import Stream

# What becomes of a descriptor of the child's: "r", we read what the child
# writes; "w", we write what it reads; or a descriptor of our own.
Target: TypeAlias = "str | int"

STANDARD: Mapping[int, Target] = {0: "w", 1: "r", 2: "r"}


class Pipe(Stream):
    """A stream on one end of a pipe, or on a terminal."""

    __slots__ = ()

    def fileno(self) -> int:
        """Its descriptor, or -1 once it is closed."""
        return int(self.reactor.engine.descriptor(self._handle))

    def discard(self) -> None:
        """Close at once, and tell nobody but a producer."""
        descriptor = self.reactor.engine.detach(self._handle)
        if descriptor >= 0:  # else the engine has closed it and not told so yet
            os.close(descriptor)
        self.protocol = None
        self._lost(0)

    def __repr__(self) -> str:
        return f"<pipe of {self.logPrefix()}>"


class ChildPipes:
    """The pipes of a child, or its terminal, from before it starts.

    A context manager. Our ends are the engine's at once; unless `keep` was
    called they are closed at the end. `handles` are theirs, by the child's
    descriptor; `writable` says under which of these numbers stands the stream
    that one writes to for a descriptor of the child's.
    """

    def __init__(self, engine: Any) -> None:
        self._engine = engine
        self._targets: dict[int, int] = {}
        self._terminal = -1
        self._theirs = ExitStack()
        self._ours = ExitStack()
        self._taken = ExitStack()
        self.handles: dict[int, int] = {}
        self.writable: dict[int, int] = {}

    def __enter__(self) -> ChildPipes:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._theirs.close()
        self._ours.close()

    def keep(self) -> None:
        """The child runs: who has the handles closes our ends."""
        self._ours.pop_all()
        self._taken.close()

    def given_to(self, program: Program) -> Program:
        """The program with these descriptors."""
        count = max(self._targets, default=-1) + 1
        descriptors = [self._targets.get(number, -1) for number in range(count)]
        return replace(program, descriptors=descriptors, terminal=self._terminal)

    def open_all(self, wanted: Mapping[int, Target]) -> None:
        """Make the pipes of a child.

        Raises ValueError for a mapping without a meaning, OSError if a descriptor is not open.
        """
        _check(wanted)
        for number, target in wanted.items():
            if target == "r":
                reading, writing = os.pipe()
                self._add_pipe(number, reading, writing, PIPE)
            elif target == "w":
                reading, writing = os.pipe()
                self._add_pipe(number, writing, reading, WRITER)
                self.writable[number] = number
            elif isinstance(target, int):
                self._targets[number] = target

    def open_terminal(self) -> None:
        """Make a terminal for a child."""
        master, slave = os.openpty()
        self._ours.callback(os.close, master)
        self._theirs.callback(os.close, slave)
        self._use_terminal(master, slave)

    def take_terminal(self, master: int, slave: int) -> None:
        """Use a terminal that was made by somebody else; its descriptors are ours if it works."""
        self._taken.callback(os.close, slave)
        self._use_terminal(master, slave)

    def _use_terminal(self, master: int, slave: int) -> None:
        self._targets = dict.fromkeys(range(3), slave)
        self._terminal = 0
        self._add(1, master, PIPE)
        self.writable[0] = 1

    def _add_pipe(self, number: int, ours: int, theirs: int, kind: int) -> None:
        self._ours.callback(os.close, ours)
        self._theirs.callback(os.close, theirs)
        self._targets[number] = theirs
        self._add(number, ours, kind)

    def _add(self, number: int, ours: int, kind: int) -> None:
        os.set_blocking(ours, False)
        self.handles[number] = self._engine.add(ours, kind)
        self._ours.callback(self._engine.detach, self.handles[number])


def _check(wanted: Mapping[int, Target]) -> None:
    """Refuse what no child can have, before a pipe gets the number of what is not open."""
    limit = rlimit.read().soft
    for number, target in wanted.items():
        if not 0 <= number < limit:
            raise ValueError(f"a child cannot have a descriptor {number}: the limit is {limit}")
        if isinstance(target, int):
            os.fstat(target)
        elif target not in ("r", "w"):
            raise ValueError(f"a child's descriptor can be 'r', 'w' or a number, not {target!r}")
