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
        try:
            await self._send(aiter(self._pieces))
        finally:
            await self._close()
            self._request.unregisterProducer()
        if self._running:
            self._request.finish()

    async def _send(self, pieces: AsyncIterator[bytes]) -> None:
        """The head leaves with the first piece: until then it may be changed, or all fail.

        No other piece is made for an answer that has no body: there may be no end of them.
        """
        piece = await anext(pieces, END)
        if piece is END:
            return
        request = self._request
        request.registerProducer(self, True)
        if request.method == b"HEAD" or request.code in WITHOUT_BODY:
            return
        while self._running and piece is not END:
            request.write(piece)
            if self._room is not None:
                await self._room
            if self._running:
                piece = await anext(pieces, END)

    async def _close(self) -> None:
        close = getattr(self._pieces, "aclose", None)
        if close is not None:
            await close()

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
