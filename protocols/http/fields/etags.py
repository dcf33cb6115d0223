"""Entity tags (RFC 9110, 8.8.3) and the fields that compare them (13.1)."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal

from reactorlib.protocols.http.fields.dates import generateDate, parseDate
from reactorlib.protocols.http.fields.grammar import Reader, elements, whole

_OPAQUE = re.compile(rb"[!#-~\x80-\xff]*")
ANY: Literal[b"*"] = b"*"


@dataclass(frozen=True)
class ETag:
    """The tag of one version of what is served; `tag` is without its quotes.

    A weak one says that the versions mean the same, not that their bytes are the same.
    """

    tag: bytes
    weak: bool = False

    def match(self, other: object, strongCompare: bool) -> bool:
        """Whether both name the same version; two weak ones never do if compared strongly."""
        if not isinstance(other, ETag) or other.tag != self.tag:
            return False
        return not (strongCompare and (self.weak or other.weak))


def _read(reader: Reader) -> ETag:
    weak = reader.take(b"W/")
    if weak and reader.data[reader.position : reader.position + 1] != b'"':
        raise ValueError("a tag follows W/ at once")
    reader.expect(b'"')
    tag = reader.matched(_OPAQUE)
    if reader.data[reader.position : reader.position + 1] != b'"':
        raise ValueError("the tag does not end")
    reader.position += 1
    return ETag(tag, weak)


def parseETag(value: bytes) -> ETag:
    """ETag."""
    return whole(value, _read)


def generateETag(etag: ETag) -> bytes:
    """ETag. Raises ValueError for a tag with quotes, blanks or controls."""
    if _OPAQUE.fullmatch(etag.tag) is None:
        raise ValueError(f"{etag.tag!r} cannot be an entity tag")
    return b'%b"%b"' % (b"W/" if etag.weak else b"", etag.tag)


def parseETags(value: bytes) -> tuple[ETag, ...] | Literal[b"*"]:
    """If-Match and If-None-Match: tags, one at least, or b"*" for any."""
    if value == ANY:
        return ANY
    found = elements(value, _read)
    if not found:
        raise ValueError("no tag is given")
    return found


def generateETags(etags: tuple[ETag, ...] | Literal[b"*"]) -> bytes:
    """If-Match and If-None-Match."""
    if etags == ANY:
        return ANY
    if not etags:
        raise ValueError("no tag is given")
    return b", ".join([generateETag(etag) for etag in etags if isinstance(etag, ETag)])


def parseIfRange(value: bytes) -> ETag | int:
    """If-Range: a tag, or a date in seconds since 1970."""
    return parseETag(value) if value[:2] == b"W/" or value[:1] == b'"' else parseDate(value)


def generateIfRange(value: ETag | int) -> bytes:
    """If-Range."""
    return generateETag(value) if isinstance(value, ETag) else generateDate(value)
