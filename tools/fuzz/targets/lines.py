"""Lines do not depend on how the bytes are divided, none is too long, and nothing is lost.

The delimiter and the limit are chosen by the division's random numbers.
"""

from __future__ import annotations

from random import Random

from mutations import divided

from reactorlib.protocols.framing import LineFramer

SEEDS = [b"one\r\ntwo\r\n\r\nthree", b"a\nb\nc\n", b"aabaabaaba", b"x" * 200 + b"\r\n"]
TOKENS = [b"\r\n", b"\r", b"\n", b"a", b"aa", b"aba", b"\0", b"\r\n" * 20]

DELIMITERS = [b"\r\n", b"\n", b"aa", b"aba", b"\r\n\r\n"]


def check(data: bytes, random: Random) -> None:
    delimiter, limit = random.choice(DELIMITERS), random.choice((0, 1, 10, 100, 10_000))
    whole, parts = LineFramer(delimiter, limit), LineFramer(delimiter, limit)
    whole.feed(data)
    for piece in divided(data, random):
        parts.feed(piece)
    assert parts.frames == whole.frames
    assert (parts.fault is None) == (whole.fault is None)
    assert all(len(line) <= limit and delimiter not in line for line in whole.frames)
    assert whole.take_rest() == data
    assert data.startswith(parts.take_rest())
