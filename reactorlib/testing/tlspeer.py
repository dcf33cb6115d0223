"""A peer that speaks TLS, with the methods of a plain socket that tests use.

It can also misbehave: see `cut` and `raw`.
"""

from __future__ import annotations

import contextlib
import socket
import ssl
from collections.abc import Callable
from typing import Any

PIECE = 65_536


class Cut(ConnectionError):
    """The other side's FIN came without its announcement (close_notify)."""


class TLSPeer:
    """TLS by the standard library on a socket, `raw`. `tls` is its SSLObject.

    As with the socket, `setblocking` says whether a call may wait.
    """

    def __init__(
        self,
        raw: socket.socket,
        context: ssl.SSLContext,
        hostname: str | None = None,
        *,
        server_side: bool = False,
    ) -> None:
        raw.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        self.raw = raw
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self.tls = context.wrap_bio(self._incoming, self._outgoing, server_side, hostname)
        self._unsent = b""
        self._kept = b""
        self._announced = False

    def __getattr__(self, name: str) -> Any:
        return getattr(self.raw, name)

    def shake(self, turn: Callable[[], object]) -> None:
        """Do the hand-shake; `turn` lets the other side do its part. Raises ssl.SSLError."""
        self.raw.setblocking(False)
        done = False
        while not done:
            turn()
            with contextlib.suppress(BlockingIOError):
                self._take()
            try:
                self.tls.do_handshake()
                done = True
            except ssl.SSLWantReadError:
                if self._incoming.eof:
                    raise Cut from None
            finally:
                self.flush()
        self.raw.settimeout(10)

    def drain(self) -> None:
        """Take what has come: a close with unread input is a reset. Data is kept for `recv`."""
        self.raw.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            self._kept = self.recv(PIECE)
        self.raw.settimeout(10)

    def send(self, data: Any) -> int:
        """Encrypt and send the beginning of it. Raises BlockingIOError if nothing leaves."""
        self.flush()
        if self._unsent:
            raise BlockingIOError
        sent = self.tls.write(data[:PIECE])
        self.flush()
        return sent

    def sendall(self, data: bytes) -> None:
        view = memoryview(data)
        while view:
            view = view[self.send(view) :]

    def recv(self, size: int) -> bytes:
        """All that has come, which may be more than `size`; b"" for the announced end.

        Raises Cut for an end that was not announced.
        """
        if self._kept:
            kept, self._kept = self._kept, b""
            return kept
        while True:
            pieces = []
            try:
                while piece := self.tls.read(PIECE):
                    pieces.append(piece)
                return b"".join(pieces)
            except ssl.SSLZeroReturnError:
                return b"".join(pieces)
            except ssl.SSLWantReadError:
                if pieces:
                    return b"".join(pieces)
            self._take()
            if self._incoming.eof:
                raise Cut

    def take_ciphertext(self) -> bytes:
        """What has come behind the hand-shake; it will not be decrypted any more."""
        return self._incoming.read()

    def announce(self) -> None:
        """Say that nothing more will be sent (close_notify)."""
        if not self._announced:
            self._announced = True
            with contextlib.suppress(ssl.SSLError):
                self.tls.unwrap()
            self.flush()

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        """With SO_LINGER the close is a reset, and nothing is announced."""
        self._announced = self._announced or option == socket.SO_LINGER
        self.raw.setsockopt(level, option, value)

    def shutdown(self, how: int) -> None:
        self.announce()
        self.raw.shutdown(how)

    def close(self) -> None:
        """In good order, unless a reset was asked for by SO_LINGER, or it is closed."""
        if self.raw.fileno() >= 0:
            with contextlib.suppress(OSError):
                self.announce()
            self.raw.close()

    def cut(self) -> None:
        """End without an announcement."""
        self.raw.close()

    def _take(self) -> None:
        data = self.raw.recv(PIECE)
        if data:
            self._incoming.write(data)
        else:
            self._incoming.write_eof()

    def flush(self) -> None:
        """Send what could not be sent yet."""
        self._unsent += self._outgoing.read()
        with contextlib.suppress(BlockingIOError):
            while self._unsent:
                self._unsent = self._unsent[self.raw.send(self._unsent) :]
