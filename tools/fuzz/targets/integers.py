"""Counted strings do not depend on how the bytes are divided, none is too long, nothing is lost."""

from __future__ import annotations

import struct
from random import Random

from mutations import divided

from reactorlib.protocols.framing import IntFramer

PREFIXES = [struct.Struct(text) for text in ("!B", "!H", "!I", "<H", "!Q")]

SEEDS = [
    prefix.pack(5) + b"hello" + prefix.pack(0) + prefix.pack(3) + b"two" for prefix in PREFIXES
]
TOKENS = [b"\0", b"\1", b"\xff", b"\0\0\0", b"\x7f\xff", b"\0\0\0\5hello", b"\5"]


def check(data: bytes, random: Random) -> None:
    prefix, limit = random.choice(PREFIXES), random.choice((0, 1, 10, 255, 70_000))
    whole, parts = IntFramer(prefix, limit), IntFramer(prefix, limit)
    whole.feed(data)
    for piece in divided(data, random):
        parts.feed(piece)
    assert parts.frames == whole.frames
    assert (parts.fault is None) == (whole.fault is None)
    assert all(len(frame) <= limit for frame in whole.frames)
    assert whole.take_rest() == data
    assert data.startswith(parts.take_rest())
