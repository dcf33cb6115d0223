"""Cache-Control (RFC 9111, 5.2)."""

from __future__ import annotations

from collections.abc import Mapping

from reactorlib.protocols.http.fields.grammar import (
    LONGEST_NUMBER,
    Reader,
    as_number,
    as_quoted,
    as_token,
    as_word,
    elements,
    lower_tokens,
)

Directive = None | int | bytes | tuple[bytes, ...]

_SECONDS = {
    *(b"max-age", b"s-maxage", b"max-stale", b"min-fresh"),
    *(b"stale-while-revalidate", b"stale-if-error"),
}
_NAMES = {b"no-cache", b"private"}


def parseCacheControl(value: bytes) -> dict[bytes, Directive]:
    """The directives by lower-case name; the first of two counts.

    None stands for one with no argument, an int for seconds, a tuple for the names of
    fields, bytes for any other argument, and for one that is not what it should be:
    a directive that cannot be understood must not undo those beside it.
    """
    found: dict[bytes, Directive] = {}
    for name, argument in elements(value, _read):
        found.setdefault(name, argument)
    return found


def _read(reader: Reader) -> tuple[bytes, Directive]:
    name = reader.token().lower()
    if not reader.take(b"="):
        return name, None
    return name, _meaning(name, reader.word())


def _meaning(name: bytes, argument: bytes) -> Directive:
    if name in _SECONDS and argument.isdigit() and len(argument) <= LONGEST_NUMBER:
        return int(argument)
    if name in _NAMES:
        try:
            return lower_tokens(argument)
        except ValueError:
            return argument
    return argument


def generateCacheControl(directives: Mapping[bytes, Directive]) -> bytes:
    """Cache-Control."""
    return b", ".join([as_token(name) + _argument(value) for name, value in directives.items()])


def _argument(value: Directive) -> bytes:
    if value is None:
        return b""
    if isinstance(value, bytes):
        return b"=" + as_word(value)
    if isinstance(value, int):
        return b"=" + as_number(value)
    return b"=" + as_quoted(b", ".join([as_token(name) for name in value]))
