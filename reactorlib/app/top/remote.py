"""The processes that can be looked at, and one of them, asked without end.

It blocks, but never longer than it is told to.
"""

from __future__ import annotations

import contextlib
import json
import socket
from collections.abc import Iterable
from dataclasses import dataclass
from time import monotonic

from reactorlib.app.mistakes import UserMistake
from reactorlib.app.status import places
from reactorlib.app.status.look import Look, from_json

PATIENCE = 1.0  # seconds, for all processes together to say what they are
PIECE = 1 << 16


class Ended(Exception):
    """The process has ended."""


class Remote:
    """One process, over its socket. Raises OSError if it is not there."""

    def __init__(self, path: str) -> None:
        self._socket = socket.socket(socket.AF_UNIX)
        self._read = b""
        self._owes = False
        try:
            self._socket.settimeout(PATIENCE)
            self._socket.connect(path)
        except BaseException:
            self._socket.close()
            raise

    def ask(self, request: bytes, patience: float) -> bytes | None:
        """Its answer, or None if there is none in so many seconds: it is waited for by the
        next call then, which asks for nothing new. Raises Ended.
        """
        try:
            if not self._owes:
                self._socket.sendall(request + b"\n")
                self._owes = True
            return self._line(monotonic() + patience)
        except TimeoutError:
            return None
        except OSError as problem:
            raise Ended from problem

    def _line(self, until: float) -> bytes:
        while b"\n" not in self._read:
            self._socket.settimeout(max(0.001, until - monotonic()))
            piece = self._socket.recv(PIECE)
            if not piece:
                raise Ended
            self._read += piece
        line, _, self._read = self._read.partition(b"\n")
        self._owes = False
        return line

    def looks(self, patience: float) -> list[Look] | None:
        """Looks at it and its workers; None if it does not answer. Raises Ended."""
        line = self.ask(b"look", patience)
        return None if line is None else from_json(line)

    def close(self) -> None:
        """Look no more."""
        self._socket.close()


@dataclass(frozen=True)
class Running:
    """A process; `name` is that of its command, None if it does not answer."""

    process: int
    path: str
    name: str | None = None
    workers: tuple[int, ...] = ()

    def __str__(self) -> str:
        if self.name is None:
            return f"process {self.process}, which does not answer"
        workers = f" with {len(self.workers)} workers" if self.workers else ""
        return f"{self.name}, process {self.process}{workers}"


def running() -> list[Running]:
    """All that can be looked at; workers only in their supervisor."""
    asked: list[tuple[Running, Remote]] = []
    for process, path in places.sockets().items():
        with contextlib.suppress(OSError):
            asked.append((Running(process, path), Remote(path)))
    until = monotonic() + PATIENCE
    with contextlib.ExitStack() as stack:
        for _, remote in asked:
            stack.callback(remote.close)
            with contextlib.suppress(Ended):
                remote.ask(b"who", 0.0)
        found = [each for each in (_known(*pair, until) for pair in asked) if each is not None]
    supervised = {worker for each in found for worker in each.workers}
    return sorted(
        (each for each in found if each.process not in supervised), key=lambda each: each.process
    )


def _known(each: Running, remote: Remote, until: float) -> Running | None:
    try:
        line = remote.ask(b"who", until - monotonic())
    except Ended:
        return None
    if line is None:
        return each
    told = json.loads(line)
    return Running(each.process, each.path, str(told["name"]), tuple(told["workers"]))


def chosen(wanted: str | None) -> Running:
    """The one that a user means: by its number, by its command, or the only one there is.

    Raises UserMistake, which tells what there is.
    """
    every = running()
    if wanted is None:
        return _one(every, every, "name one")
    if wanted.isascii() and wanted.isdigit():
        path = places.sockets().get(int(wanted))
        fits = [each for each in every if each.process == int(wanted)]
        if path is not None and not fits:  # a worker, perhaps
            with contextlib.suppress(OSError):
                Remote(path).close()
                fits = [Running(int(wanted), path, "worker")]
        return _one(fits, every, f"no process {wanted} can be looked at")
    fits = [each for each in every if each.name == wanted]
    what = f"{wanted} is not unique: give its number" if fits else f"no {wanted} is running"
    return _one(fits, every, what)


def _one(fits: list[Running], every: Iterable[Running], mistake: str) -> Running:
    if len(fits) == 1:
        return fits[0]
    there = "; ".join(map(str, every))
    if not there:
        raise UserMistake("nothing is running that you could look at")
    raise UserMistake(f"{mistake} (running: {there})")
