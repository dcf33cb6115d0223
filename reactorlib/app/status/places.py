"""Where processes of one user can be looked at: directories, and a socket in them for each.

A directory is used only if it is this user's own and nobody else may enter it: what
stands in a directory that others could have made, or can write to, is not believed, and
nothing is put there. The name of a socket is its process's number.
"""

from __future__ import annotations

import contextlib
import os
import socket
import stat
import tempfile
from errno import ECONNREFUSED

SUFFIX = ".sock"


class NotOurs(OSError):
    """A directory that is somebody else's, or open to others."""


def directories() -> list[str]:
    """Where sockets may be: the first that can be used is where a new one comes."""
    user = os.geteuid()
    runtime = os.environ.get("XDG_RUNTIME_DIR", "")
    places = [
        os.path.join(runtime, "reactorlib") if os.path.isabs(runtime) else "",
        os.path.join(tempfile.gettempdir(), f"reactorlib-{user}"),
    ]
    return [place for place in places if place]


def elsewhere() -> list[str]:
    """Where those have theirs whose environment is another one: a service's, a login's."""
    user = os.geteuid()
    places = [*directories(), f"/run/user/{user}/reactorlib", f"/tmp/reactorlib-{user}"]
    return list(dict.fromkeys(places))


def prepared() -> str:
    """A directory for this process's socket. Raises OSError if there is none."""
    *others, last = directories()
    for place in others:
        with contextlib.suppress(OSError):
            return _made(place)
    return _made(last)


def _made(place: str) -> str:
    with contextlib.suppress(FileExistsError):
        os.mkdir(place, 0o700)
    check(place)
    return place


def check(place: str) -> None:
    """Raises NotOurs, or the OSError of a directory that is not there."""
    status = os.lstat(place)  # a link is nobody's directory
    if not stat.S_ISDIR(status.st_mode) or status.st_uid != os.geteuid():
        raise NotOurs(f"{place} is not a directory of this user's")
    if status.st_mode & 0o077:
        raise NotOurs(f"{place} is open to others: its mode must be 700")


def path_for(place: str, process: int) -> str:
    """The socket of a process."""
    return os.path.join(place, f"{process}{SUFFIX}")


def sockets() -> dict[int, str]:
    """The sockets of this user's, by process: those of the dead too."""
    found: dict[int, str] = {}
    for place in elsewhere():
        with contextlib.suppress(OSError):
            check(place)
            for process in _processes(place):
                found.setdefault(process, path_for(place, process))
    return found


def _processes(place: str) -> list[int]:
    numbers = (name.removesuffix(SUFFIX) for name in os.listdir(place) if name.endswith(SUFFIX))
    return [int(number) for number in numbers if number.isascii() and number.isdigit()]


def sweep(place: str) -> None:
    """Remove what processes have left behind that could not remove it themselves."""
    for process in _processes(place):
        path = path_for(place, process)
        with contextlib.suppress(OSError):
            if (process == os.getpid() or not _lives(process)) and _is_deserted(path):
                os.unlink(path)


def _lives(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except OSError:  # it is somebody's
        return True
    return True


def _is_deserted(path: str) -> bool:
    """It may belong to a container that shares the directory, and counts its own processes."""
    with socket.socket(socket.AF_UNIX) as probe:
        probe.setblocking(False)
        return probe.connect_ex(path) == ECONNREFUSED
