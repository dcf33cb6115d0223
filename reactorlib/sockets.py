"""Socket objects: what all of ours have set, and those on descriptors that others close."""

from __future__ import annotations

import contextlib
import os
import socket
from collections.abc import Iterator
from struct import Struct
from typing import Any

_NAME_LENGTH = Struct("=H")


@contextlib.contextmanager
def borrowed_socket(descriptor: int) -> Iterator[socket.socket]:
    """A socket object on a descriptor that stays its owner's."""
    borrowed = socket.socket(fileno=descriptor)
    try:
        yield borrowed
    finally:
        borrowed.detach()


class LentSocket(socket.socket):
    """A socket on a descriptor that only the engine closes, not even the collector does."""

    __slots__ = ()

    def __del__(self) -> None:
        self.detach()


def packed_name(arena: Any, sender: int) -> bytes | None:
    """A UNIX socket's name as an engine reports it; None if it has none."""
    if sender == -1:
        return None
    at = -2 - sender
    start = at + _NAME_LENGTH.size
    (length,) = _NAME_LENGTH.unpack(arena[at:start])
    return bytes(arena[start : start + length])


def duplicated(descriptor: int, family: int) -> socket.socket:
    """A socket of one's own. Raises OSError if the descriptor is not a socket."""
    duplicate = os.dup(descriptor)
    try:
        return socket.socket(family, fileno=duplicate)
    except BaseException:
        os.close(duplicate)
        raise


def set_common_options(sock: socket.socket) -> None:
    """Non-blocking, small segments sent at once, no SIGPIPE."""
    sock.setblocking(False)
    if sock.family in (socket.AF_INET, socket.AF_INET6):
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    no_sigpipe = getattr(socket, "SO_NOSIGPIPE", None)
    if no_sigpipe is not None:
        sock.setsockopt(socket.SOL_SOCKET, no_sigpipe, 1)
