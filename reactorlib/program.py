"""A program to start, as the system takes it: all text is bytes, and has no NUL in it."""

from __future__ import annotations

import os
import pwd
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

Text: TypeAlias = "str | bytes | os.PathLike[str] | os.PathLike[bytes]"

# A mapping of both would take neither: the type of its keys has to be the very one.
Environment: TypeAlias = "Mapping[str, Text] | Mapping[bytes, Text]"

NO_VARIABLES: Environment = {}
UNCHANGED = -1


@dataclass(frozen=True)
class Program:
    """What an engine's `spawn` starts.

    The child's descriptor i is the parent's `descriptors[i]`, or closed where
    that is -1. `terminal` is the child's descriptor that is to control it, in a
    session of its own. Numbers that are -1 leave things as they are; `groups`
    are the supplementary ones, and count only with `uid` or `gid`.
    """

    name: bytes
    arguments: Sequence[bytes]
    environment: Mapping[bytes, bytes]
    directory: bytes | None = None
    descriptors: Sequence[int] = ()
    terminal: int = UNCHANGED
    uid: int = UNCHANGED
    gid: int = UNCHANGED
    groups: Sequence[int] = ()

    def candidates(self) -> list[bytes]:
        """The paths that the name may stand for, in the order of the child's PATH."""
        if b"/" in self.name:
            return [self.name]
        path = self.environment.get(b"PATH", os.fsencode(os.defpath))
        return [os.path.join(folder, self.name) for folder in path.split(b":")]

    def of_user(self, uid: int | None, gid: int | None) -> Program:
        """The same for another user or group, if one is given.

        The one that is not given stays as it is. The supplementary groups are the user's.
        """
        if uid is None and gid is None:
            return self
        uid = os.geteuid() if uid is None else uid
        gid = os.getegid() if gid is None else gid
        try:
            groups = os.getgrouplist(pwd.getpwuid(uid).pw_name, gid)
        except KeyError:
            groups = [gid]
        return replace(self, uid=uid, gid=gid, groups=groups)


def program(
    executable: Text, args: Iterable[Text], env: Environment | None, path: Text | None
) -> Program:
    """What a user describes; see IReactorProcess.spawnProcess.

    Raises TypeError for what is no text, ValueError for text that no program
    can be given.
    """
    name = _encoded(executable)
    if not name:
        raise ValueError("the executable has no name")
    return Program(
        name,
        [_encoded(each) for each in args] or [name],
        os.environb.copy() if env is None else _environment(env),
        None if path is None else _encoded(path),
    )


def _environment(env: Environment) -> dict[bytes, bytes]:
    variables = {_encoded(name): _encoded(value) for name, value in env.items()}
    for name in variables:
        if not name or b"=" in name:
            raise ValueError(f"no environment variable can be called {name!r}")
    return variables


def _encoded(text: Text) -> bytes:
    encoded = os.fsencode(text)
    if b"\0" in encoded:
        raise ValueError(f"no program can be given a NUL: {text!r}")
    return encoded
