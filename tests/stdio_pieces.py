"""What the tests of StandardIO stand on."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from zope.interface import implementer

from reactorlib.failure import Failure
from reactorlib.interfaces import IHalfCloseableProtocol
from reactorlib.protocol import Protocol, connectionDone
from reactorlib.testing.contract.base import ContractBase

PLENTY = bytes(range(256)) * 4000


class Recorder(Protocol):
    """Keeps what it was told; does what `reactions` say besides."""

    def __init__(self, **reactions: Callable[..., object]) -> None:
        self.reactions = reactions
        self.told: list[str] = []
        self.data = b""
        self.reason: Failure | None = None

    def note(self, name: str, *arguments: Any) -> None:
        self.told.append(name)
        if name in self.reactions:
            self.reactions[name](self, *arguments)

    def connectionMade(self) -> None:
        self.note("made")

    def dataReceived(self, data: bytes) -> None:
        assert type(data) is bytes
        self.data += data
        if "data" in self.reactions:
            self.reactions["data"](self, data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.reason = reason
        self.note("lost")


@implementer(IHalfCloseableProtocol)
class HalfCloseable(Recorder):
    """One that is told of each direction's end."""

    def readConnectionLost(self) -> None:
        self.note("read lost")

    def writeConnectionLost(self) -> None:
        self.note("write lost")


class Files:
    """The test's own descriptors, by name, closed after it."""

    def __init__(self) -> None:
        self.open: set[int] = set()

    def add(self, *descriptors: int) -> tuple[int, ...]:
        self.open.update(descriptors)
        return descriptors

    def close(self, *descriptors: int) -> None:
        for descriptor in descriptors:
            self.open.remove(descriptor)
            os.close(descriptor)

    def pipe(self) -> tuple[int, int]:
        reading, writing = self.add(*os.pipe())
        return reading, writing


def fault(*arguments: Any) -> None:
    raise ZeroDivisionError


def available(descriptor: int) -> bytes:
    """What is in a pipe, which does not block."""
    try:
        return os.read(descriptor, 1 << 20)
    except BlockingIOError:
        return b""


class StdioCases(ContractBase):
    """The base of all cases."""

    @pytest.fixture
    def files(self, new_reactor: Any) -> Iterator[Files]:
        """Closed before what the test has left is looked for."""
        files = Files()
        yield files
        files.close(*list(files.open))

    def ended(self, reactor: Any, protocol: Recorder) -> None:
        self.turn_until(reactor, lambda: "lost" in protocol.told)
        reactor.iterate()
        assert protocol.told.count("lost") == 1
        assert protocol.told[-1] == "lost"

    def drained(self, reactor: Any, protocol: Recorder, descriptor: int) -> bytes:
        """All that was written until the end, read while the reactor turns."""
        os.set_blocking(descriptor, False)
        got = b""
        while "lost" not in protocol.told:
            reactor.iterate(0.01)
            got += available(descriptor)
        return got + available(descriptor)
