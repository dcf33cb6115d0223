"""What string receivers deliver does not depend on how the bytes are divided; a bad peer only
loses its connection.

Strings tell these to pause, to change the limit, or to end.
"""

from __future__ import annotations

from random import Random
from typing import Any

from mutations import divided

from reactorlib.protocols.basic import (
    Int8StringReceiver,
    Int16StringReceiver,
    Int32StringReceiver,
    NetstringReceiver,
)
from reactorlib.protocols.framing import netstring
from reactorlib.testing import StringTransport

WORDS = [b"pause", b"short", b"long", b"quit", b"hello", b""]
SEEDS = [
    b"".join(map(netstring, WORDS)),
    b"".join(len(word).to_bytes(1, "big") + word for word in WORDS),
    b"".join(len(word).to_bytes(2, "big") + word for word in WORDS),
    b"".join(len(word).to_bytes(4, "big") + word for word in WORDS),
]
TOKENS = [b"5:pause,", b"5:short,", b"\5short", b"\0\4long", b"0", b":", b",", b"\0", b"\xff", b"9"]


class Obedient:
    MAX_LENGTH = 20
    paused = False

    def __init__(self) -> None:
        self.got: list[bytes] = []

    def stringReceived(self: Any, string: bytes) -> None:
        assert len(string) <= self.MAX_LENGTH
        assert not self.transport.disconnecting
        assert not self.paused
        self.got.append(string)
        if string == b"pause":
            self.pauseProducing()
        elif string in (b"short", b"long"):
            self.MAX_LENGTH = 5 if string == b"short" else 50
        elif string == b"quit":
            self.transport.loseConnection()


class Netstrings(Obedient, NetstringReceiver):
    pass


class Bytes(Obedient, Int8StringReceiver):
    pass


class Shorts(Obedient, Int16StringReceiver):
    pass


class Longs(Obedient, Int32StringReceiver):
    pass


def run(receiver: Any, pieces: list[bytes]) -> tuple[list[bytes], bool]:
    protocol = receiver()
    protocol.makeConnection(StringTransport(lenient=True))
    for piece in pieces:
        if not protocol.transport.disconnecting:
            protocol.dataReceived(piece)
        while protocol.paused:
            protocol.resumeProducing()
    return protocol.got, bool(protocol.transport.disconnecting)


def check(data: bytes, random: Random) -> None:
    receiver = random.choice((Netstrings, Bytes, Shorts, Longs))
    assert run(receiver, divided(data, random)) == run(receiver, [data])
