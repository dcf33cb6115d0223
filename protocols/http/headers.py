"""The fields of a message: raw as bytes, and typed as values of Python.

Facts, then decision:

- Most messages are answered without a look at most of their fields. Raw fields are
  made at the first look (`Headers.deferred`), typed values when one is asked for.
- Most answers carry the same few fields. A field's line is checked and made once and
  kept, so that setting and sending a constant costs one look-up. Most are never read:
  the index by name is made when a value is asked for.
- A line break in a value is a second field of an attacker's choice. Names must be
  tokens and values free of controls (RFC 9110, 5.1 and 5.5): what is not raises
  ValueError when it is set, and what came from a peer when it is sent on.
- Names are ASCII. Only A to Z have a lower case here, whatever Unicode says.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, KeysView, Mapping, Sequence
from typing import Any

from reactorlib.protocols.http.fields.handler import HeaderHandler
from reactorlib.protocols.http.fields.registry import DefaultHTTPHandler

# What frames a message, or stands in each: an answer with one of these is made with care.
_FRAMING = frozenset((b"connection", b"content-length", b"date", b"server", b"transfer-encoding"))
_KEPT = 256  # what programs send with every answer is never so many
_TOKEN = b"!#$%&'*+-.^_`|~0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz"
_TEXT = bytes([9, *range(0x20, 0x7F), *range(0x80, 0x100)])  # HTAB, SP, VCHAR, obs-text
_SECRET = frozenset((b"authorization", b"cookie", b"proxy-authorization", b"set-cookie"))
_UNUSUAL_CAPS = {
    name.lower(): name
    for name in (
        *(b"Content-MD5", b"DNT", b"ETag", b"NEL", b"P3P", b"SourceMap", b"TE"),
        *(b"WWW-Authenticate", b"X-UA-Compatible", b"X-XSS-Protection"),
    )
}

# The line that is sent; of a field that came from a peer, name and value, not checked.
_Field = bytes | tuple[bytes, bytes]


def _line(name: bytes, value: bytes) -> bytes:
    """What is sent. Raises ValueError for a name or value that must not be."""
    if not name or name.translate(None, _TOKEN):
        raise ValueError(f"the name of a field is a token, not {name!r}")
    if value.translate(None, _TEXT):
        raise ValueError(f"the value of {name.decode()} has a control character")
    return b"%b: %b\r\n" % (name, value)


_Name = str | bytes
_Made = tuple[bytes, tuple[bytes, ...], tuple[_Field, ...], bool]


class _Known(dict[tuple[_Name, tuple[_Name, ...]], _Made]):
    """Of a name and values, what is kept of those that were set last.

    The name in lower case, and that for each field; their lines; whether they are plain.
    A dict that is emptied when it is full: finding is half the work of an lru_cache's.
    """

    def __missing__(self, field: tuple[_Name, tuple[_Name, ...]]) -> _Made:
        name, values = field
        raw = name.encode("ascii") if isinstance(name, str) else name
        lines = tuple([_line(raw, _raw(value)) for value in values])
        key = raw.lower()
        if len(self) == _KEPT:
            self.clear()
        made = self[field] = key, (key,) * len(lines), lines, key not in _FRAMING or not lines
        return made


_known = _Known()


def _raw(value: str | bytes) -> bytes:
    raw = value.encode("iso-8859-1") if isinstance(value, str) else value
    if not isinstance(raw, bytes):
        raise TypeError(f"the value of a field is bytes or str, not {value!r}")
    return raw


def _several(values: Iterable[str | bytes]) -> tuple[str | bytes, ...]:
    if isinstance(values, str):
        raise TypeError("values is a list, not a value")
    return tuple(values)


def _sent(field: _Field) -> bytes:
    return field if isinstance(field, bytes) else _line(*field)


def _pair(field: _Field) -> tuple[bytes, bytes]:
    if not isinstance(field, bytes):
        return field
    name, _, value = field[:-2].partition(b": ")
    return name, value


def _key(name: str | bytes) -> bytes:
    return name.encode("ascii").lower() if isinstance(name, str) else name.lower()


class Headers:
    """The fields of a message; names are compared without regard to case.

    Fields keep the order and the letters they were set with; a field that is set
    anew goes to the end. Names and values are bytes; str is taken too (names in
    ASCII, values in ISO-8859-1). `headers` maps names to typed values, `rawHeaders`
    names to lists of bytes. `handler` reads and writes the typed ones.

    `immutable` is true once makeImmutable was called. As long as `plain` is true, `lines`
    are what is to be sent; it is false once a field was set that frames the message or
    stands in each, and for fields that came from a peer.
    """

    __slots__ = (
        "_handler",
        "_index",
        "_keys",
        "_make",
        "_typed",
        "immutable",
        "lines",
        "plain",
    )

    def __init__(
        self,
        headers: Mapping[Any, Any] | None = None,
        rawHeaders: Mapping[Any, Sequence[Any]] | None = None,
        handler: HeaderHandler = DefaultHTTPHandler,
    ) -> None:
        # Tuples: an empty one is free, and those of the first name are the cache's own.
        self.lines: tuple[Any, ...] = ()  # of _Field
        self._keys: tuple[bytes, ...] = ()  # of each field, its name in lower case
        self._index: dict[bytes, list[bytes]] | None = None
        self._typed: dict[bytes, Any] | None = None
        self._make: Callable[[], Sequence[tuple[bytes, bytes]]] | None = None
        self.immutable = False
        self.plain = True
        self._handler = handler
        if rawHeaders:
            for name, values in rawHeaders.items():
                self.setRawHeaders(name, values)
        if headers:
            for name, value in headers.items():
                self.setHeader(name, value)

    @classmethod
    def deferred(
        cls,
        make: Callable[[], Sequence[tuple[bytes, bytes]]],
        handler: HeaderHandler = DefaultHTTPHandler,
    ) -> Headers:
        """Headers whose fields, pairs of name and value, `make` gives at the first look.

        It is called once. The pairs are taken as they are: they come from a
        parser that has checked them. They are checked again only when they are sent.
        """
        headers = cls(None, None, handler)
        headers._make = make
        headers.plain = False
        return headers

    def _look(self) -> None:
        """Have the deferred fields made."""
        assert self._make is not None
        self.lines = tuple(self._make())
        self._make = None
        self._keys = tuple([name.lower() for name, _ in self.lines])

    def _values(self) -> dict[bytes, list[bytes]]:
        """The values of each name that is there."""
        if self._make is not None:
            self._look()
        index = self._index
        if index is None:
            index = self._index = {}
            for key, field in zip(self._keys, self.lines, strict=True):
                value = field[1] if isinstance(field, tuple) else _pair(field)[1]
                index.setdefault(key, []).append(value)
        return index

    def _ready_to_change(self) -> None:
        if self.immutable:
            raise TypeError("these headers are immutable")
        if self._make is not None:
            self._look()

    # Raw

    def hasHeader(self, name: str | bytes) -> bool:
        """Whether a field of that name is there."""
        if self._make is not None:
            self._look()
        return _key(name) in self._keys

    def mentions(self, *words: bytes) -> bool:
        """Whether one of some words, in lower case, stands in the name of a field."""
        if self._make is not None:
            self._look()
        names = b"\n".join(self._keys)
        return any(word in names for word in words)

    def names(self) -> KeysView[bytes]:
        """The names that are there, in lower case."""
        return self._values().keys()

    def getRawHeaders(self, name: str | bytes, default: Any = None) -> Any:
        """The values of all fields of that name, in order, as a new list of bytes.

        `default` if there are none.
        """
        if self._make is not None:
            self._look()
        key = _key(name)
        if self._index is not None:
            values = self._index.get(key, ())
        elif key in self._keys:  # to look for one costs less than to find them all
            pairs = zip(self._keys, self.lines, strict=True)
            values = [_pair(line)[1] for other, line in pairs if other == key]
        else:
            values = ()
        return [*values] if values else default

    def setRawHeaders(self, name: str | bytes, values: Iterable[str | bytes]) -> None:
        """Set the fields of that name, one for each value; those before are gone.

        Raises ValueError, and changes nothing, if the name is not a token or a value
        has a control character; TypeError once makeImmutable was called.
        """
        if self.immutable or self._make is not None:
            self._ready_to_change()
        if values.__class__ is not tuple:
            values = _several(values)
        key, keys, lines, plain = _known[name, values]
        if key in self._keys:
            self._remove(key)
        self._keys += keys
        self.lines += lines
        self._index = None
        if not plain:
            self.plain = False

    def update(self, other: Headers) -> None:
        """Set all fields of another, each in the place of those of its name.

        Raises TypeError once makeImmutable was called.
        """
        if self.immutable or self._make is not None:
            self._ready_to_change()
        if other._make is not None:
            other._look()
        keys, lines = other._keys, other.lines
        if self._keys:
            for key in keys:
                if key in self._keys:
                    self._remove(key)
        self._keys += keys
        self.lines += lines
        self._index = None
        self.plain = self.plain and other.plain

    def addRawHeader(self, name: str | bytes, value: str | bytes) -> None:
        """Add one field behind all others. Raises as setRawHeaders does."""
        if self.immutable or self._make is not None:
            self._ready_to_change()
        key, keys, lines, plain = _known[name, (value,)]
        self._keys += keys
        self.lines += lines
        self._index = None
        self.plain = self.plain and plain
        if self._typed:
            self._typed.pop(key, None)

    def removeHeader(self, name: str | bytes) -> None:
        """Remove all fields of that name, if there are any."""
        if self.immutable or self._make is not None:
            self._ready_to_change()
        key = _key(name)
        if key in self._keys:
            self._remove(key)

    def _remove(self, key: bytes) -> None:
        kept = [number for number, other in enumerate(self._keys) if other != key]
        self._keys = tuple([self._keys[number] for number in kept])
        self.lines = tuple([self.lines[number] for number in kept])
        self._index = None
        if self._typed:
            self._typed.pop(key, None)

    def getAllRawHeaders(self) -> Iterator[tuple[bytes, list[bytes]]]:
        """Pairs of a name, with its canonical capitals, and the list of its values."""
        for key, values in list(self._values().items()):
            yield self.canonicalNameCaps(key), values[:]

    @staticmethod
    def canonicalNameCaps(name: bytes) -> bytes:
        """A name as it is usually written: b"Content-Type", b"ETag"."""
        key = name.lower()
        unusual = _UNUSUAL_CAPS.get(key)
        return unusual or b"-".join([part.capitalize() for part in key.split(b"-")])

    # Typed

    def getHeader(self, name: str | bytes, default: Any = None) -> Any:
        """The typed value of a field: read when first asked for, and kept.

        `default` if it is not there, or is malformed (getRawHeaders tells which).
        Raises ValueError if the handler knows no parser for it, there or not.
        """
        key = _key(name)
        if self._typed is None:
            self._typed = {}
        if key not in self._typed:
            values = self._values().get(key)
            if values is None:
                self._handler.codec(key)
                return default
            self._typed[key] = self._handler.parse(key, tuple(values))
        typed = self._typed[key]
        return default if typed is None else typed

    def setHeader(self, name: str | bytes, value: Any) -> None:
        """Set a field to a typed value; what stood there before is gone.

        Raises ValueError if the handler does not know the field, or the value cannot
        stand in it; TypeError once makeImmutable was called.
        """
        key = _key(name)
        self.setRawHeaders(name, self._handler.generate(key, value))

    # As a whole

    def checkedLines(self) -> tuple[bytes, ...]:
        """The lines to send, each with its CRLF, whatever `plain` is.

        Raises ValueError if a field that came from a peer must not be sent on.
        """
        if self._make is not None:
            self._look()
        return tuple([_sent(field) for field in self.lines])

    def toBytes(self) -> bytes:
        """The lines to send in one piece, without the empty line at the end."""
        return b"".join(self.checkedLines())

    def makeImmutable(self) -> None:
        """From now on, every change raises TypeError."""
        self.immutable = True

    def copy(self) -> Headers:
        """Headers with the same fields, which may be changed."""
        if self._make is not None:
            self._look()
        twin = type(self)(None, None, self._handler)
        twin.lines, twin._keys, twin.plain = self.lines, self._keys, self.plain
        return twin

    def __len__(self) -> int:
        """The number of fields; two of the same name are two."""
        if self._make is not None:
            self._look()
        return len(self.lines)

    def __bool__(self) -> bool:
        """True, with no field too: `headers or Headers()` would lose the empty ones."""
        return True

    def __contains__(self, name: str | bytes) -> bool:
        return self.hasHeader(name)

    def __eq__(self, other: object) -> bool:
        """The same names with the same values; order matters only among equal names."""
        if not isinstance(other, Headers):
            return NotImplemented
        return len(self) == len(other) and self._values() == other._values()

    __hash__ = None  # type: ignore[assignment]

    def __repr__(self) -> str:
        """The fields; of those that carry secrets, the name alone."""
        if self._make is not None:
            self._look()
        shown = [
            f"{name!r}: {'(hidden)' if name.lower() in _SECRET else value!r}"
            for name, value in map(_pair, self.lines)
        ]
        return f"<Headers {{{', '.join(shown)}}}>"
