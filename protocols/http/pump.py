"""Sends an async iterator as the body of an answer, at the client's pace."""

from __future__ import annotations

from collections.abc import AsyncIterable, AsyncIterator
from typing import Any

from zope.interface import implementer

from reactorlib.defer import Deferred
from reactorlib.interfaces import IPushProducer
from reactorlib.protocols.http.framing import WITHOUT_BODY

END: Any = object()


@implementer(IPushProducer)
class Pump:
    """Takes the next piece when the client has room for it; finishes the request."""

    __slots__ = ("_pieces", "_request", "_room", "_running")

    def __init__(self, request: Any, pieces: AsyncIterable[bytes]) -> None:
        self._request = request
        self._pieces = pieces
        self._room: Deferred[None] | None = None
        self._running = True

    async def run(self) -> None:
        """Send all of it. What the iterator raises is raised."""
        self._request.registerProducer(self, True)
        try:
            async for piece in self._pieces:
                self._request.write(piece)
                if self._room is not None:
                    await self._room
                if not self._running:
                    return
        finally:
            await self._close()
            self._request.unregisterProducer()
        self._request.finish()

    async def _close(self) -> None:
        await close(self._pieces)

    def pauseProducing(self) -> None:
        if self._room is None:
            self._room = Deferred()

    def resumeProducing(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.callback(None)

    def stopProducing(self) -> None:
        self._running = False
        self.resumeProducing()


async def answer_with(request: Any, pieces: AsyncIterable[bytes]) -> None:
    """Send an async iterator as an answer, and finish it.

    The head leaves with the first piece: until then it may be changed, or all fail. No
    other piece is made for an answer that has no body: there may be no end of them.
    """
    iterator = aiter(pieces)
    whole = True
    try:
        first = await anext(iterator, END)
        whole = first is END or request.method == b"HEAD" or request.code in WITHOUT_BODY
    finally:
        if whole:
            await close(pieces)
    if not whole:
        await Pump(request, _beginning_with(first, iterator)).run()
    else:
        request.finish()


async def _beginning_with(first: bytes, rest: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    try:
        yield first
        async for piece in rest:
            yield piece
    finally:
        await close(rest)


async def close(pieces: Any) -> None:
    """Have an async iterator clean up, if it can."""
    aclose = getattr(pieces, "aclose", None)
    if aclose is not None:
        await aclose()
