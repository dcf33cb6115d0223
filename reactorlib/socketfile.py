"""The name of a UNIX socket that is bound: its file, the file's rights, the lock beside it.

It holds that nobody ever reaches the socket with more rights than were asked
for, that a file in the way is removed only if it is a socket nobody listens on,
and that what is removed in the end is the file that was made here.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from errno import EADDRINUSE, ECONNREFUSED

from reactorlib.lockfile import FilesystemLock


class SocketFile:
    """One name: a path, or after a NUL one in Linux's abstract namespace.

    `mode` are the file's permissions. With a lock (`NAME.lock`), what a process
    that has died left behind is removed.
    """

    def __init__(self, name: str | bytes, mode: int, locked: bool) -> None:
        self.name = os.fsencode(name)
        self._mode = mode
        self._is_file = not self.name.startswith(b"\0")
        wanted = locked and self._is_file
        self._lock = FilesystemLock(self.name + b".lock") if wanted else None
        self._made: tuple[int, int] | None = None
        if not self.name or (self._is_file and b"\0" in self.name):
            raise ValueError("a path is not empty and has no NUL in it")

    def bind(self, sock: socket.socket) -> None:
        """Bind a socket to the name. Raises OSError, and ValueError for what is no lock."""
        if self._lock is not None and not self._lock.lock():
            raise OSError(EADDRINUSE, f"another process has the lock {self._lock.name}")
        try:
            if self._lock is not None:
                self._remove_stale(sock.type)
            self._bind(sock)
        except BaseException:
            self.release()
            raise

    def _bind(self, sock: socket.socket) -> None:
        if not self._is_file:
            sock.bind(self.name)
            return
        with contextlib.suppress(OSError):  # where it has an effect, the file begins with it
            os.fchmod(sock.fileno(), self._mode)
        sock.bind(self.name)
        self._made = _identity(self.name)
        os.chmod(self.name, self._mode)

    def _remove_stale(self, kind: int) -> None:
        try:
            status = os.lstat(self.name)
        except FileNotFoundError:
            return
        if stat.S_ISSOCK(status.st_mode) and _is_deserted(self.name, kind):
            os.unlink(self.name)

    def release(self) -> None:
        """Remove the file, if it is still the one made here, and let go of the lock."""
        made, self._made = self._made, None
        with contextlib.suppress(OSError):
            if made is not None and _identity(self.name) == made:
                os.unlink(self.name)
        if self._lock is not None and self._lock.locked:
            with contextlib.suppress(OSError, ValueError):
                self._lock.unlock()


def _identity(path: bytes) -> tuple[int, int]:
    status = os.lstat(path)
    return status.st_dev, status.st_ino


def _is_deserted(path: bytes, kind: int) -> bool:
    """Whether nobody listens on a UNIX socket of that kind."""
    with socket.socket(socket.AF_UNIX, kind) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) == ECONNREFUSED
