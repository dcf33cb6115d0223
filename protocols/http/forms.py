"""Forms: what the fields of a page were filled in with, and the files that were chosen.

`Form` takes a form whole, as it comes: its fields in memory, its files in one temporary
file if they are not small. `parts` hands it on piece by piece, as fast as it is read.
Neither ever holds more in memory than its FormLimits say.
"""

from __future__ import annotations

import io
from collections.abc import AsyncIterator, Iterator
from tempfile import SpooledTemporaryFile
from threading import Lock
from typing import IO, Any

from reactorlib.protocols.http.body import Gathered, empty
from reactorlib.protocols.http.formparsers import (
    TOO_LARGE,
    Event,
    FormError,
    FormLimits,
    MissingLibrary,
    MultipartFields,
    PartHead,
    UrlencodedFields,
)
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.status import UNSUPPORTED_MEDIA_TYPE

__all__ = ["Form", "FormError", "FormLimits", "MissingLibrary", "Part", "Upload", "parts"]

Fields = UrlencodedFields | MultipartFields
Values = dict[bytes, list[bytes]]
USUAL_LIMITS = FormLimits()


class Upload:
    """A file of a form; there until the request is finished.

    Attributes:
        name: of the field, bytes.
        filename: as its owner calls it, str: no path to open here.
        contentType: what its owner says it is, bytes.
        size: bytes.
    """

    __slots__ = ("_file", "_section", "contentType", "filename", "name", "size")

    def __init__(self, head: PartHead, section: _Section) -> None:
        self.name = head.name
        self.filename = head.filename or ""
        self.contentType = head.contentType
        self.size = section.size
        self._section = section
        self._file: IO[bytes] | None = None

    @property
    def file(self) -> IO[bytes]:
        """What is in it, as a file to read. Raises ValueError once the request is finished."""
        if self._file is None:
            self._file = io.BufferedReader(self._section)
        return self._file

    def __repr__(self) -> str:
        return f"<Upload {self.name!r} {self.filename!r}, {self.size} bytes>"


class _Section(io.RawIOBase):
    """Some bytes of a file that is shared; each reader has a position of its own."""

    def __init__(self, file: IO[bytes], lock: Lock, start: int, size: int) -> None:
        super().__init__()
        self._shared = file
        self._lock = lock
        self._start = start
        self._position = 0
        self.size = size

    def readable(self) -> bool:
        return True

    def seekable(self) -> bool:
        return True

    def tell(self) -> int:
        return self._position

    def seek(self, offset: int, whence: int = io.SEEK_SET) -> int:
        position = (0, self._position, self.size)[whence] + offset
        if position < 0:
            raise ValueError(f"a position before the beginning: {position}")
        self._position = position
        return position

    def readinto(self, buffer: Any) -> int:
        length = max(0, min(len(buffer), self.size - self._position))
        with self._lock:
            self._shared.seek(self._start + self._position)
            data = self._shared.read(length)
        buffer[: len(data)] = data
        self._position += len(data)
        return len(data)


class Form(Gathered):
    """The body of a request that is a form, taken apart as it comes.

    `fields` are the values of each field, `files` the Uploads of each; `file` is the body
    itself if it is urlencoded, else empty. `add` and `end` raise FormError.
    """

    def __init__(self, parser: Fields, limits: FormLimits) -> None:
        self._fields = parser
        self._limits = limits
        self._lock = Lock()
        self._size = 0
        self._values = 0  # bytes of names and values
        self._head: PartHead | None = None
        self._field: list[bytes] = []
        self._start = 0
        self.fields: Values = {}
        self.files: dict[bytes, list[Upload]] = {}
        # One file for all of them: however many there are, it is one descriptor.
        self.store: IO[bytes] = SpooledTemporaryFile(limits.maxMem)  # noqa: SIM115
        self._keeps_body = isinstance(parser, UrlencodedFields)
        self.file = self.store if self._keeps_body else empty()

    def add(self, data: bytes) -> None:
        self._size += len(data)
        if self._size > self._limits.maxSize:
            raise FormError(TOO_LARGE, f"a form has at most {self._limits.maxSize} bytes")
        if self._keeps_body:
            self.store.write(data)
        self._take(self._fields.feed(data))

    def end(self) -> None:
        self._take(self._fields.end())
        self.file.seek(0)

    def close(self) -> None:
        self.store.close()

    def _take(self, events: Iterator[Event]) -> None:
        for event in events:
            if isinstance(event, PartHead):
                self._begin(event)
            elif event is None:
                self._complete()
            elif self._head is not None and self._head.filename is not None:
                self.store.write(event)
            else:
                self._count(len(event))
                self._field.append(event)

    def _begin(self, head: PartHead) -> None:
        self._head = head
        self._field = []
        self._start = self.store.tell()
        self._count(len(head.name))

    def _count(self, size: int) -> None:
        self._values += size
        if self._values > self._limits.maxFieldsSize:
            raise FormError(TOO_LARGE, "the fields of the form are too long")

    def _complete(self) -> None:
        head, self._head = self._head, None
        assert head is not None
        if head.filename is None:
            self.fields.setdefault(head.name, []).append(b"".join(self._field))
            return
        size = self.store.tell() - self._start
        if head.filename or size:  # else nothing was chosen
            section = _Section(self.store, self._lock, self._start, size)
            self.files.setdefault(head.name, []).append(Upload(head, section))


class Unread(Gathered):
    """A multipart form that cannot be read here: its body is there, its fields are not."""

    @property
    def fields(self) -> Values:  # type: ignore[override]
        raise MissingLibrary

    @property
    def files(self) -> dict[bytes, list[Upload]]:  # type: ignore[override]
        raise MissingLibrary


def gathering(headers: Headers, limits: FormLimits) -> Gathered:
    """What takes the body of a request with these fields. Raises FormError."""
    try:
        parser = fieldsOf(headers, limits)
    except MissingLibrary:
        return Unread()
    return Gathered() if parser is None else Form(parser, limits)


def fieldsOf(headers: Headers, limits: FormLimits) -> Fields | None:
    """What cuts the body into fields; None if it is no form.

    Raises FormError for a form without a boundary, and MissingLibrary.
    """
    kind = headers.getHeader(b"content-type")
    if kind is None:
        return None
    name = b"%b/%b" % (kind.mediaType, kind.mediaSubtype)
    if name == b"application/x-www-form-urlencoded":
        return UrlencodedFields(limits)
    if name == b"multipart/form-data":
        return MultipartFields(kind.params.get(b"boundary", b""), limits)
    return None


def queryFields(query: bytes, limits: FormLimits) -> Values:
    """The arguments in the query of a URI. Raises FormError."""
    parser = UrlencodedFields(limits)
    found: Values = {}
    name = b""
    for events in (parser.feed(query), parser.end()):
        for event in events:
            if isinstance(event, PartHead):
                name = event.name
            elif event is not None:
                found.setdefault(name, []).append(event)
    return found


class Part:
    """A field of a form that is still coming: an async iterator of the bytes of its value.

    `name`, `filename` (None unless it is a file) and `contentType` are those of PartHead.
    What is not read before the next part is asked for is gone.
    """

    __slots__ = ("_events", "_head")

    def __init__(self, head: PartHead, events: _Events) -> None:
        self._head = head
        self._events: _Events | None = events

    @property
    def name(self) -> bytes:
        return self._head.name

    @property
    def filename(self) -> str | None:
        return self._head.filename

    @property
    def contentType(self) -> bytes:
        return self._head.contentType

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._events is None:
            raise StopAsyncIteration
        event = await self._events.next()
        if not isinstance(event, bytes):
            self._events = None
            raise StopAsyncIteration
        return event

    async def skip(self) -> None:
        """Drop what is left of it."""
        async for _ in self:
            pass


class _Events:
    """The events of a form, asked for one by one: no more of its body is read than that needs."""

    def __init__(self, parser: Fields, body: AsyncIterator[bytes], limits: FormLimits) -> None:
        self._parser = parser
        self._body = body
        self._limits = limits
        self._size = 0
        self._known: Iterator[Event] = iter(())
        self.ended = False

    async def next(self) -> Event:
        """The next one; None too when there are no more."""
        while True:
            for event in self._known:
                return event
            if self.ended:
                return None
            await self._read()

    async def _read(self) -> None:
        async for data in self._body:
            self._size += len(data)
            if self._size > self._limits.maxSize:
                raise FormError(TOO_LARGE, f"a form has at most {self._limits.maxSize} bytes")
            self._known = self._parser.feed(data)
            return
        self._known = self._parser.end()
        self.ended = True


async def parts(request: Any, limits: FormLimits = USUAL_LIMITS) -> AsyncIterator[Part]:
    """The fields of the form that a request brings, for a resource that streams.

    Its body is read no faster than its parts are. Raises FormError for what is no form, is
    malformed or is too large; let it pass, and it is answered so. Raises MissingLibrary.
    """
    parser = fieldsOf(request.in_headers, limits)
    if parser is None:
        raise FormError(UNSUPPORTED_MEDIA_TYPE, "this is no form")
    events = _Events(parser, request.body(), limits)
    head = await events.next()
    while isinstance(head, PartHead):
        part = Part(head, events)
        yield part
        await part.skip()
        head = await events.next()
