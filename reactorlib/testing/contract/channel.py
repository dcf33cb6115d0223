"""A descriptor for the tests to watch."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from reactorlib.failure import Failure
from reactorlib.interfaces import IReadWriteDescriptor

Action = Callable[["Channel"], object]


def nothing(channel: Channel) -> None:
    """The default action."""


def receive(channel: Channel) -> None:
    """An action that takes what is there."""
    channel.sock.recv(65536)


@implementer(IReadWriteDescriptor)
class Channel:
    """Calls the actions it was made with, and remembers what it was told.

    `reads` and `writes` count the calls, `lost` has the reasons of
    connectionLost. What is readable stays so unless `on_read` takes it.
    """

    def __init__(
        self,
        sock: socket.socket,
        on_read: Action = nothing,
        on_write: Action = nothing,
        on_lost: Action = nothing,
    ) -> None:
        sock.setblocking(False)
        self.sock = sock
        self.number = sock.fileno()
        self.on_read = on_read
        self.on_write = on_write
        self.on_lost = on_lost
        self.reads = 0
        self.writes = 0
        self.lost: list[Failure] = []

    def fileno(self) -> int:
        return self.number

    def doRead(self) -> Any:
        self.reads += 1
        return self.on_read(self)

    def doWrite(self) -> Any:
        self.writes += 1
        return self.on_write(self)

    def connectionLost(self, reason: Failure) -> None:
        self.lost.append(reason)
        self.on_lost(self)
