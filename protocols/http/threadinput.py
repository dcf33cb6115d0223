"""The body of a request for a thread: a file whose reads wait for it.

It never holds more than AHEAD bytes and one piece: what sends it waits. A read after
the client has gone raises, rather than give an end that is none.
"""

from __future__ import annotations

from io import BufferedReader, RawIOBase
from threading import Lock
from typing import Any

from reactorlib.protocols.http.body import AHEAD
from reactorlib.protocols.http.gateway import ClientDisconnected

BLOCK = 65_536


class Input(BufferedReader):
    """The body as a binary file. All but reading is called in the reactor's thread."""

    def __init__(self, pieces: Pieces) -> None:
        super().__init__(pieces, BLOCK)
        self.add = pieces.add
        self.end = pieces.end
        self.lose = pieces.lose

    @classmethod
    def of(cls, reactor: Any, request: Any) -> Input:
        """The body of a request of a resource that streams."""
        return cls(Pieces(reactor, request))


class Pieces(RawIOBase):
    """What has come and was not read."""

    def __init__(self, reactor: Any, request: Any) -> None:
        super().__init__()
        self._reactor = reactor
        self._request = request
        self._lock = Lock()
        self._pieces: list[bytes] = []
        self._ahead = 0
        self._ended = False
        self._lost = False
        self._news: Lock | None = None  # released when there is news for who waits

    # The thread

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        """Wait until there is something, and take what fits; 0 at the end.

        Raises ClientDisconnected if it never comes.
        """
        while True:
            with self._lock:
                if self._pieces:
                    return self._take(buffer)
                if self._ended:
                    return 0
                if self._lost:
                    raise ClientDisconnected("the body ends before its end: the client has gone")
                news = self._news = Lock()
                news.acquire()
            self._reactor.callFromThread(self._request.acceptData)
            news.acquire()

    def _take(self, buffer: Any) -> int:
        size = len(buffer)
        taken = 0
        while self._pieces and taken < size:
            piece = self._pieces[0]
            part = piece[: size - taken]
            buffer[taken : taken + len(part)] = part
            taken += len(part)
            if len(part) == len(piece):
                del self._pieces[0]
            else:
                self._pieces[0] = piece[len(part) :]
        ahead, self._ahead = self._ahead, self._ahead - taken
        if self._ahead <= AHEAD < ahead:
            self._reactor.callFromThread(self._request.resumeProducing)
        return taken

    # The reactor

    def add(self, data: bytes) -> None:
        with self._lock:
            self._pieces.append(data)
            self._ahead += len(data)
            self._tell()
        if self._ahead > AHEAD:
            self._request.pauseProducing()

    def end(self) -> None:
        with self._lock:
            self._ended = True
            self._tell()

    def lose(self) -> None:
        """Nothing more will come; after the end no more than that."""
        with self._lock:
            self._lost = True
            self._tell()

    def _tell(self) -> None:
        news, self._news = self._news, None
        if news is not None:
            news.release()
