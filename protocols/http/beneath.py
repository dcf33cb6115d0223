"""Opens what stands below a root, and nothing else.

It holds, whatever a client asks for and whoever changes the tree meanwhile:

- Names are looked up one by one, each below the descriptor of the one before, and none
  through a symbolic link, unless links are followed: there is no moment between the
  look and the opening. Links on the way to the root are the owner's own.
- `.`, `..`, the empty name and names with a slash, a backslash or a NUL are nowhere.
- Nothing is waited for: a FIFO or a device is opened without blocking, and refused.
"""

from __future__ import annotations

import errno
import os
import re
import stat
from collections.abc import Callable, Sequence

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_NOCTTY
_NO_LINK = _FLAGS | os.O_NOFOLLOW
_PASSED = _FLAGS | os.O_NOFOLLOW | os.O_DIRECTORY | getattr(os, "O_PATH", 0)
_UNSOUND = re.compile(rb"[/\\\0]")


def is_sound(name: bytes) -> bool:
    """Whether it can be the name of something in a directory."""
    return name not in (b"", b".", b"..") and _UNSOUND.search(name) is None


def open_beneath(root: bytes, names: Sequence[bytes], follow_links: bool) -> int:
    """A descriptor of what those names, each below the one before, lead to.

    Raises FileNotFoundError for what is not sound, and OSError.
    """
    if not all(map(is_sound, names)):
        raise FileNotFoundError(errno.ENOENT, f"{names!r} are no names")
    if follow_links or not names:
        return os.open(b"/".join((root, *names)), _FLAGS)
    if len(names) == 1:
        return os.open(b"%b/%b" % (root, names[0]), _NO_LINK)
    above = os.open(b"%b/%b" % (root, names[0]), _PASSED)
    for name in names[1:-1]:
        above = _step(above, name, _PASSED)
    return _step(above, names[-1], _NO_LINK)


def _step(above: int, name: bytes, flags: int) -> int:
    try:
        return os.open(name, flags, dir_fd=above)
    finally:
        os.close(above)


def opened(open_with: Callable[[bytes], int], suffix: bytes = b"") -> tuple[int, os.stat_result]:
    """What `open_with` opens for a suffix, and its status.

    Raises PermissionError, and closes it, if it is neither a file nor a directory.
    """
    descriptor = open_with(suffix)
    try:
        status = os.fstat(descriptor)
        if not (stat.S_ISREG(status.st_mode) or stat.S_ISDIR(status.st_mode)):
            raise PermissionError(errno.EPERM, "this is neither a file nor a directory")
    except BaseException:
        os.close(descriptor)
        raise
    return descriptor, status
