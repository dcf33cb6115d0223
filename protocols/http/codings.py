"""Content codings: what compresses a body piece by piece, and what inflates one.

gzip and deflate are the standard library's; br and zstd are there if `brotli` and
`zstandard` are installed (the extra `compression`).
"""

from __future__ import annotations

import zlib
from collections.abc import Callable
from types import ModuleType
from typing import Any, Protocol

from reactorlib.protocols.http.installed import brotli, zstandard

GZIP_WINDOW, DEFLATE_WINDOW = 31, 15  # zlib's numbers for the two formats
AT_ONCE = 65_536  # bytes that are inflated in one go


class Compressor(Protocol):
    """Bytes in, bytes of the coded body out."""

    def add(self, data: bytes) -> bytes:
        """All of the body until here can be read from what was given out."""

    def end(self) -> bytes:
        """The rest."""


class Deflated:
    """gzip, and deflate with zlib's frame (RFC 9110, 8.4.1)."""

    __slots__ = ("_stream",)

    def __init__(self, window: int, level: int) -> None:
        self._stream = zlib.compressobj(level, zlib.DEFLATED, window)

    def add(self, data: bytes) -> bytes:
        return self._stream.compress(data) + self._stream.flush(zlib.Z_SYNC_FLUSH)

    def end(self) -> bytes:
        return self._stream.flush()


class Brotli:
    """br (RFC 7932)."""

    __slots__ = ("_stream",)

    def __init__(self, module: ModuleType, level: int) -> None:
        self._stream: Any = module.Compressor(quality=level)

    def add(self, data: bytes) -> bytes:
        made: bytes = self._stream.process(data) + self._stream.flush()
        return made

    def end(self) -> bytes:
        made: bytes = self._stream.finish()
        return made


class Zstandard:
    """zstd (RFC 8878), in a window that every browser has (RFC 9659: 8 MB at most)."""

    __slots__ = ("_block", "_stream")

    def __init__(self, module: ModuleType, level: int) -> None:
        self._stream: Any = module.ZstdCompressor(level=level).compressobj()
        self._block = module.COMPRESSOBJ_FLUSH_BLOCK

    def add(self, data: bytes) -> bytes:
        made: bytes = self._stream.compress(data) + self._stream.flush(self._block)
        return made

    def end(self) -> bytes:
        made: bytes = self._stream.flush()
        return made


def available() -> dict[bytes, Callable[[], Compressor]]:
    """What makes a compressor, by the coding's name; the best for answers first."""
    found: dict[bytes, Callable[[], Compressor]] = {}
    if zstandard is not None:
        found[b"zstd"] = lambda: Zstandard(zstandard, 3)
    if brotli is not None:
        found[b"br"] = lambda: Brotli(brotli, 4)
    found[b"gzip"] = lambda: Deflated(GZIP_WINDOW, 6)
    found[b"deflate"] = lambda: Deflated(DEFLATE_WINDOW, 6)
    return found


class TooMuch(Exception):
    """A body inflates to more than is allowed."""


class Inflated:
    """Inflates gzip or deflate, up to `limit` bytes; never holds more than a piece too many.

    Raises TooMuch, or ValueError for what is not of the coding, or ends too early.
    """

    __slots__ = ("_limit", "_stream", "total")

    def __init__(self, coding: bytes, limit: int) -> None:
        self._stream = zlib.decompressobj(GZIP_WINDOW if coding == b"gzip" else DEFLATE_WINDOW)
        self._limit = limit
        self.total = 0  # bytes so far

    def add(self, data: bytes) -> list[bytes]:
        """The pieces that this data is."""
        pieces = []
        while data:
            if self._stream.eof:
                raise ValueError("something follows the compressed body")
            try:
                piece = self._stream.decompress(data, AT_ONCE)
            except zlib.error as wrong:
                raise ValueError(str(wrong)) from None
            self.total += len(piece)
            if self.total > self._limit:
                raise TooMuch
            pieces.append(piece)
            data = self._stream.unconsumed_tail or self._stream.unused_data
        return pieces

    def end(self) -> None:
        """All of the body has come."""
        if not self._stream.eof:
            raise ValueError("the compressed body ends too early")
