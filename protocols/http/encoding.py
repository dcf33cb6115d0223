"""Resources that compress answers, and inflate what is sent to them.

What is compressed is decided from the answer's head and what its client accepts: not a
small one, not a part of something, not what is coded already or would hardly shrink, and
nothing that says no-transform. Caches are told (Vary), and the ETag is made weak, for the
bytes are not the same (RFC 9110, 8.8.3.3). Answers stream: what was written has left, coded,
before more is.

Compressing a secret next to what a client has sent tells him about the secret, by the
length: do not wrap pages that do both (the BREACH attack).
"""

from __future__ import annotations

import logging
from collections.abc import AsyncIterator, Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any

from zope.interface import implementer

from reactorlib.defer import Deferred
from reactorlib.protocols.http.body import AHEAD, Gathered, Streamed
from reactorlib.protocols.http.codings import Compressor, Inflated, TooMuch, available
from reactorlib.protocols.http.delegate import answerBy, gather, handOn
from reactorlib.protocols.http.fields.accept import negotiateEncoding
from reactorlib.protocols.http.framing import content_length
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.interfaces import IChanRequest
from reactorlib.protocols.http.resource import ErrorPage, Resource, getChildForRequest
from reactorlib.protocols.http.status import (
    BAD_REQUEST,
    NOT_MODIFIED,
    REQUEST_ENTITY_TOO_LARGE,
    UNSUPPORTED_MEDIA_TYPE,
)

logger = logging.getLogger("reactorlib")

SMALLEST = 512  # bytes; below that a packet is a packet
WITHOUT_BODY = frozenset((204, 205, 206, 304, 416))
SHRINKING = frozenset(
    (
        *(b"application/javascript", b"application/json", b"application/manifest+json"),
        *(b"application/wasm", b"application/xml", b"application/x-ndjson", b"font/otf"),
        *(b"font/ttf", b"image/bmp", b"image/svg+xml", b"image/x-icon"),
    )
)
IDENTITY = b"identity"
INFLATED = {b"gzip": b"gzip", b"x-gzip": b"gzip", b"deflate": b"deflate"}
Encoders = Mapping[bytes, Callable[[], Compressor]]


def shrinks(contentType: bytes) -> bool:
    """Whether what is of this media type usually gets smaller."""
    kind = contentType.partition(b";")[0].strip(b" \t").lower()
    return kind.startswith(b"text/") or kind in SHRINKING or kind.endswith((b"+json", b"+xml"))


class EncodingResourceWrapper(Resource):
    """Compresses what a resource, and all below it, answers.

    `codings`: names of those to offer, the favourite first; by default all that can be made.
    `smallest`: bytes of a body, if its length is known, from which on it is compressed.
    Raises ValueError for a coding that cannot be made here.
    """

    def __init__(
        self, original: Any, codings: Iterable[bytes] | None = None, smallest: int = SMALLEST
    ) -> None:
        super().__init__()
        makers = available()
        chosen = list(makers if codings is None else codings)
        if unknown := set(chosen) - makers.keys():
            names = b", ".join(sorted(unknown)).decode()
            raise ValueError(f"{names} cannot be made here (is the extra compression installed?)")
        self._original = original
        self._encoders = {name: makers[name] for name in chosen}
        self._smallest = smallest

    @property
    def isLeaf(self) -> bool:  # type: ignore[override]
        leaf: bool = self._original.isLeaf
        return leaf

    @property
    def streaming(self) -> bool:  # type: ignore[override]
        streams: bool = self._original.streaming
        return streams

    def getChildWithDefault(self, path: bytes, request: Any) -> Any:
        self._compress(request)
        return self._original.getChildWithDefault(path, request)

    def render(self, request: Any) -> Any:
        self._compress(request)
        return self._original.render(request)

    def _compress(self, request: Any) -> None:
        if not isinstance(request.chanRequest, CompressingChanRequest):
            accepted = request.in_headers.getHeader(b"accept-encoding")
            request.chanRequest = CompressingChanRequest(
                request.chanRequest,
                request.method == b"HEAD",
                negotiateEncoding(accepted, [*self._encoders, IDENTITY]) or IDENTITY,
                self._encoders,
                self._smallest,
            )


@implementer(IChanRequest)
class CompressingChanRequest:
    """What carries a request (IChanRequest), with bodies of answers coded on their way."""

    def __init__(
        self, inner: Any, is_head: bool, coding: bytes, encoders: Encoders, smallest: int
    ) -> None:
        self._inner = inner
        self._is_head = is_head
        self._coding = coding
        self._encoders = encoders
        self._smallest = smallest
        self._compressor: Compressor | None = None
        self._left: int | None = None  # of the body's length that was announced

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def writeHeaders(
        self,
        code: int,
        headers: Headers,
        message: bytes | None = None,
        length: int | None = None,
    ) -> None:
        if headers.hasHeader(b"content-length"):
            length = content_length(headers)
        if self._codes(code, headers, length):
            self._left = None if self._is_head else length
            headers.removeHeader(b"content-length")
            length = None
        self._inner.writeHeaders(code, headers, message, length)

    def writeResponse(
        self, code: int, headers: Headers, body: bytes, message: bytes | None = None
    ) -> None:
        if not headers.hasHeader(b"content-length") and self._codes(code, headers, len(body)):
            assert self._compressor is not None
            body = self._compressor.add(body) + self._compressor.end()
            self._inner.writeResponse(code, headers, body, message)
        else:
            self._inner.writeResponse(code, headers, body, message)

    def _codes(self, code: int, headers: Headers, length: int | None) -> bool:
        """Whether this answer is coded; then its fields say so."""
        codable = _may_be_coded(code, headers)
        if codable or code == NOT_MODIFIED:
            _vary(headers)
        if (
            not codable
            or self._coding == IDENTITY
            or (length is not None and length < self._smallest)
        ):
            return False
        self._compressor = self._encoders[self._coding]()
        headers.setRawHeaders(b"Content-Encoding", (self._coding,))
        headers.removeHeader(b"accept-ranges")
        etag = headers.getHeader(b"etag")
        if etag is not None:
            headers.setHeader(b"etag", replace(etag, weak=True))
        return True

    def sendFile(self, file: Any, offset: int, count: int) -> Deferred[int] | None:
        """The kernel sends what is not coded: its bytes are not seen here."""
        sent: Deferred[int] | None = None
        if self._compressor is None:
            sent = self._inner.sendFile(file, offset, count)
        return sent

    def write(self, data: bytes) -> None:
        if self._compressor is None:
            self._inner.write(data)
            return
        if self._left is not None:
            if len(data) > self._left:
                raise ValueError(f"{len(data)} bytes, but {self._left} are left of the body")
            self._left -= len(data)
        if data:
            self._inner.write(self._compressor.add(data))

    def finish(self) -> None:
        compressor, self._compressor = self._compressor, None
        if compressor is not None and self._left:
            logger.error("%r: the body is %d bytes short of its length", self._inner, self._left)
            self._inner.abortConnection(False)
            return
        if compressor is not None:
            self._inner.write(compressor.end())
        self._inner.finish()


def _vary(headers: Headers) -> None:
    vary = headers.getHeader(b"vary", ())
    if b"accept-encoding" not in vary and b"*" not in vary:
        headers.addRawHeader(b"Vary", b"Accept-Encoding")


def _may_be_coded(code: int, headers: Headers) -> bool:
    kind = headers.getRawHeaders(b"content-type", (b"",))[-1]
    return (
        code >= 200
        and code not in WITHOUT_BODY
        and shrinks(kind)
        and not headers.hasHeader(b"content-encoding")
        and not headers.hasHeader(b"content-range")
        and b"no-transform" not in b",".join(headers.getRawHeaders(b"cache-control", ())).lower()
    )


class DecodingResourceWrapper(Resource):
    """Decides about compressed bodies that are sent to a resource, and to all below it.

    Without a `limit` they are refused: 415. With one, those in gzip and deflate are
    inflated, to that many bytes at most; more is a 413, for a few thousand bytes may be
    meant to fill the memory. The resources then see no Content-Encoding.
    """

    isLeaf = True
    streaming = True

    def __init__(self, original: Any, limit: int | None = None) -> None:
        super().__init__()
        self._original = original
        self._limit = limit

    def render(self, request: Any) -> Any:
        codings = _codings_of_body(request)
        if not codings:
            return handOn(request, self._original)
        inflated = INFLATED.get(codings[0]) if len(codings) == 1 else None
        if self._limit is None or inflated is None:
            known = IDENTITY if self._limit is None else b"gzip, deflate"
            request.setResponseHeader(b"Accept-Encoding", known)
            return ErrorPage(UNSUPPORTED_MEDIA_TYPE).render(request)
        return self._inflate(request, Inflated(inflated, self._limit))

    async def _inflate(self, request: Any, inflated: Inflated) -> int:
        try:
            gathered = await gather(_pieces(request, inflated))
        except TooMuch:
            return answerBy(request, ErrorPage(REQUEST_ENTITY_TOO_LARGE))
        except ValueError as wrong:
            return answerBy(request, ErrorPage(BAD_REQUEST, None, str(wrong)))
        request.in_headers.removeHeader(b"content-encoding")
        request.in_headers.setHeader(b"content-length", inflated.total)
        found = getChildForRequest(self._original, request)
        request.replaceBody(_streamed(request, gathered) if found.streaming else gathered)
        return answerBy(request, found)


def _codings_of_body(request: Any) -> list[bytes]:
    """The codings of a body that is sent, but for identity; b"" is one that nobody knows."""
    if not request.hasBody or not request.in_headers.hasHeader(b"content-encoding"):
        return []
    codings = request.in_headers.getHeader(b"content-encoding", (b"",))
    return [coding for coding in codings if coding != IDENTITY]


async def _pieces(request: Any, inflated: Inflated) -> AsyncIterator[bytes]:
    """The body of a request, inflated."""
    async for data in request.body():
        for piece in inflated.add(data):
            yield piece
    inflated.end()


def _streamed(request: Any, gathered: Gathered) -> Streamed:
    """The same for who reads it piece by piece."""
    body = Streamed(request)
    while piece := gathered.file.read(AHEAD):
        body.add(piece)
    body.end()
    gathered.close()
    return body
