"""The body of a request: gathered in a file, or read as it comes."""

from __future__ import annotations

from collections import deque
from collections.abc import AsyncIterator, Mapping
from io import BytesIO
from tempfile import SpooledTemporaryFile
from types import MappingProxyType
from typing import IO, Any

from reactorlib.defer import Deferred
from reactorlib.failure import Failure

IN_MEMORY = 102_400  # bytes of a body that are kept in memory; more goes to a file
AHEAD = 65_536  # bytes that may have come and not been asked for


class Gathered:
    """All of a body, in a file that is in memory as long as it is small."""

    fields: Mapping[bytes, list[bytes]] = MappingProxyType({})  # of a form, which this is not
    files: Mapping[bytes, list[Any]] = MappingProxyType({})

    def __init__(self) -> None:
        self.file: IO[bytes] = SpooledTemporaryFile(IN_MEMORY)  # noqa: SIM115

    def add(self, data: bytes) -> None:
        self.file.write(data)

    def end(self) -> None:
        self.file.seek(0)

    def lose(self, reason: Failure) -> None:
        self.close()

    def close(self) -> None:
        """The request is answered."""
        self.file.close()


class Streamed:
    """A body piece by piece: an async iterator of bytes, which comes as fast as it is read."""

    __slots__ = ("_ahead", "_ended", "_lost", "_pieces", "_request", "_waiting")

    def __init__(self, request: Any) -> None:
        self._request = request
        self._pieces: deque[bytes] = deque()
        self._ahead = 0
        self._ended = False
        self._lost: Failure | None = None
        self._waiting: Deferred[None] | None = None

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._ahead += len(data)
        if self._ahead > AHEAD:
            self._request.pauseProducing()
        self._wake()

    def end(self) -> None:
        self._ended = True
        self._wake()

    def lose(self, reason: Failure) -> None:
        self._lost = reason
        self._wake()

    def close(self) -> None:
        """The request is answered: what still comes is not wanted."""
        self._pieces.clear()

    def hand_to(self, body: Any) -> None:
        """Another has it from now on, first what is here."""
        while self._pieces:
            body.add(self._pieces.popleft())
        if self._lost is not None:
            body.lose(self._lost)
        elif self._ended:
            body.end()

    def _wake(self) -> None:
        waiting, self._waiting = self._waiting, None
        if waiting is not None:
            waiting.callback(None)

    def __aiter__(self) -> AsyncIterator[bytes]:
        return self

    async def __anext__(self) -> bytes:
        if self._ahead == 0 and not self._ended:
            self._request.acceptData()
        while not self._pieces:
            if self._lost is not None:
                self._lost.raiseException()
            if self._ended:
                raise StopAsyncIteration
            if self._waiting is not None:
                raise RuntimeError("the body is being read already")
            self._waiting = Deferred()
            await self._waiting
        piece = self._pieces.popleft()
        ahead = self._ahead
        self._ahead -= len(piece)
        if self._ahead <= AHEAD < ahead:
            self._request.resumeProducing()
        return piece


def empty() -> IO[bytes]:
    """The body of a request that has none."""
    return BytesIO()
