"""Locks between processes that are files: a symbolic link that names its owner.

The link's target is the owner's process id, so `ls -l` tells who has it. A lock
whose owner has died is taken over. Nothing here ever waits. A process id that
was given out again to another process looks like an owner that lives.
"""

from __future__ import annotations

import contextlib
import fcntl
import os
from collections.abc import Iterator

# What this process has locked. In a container an owner that has died often had
# the very process id that this process has now.
_ours: set[str] = set()


class FilesystemLock:
    """A lock named by a path, which must not exist as anything else.

    `locked`: whether this object has it. `clean`: whether the owner before had
    let it go; false after a lock was taken over from a process that has died.
    """

    locked = False
    clean = True

    def __init__(self, name: str | bytes) -> None:
        self.name = os.fsdecode(name)

    def lock(self) -> bool:
        """Take it; False if a living process has it.

        Raises OSError where there can be no lock, and ValueError if the path is
        something else.
        """
        self.clean = True
        if not self._link() and not self._take_over():
            return False
        _ours.add(_identity(self.name))
        self.locked = True
        return True

    def unlock(self) -> None:
        """Let it go. Raises ValueError if it is another process's, or nobody's."""
        if not self.locked or _owner(self.name) != os.getpid():
            raise ValueError(f"the lock {self.name} is not of this process")
        os.unlink(self.name)
        _ours.discard(_identity(self.name))
        self.locked = False

    def _link(self) -> bool:
        with contextlib.suppress(FileExistsError):
            os.symlink(str(os.getpid()), self.name)
            return True
        return False

    def _take_over(self) -> bool:
        """One process at a time looks and takes: another's fresh lock must not be removed."""
        with _locked_directory(self.name) as alone:
            if not alone:
                return False
            owner = _owner(self.name)
            if owner is not None:
                if _lives(owner, self.name):
                    return False
                os.unlink(self.name)
                self.clean = False
            return self._link()


def isLocked(name: str | bytes) -> bool:
    """Whether a living process has the lock of that name."""
    owner = _owner(os.fsdecode(name))
    return owner is not None and _lives(owner, os.fsdecode(name))


def _owner(name: str) -> int | None:
    """The process id in a lock; None if there is none."""
    try:
        target = os.readlink(name)
    except FileNotFoundError:
        return None
    except OSError as cause:
        raise ValueError(f"{name} exists, and is no lock") from cause
    if not target.isdecimal() or not 0 < int(target) < 1 << 31:
        raise ValueError(f"{name} leads to {target!r}: it is no lock")
    return int(target)


def _lives(owner: int, name: str) -> bool:
    if owner == os.getpid():
        return _identity(name) in _ours
    try:
        os.kill(owner, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _identity(name: str) -> str:
    folder, file = os.path.split(name)
    return os.path.join(os.path.realpath(folder), file)


@contextlib.contextmanager
def _locked_directory(name: str) -> Iterator[bool]:
    """Whether nobody else takes over a lock of that directory just now."""
    directory = os.open(os.path.dirname(name) or ".", os.O_RDONLY | os.O_DIRECTORY)
    try:
        yield _flock(directory)
    finally:
        os.close(directory)


def _flock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
