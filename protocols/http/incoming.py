"""What came of an exchange: the head and body of a request, and the application called for it.

It holds that the application is called for what has come and nothing else, in order, and
that what it raises is logged once, and costs its own answer or this connection.
"""

from __future__ import annotations

import logging
import os
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reactorlib.defer import CancelledError, Deferred, ensureDeferred
from reactorlib.error import ConnectingCancelledError
from reactorlib.failure import Failure
from reactorlib.interfaces import INegotiated
from reactorlib.protocols.http.framing import FINISHED, UNSENT
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.parser import (
    CHUNKED,
    EXPECT_CONTINUE,
    EXPECT_UNKNOWN,
    HAS_BODY,
    IS_CONNECT,
    IS_HEAD,
    KEEP_ALIVE,
    UPGRADE,
    ChunkDecoder,
)

if TYPE_CHECKING:
    from reactorlib.protocols.http.channel import HTTPChannel

logger = logging.getLogger("reactorlib")

# Most requests have the first of these and no other.
UNUSUAL = KEEP_ALIVE | IS_HEAD | IS_CONNECT | HAS_BODY
VERSIONS = ((1, 0), (1, 1))
SAFE = frozenset((b"GET", b"HEAD", b"OPTIONS", b"TRACE"))


class IncomingRequest:
    """The half of a ChannelRequest that deals with what comes, and with who is called for it."""

    __slots__ = (
        "__dict__",  # of the few that set any of what stands below
        "_data",
        "_framing",
        "_head",
        "_plain",
        "channel",
        "incoming",
        "persistent",
        "request",
    )

    _decoder: ChunkDecoder | None = None
    _waiting: list[bytes] | None = None  # what was written before its turn
    _left = 0  # bytes of the answer's body that were announced and not written yet
    _producer: Any = None
    _streaming = False
    _callback: Any = None
    _continued = False
    _following: Deferred[Any] | None = None
    _lost: BaseException | None = None  # what the application was told, when it lost this

    def __init__(self, channel: HTTPChannel, data: bytes, head: Any) -> None:
        """`head` is what the parser made of `data`, which may go on behind it."""
        flags = head[5]
        self.channel = channel
        self._data = data
        self._head = head
        self._framing = UNSENT
        self.request: Any = None
        # Bytes of the body that have not come yet; -1 until all of an unknown number have.
        self.incoming = 0
        self._plain = head[4]  # whether the answer may leave in one piece
        self.persistent = channel.allowPersistentConnections
        if flags & UNUSUAL != KEEP_ALIVE:
            self._unusual(flags)

    def _unusual(self, flags: int) -> None:
        if flags & (IS_HEAD | IS_CONNECT):
            self._plain = 0
        self.persistent = self.persistent and flags & KEEP_ALIVE != 0
        if flags & HAS_BODY:
            self.incoming = self._head[6]
            if flags & CHUNKED:
                self._decoder = ChunkDecoder(self.channel.parser.limits)

    def start(self) -> None:
        """Make the request and let it begin."""
        try:
            data, head = self._data, self._head
            make = self.channel.makeRequest
            request = self.request = make(
                self,
                data[head[0] : head[1]],
                data[head[2] : head[3]],
                VERSIONS[head[4]],
                self.headers,
            )
            outcome = request.process()
            if outcome is not None:
                self.follow(outcome)
            if self.request is not None:
                request.flush()
                if not self.incoming:
                    request.handleContentComplete()
        except Exception:
            self._failed(Failure())

    @property
    def method(self) -> bytes:
        """The method of the request."""
        return self._data[self._head[0] : self._head[1]]

    @property
    def safe(self) -> bool:
        """Whether it changes nothing, not even the protocol: others may begin beside it."""
        return self.method in SAFE and not self._head[5] & UPGRADE

    @property
    def unexpected(self) -> bool:
        """Whether its client expects what is unknown here."""
        return bool(self._head[5] & EXPECT_UNKNOWN)

    def receive(self, data: bytes, start: int, end: int) -> int:
        """Take what is there of the body; returns the offset of what follows it."""
        if self._decoder is not None:
            return self._receive_chunks(self._decoder, data, start, end)
        stop = min(end, start + self.incoming)
        self.incoming -= stop - start
        self._content(data[start:stop])
        if not self.incoming:
            self._complete()
        return stop

    def _receive_chunks(self, decoder: ChunkDecoder, data: bytes, start: int, end: int) -> int:
        pieces = decoder.feed(data, start, end)
        if decoder.expected > self.channel.maxContentLength:
            self._is_too_large()
            return end
        if pieces:
            self._content(pieces[0] if len(pieces) == 1 else b"".join(pieces))
        if decoder.done:
            self.incoming = 0
            self._complete()
        return decoder.consumed

    def _content(self, data: bytes) -> None:
        if self.request is None:
            self.channel.discarded(len(data))
            return
        try:
            self.request.handleContentChunk(data)
        except Exception:
            self._failed(Failure())

    def _complete(self) -> None:
        if self.request is None:
            return
        try:
            if self._decoder is not None:
                self.request.in_trailers = Headers.deferred(self._trailers)
            self.request.handleContentComplete()
        except Exception:
            self._failed(Failure())

    def connectionLost(self, reason: Failure) -> None:
        """The connection is gone."""
        request, self.request = self.request, None
        self._framing = FINISHED
        self._lost = self._lost or reason.value
        if self._waiting is not None:
            self.stop_producer()
        self._producer = None  # its transport has told it, if it had one
        if request is not None:
            self._guarded(request.connectionLost, reason)
        if self._following is not None:
            self._following.cancel()

    def take_from_application(self, reason: Exception) -> None:
        """The answer is given by another: for the application the connection is lost."""
        request, self.request = self.request, None
        self._lost = reason
        producer = self._producer
        if producer is not None:
            self.unregisterProducer()
            self._guarded(producer.stopProducing)
        if request is not None:
            self._guarded(request.connectionLost, Failure(reason))
        if self._following is not None:
            self._following.cancel()

    def follow(self, outcome: Any) -> None:
        following = outcome if isinstance(outcome, Deferred) else ensureDeferred(outcome)
        self._following = following
        following.addErrback(self._failed)

    def _failed(self, failure: Failure) -> None:
        """The application raised. It may, what it was told of when it lost this."""
        was_told = failure.value is self._lost or failure.check(
            CancelledError, ConnectingCancelledError
        )
        if was_told and (self._lost is not None or self._framing == FINISHED):
            return
        logger.error(
            "Unhandled error in %r: %s", self, failure.getErrorMessage(), exc_info=failure.value
        )
        if self._framing == FINISHED:
            return
        # What waits for its turn can be replaced as a whole: nothing of it has left.
        if self.request is None or (self._waiting is not None and self._framing):
            self._is_at_fault()
        else:
            self._guarded(self.request.processingFailed, failure)

    def _guarded(self, function: Callable[..., object], *arguments: Any) -> None:
        try:
            function(*arguments)
        except Exception:
            logger.exception("Unhandled error in %r", self)
            self._cut(False)

    def headers(self) -> Headers:
        """The fields of the request."""
        return Headers.deferred(self.getFields)

    def _trailers(self) -> list[tuple[bytes, bytes]]:
        return [] if self._decoder is None else self._decoder.trailers

    @property
    def reactor(self) -> Any:
        return self.channel.transport.reactor

    @property
    def hasBody(self) -> bool:
        return self.incoming != 0

    @property
    def begun(self) -> bool:
        """Whether the answer's head has been written."""
        return self._framing != UNSENT

    @property
    def finished(self) -> bool:
        """Whether its end has been written, or the connection lost."""
        return self._framing == FINISHED

    def mentions(self, *words: bytes) -> bool:
        fields = self._head[7]  # what follows them may be taken for one of them
        text = self._data[fields : fields + self.channel.maxHeaderLength].lower()
        for word in words:  # noqa: SIM110 - any() costs as much again
            if word in text:
                return True
        return False

    @property
    def _awaited(self) -> bool:
        """Whether the client waits to hear that its body is wanted."""
        expected = self._head[5] & EXPECT_CONTINUE and not self._continued
        return bool(expected and self.incoming == (self._head[6] or -1))

    def getHostInfo(self) -> tuple[Any, bool]:
        transport = self.channel.transport
        return transport.getHost(), INegotiated.providedBy(transport)

    def getRemoteHost(self) -> Any:
        return self.channel.transport.getPeer()

    def getFields(self) -> list[tuple[bytes, bytes]]:
        head = self._head
        return self.channel.head.fields(self._data, head[7], len(self._data), head[8])

    def getAddresses(self) -> tuple[Any, Any, bool]:
        channel = self.channel
        if channel.addresses is None:
            host, secure = self.getHostInfo()
            channel.addresses = (ends_of(host), ends_of(self.getRemoteHost()), secure)
        addresses: tuple[Any, Any, bool] = channel.addresses
        return addresses

    def pauseProducing(self) -> None:
        if self.incoming and self._framing != FINISHED:
            self.channel.hold_body()

    def resumeProducing(self) -> None:
        if self.incoming:
            self.channel.release_body()

    # What the other half does about it

    def _is_at_fault(self) -> None:
        raise NotImplementedError

    def _is_too_large(self) -> None:
        raise NotImplementedError

    def _cut(self, close_write: bool) -> None:
        raise NotImplementedError

    def stop_producer(self) -> None:
        raise NotImplementedError

    def unregisterProducer(self) -> None:
        raise NotImplementedError


def ends_of(address: Any) -> tuple[str | None, int | None]:
    """Host and port of an address; of a UNIX socket its path."""
    host = getattr(address, "host", None)
    if host is not None:
        return host, address.port
    name = getattr(address, "name", None)
    return (os.fsdecode(name) if name else None), None
