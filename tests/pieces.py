"""Ways to divide bytes: what a network does to a stream."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import strategies as st


def cut(data: bytes, places: list[int]) -> list[bytes]:
    """The pieces of `data` between the places, some of which may be empty."""
    borders = sorted({0, len(data), *(place % (len(data) + 1) for place in places)})
    return [data[start:end] for start, end in pairwise(borders)]


def divisions(data: bytes) -> list[list[bytes]]:
    """`data` whole, byte by byte, and in two at every place."""
    halves = [[data[:place], data[place:]] for place in range(1, len(data))]
    return [[data], [bytes([byte]) for byte in data], *halves]


places = st.lists(st.integers(0, 10_000), max_size=8)


def streams(*tokens: bytes, max_size: int = 40) -> st.SearchStrategy[bytes]:
    """Bytes made of tokens that mean something to a protocol, and of others that do not."""
    return st.lists(st.sampled_from(tokens) | st.binary(max_size=4), max_size=max_size).map(
        b"".join
    )
