"""Dates (RFC 9110, 5.6.7): seconds since 1970 in UTC, read in three formats, written in one."""

from __future__ import annotations

import re
from datetime import datetime, timedelta, timezone
from functools import lru_cache

_DAYS = (b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat", b"Sun")
_MONTHS = (
    *(b"Jan", b"Feb", b"Mar", b"Apr", b"May", b"Jun"),
    *(b"Jul", b"Aug", b"Sep", b"Oct", b"Nov", b"Dec"),
)
MONTH_OF = {name: number for number, name in enumerate(_MONTHS, 1)}
_DAY = rb"(?:Mon|Tue|Wed|Thu|Fri|Sat|Sun)"
_LONG_DAY = rb"(?:Monday|Tuesday|Wednesday|Thursday|Friday|Saturday|Sunday)"
_MONTH = b"(?P<month>" + b"|".join(_MONTHS) + b")"
_TIME = rb"(?P<hour>[0-9]{2}):(?P<minute>[0-9]{2}):(?P<second>[0-9]{2})"
_TWO = rb"(?P<day>[0-9]{2})"
_IMF_FIXDATE = _DAY + b", " + _TWO + b" " + _MONTH + rb" (?P<year>[0-9]{4}) " + _TIME + b" GMT"
_RFC850 = _LONG_DAY + b", " + _TWO + b"-" + _MONTH + rb"-(?P<year>[0-9]{2}) " + _TIME + b" GMT"
_ASCTIME = _DAY + b" " + _MONTH + b" (?P<day>[ 0-9][0-9]) " + _TIME + b" (?P<year>[0-9]{4})"
_FORMATS = tuple(map(re.compile, (_IMF_FIXDATE, _RFC850, _ASCTIME)))
_EPOCH = datetime(1970, 1, 1, tzinfo=timezone.utc)


def parseDate(value: bytes) -> int:
    """The seconds since 1970 that a date means. Raises ValueError for what is no date.

    The day of the week is not compared with the date. A year of two digits is never
    taken for one more than 50 years from now.
    """
    for form in _FORMATS:
        match = form.fullmatch(value)
        if match is not None:
            year = int(match["year"])
            return seconds(
                full_year(year) if len(match["year"]) == 2 else year,
                MONTH_OF[match["month"]],
                *(int(match[part]) for part in ("day", "hour", "minute", "second")),
            )
    raise ValueError("not a date")


def seconds(year: int, month: int, day: int, hour: int, minute: int, second: int) -> int:
    """The seconds since 1970 of a date in UTC; second 60 is that after second 59."""
    if second > 60:
        raise ValueError("second must be in 0..60")
    moment = datetime(year, month, day, hour, minute, tzinfo=timezone.utc)
    return (moment - _EPOCH) // timedelta(seconds=1) + second


def full_year(year: int) -> int:
    """The year that two digits mean."""
    this_year = datetime.now(timezone.utc).year
    guess = this_year - this_year % 100 + year
    return guess - 100 if guess > this_year + 50 else guess


@lru_cache(64)
def generateDate(seconds: int) -> bytes:
    """A date as it is sent: b"Sun, 06 Nov 1994 08:49:37 GMT".

    `seconds` is counted from 1970, and cut to a whole number. Raises ValueError
    outside of the years 1 to 9999.
    """
    try:
        moment = _EPOCH + timedelta(seconds=int(seconds))
    except OverflowError as problem:
        raise ValueError(f"there is no date for {seconds}") from problem
    return b"%b, %02d %b %04d %02d:%02d:%02d GMT" % (
        _DAYS[moment.weekday()],
        moment.day,
        _MONTHS[moment.month - 1],
        *(moment.year, moment.hour, moment.minute, moment.second),
    )
