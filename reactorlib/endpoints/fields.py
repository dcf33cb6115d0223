"""The fields of an endpoint's string, from text to value. Each raises ValueError."""

from __future__ import annotations

from math import isfinite


def number(text: str, name: str, lowest: int = 0, highest: int = 2**31 - 1) -> int:
    """A whole number in ASCII digits."""
    if not (text.isascii() and text.isdigit()) or not lowest <= int(text) <= highest:
        raise ValueError(f"{name} is a whole number from {lowest} to {highest}, not {text!r}")
    return int(text)


def listening_port(text: str) -> int:
    """A port to listen on; 0 lets the system choose."""
    return number(text, "port", 0, 65535)


def port(text: str) -> int:
    """A port to connect to."""
    return number(text, "port", 1, 65535)


def seconds(text: str, name: str = "timeout") -> float:
    """A time above 0."""
    try:
        value = float(text)
    except ValueError:
        value = 0.0
    if not (isfinite(value) and value > 0):
        raise ValueError(f"{name} is a number of seconds above 0, not {text!r}")
    return value


def mode(text: str) -> int:
    """A file's permissions, in octal digits."""
    if not (text and set(text) <= set("01234567")) or int(text, 8) > 0o777:
        raise ValueError(f"mode is octal, such as 660, not {text!r}")
    return int(text, 8)


def switch(text: str, name: str) -> bool:
    """0 or 1."""
    if text not in ("0", "1"):
        raise ValueError(f"{name} is 0 or 1, not {text!r}")
    return text == "1"


def binding(text: str | None) -> tuple[str, int] | None:
    """An address to connect from; the system chooses the port."""
    return None if text is None else (text, 0)
