"""The bodies of forms, cut into fields: urlencoded, and multipart/form-data (RFC 7578).

Bytes go in as they come, in any pieces; out come events: a PartHead, the bytes of that
part, None at its end. What is malformed, or beyond the limits, raises FormError. No more
is kept than a part's head, or one urlencoded field.

Multipart is the business of the library `multipart`, which may not be installed.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote_to_bytes

try:
    import multipart
except ImportError:  # the extra `forms` is not installed
    multipart = None

BAD_REQUEST, TOO_LARGE = 400, 413
LONGEST_BOUNDARY = 70  # RFC 2046, 5.1.1
BYTES = "latin-1"  # one character for each: a page in another encoding sends no UTF-8
DEFAULT_TYPE, DEFAULT_FILE_TYPE = b"text/plain", b"application/octet-stream"


class FormError(ValueError):
    """A form that is not taken; `status` is what to answer: 400, 413 or 415."""

    def __init__(self, status: int, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class MissingLibrary(RuntimeError):
    """A multipart form came, and what reads it is not installed."""

    def __init__(self) -> None:
        super().__init__(
            "multipart forms need the library `multipart`: pip install 'reactorlib[forms]'"
        )


@dataclass(frozen=True)
class FormLimits:
    """How large a form may be.

    Attributes:
        maxMem: bytes of its files that are kept in memory; then they go to a temporary file.
        maxFields: its fields and files, in number.
        maxFieldsSize: bytes of the names and values of all fields together.
        maxFileSize: bytes of each file.
        maxSize: bytes of the whole form, as it is sent.
    """

    maxMem: int = 102_400
    maxFields: int = 1024
    maxFieldsSize: int = 2**20
    maxFileSize: int = 2**30
    maxSize: int = 2**30


@dataclass(frozen=True)
class PartHead:
    """What is told of a field before its value.

    Attributes:
        name: of the field, bytes.
        filename: of a file, as its owner calls it: no path to open here. None for a field.
        contentType: its type, bytes.
    """

    name: bytes
    filename: str | None = None
    contentType: bytes = DEFAULT_TYPE


Event = PartHead | bytes | None


class UrlencodedFields:
    """application/x-www-form-urlencoded; the query of a URI too."""

    def __init__(self, limits: FormLimits) -> None:
        self._limits = limits
        self._pending = bytearray()
        self._count = 0

    def feed(self, data: bytes) -> Iterator[Event]:
        """The fields that are complete now."""
        first, *others = data.split(b"&")
        self._pending += first
        for piece in others:
            yield from self.end()
            self._pending = bytearray(piece)
        if len(self._pending) > self._limits.maxFieldsSize:
            raise FormError(TOO_LARGE, "a field is too long")

    def end(self) -> Iterator[Event]:
        """The last one."""
        if self._pending:
            self._count += 1
            if self._count > self._limits.maxFields:
                raise FormError(TOO_LARGE, f"{self._limits.maxFields} fields at most")
            name, _, value = bytes(self._pending).replace(b"+", b" ").partition(b"=")
            yield PartHead(unquote_to_bytes(name))
            yield unquote_to_bytes(value)
            yield None


class MultipartFields:
    """multipart/form-data. Raises MissingLibrary without what reads it."""

    def __init__(self, boundary: bytes, limits: FormLimits) -> None:
        if multipart is None:
            raise MissingLibrary
        if not 0 < len(boundary) <= LONGEST_BOUNDARY or b"\n" in boundary:
            raise FormError(BAD_REQUEST, "a multipart form has a boundary of 1 to 70 characters")
        self._parser = multipart.PushMultipartParser(
            boundary,
            max_segment_size=limits.maxFileSize,
            max_segment_count=limits.maxFields,
            header_charset=BYTES,
        )

    def feed(self, data: bytes) -> Iterator[Event]:
        """What is known now."""
        try:
            for event in self._parser.parse(data):
                if event is None or isinstance(event, bytes):
                    yield event
                else:
                    yield _head(event)
        except multipart.MultipartError as refused:
            raise _refusal(refused) from None

    def end(self) -> Iterator[Event]:
        """Nothing; raises FormError if the form was not complete."""
        try:
            self._parser.close()
        except multipart.MultipartError as refused:
            raise _refusal(refused) from None
        return iter(())


def _head(segment: Any) -> PartHead:
    if not segment.name:
        raise FormError(BAD_REQUEST, "a part of the form has no name")
    default = DEFAULT_TYPE if segment.filename is None else DEFAULT_FILE_TYPE
    kind = segment.header("Content-Type", "").encode(BYTES) or default
    filename = segment.filename
    if filename is not None:
        filename = filename.encode(BYTES).decode("utf-8", "replace")
    return PartHead(segment.name.encode(BYTES), filename, kind)


def _refusal(refused: Exception) -> FormError:
    too_large = isinstance(refused, multipart.ParserLimitReached)
    return FormError(TOO_LARGE if too_large else BAD_REQUEST, str(refused))
