"""Numbers for people."""

from __future__ import annotations

from reactorlib.rlimit import UNLIMITED

_UNITS = ("bytes", "KiB", "MiB", "GiB", "TiB", "PiB")


def count(number: int) -> str:
    """With commas between thousands."""
    return f"{number:,}"


def limit_text(limit: int) -> str:
    return "unlimited" if limit == UNLIMITED else count(limit)


def plural(number: int, noun: str) -> str:
    return f"{count(number)} {noun}" if number == 1 else f"{count(number)} {noun}s"


def bytes_text(number: float) -> str:
    """In the largest unit that gives 1 or more."""
    unit = 0
    while number >= 1024 and unit < len(_UNITS) - 1:
        number, unit = number / 1024, unit + 1
    return f"{number:.0f} {_UNITS[unit]}" if unit == 0 else f"{number:.1f} {_UNITS[unit]}"
