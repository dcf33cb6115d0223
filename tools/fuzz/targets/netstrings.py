"""Netstrings do not depend on how the bytes are divided, and stand for exactly the bytes that came.

Nothing else than a canonical encoding is taken: what was framed, encoded again, is the input.
"""

from __future__ import annotations

from random import Random

from mutations import divided

from reactorlib.protocols.framing import NetstringFramer, netstring

SEEDS = [b"5:hello,0:,12:hello world!,", b"".join(netstring(b"x" * n) for n in (9, 10, 99, 100))]
TOKENS = [
    b"0",
    b"1",
    b"9",
    b":",
    b",",
    b"0:,",
    b"00",
    b"+1",
    b"-1",
    b" ",
    b"_",
    b"99999999",
    b"1e3",
]


def check(data: bytes, random: Random) -> None:
    limit = random.choice((0, 1, 9, 10, 100, 99999))
    whole, parts = NetstringFramer(limit), NetstringFramer(limit)
    whole.feed(data)
    for piece in divided(data, random):
        parts.feed(piece)
    assert parts.frames == whole.frames
    assert (parts.fault is None) == (whole.fault is None)
    assert all(len(frame) <= limit for frame in whole.frames)
    assert whole.take_rest() == data
    assert data.startswith(parts.take_rest())
