"""Sends an async iterator as the body of an answer, at the client's pace."""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any

from zope.interface import implementer

from reactorlib.defer import Deferred
from reactorlib.interfaces import IPushProducer


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
