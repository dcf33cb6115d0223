"""What came of a request in memory, and the application called for it: half of a double.

The other half, what is answered, is MemoryChanRequest in `http`.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from typing import Any

from reactorlib.defer import CancelledError, Deferred, ensureDeferred
from reactorlib.failure import Failure
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.incoming import ends_of
from reactorlib.testing.transports import StringTransport

logger = logging.getLogger("reactorlib")

Fields = Headers | Mapping[Any, Any] | None
Version = tuple[int, int]


def headers_of(fields: Fields) -> Headers:
    """Headers of names with their values, each of which may be one or a list."""
    if isinstance(fields, Headers):
        return fields
    given = {} if fields is None else fields
    lists = {
        name: [values] if isinstance(values, str | bytes) else values
        for name, values in given.items()
    }
    return Headers(rawHeaders=lists)


class MemoryIncomingRequest:
    """A request that comes as a test says."""

    def __init__(
        self,
        requestFactory: Callable[..., Any],
        method: bytes = b"GET",
        uri: bytes = b"/",
        headers: Fields = None,
        version: Version = (1, 1),
        *,
        queued: bool = False,
        secure: bool = False,
        hostAddress: Any = None,
        peerAddress: Any = None,
    ) -> None:
        self.request: Any = None
        self.code: int | None = None
        self.message: bytes | None = None
        self.headers: Headers | None = None
        self.intermediates: list[tuple[int, Headers]] = []
        self.finished = False
        self.paused = False
        self.switchedTo: Any = None
        self.transport = StringTransport(hostAddress, peerAddress, lenient=True)
        self._factory = requestFactory
        self._arguments = method, uri, version
        self._in_headers = headers_of(headers)
        self._secure = secure
        self._waiting: list[tuple[Callable[..., object], tuple[Any, ...]]] | None = None
        if queued:
            self._waiting = []
        self.persistent = self._asks_to_persist()
        self._begun = self._over = self._switching = self._bodiless = False
        self._left: int | None = None  # of the length that was announced
        self._body: list[bytes] = []  # not given to the application yet
        self._taken = self._complete = self._told = False
        self._trailers: Fields = None
        self._producer: Any = None
        self._streaming = False
        self._callback: Any = None
        self._following: Deferred[Any] | None = None

    def _asks_to_persist(self) -> bool:
        options = self._in_headers.getHeader(b"connection", ())
        if self._arguments[2] == (1, 0):
            return b"keep-alive" in options
        return b"close" not in options

    def run(self, body: bytes = b"") -> Any:
        """Have the request come with its whole body; returns what the factory made."""
        self.begin()
        if body:
            self.deliver(body)
        self.endBody()
        return self.request

    def begin(self) -> Any:
        """Have its head come; the body, if any, by `deliver` and `endBody`."""
        method, uri, version = self._arguments
        try:
            self.request = self._factory(self, method, uri, version, self._in_headers)
            outcome = self.request.process()
            if outcome is not None:
                self.follow(outcome)
            if not self._over:
                self.request.flush()
        except Exception:
            self._failed(Failure())
        return self.request

    def deliver(self, data: bytes) -> None:
        """Have some of the body come; while paused it waits."""
        self._taken = True
        self._body.append(data)
        self._give()

    def endBody(self, trailers: Fields = None) -> None:
        """Have its end come."""
        self._complete = True
        self._trailers = trailers
        self._give()

    @property
    def queued(self) -> bool:
        """Whether others come first."""
        return self._waiting is not None

    def _give(self) -> None:
        if self._over or self.paused or self.request is None:
            return
        body, self._body = self._body, []
        while body and not (self.paused or self._over):
            self._call(self.request.handleContentChunk, body.pop(0))
        self._body = body + self._body
        if self._complete and not (self._told or self.paused or self._over):
            self._told = True
            if self._trailers is not None:
                self.request.in_trailers = headers_of(self._trailers)
            self._call(self.request.handleContentComplete)

    def _call(self, function: Callable[..., object], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception:
            self._failed(Failure())

    def _failed(self, failure: Failure) -> None:
        if self._over and failure.check(CancelledError):
            return
        logger.error(
            "Unhandled error in %r: %s", self, failure.getErrorMessage(), exc_info=failure.value
        )
        if self._over:
            return
        if self.request is None or (self._waiting is not None and self._begun):
            self._is_at_fault()
        else:
            self._guarded(self.request.processingFailed, failure)

    def _guarded(self, function: Callable[..., object], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception:
            logger.exception("Unhandled error in %r", self)
            self._cut(reset=True)

    @property
    def reactor(self) -> Any:
        return self.transport.reactor

    @property
    def hasBody(self) -> bool:
        return self._incoming

    def follow(self, outcome: Any) -> None:
        following = outcome if isinstance(outcome, Deferred) else ensureDeferred(outcome)
        self._following = following
        following.addErrback(self._failed)

    @property
    def _awaited(self) -> bool:
        """Whether the client waits to hear that its body is wanted."""
        expected = self._in_headers.getRawHeaders(b"expect") == [b"100-continue"]
        return expected and self._arguments[2] != (1, 0) and not self._taken

    @property
    def _incoming(self) -> bool:
        """Whether some of its body has not come yet."""
        framing = {b"content-length", b"transfer-encoding"} & self._in_headers.names()
        return not self._complete and bool(framing or self._body or self._taken)

    def getHostInfo(self) -> tuple[Any, bool]:
        return self.transport.getHost(), self._secure

    def getRemoteHost(self) -> Any:
        return self.transport.getPeer()

    def getFields(self) -> list[tuple[bytes, bytes]]:
        named = self._in_headers.getAllRawHeaders()
        return [(name, value) for name, values in named for value in values]

    def getAddresses(self) -> tuple[Any, Any, bool]:
        host, secure = self.getHostInfo()
        return ends_of(host), ends_of(self.getRemoteHost()), secure

    def mentions(self, *words: bytes) -> bool:
        return True

    def pauseProducing(self) -> None:
        if not (self._told or self._over):
            self.paused = True

    def resumeProducing(self) -> None:
        if self.paused:
            self.paused = False
            self._give()

    # What the other half does about it

    def _is_at_fault(self) -> None:
        raise NotImplementedError

    def _cut(self, reset: bool) -> None:
        raise NotImplementedError
