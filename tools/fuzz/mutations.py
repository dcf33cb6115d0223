"""Inputs made of good ones by a few random changes, and small ones made of those that fail."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random

LONGEST = 5000


def mutated(random: Random, seeds: Sequence[bytes], tokens: Sequence[bytes]) -> bytes:
    """One or two seeds with up to eight changes."""
    data = bytearray(random.choice(seeds))
    if random.random() < 0.3:
        data += random.choice(seeds)
    for _ in range(random.randrange(9)):
        random.choice(CHANGES)(data, random, tokens)
    return bytes(data[:LONGEST])


def _place(data: bytearray, random: Random) -> int:
    return random.randrange(len(data) + 1)


def _stretch(data: bytearray, random: Random) -> slice:
    start = _place(data, random)
    return slice(start, start + random.choice((1, 1, 2, 5, 20, 100)))


def insert_token(data: bytearray, random: Random, tokens: Sequence[bytes]) -> None:
    place = _place(data, random)
    data[place:place] = random.choice(tokens)


def replace_with_token(data: bytearray, random: Random, tokens: Sequence[bytes]) -> None:
    data[_stretch(data, random)] = random.choice(tokens)


def change_byte(data: bytearray, random: Random, tokens: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] = random.randrange(256)


def change_bit(data: bytearray, random: Random, tokens: Sequence[bytes]) -> None:
    if data:
        data[random.randrange(len(data))] ^= 1 << random.randrange(8)


def remove(data: bytearray, random: Random, tokens: Sequence[bytes]) -> None:
    del data[_stretch(data, random)]


def repeat(data: bytearray, random: Random, tokens: Sequence[bytes]) -> None:
    part = data[_stretch(data, random)]
    place = _place(data, random)
    data[place:place] = part * random.choice((1, 2, 3, 50))


def end_early(data: bytearray, random: Random, tokens: Sequence[bytes]) -> None:
    del data[_place(data, random) :]


CHANGES = (
    insert_token,
    insert_token,
    replace_with_token,
    change_byte,
    change_bit,
    remove,
    repeat,
    end_early,
)


def divided(data: bytes, random: Random) -> list[bytes]:
    """The pieces that a network may make of it; now and then single bytes."""
    if random.random() < 0.2:
        return [data[place : place + 1] for place in range(len(data))]
    places = sorted(random.randrange(len(data) + 1) for _ in range(random.randrange(8)))
    return [data[a:b] for a, b in zip([0, *places], [*places, len(data)], strict=True)]


def smallest(data: bytes, fails: Callable[[bytes], bool]) -> bytes:
    """What is left of data that fails when every part without which it fails too is taken out."""
    size = len(data) // 2
    while size:
        place = 0
        while place < len(data):
            shorter = data[:place] + data[place + size :]
            if fails(shorter):
                data = shorter
            else:
                place += size
        size //= 2
    return data
