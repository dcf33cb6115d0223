"""Answers a GET or HEAD with something that stands in a file: whole, in part, or not at all.

The If-* fields are looked at in the order of RFC 9110, 13.2.2. The file is closed when
the answer is over, however it ends. A file that is shorter than it was said to be costs
the connection, for its Content-Length cannot be kept, and is logged once.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, NamedTuple

from reactorlib.protocols.filesender import TransferStopped
from reactorlib.protocols.http.byteranges import (
    Part,
    Span,
    choose_spans,
    content_range,
    multipart,
)
from reactorlib.protocols.http.fields.dates import generateDate
from reactorlib.protocols.http.fields.etags import ETag, generateETag
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.preconditions import checkIfRange
from reactorlib.protocols.http.resource import ErrorPage
from reactorlib.protocols.http.server import NOT_DONE_YET
from reactorlib.protocols.http.status import OK, PARTIAL_CONTENT, REQUESTED_RANGE_NOT_SATISFIABLE

SMALL = 131_072  # up to here a body is read, and leaves together with the head
_CONDITIONS = frozenset(
    (b"if-match", b"if-none-match", b"if-modified-since", b"if-unmodified-since")
)


@dataclass(slots=True, eq=False)
class Representation:
    """What can be sent.

    Attributes:
        file: of bytes, with read, seek and close.
        size: how many there are.
        contentType: the value of Content-Type.
        etag: its version.
        modified: seconds since 1970; None if that is not known.
        encoding: the value of Content-Encoding; none if empty.
        varies: whether another could have been sent to a client with another Accept-Encoding.
    """

    file: Any
    size: int
    contentType: bytes
    etag: ETag
    modified: int | None = None
    encoding: bytes = b""
    varies: bool = False


class _Planned(NamedTuple):
    code: int
    headers: Headers


def wants_all(request: Any) -> bool:
    """Whether it is answered with all there is, whatever it may be."""
    return request.method == b"GET" and not request.mentions(b"if-", b"range")


def whole_head(shown: Representation) -> Headers:
    """The fields of such an answer, but for its length."""
    headers = Headers()
    _name_version(headers, shown)
    _describe(headers, shown)
    headers.setRawHeaders(b"Content-Type", (shown.contentType,))
    return headers


def send_again(request: Any, headers: Headers, file: Any, size: int) -> Any:
    """Send all of a large one, with the whole_head of what it was; what render returns for it."""
    try:
        request.out_headers.update(headers)
        request.finishWithFile(file, 0, size)
    except BaseException:
        file.close()
        raise
    return NOT_DONE_YET


def answer(request: Any, shown: Representation) -> Any:
    """What a resource's render returns for it."""
    try:
        result = _answer(request, shown)
    except BaseException:
        shown.file.close()
        raise
    if isinstance(result, bytes):
        shown.file.close()
    return result


def _answer(request: Any, shown: Representation) -> Any:
    if wants_all(request):
        request.out_headers.update(whole_head(shown))
        parts = [Part(b"", 0, shown.size)]
    else:
        refusal = _refusal(request, shown)
        if refusal is not None:
            return refusal
        spans = _spans(request, shown)
        if spans is not None and not spans:
            request.setResponseHeader(b"Content-Range", b"bytes */%d" % shown.size)
            return ErrorPage(REQUESTED_RANGE_NOT_SATISFIABLE).render(request)
        parts = _parts(request, shown, spans)
    length = sum([len(part.head) + part.stop - part.start for part in parts])
    if request.method != b"HEAD" and length <= SMALL:
        return _read(shown.file, parts)
    if len(parts) > 1:
        request.setResponseHeader(b"Content-Length", b"%d" % length)
        return _send_all(request, shown.file, parts)
    request.finishWithFile(shown.file, parts[0].start, length)
    return NOT_DONE_YET


def _refusal(request: Any, shown: Representation) -> Any:
    """What the If-* fields have been answered with, if they have."""
    _name_version(request.out_headers, shown)
    if not request.mentions(b"if-") or _CONDITIONS.isdisjoint(request.in_headers.names()):
        return None
    if request.checkPreconditions(True, shown.etag, shown.modified):
        return None
    shown.file.close()
    return NOT_DONE_YET


def _name_version(headers: Headers, shown: Representation) -> None:
    headers.setRawHeaders(b"ETag", (generateETag(shown.etag),))
    if shown.modified is not None:
        headers.setRawHeaders(b"Last-Modified", (generateDate(shown.modified),))
    if shown.varies:
        headers.setRawHeaders(b"Vary", (b"Accept-Encoding",))


def _describe(headers: Headers, shown: Representation) -> None:
    headers.setRawHeaders(b"Accept-Ranges", (b"bytes",))
    if shown.encoding:
        headers.setRawHeaders(b"Content-Encoding", (shown.encoding,))


def _parts(request: Any, shown: Representation, spans: list[Span] | None) -> list[Part]:
    """What the body is made of; the fields that tell of it are set."""
    headers = request.out_headers
    _describe(headers, shown)
    if spans is None:
        headers.setRawHeaders(b"Content-Type", (shown.contentType,))
        return [Part(b"", 0, shown.size)]
    request.setResponseCode(PARTIAL_CONTENT)
    if len(spans) == 1:
        headers.setRawHeaders(b"Content-Type", (shown.contentType,))
        headers.setRawHeaders(b"Content-Range", (content_range(spans[0], shown.size),))
        return [Part(b"", *spans[0])]
    boundary, parts = multipart(spans, shown.size, shown.contentType)
    headers.setRawHeaders(b"Content-Type", (b"multipart/byteranges; boundary=" + boundary,))
    return parts


def _spans(request: Any, shown: Representation) -> list[Span] | None:
    """What Range asks for; None if all is to be sent."""
    if request.method != b"GET" or not request.mentions(b"range"):
        return None
    if not checkIfRange(request, _Planned(OK, request.out_headers)):
        return None
    return choose_spans(request.in_headers.getHeader(b"range"), shown.size)


def _read(file: Any, parts: list[Part]) -> bytes:
    """All of a small body: nothing of it has been sent if it cannot be read."""
    pieces: list[bytes] = []
    for head, start, stop in parts:
        if start or len(parts) > 1:
            file.seek(start)
        data = file.read(stop - start)
        if len(data) < stop - start:
            raise OSError(f"the file ends before byte {stop}")
        pieces += (head, data) if head else (data,)
    return pieces[0] if len(pieces) == 1 else b"".join(pieces)


async def _send_all(request: Any, file: Any, parts: list[Part]) -> int:
    """Send one of several parts, one after the other."""
    try:
        for head, start, stop in parts:
            if head:
                request.write(head)
            file.seek(start)
            if start < stop and await request.writeFile(file, stop - start) < stop - start:
                break
        request.finish()
    except TransferStopped:
        pass
    finally:
        file.close()
    return NOT_DONE_YET
