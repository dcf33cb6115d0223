"""What a LineReceiver delivers and sends does not depend on how the bytes are divided.

Lines tell this one to take raw bytes, to pause, to change its delimiter or its limit, or to
end; it does so between any two. It answers each line, in one of two ways.
"""

from __future__ import annotations

from random import Random

from mutations import divided

from reactorlib.protocols.basic import LineReceiver
from reactorlib.testing import StringTransport

SEEDS = [
    b"raw 3\r\nabcnext\r\n",
    b"pause\r\none\r\npause\r\ntwo\r\n",
    b"lf\none\ncrlf\ntwo\r\naba\r\nthreeaba",
    b"short\r\n12345\r\nlong\r\n123456789\r\n",
    b"one\r\nabort\r\ntwo\r\n",
]
TOKENS = [b"\r\n", b"\r", b"\n", b"aba", b"raw 3", b"raw 0", b"raw 40", b"pause", b"blink", b"lf"]
TOKENS += [b"crlf", b"aba", b"short", b"long", b"quit", b"abort", b"raw 3\r\n" * 30]


class Obedient(LineReceiver):
    MAX_LENGTH = 20

    def __init__(self) -> None:
        self.got: list[tuple[str, bytes]] = []
        self.missing = 0

    def lineReceived(self, line: bytes) -> None:
        assert len(line) <= self.MAX_LENGTH
        self.take("line", line)
        if len(line) % 2:
            self.sendLine(line)
        else:
            self.transport.write(line)
        word, _, number = line.partition(b" ")
        if word == b"raw" and number.isdigit():
            self.missing = int(number[:3])
            self.setRawMode()
        elif word.decode("latin-1") in ACTIONS:
            ACTIONS[word.decode("latin-1")](self)

    def rawDataReceived(self, data: bytes) -> None:
        wanted, extra = data[: self.missing], data[self.missing :]
        self.missing -= len(wanted)
        if self.got[-1][0] == "raw":
            wanted = self.got.pop()[1] + wanted
        self.take("raw", wanted)
        if not self.missing:
            self.setLineMode(extra)

    def lineLengthExceeded(self, line: bytes) -> None:
        self.take("too long", b"")
        self.transport.loseConnection()

    def take(self, kind: str, data: bytes) -> None:
        assert not self.transport.disconnecting
        assert not self.paused
        self.got.append((kind, data))

    def blink(self) -> None:
        self.pauseProducing()
        self.resumeProducing()


ACTIONS = {
    "pause": Obedient.pauseProducing,
    "blink": Obedient.blink,
    "lf": lambda self: setattr(self, "delimiter", b"\n"),
    "crlf": lambda self: setattr(self, "delimiter", b"\r\n"),
    "aba": lambda self: setattr(self, "delimiter", b"aba"),
    "short": lambda self: setattr(self, "MAX_LENGTH", 5),
    "long": lambda self: setattr(self, "MAX_LENGTH", 50),
    "quit": lambda self: self.transport.loseConnection(),
    "abort": lambda self: self.transport.abortConnection(),
}


def run(pieces: list[bytes]) -> tuple[list[tuple[str, bytes]], bytes]:
    protocol = Obedient()
    protocol.makeConnection(StringTransport(lenient=True))
    for piece in pieces:
        if not protocol.transport.disconnecting:
            protocol.dataReceived(piece)
        while protocol.paused:
            protocol.resumeProducing()
    return protocol.got, protocol.transport.value()


def check(data: bytes, random: Random) -> None:
    assert run(divided(data, random)) == run([data])
