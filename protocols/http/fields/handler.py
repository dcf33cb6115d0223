"""From a field's name to the two functions that read and write its value.

A reader takes the values of all lines of the field, in order, and raises ValueError
for what the field's own grammar does not allow: it never guesses. A writer gives the
values of the lines to send. Both work on bytes, in time linear in their length.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple


class Codec(NamedTuple):
    """How one field is read, `parse(values) -> value`, and written, `generate(value) -> values`."""

    parse: Callable[[Sequence[bytes]], Any]
    generate: Callable[[Any], list[bytes]]


def single(parse: Callable[[bytes], Any], generate: Callable[[Any], bytes]) -> Codec:
    """For a field that stands once: a second line is an error (RFC 9110, 5.3)."""

    def parse_one(values: Sequence[bytes]) -> Any:
        if len(values) != 1:
            raise ValueError(f"it stands {len(values)} times")
        return parse(values[0])

    return Codec(parse_one, lambda value: [generate(value)])


def joined(parse: Callable[[bytes], Any], generate: Callable[[Any], bytes]) -> Codec:
    """For a list: several lines mean the same as one with commas between (RFC 9110, 5.3)."""
    return Codec(lambda values: parse(b", ".join(values)), lambda value: [generate(value)])


def each(parse: Callable[[bytes], Any], generate: Callable[[Any], bytes]) -> Codec:
    """For a field whose every line is a value of its own, such as Set-Cookie."""
    return Codec(
        lambda values: tuple([parse(value) for value in values]),
        lambda value: [generate(one) for one in value],
    )


class HeaderHandler:
    """Reads and writes the fields it was given codecs for, by lower-case names."""

    __slots__ = ("_codecs",)

    def __init__(self, codecs: Mapping[bytes, Codec]) -> None:
        self._codecs = dict(codecs)

    def names(self) -> frozenset[bytes]:
        """The lower-case names of the fields that are known here."""
        return frozenset(self._codecs)

    def codec(self, name: bytes) -> Codec:
        """The codec of a field. Raises ValueError if it is not known here."""
        codec = self._codecs.get(name)
        if codec is None:
            raise ValueError(f"no parser is known for the field {name!r}")
        return codec

    def parse(self, name: bytes, values: Sequence[bytes]) -> Any:
        """The value that the lines mean; None if they are malformed.

        Raises ValueError if the field is not known here.
        """
        codec = self.codec(name)
        try:
            return codec.parse(values)
        except ValueError:
            return None

    def generate(self, name: bytes, value: Any) -> list[bytes]:
        """The values of the lines to send. Raises ValueError if the field is not known here."""
        return self.codec(name).generate(value)

    def extended(self, codecs: Mapping[bytes, Codec]) -> HeaderHandler:
        """A handler for these fields too; this one stays as it is."""
        return HeaderHandler({**self._codecs, **codecs})
