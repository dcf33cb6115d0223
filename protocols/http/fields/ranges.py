"""Range and Content-Range (RFC 9110, 14). Positions are ASCII digits: aiohttp's CVE-2025-69225."""

from __future__ import annotations

import re
from typing import NamedTuple

from reactorlib.protocols.http.fields.grammar import Reader, as_number, as_token, elements, number

MOST_RANGES = 64  # in one request: more are an attack (RFC 9110, 17.15)

_ONE = re.compile(rb"([0-9]*)-([0-9]*)")
_CONTENT = re.compile(rb"([!#$%&'*+\-.^_`|~0-9A-Za-z]+) (?:([0-9]+)-([0-9]+)|\*)/([0-9]+|\*)")

Span = tuple[int | None, int | None]


class Range(NamedTuple):
    """What is asked for: `ranges` of (first, last), both inclusive.

    (first, None) is to the end, (None, length) the last `length` bytes.
    """

    unit: bytes
    ranges: tuple[Span, ...]


class ContentRange(NamedTuple):
    """What is sent: from `start` to `end`, inclusive, of `length` (None: not known).

    Without start and end, what was asked for is not there (416).
    """

    unit: bytes
    start: int | None
    end: int | None
    length: int | None


def parseRange(value: bytes) -> Range:
    """Range."""
    unit, equals, spans = value.partition(b"=")
    if not equals:
        raise ValueError("a unit and = are missing")
    found = elements(spans, _read_span)
    if not 1 <= len(found) <= MOST_RANGES:
        raise ValueError(f"{len(found)} ranges are asked for")
    return Range(as_token(unit).lower(), found)


def _read_span(reader: Reader) -> Span:
    match = _ONE.fullmatch(reader.matched(_ONE))
    assert match is not None
    first, last = [number(part) if part else None for part in match.groups()]
    return _checked((first, last))


def _checked(span: Span) -> Span:
    first, last = span
    if (first is None and last is None) or (
        first is not None and last is not None and last < first
    ):
        raise ValueError(f"{span} is no range")
    return span


def generateRange(value: Range | tuple[bytes, tuple[Span, ...]]) -> bytes:
    """Range."""
    unit, spans = value
    if not spans:
        raise ValueError("no range is given")
    return as_token(unit) + b"=" + b",".join([_span(*_checked(span)) for span in spans])


def _span(first: int | None, last: int | None) -> bytes:
    return b"%b-%b" % (_optional(first, b""), _optional(last, b""))


def _optional(value: int | None, absent: bytes) -> bytes:
    return absent if value is None else as_number(value)


def parseContentRange(value: bytes) -> ContentRange:
    """Content-Range."""
    match = _CONTENT.fullmatch(value)
    if match is None:
        raise ValueError("not a range of content")
    start, end = [None if part is None else number(part) for part in match.group(2, 3)]
    length = None if match[4] == b"*" else number(match[4])
    return _sound(ContentRange(match[1].lower(), start, end, length))


def generateContentRange(value: ContentRange) -> bytes:
    """Content-Range."""
    unit, start, end, length = _sound(ContentRange(*value))
    span = b"*" if start is None else _span(start, end)
    return b"%b %b/%b" % (as_token(unit), span, _optional(length, b"*"))


def _sound(value: ContentRange) -> ContentRange:
    start, end, length = value[1:]
    if start is None or end is None:
        sound = start is end and length is not None
    else:
        sound = start <= end and (length is None or end < length)
    if not sound:
        raise ValueError(f"{value} contradicts itself")
    return value
