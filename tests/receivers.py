"""Receivers that keep what they get, for tests."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from reactorlib.protocols.basic import (
    Int8StringReceiver,
    Int16StringReceiver,
    Int32StringReceiver,
    LineReceiver,
    NetstringReceiver,
)
from reactorlib.testing import StringTransport


class Lines(LineReceiver):
    """Keeps what it gets; `on` says what to do after a line.

    It has a constructor of its own, which does not call its base's.
    """

    def __init__(self, **on: Callable[[Any], object]) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.on = on

    def lineReceived(self, line: bytes) -> None:
        self.keep("line", line)

    def rawDataReceived(self, data: bytes) -> None:
        self.keep("raw", data)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.keep("long", line)
        super().lineLengthExceeded(line)

    def keep(self, kind: str, data: bytes) -> None:
        self.got.append((kind, data))
        if kind == "line" and data.decode("latin-1") in self.on:
            self.on[data.decode("latin-1")](self)

    @property
    def lines(self) -> list[bytes]:
        return [data for kind, data in self.got if kind == "line"]

    @property
    def raw(self) -> bytes:
        return b"".join(data for kind, data in self.got if kind == "raw")


def connected(protocol: Any) -> Any:
    protocol.makeConnection(StringTransport())
    return protocol


def deliver(protocol: Any, pieces: list[bytes]) -> Any:
    """As a transport does: nothing once it was told to end, what came in a pause after it."""
    waiting = list(pieces)
    while waiting and not protocol.transport.disconnecting:
        protocol.dataReceived(waiting.pop(0))
    return protocol


class Literals(Lines):
    """A line that is a number is followed by so many bytes."""

    missing = 0

    def __init__(self) -> None:
        super().__init__()
        self.strings: list[bytes] = []

    def lineReceived(self, line: bytes) -> None:
        if line.isdigit():
            self.missing = int(line)
            self.strings.append(b"")
            self.setRawMode()
        else:
            super().lineReceived(line)

    def rawDataReceived(self, data: bytes) -> None:
        self.strings[-1] += data[: self.missing]
        extra = data[self.missing :]
        self.missing -= len(data) - len(extra)
        if not self.missing:
            self.setLineMode(extra)


class Strings:
    def __init__(self) -> None:
        self.got: list[bytes] = []
        self.on: dict[bytes, Callable[[Any], object]] = {}

    def stringReceived(self, string: bytes) -> None:
        self.got.append(string)
        if string in self.on:
            self.on[string](self)


class Netstrings(Strings, NetstringReceiver):
    pass


class Int8(Strings, Int8StringReceiver):
    MAX_LENGTH = 100


class Int16(Strings, Int16StringReceiver):
    MAX_LENGTH = 100


class Int32(Strings, Int32StringReceiver):
    MAX_LENGTH = 100


INTEGERS: dict[int, Callable[[], Any]] = {8: Int8, 16: Int16, 32: Int32}
STRINGS = {0: Netstrings, **INTEGERS}


def encoded(kind: int, *strings: bytes) -> bytes:
    sender = connected(STRINGS[kind]())
    for string in strings:
        sender.sendString(string)
    return sender.transport.value()
