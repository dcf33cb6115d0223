"""Media types (RFC 9110, 8.3.1) and Content-Disposition (RFC 6266, with names of RFC 8187)."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from urllib.parse import quote, unquote_to_bytes

from reactorlib.protocols.http.fields.grammar import (
    Parameters,
    Reader,
    as_parameters,
    as_quoted,
    as_token,
    whole,
)

_ENCODED = rb"((?:[A-Za-z0-9!#$&+\-.^_`|~]|%[0-9A-Fa-f]{2})*)"
_EXTENDED = re.compile(rb"([A-Za-z0-9\-]+)'[A-Za-z0-9\-]*'" + _ENCODED)
_CHARSETS = {b"utf-8": "utf-8", b"iso-8859-1": "iso-8859-1"}
_UNRESERVED = "!#$&+-.^_`|~"
_NOT_IN_PLAIN_NAMES = re.compile(r'[^ -~]|["\\%]')


@dataclass(frozen=True)
class MimeType:
    """`mediaType`/`mediaSubtype`, both in lower case, and the parameters by lower-case name."""

    mediaType: bytes
    mediaSubtype: bytes
    params: Parameters = field(default_factory=dict)

    @classmethod
    def fromString(cls, value: bytes) -> MimeType:
        """The type that is written so. Raises ValueError for what is none."""
        return whole(value, read_mime_type)

    def __hash__(self) -> int:
        return hash((self.mediaType, self.mediaSubtype, frozenset(self.params.items())))


def read_mime_type(reader: Reader) -> MimeType:
    """Take a type with its parameters."""
    major = reader.token().lower()
    if reader.data[reader.position : reader.position + 1] != b"/":
        raise ValueError("a type has a subtype")
    reader.position += 1
    return MimeType(major, reader.token().lower(), reader.parameters())


def generateMimeType(value: MimeType) -> bytes:
    """Content-Type."""
    names = as_token(value.mediaType), as_token(value.mediaSubtype)
    return b"%b/%b" % names + as_parameters(value.params)


@dataclass(frozen=True)
class MimeDisposition:
    """How a part is to be shown: b"inline", b"attachment", b"form-data".

    `filename` is what the sender calls it: a text of any letters, with no promise that
    it is a sound name of a file. `params` are the other parameters.
    """

    dispositionType: bytes
    filename: str | None = None
    params: Parameters = field(default_factory=dict)


def parseMimeDisposition(value: bytes) -> MimeDisposition:
    """Content-Disposition. `filename*` goes before `filename` if it can be read."""
    return whole(value, _read_disposition)


def _read_disposition(reader: Reader) -> MimeDisposition:
    kind = reader.token().lower()
    params = reader.parameters()
    plain, extended = params.pop(b"filename", None), params.pop(b"filename*", None)
    filename = None if extended is None else _decoded(extended)
    if filename is None and plain is not None:
        filename = _as_text(plain)
    return MimeDisposition(kind, filename, params)


def _decoded(extended: bytes) -> str | None:
    """What `charset'language'percent-encoded` says; None if it is not that."""
    match = _EXTENDED.fullmatch(extended)
    charset = _CHARSETS.get(match[1].lower()) if match else None
    if match is None or charset is None:
        return None
    try:
        return unquote_to_bytes(match[2]).decode(charset)
    except UnicodeDecodeError:
        return None


def _as_text(plain: bytes) -> str:
    """Browsers send UTF-8 in quotes, older programs ISO-8859-1."""
    try:
        return plain.decode("utf-8")
    except UnicodeDecodeError:
        return plain.decode("iso-8859-1")


def generateMimeDisposition(value: MimeDisposition) -> bytes:
    """Content-Disposition: a name beyond plain ASCII is sent in both forms (RFC 6266, D)."""
    parts = [as_token(value.dispositionType)]
    if value.filename is not None:
        parts += _generate_filename(value.filename)
    return b"".join(parts) + as_parameters(value.params)


def _generate_filename(filename: str) -> Iterable[bytes]:
    plain = _NOT_IN_PLAIN_NAMES.sub("_", filename)
    yield b";filename=%b" % as_quoted(plain.encode("ascii"))
    if plain != filename:
        yield b";filename*=UTF-8''%b" % quote(filename, safe=_UNRESERVED).encode("ascii")
