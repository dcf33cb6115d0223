"""Cookies (RFC 6265bis): read as servers and clients meet them, written as they must be.

A cookie's value is a run of bytes: quotes belong to it and no escape is undone, so
that reading is one split (tornado's CVE-2024-52804 and CVE-2025-47287 undid escapes in
quadratic time). What cannot be read is left out: another site may have set it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from reactorlib.protocols.http.fields.dates import MONTH_OF, full_year, generateDate, seconds
from reactorlib.protocols.http.fields.grammar import LONGEST_NUMBER

_NAME = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f;=]+")
_VALUE = re.compile(rb"[^\x00-\x08\x0a-\x1f\x7f;]*")
_BETWEEN_PARTS = re.compile(rb"[\t -/;-@\[-`{-~]+")
_TIME = re.compile(rb"([0-9]{1,2}):([0-9]{1,2}):([0-9]{1,2})(?![0-9])")
_DAY = re.compile(rb"([0-9]{1,2})(?![0-9])")
_YEAR = re.compile(rb"([0-9]{2,4})(?![0-9])")
_SIGNED = re.compile(rb"-?[0-9]{1,%d}" % LONGEST_NUMBER)
_SAME_SITE = {b"strict": b"Strict", b"lax": b"Lax", b"none": b"None"}


@dataclass(frozen=True)
class Cookie:
    """A cookie; all but name and value belong to Set-Cookie.

    `expires` is in seconds since 1970, `maxAge` in seconds from now, `sameSite` one of
    b"Strict", b"Lax", b"None". Raises ValueError for what cannot stand in a field.
    """

    name: bytes
    value: bytes = field(repr=False)
    expires: int | None = None
    maxAge: int | None = None
    domain: bytes | None = None
    path: bytes | None = None
    secure: bool = False
    httpOnly: bool = False
    sameSite: bytes | None = None
    partitioned: bool = False

    def __post_init__(self) -> None:
        texts = [text for text in (self.value, self.domain, self.path) if text is not None]
        if _NAME.fullmatch(self.name) is None or not all(map(_VALUE.fullmatch, texts)):
            raise ValueError("a cookie has a byte that cannot be sent")
        if any(text != text.strip(b" \t") for text in (self.name, *texts)):
            raise ValueError("a cookie has blanks at an end")
        if self.sameSite is not None and self.sameSite not in _SAME_SITE.values():
            raise ValueError("sameSite is Strict, Lax or None")


def parseCookies(values: Sequence[bytes]) -> tuple[Cookie, ...]:
    """Cookie: name and value of each, in order. What has no name is left out."""
    return tuple(_readable(b";".join(values).split(b";")))


def _readable(pairs: Iterable[bytes]) -> Iterator[Cookie]:
    for pair in pairs:
        name, equals, value = pair.partition(b"=")
        if equals:
            with suppress(ValueError):
                yield Cookie(name.strip(b" \t"), value.strip(b" \t"))


def generateCookies(cookies: Iterable[Cookie]) -> list[bytes]:
    """Cookie: one line, however many they are (RFC 6265bis, 5.8.1)."""
    return [b"; ".join([b"%b=%b" % (cookie.name, cookie.value) for cookie in cookies])]


def parseSetCookies(values: Sequence[bytes]) -> tuple[Cookie, ...]:
    """Set-Cookie: one cookie from each line; lines that a browser refuses are left out."""
    found = []
    for value in values:
        with suppress(ValueError):
            found.append(parseSetCookie(value))
    return tuple(found)


def parseSetCookie(value: bytes) -> Cookie:
    """The cookie of one Set-Cookie line; attributes not known or malformed are left out."""
    pair, *attributes = [part.strip(b" \t") for part in value.split(b";")]
    name, equals, content = pair.partition(b"=")
    if not equals:
        raise ValueError("a cookie has a name")
    settings: dict[str, Any] = {}
    for attribute in attributes:
        key, _, argument = attribute.partition(b"=")
        read = _ATTRIBUTES.get(key.rstrip(b" \t").lower())
        if read is not None:
            with suppress(ValueError):
                settings.update(read(argument.lstrip(b" \t")))
    return _checked(Cookie(name.rstrip(b" \t"), content.lstrip(b" \t"), **settings))


def generateSetCookies(cookies: Iterable[Cookie]) -> list[bytes]:
    """Set-Cookie: a line for each. Raises ValueError for what browsers refuse."""
    return [b"; ".join(_parts(_checked(cookie))) for cookie in cookies]


def _checked(cookie: Cookie) -> Cookie:
    """The prefixes __Secure- and __Host- promise attributes (RFC 6265bis, 4.1.3)."""
    name = cookie.name.lower()
    needs_secure = cookie.partitioned or cookie.sameSite == b"None"
    if not cookie.secure and (needs_secure or name.startswith((b"__secure-", b"__host-"))):
        raise ValueError("such a cookie must be secure")
    if name.startswith(b"__host-") and (cookie.domain is not None or cookie.path != b"/"):
        raise ValueError("a __Host- cookie has the path / and no domain")
    return cookie


def _parts(cookie: Cookie) -> Iterator[bytes]:
    yield b"%b=%b" % (cookie.name, cookie.value)
    if cookie.expires is not None:
        yield b"Expires=" + generateDate(cookie.expires)
    if cookie.maxAge is not None:
        yield b"Max-Age=%d" % cookie.maxAge
    if cookie.domain is not None:
        yield b"Domain=" + cookie.domain
    if cookie.path is not None:
        yield b"Path=" + cookie.path
    if cookie.secure:
        yield b"Secure"
    if cookie.httpOnly:
        yield b"HttpOnly"
    if cookie.sameSite is not None:
        yield b"SameSite=" + cookie.sameSite
    if cookie.partitioned:
        yield b"Partitioned"


def _max_age(value: bytes) -> dict[str, Any]:
    if _SIGNED.fullmatch(value) is None:
        raise ValueError("not a number")
    return {"maxAge": int(value)}


_ATTRIBUTES: dict[bytes, Callable[[bytes], dict[str, Any]]] = {
    b"expires": lambda value: {"expires": parseCookieDate(value)},
    b"max-age": _max_age,
    b"domain": lambda value: {"domain": value.removeprefix(b".").lower()} if value else {},
    b"path": lambda value: {"path": value} if value.startswith(b"/") else {},
    b"secure": lambda _: {"secure": True},
    b"httponly": lambda _: {"httpOnly": True},
    b"samesite": lambda value: {"sameSite": _SAME_SITE.get(value.lower())},
    b"partitioned": lambda _: {"partitioned": True},
}


def parseCookieDate(value: bytes) -> int:
    """A date in any of the forms that servers send (RFC 6265bis, 5.1.1)."""
    found: dict[str, tuple[int, ...]] = {}
    for part in _BETWEEN_PARTS.split(value):
        for kind, read in _PARTS_OF_DATES.items():
            if kind not in found:
                numbers = read(part)
                if numbers is not None:
                    found[kind] = numbers
                    break
    if len(found) != len(_PARTS_OF_DATES):
        raise ValueError("not a date")
    year = found["year"][0]
    if year < 100:
        year = full_year(year)
    if year < 1601:
        raise ValueError("not a date")
    return seconds(year, *found["month"], *found["day"], *found["time"])


def _numbers(pattern: re.Pattern[bytes]) -> Callable[[bytes], tuple[int, ...] | None]:
    def read(part: bytes) -> tuple[int, ...] | None:
        match = pattern.match(part)
        return tuple(map(int, match.groups())) if match else None

    return read


def _month(part: bytes) -> tuple[int, ...] | None:
    number = MONTH_OF.get(part[:3].capitalize())
    return None if number is None else (number,)


_PARTS_OF_DATES: dict[str, Callable[[bytes], tuple[int, ...] | None]] = {
    "time": _numbers(_TIME),
    "day": _numbers(_DAY),
    "month": _month,
    "year": _numbers(_YEAR),
}
