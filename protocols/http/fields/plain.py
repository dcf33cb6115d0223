"""Fields that are one URI, one text, or a number or date."""

from __future__ import annotations

import re
from typing import NamedTuple

from reactorlib.protocols.http.fields.dates import generateDate, parseDate
from reactorlib.protocols.http.fields.grammar import as_number, number

_URI = re.compile(rb"[!-~]+")


class RetryAfter(NamedTuple):
    """When to come back: after `delay` seconds, or at `date`, in seconds since 1970."""

    delay: int | None = None
    date: int | None = None


def parseRetryAfter(value: bytes) -> RetryAfter:
    """Retry-After."""
    return RetryAfter(delay=number(value)) if value.isdigit() else RetryAfter(date=parseDate(value))


def generateRetryAfter(value: RetryAfter) -> bytes:
    """Retry-After."""
    delay, date = value
    if (delay is None) is (date is None):
        raise ValueError("either a delay or a date")
    return generateDate(date) if date is not None else as_number(delay or 0)


def uri(value: bytes) -> bytes:
    """Location and its kin: the reference as it is, if it is printable ASCII with no blanks."""
    if _URI.fullmatch(value) is None:
        raise ValueError("not a URI")
    return value


def text(value: bytes) -> bytes:
    """User-Agent, Server: as it is."""
    return value
