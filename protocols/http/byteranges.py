"""Which part of something is sent for Range (RFC 9110, 14), and how parts are put together.

Many or overlapping ranges cost a server more than the whole does (14.2, 17.15): they are
answered with the whole. So are a Range that cannot be read, or is of another unit.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from itertools import pairwise
from typing import NamedTuple

from reactorlib.protocols.http.fields.ranges import Range

MOST_PARTS = 16

Span = tuple[int, int]  # from a position, up to and without another


class Part(NamedTuple):
    """What is sent before some bytes of the whole, and these bytes."""

    head: bytes
    start: int
    stop: int


def choose_spans(wanted: Range | None, size: int) -> list[Span] | None:
    """What of `size` bytes is sent; None for the whole, empty if nothing of it is there."""
    if wanted is None or wanted.unit != b"bytes" or not size:
        return None
    spans = [span for first, last in wanted.ranges if (span := _span(first, last, size))]
    if len(spans) > MOST_PARTS or any(
        before[1] > after[0] for before, after in pairwise(sorted(spans))
    ):
        return None
    return spans


def _span(first: int | None, last: int | None, size: int) -> Span | None:
    if first is None:
        assert last is not None
        start, stop = max(0, size - last), size
    else:
        start, stop = first, size if last is None else min(last + 1, size)
    return (start, stop) if start < stop else None


def content_range(span: Span, size: int) -> bytes:
    """The value of Content-Range."""
    return b"bytes %d-%d/%d" % (span[0], span[1] - 1, size)


def multipart(spans: Sequence[Span], size: int, content_type: bytes) -> tuple[bytes, list[Part]]:
    """The boundary, and the parts of multipart/byteranges; the last is its end alone."""
    boundary = secrets.token_hex(16).encode()
    head = b"\r\n--%b\r\nContent-Type: %b\r\nContent-Range: %b\r\n\r\n"
    parts = [
        Part(head % (boundary, content_type, content_range(span, size)), *span) for span in spans
    ]
    return boundary, [*parts, Part(b"\r\n--%b--\r\n" % boundary, 0, 0)]
