"""Data for a protocol in every division that a network may make of it.

A protocol must not care how the bytes are divided. `deliver` gives them to one
protocol in one way; a Delivery makes a protocol for each way and tries all.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import Any, TypeVar

from reactorlib.testing.transports import StringTransport

WHOLE = "whole"
BYTES = "bytes"
SPLITS = "splits"

WAYS = (WHOLE, BYTES, SPLITS)

How = str | int | Sequence[int]

_P = TypeVar("_P")


def deliver(protocol: Any, data: bytes, how: How = WHOLE) -> bytes:
    """Give a protocol data in pieces; return what its transport would not deliver.

    `how`: "whole"; "bytes" for one at a time; or where to divide it, as one
    offset or several in rising order. A protocol without a transport is first
    connected to a StringTransport. As soon as the transport is paused or being
    closed nothing more is delivered.
    """
    if protocol.transport is None:
        protocol.makeConnection(StringTransport())
    transport = protocol.transport
    begin = 0
    for end in (*_cuts(data, how), len(data)):
        if not getattr(transport, "receiving", True):
            break
        if begin < end <= len(data):
            protocol.dataReceived(data[begin:end])
            begin = end
    return data[begin:]


def _cuts(data: bytes, how: How) -> Sequence[int]:
    if how == WHOLE:
        return ()
    if how == BYTES:
        return range(1, len(data))
    if isinstance(how, str):
        raise ValueError(f"how to deliver: {WHOLE!r}, {BYTES!r} or offsets, not {how!r}")
    return (how,) if isinstance(how, int) else how


class Delivery:
    """One kind of ways to deliver: `way` is "whole", "bytes" or "splits"."""

    def __init__(self, way: str) -> None:
        self.way = way

    def __call__(self, make: Callable[[], _P], data: bytes) -> Iterator[_P]:
        """For each way of this kind a new protocol that has been given the data.

        The ways of "splits" are all divisions in two.
        """
        for how in range(1, len(data)) if self.way == SPLITS else (self.way,):
            protocol = make()
            deliver(protocol, data, how)
            yield protocol

    def __repr__(self) -> str:
        return f"Delivery({self.way!r})"
