"""What tests of looking at running servers share: a place of their own, looks, a looker."""

from __future__ import annotations

import json
import os
import socket
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from time import monotonic
from typing import Any

from reactorlib.app.status import places
from reactorlib.app.status.look import Look
from reactorlib.defer import Deferred

PATIENCE = 20.0


@contextmanager
def own_place() -> Iterator[str]:
    """A runtime directory that nobody else has, for this process and its children."""
    before = os.environ.get("XDG_RUNTIME_DIR")
    with tempfile.TemporaryDirectory() as runtime:  # short: a socket's path is
        os.environ["XDG_RUNTIME_DIR"] = runtime
        try:
            yield os.path.join(runtime, "reactorlib")
        finally:
            del os.environ["XDG_RUNTIME_DIR"]
            if before is not None:
                os.environ["XDG_RUNTIME_DIR"] = before


def a_look(**changes: Any) -> Look:
    """Of a process in which nothing happens, but for what is said."""
    fields: dict[str, Any] = {
        "process": 10,
        "worker": None,
        "name": "echo",
        "backend": "epoll",
        "draining": False,
        "clock": 100.0,
        "uptime": 3_725.0,
        "connections": {"open": 0, "paused": 0, "closing": 0, "lingering": 0},
        "accepted": 0,
        "received": 0,
        "sent": 0,
        "turns": 0,
        "events": 0,
        "lag": 0.0,
        "buffered": 0,
        "descriptors": 9,
        "descriptor_limit": 1_024,
        "memory": 1 << 20,
        "processor": 0.0,
    }
    return Look(**{**fields, **changes})


class SlowView:
    """A looker that answers when it is told to, and is closed once."""

    def __init__(self) -> None:
        self.asked: list[Deferred[list[Look]]] = []
        self.closed = False

    def looks(self) -> Deferred[list[Look]]:
        self.asked.append(Deferred())
        return self.asked[-1]

    def close(self) -> None:
        assert not self.closed
        self.closed = True


def turn_until(reactor: Any, condition: Callable[[], Any]) -> Any:
    """The first thing that is true of it, while the reactor turns."""
    end = monotonic() + PATIENCE
    while not (outcome := condition()):
        assert monotonic() < end, "it did not happen"
        reactor.iterate(0.01)
    return outcome


class Spectator:
    """Talks to a status socket, while the reactor behind it turns, if it is here."""

    def __init__(self, process: int, reactor: Any = None) -> None:
        self._reactor = reactor
        self._socket = socket.socket(socket.AF_UNIX)
        self._socket.settimeout(PATIENCE)
        self._socket.connect(places.sockets()[process])
        self._socket.setblocking(reactor is None)
        self._read = b""

    def __enter__(self) -> Spectator:
        return self

    def __exit__(self, *exception: object) -> None:
        self._socket.close()

    def send(self, data: bytes) -> None:
        self._socket.sendall(data)

    def line(self) -> bytes:
        """The next line; empty at the end."""
        while b"\n" not in self._read:
            piece = turn_until(self._reactor, self._piece) if self._reactor else self._piece()
            if piece == [b""]:
                return b""
            self._read += piece[0]
        line, _, self._read = self._read.partition(b"\n")
        return line

    def _piece(self) -> list[bytes]:
        try:
            return [self._socket.recv(65_536)]
        except BlockingIOError:
            return []
        except ConnectionResetError:
            return [b""]

    def ask(self, request: bytes) -> Any:
        """What an answer says."""
        self.send(request + b"\n")
        return json.loads(self.line())
