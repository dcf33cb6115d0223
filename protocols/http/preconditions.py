"""Conditional requests (RFC 9110, 13): is the version that the client speaks of the one that is?

Facts, then decision:

- 13.2.2 gives the order: If-Match, else If-Unmodified-Since; then If-None-Match, else
  (for GET and HEAD) If-Modified-Since; then If-Range, which decides only about Range.
- If-Match compares strongly, If-None-Match weakly (13.1.1, 13.1.2).
- A date that cannot be read is as if not there (13.1.3, 13.1.4). A list of tags that
  cannot be read names no version: what would change something does not happen.
- An answer that would be no success anyway is given as it is (13.2.1).
"""

from __future__ import annotations

import time
from typing import Protocol

from reactorlib.protocols.http.fields.etags import ANY, ETag
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.status import NOT_MODIFIED, PRECONDITION_FAILED

_READING = (b"GET", b"HEAD")
_UNCONDITIONAL = (b"CONNECT", b"OPTIONS", b"TRACE")


class ConditionalRequest(Protocol):
    """What is looked at in a request."""

    @property
    def method(self) -> bytes: ...
    @property
    def in_headers(self) -> Headers: ...
    @property
    def out_headers(self) -> Headers: ...


class PlannedResponse(Protocol):
    """What is looked at in a response."""

    @property
    def code(self) -> int: ...
    @property
    def headers(self) -> Headers: ...


def checkPreconditions(
    request: ConditionalRequest,
    response: PlannedResponse | None = None,
    entityExists: bool = True,
    etag: ETag | None = None,
    lastModified: float | None = None,
) -> int | None:
    """The status to answer with, NOT_MODIFIED or PRECONDITION_FAILED; None to go on.

    `etag` and `lastModified` (seconds since 1970) are those of what is served now. Where
    one is not given, it is that of the response, or of the request's `out_headers`
    without a response. `entityExists` is False if there is nothing yet, as before a PUT
    that creates.
    """
    if request.method in _UNCONDITIONAL:
        return None
    if response is not None and not 200 <= response.code < 300:
        return None
    out = request.out_headers if response is None else response.headers
    if etag is None:
        etag = out.getHeader(b"etag")
    if lastModified is None:
        lastModified = out.getHeader(b"last-modified")
    asked = request.in_headers
    if not _is_as_expected(asked, entityExists, etag, lastModified):
        return PRECONDITION_FAILED
    reading = request.method in _READING
    if _is_as_known(asked, reading, entityExists, etag, lastModified):
        return NOT_MODIFIED if reading else PRECONDITION_FAILED
    return None


def _is_as_expected(
    asked: Headers, exists: bool, etag: ETag | None, lastModified: float | None
) -> bool:
    """If-Match, or else If-Unmodified-Since."""
    if asked.hasHeader(b"if-match"):
        return exists and _names(asked.getHeader(b"if-match", ()), etag, strongly=True)
    since = asked.getHeader(b"if-unmodified-since")
    return since is None or lastModified is None or int(lastModified) <= since


def _is_as_known(
    asked: Headers, reading: bool, exists: bool, etag: ETag | None, lastModified: float | None
) -> bool:
    """Whether If-None-Match, or else If-Modified-Since, names what is there now."""
    if asked.hasHeader(b"if-none-match"):
        known = asked.getHeader(b"if-none-match")
        if known is None:
            return not reading
        return exists and _names(known, etag, strongly=False)
    since = asked.getHeader(b"if-modified-since")
    if not reading or since is None or lastModified is None or since > time.time():
        return False
    return exists and int(lastModified) <= since


def isKnown(request: ConditionalRequest, etag: ETag | None, lastModified: float | None) -> bool:
    """Whether If-None-Match, or else If-Modified-Since, says that the client knows this."""
    reading = request.method in _READING
    return _is_as_known(request.in_headers, reading, True, etag, lastModified)


def _names(tags: bytes | tuple[ETag, ...], etag: ETag | None, strongly: bool) -> bool:
    """Whether the tags of a field, or its *, name the version that is there."""
    if isinstance(tags, bytes):
        return tags == ANY
    return etag is not None and any(etag.match(tag, strongly) for tag in tags)


def checkIfRange(request: ConditionalRequest, response: PlannedResponse) -> bool:
    """Whether the client may be sent the range it asks for; if not, it gets the whole.

    Without If-Range it may. With it, the tag must match strongly; a date must be the
    exact one of Last-Modified, and a second old, or there may have been two versions
    in it (RFC 9110, 8.8.2.2).
    """
    if not request.in_headers.hasHeader(b"if-range"):
        return True
    known = request.in_headers.getHeader(b"if-range")
    if isinstance(known, ETag):
        return known.match(response.headers.getHeader(b"etag"), strongCompare=True)
    modified: int | None = response.headers.getHeader(b"last-modified")
    return known is not None and known == modified and known < time.time() - 1
