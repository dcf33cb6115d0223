"""Parts of files: which the kernel can send by itself, and how others are read."""

from __future__ import annotations

import os
from io import FileIO
from typing import Any

from reactorlib import error
from reactorlib.failure import Failure
from reactorlib.protocols.filesender import TransferStopped


class Part:
    """Some bytes of a file from where it stands, or all."""

    __slots__ = ("_count", "_file", "taken")

    def __init__(self, file: Any, count: int | None) -> None:
        self._file = file
        self._count = count
        self.taken = 0

    def read(self, size: int) -> bytes:
        if self._count is not None:
            size = min(size, self._count - self.taken)
        data: bytes = self._file.read(size)
        self.taken += len(data)
        return data


def extent_of(file: Any, count: int | None) -> tuple[int, int] | None:
    """Where in the system's file it stands, and how much is to be sent from there.

    None if there is no such file: others have a descriptor, too, with other bytes in it.
    """
    if type(getattr(file, "raw", file)) is not FileIO:
        return None
    try:
        file.flush()
        offset = file.tell()
        size = os.fstat(file.fileno()).st_size - offset if count is None else count
    except OSError:  # a pipe, perhaps
        return None
    return (offset, size) if size > 0 else None


def stopped(failure: Failure) -> int:
    """The same end by the name it has for all who send files."""
    failure.trap(error.ConnectionClosed)
    raise TransferStopped(failure.getErrorMessage())
