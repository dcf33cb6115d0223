"""The pieces that fields are made of (RFC 9110, 5.6): tokens, quoted strings, lists, parameters.

Everything reads bytes from left to right once. Each pattern is a run of one class of
bytes, or of alternatives that begin differently, so that none ever tries a second way.
Digits are 0 to 9 and letters A to Z: bytes patterns know no others.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import TypeVar

T = TypeVar("T")
Parameters = Mapping[bytes, bytes]

LONGEST_NUMBER = 18  # digits: what fits in 64 bits

BLANKS = re.compile(rb"[ \t]*")
TOKEN = re.compile(rb"[!#$%&'*+\-.^_`|~0-9A-Za-z]+")
_PROTOCOL = re.compile(TOKEN.pattern + b"(?:/" + TOKEN.pattern + b")?")
DIGITS = re.compile(rb"[0-9]+")
_QUOTED = re.compile(rb'"(?:[\t !#-\[\]-~\x80-\xff]|\\[\t -~\x80-\xff])*"')
_ESCAPED = re.compile(rb"\\(.)", re.DOTALL)
_TO_ESCAPE = re.compile(rb'(["\\])')
_TEXT = re.compile(rb"[\t -~\x80-\xff]*")


class Reader:
    """A place in a value. Its methods take what stands there, or raise ValueError."""

    __slots__ = ("data", "position")

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.position = 0

    def matched(self, pattern: re.Pattern[bytes]) -> bytes:
        """Take what the pattern matches here."""
        match = pattern.match(self.data, self.position)
        if match is None:
            raise ValueError(f"malformed at byte {self.position}")
        self.position = match.end()
        return match[0]

    def token(self) -> bytes:
        """Take a token."""
        return self.matched(TOKEN)

    def word(self) -> bytes:
        """Take a token, or a quoted string: what it says, without quotes and escapes."""
        if self.data[self.position : self.position + 1] == b'"':
            return _ESCAPED.sub(rb"\1", self.matched(_QUOTED)[1:-1])
        return self.token()

    def take(self, delimiter: bytes) -> bool:
        """Whether the delimiter stands here, behind blanks or none; then take both."""
        start = self.position
        self.matched(BLANKS)
        if self.data.startswith(delimiter, self.position):
            self.position += len(delimiter)
            return True
        self.position = start
        return False

    def expect(self, delimiter: bytes) -> None:
        """Take the delimiter, or raise ValueError."""
        if not self.take(delimiter):
            raise ValueError(f"{delimiter!r} is missing at byte {self.position}")

    def at_end(self) -> bool:
        """Whether nothing but blanks is left."""
        self.matched(BLANKS)
        return self.position == len(self.data)

    def parameters(self) -> dict[bytes, bytes]:
        """Take `*( OWS ";" OWS [ parameter ] )`: names in lower case, the first of two counts."""
        found: dict[bytes, bytes] = {}
        while self.take(b";"):
            self.matched(BLANKS)
            if self.position < len(self.data) and self.data[self.position] not in b";,":
                name = self.token().lower()
                value = self.value_of_parameter()
                found.setdefault(name, value)
        return found

    def value_of_parameter(self) -> bytes:
        """Take `"=" word`; nothing is an empty value, as Link and Server-Timing have it."""
        if not self.take(b"="):
            return b""
        self.matched(BLANKS)
        return self.word()


def whole(value: bytes, read: Callable[[Reader], T]) -> T:
    """What `read` takes, if nothing is left behind it."""
    reader = Reader(value)
    reader.matched(BLANKS)
    found = read(reader)
    if not reader.at_end():
        raise ValueError(f"something follows at byte {reader.position}")
    return found


def elements(value: bytes, read: Callable[[Reader], T]) -> tuple[T, ...]:
    """The elements of a list; empty ones are left out (RFC 9110, 5.6.1.2)."""
    reader = Reader(value)
    found = []
    while not reader.at_end():
        if not reader.take(b","):
            found.append(read(reader))
            if not reader.at_end():
                reader.expect(b",")
    return tuple(found)


def tokens(value: bytes) -> tuple[bytes, ...]:
    """The tokens of a list, as they are."""
    return elements(value, Reader.token)


def lower_tokens(value: bytes) -> tuple[bytes, ...]:
    """The tokens of a list, in lower case."""
    return tokens(value.lower())


def protocols(value: bytes) -> tuple[bytes, ...]:
    """Upgrade: names with or without a version, as they are."""
    return elements(value, lambda reader: reader.matched(_PROTOCOL))


def as_protocols(values: Iterable[bytes]) -> bytes:
    """Upgrade."""
    written = b", ".join(values)
    protocols(written)
    return written


def number(value: bytes) -> int:
    """A whole number in ASCII digits, of 18 at most."""
    if DIGITS.fullmatch(value) is None or len(value) > LONGEST_NUMBER:
        raise ValueError("not a number")
    return int(value)


def as_number(value: int) -> bytes:
    """A number of 0 or more in digits."""
    if not 0 <= value < 10**LONGEST_NUMBER:
        raise ValueError(f"{value} cannot stand in a field")
    return b"%d" % value


def as_token(value: bytes) -> bytes:
    """The token itself. Raises ValueError if it is none."""
    if TOKEN.fullmatch(value) is None:
        raise ValueError(f"{value!r} is not a token")
    return value


def as_quoted(value: bytes) -> bytes:
    """A quoted string."""
    if _TEXT.fullmatch(value) is None:
        raise ValueError("a control character cannot stand in a field")
    return b'"%b"' % _TO_ESCAPE.sub(rb"\\\1", value)


def as_word(value: bytes) -> bytes:
    """A token if it can be one, else a quoted string."""
    return value if TOKEN.fullmatch(value) else as_quoted(value)


def as_tokens(values: Iterable[bytes]) -> bytes:
    """A list of tokens."""
    return b", ".join([as_token(value) for value in values])


def as_parameters(parameters: Parameters) -> bytes:
    """`;name=value` for each."""
    return b"".join(
        [b";%b=%b" % (as_token(name), as_word(value)) for name, value in parameters.items()]
    )
