"""Which backends there are, which is preferred, and which one was chosen.

The choice is made at most once in a process: by `--reactor` first, else by
code, else by REACTORLIB_REACTOR, else by preference. What is chosen here is an
open engine; the package builds its reactor on it when that is first used.
Packages add backends through the entry-point group `reactorlib.backends`,
each naming a `Backend`.
"""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

from reactorlib.backends.engine import Engine, compiled_backends
from reactorlib.error import BackendUnavailable, NoSuchReactor, ReactorAlreadyInstalledError

PREFERENCE = ("epoll", "kqueue", "poll", "select")
VARIABLE = "REACTORLIB_REACTOR"
ENTRY_POINTS = "reactorlib.backends"

logger = logging.getLogger("reactorlib")


@dataclass(frozen=True)
class Backend:
    """A way to make an engine.

    `open` returns an IEngine; `probe` returns why it cannot be used here, or
    an empty string if it can.
    """

    name: str
    open: Callable[[], Any]
    probe: Callable[[], str]


@dataclass(frozen=True)
class Installed:
    """The engine chosen for `reactorlib.reactor`, where, and whether by a flag."""

    engine: Any
    where: str
    by_flag: bool


_installed: Installed | None = None


def _compiled(name: str) -> Backend:
    def probe() -> str:
        return "" if name in compiled_backends() else f"this system ({sys.platform}) has no {name}"

    return Backend(name, lambda: Engine(name), probe)


_OWN = {name: _compiled(name) for name in PREFERENCE}


def known() -> dict[str, Backend]:
    """All backends by name, in the order of preference, other packages' last."""
    from importlib.metadata import entry_points  # slow, and seldom needed

    backends = dict(_OWN)
    for entry in entry_points(group=ENTRY_POINTS):
        backends.setdefault(entry.name, _from_entry(entry))
    return backends


def _from_entry(entry: Any) -> Backend:
    try:
        backend = entry.load()
    except Exception as error:
        return _unusable(entry.name, f"{entry.value} cannot be imported: {error}")
    if not isinstance(backend, Backend):
        return _unusable(entry.name, f"{entry.value} is no Backend but {backend!r}")
    return backend


def _unusable(name: str, reason: str) -> Backend:
    def fail() -> Any:
        raise BackendUnavailable(name, reason, available())

    return Backend(name, fail, lambda: reason)


def why_not(backend: Backend) -> str:
    """Why a backend cannot be used here, or an empty string if it can."""
    try:
        return backend.probe()
    except Exception as error:
        return f"asking for it raised {error!r}"


def available() -> tuple[str, ...]:
    """The names of the backends that can be used here."""
    return tuple(name for name, backend in known().items() if not why_not(backend))


def find(name: str) -> Backend:
    """The backend of that name.

    Raises NoSuchReactor for an unknown name, BackendUnavailable, which says why,
    for one that cannot be used here; both list what can.
    """
    backend = _OWN.get(name) or known().get(name)
    if backend is None:
        raise NoSuchReactor(name, available())
    reason = why_not(backend)
    if reason:
        raise BackendUnavailable(name, reason, available())
    return backend


def open_engine(name: str | None = None) -> Any:
    """A new engine: of that name, else of REACTORLIB_REACTOR, else the best one."""
    name = name or os.environ.get(VARIABLE)
    if name:
        return find(name).open()
    return next(backend for backend in _OWN.values() if not backend.probe()).open()


def install(name: str | None = None, *, by_flag: bool = False) -> None:
    """Choose the backend of `reactorlib.reactor`, once in a process.

    Without a name, REACTORLIB_REACTOR or the order of preference chooses.
    After a choice by a command-line flag (`by_flag`) other choices are logged
    and passed over. Raises ReactorAlreadyInstalledError, which tells what is in
    place and the line that put it there; NoSuchReactor; BackendUnavailable.
    """
    global _installed
    if _installed is None:
        _installed = Installed(open_engine(name), _caller(), by_flag)
    elif _installed.by_flag and not by_flag:
        logger.info(
            "%s asks for the %s backend; the command line chose %s",
            _caller(),
            name,
            _installed.engine.name,
        )
    else:
        raise ReactorAlreadyInstalledError(
            f"The {_installed.engine.name} reactor is already in place, "
            f"installed at {_installed.where}. "
            "Install one before anything imports reactorlib.reactor."
        )


def installed_engine() -> Any:
    """The engine that was chosen; chooses one now if none was."""
    if _installed is None:
        install()
    assert _installed is not None
    return _installed.engine


def open_another() -> Any:
    """A new engine of the kind that was chosen, or would be."""
    return open_engine(None if _installed is None else _installed.engine.name)


def renew() -> None:
    """In a forked child: an engine of its own in place of the one its parent has chosen."""
    global _installed
    if _installed is not None:
        _installed = replace(_installed, engine=open_another())


def _caller() -> str:
    """File and line of the nearest code that is neither ours nor the import system's."""
    frame = sys._getframe(1)
    while frame.f_back is not None and _is_internal(frame.f_globals.get("__name__", "")):
        frame = frame.f_back
    return f"{frame.f_code.co_filename}:{frame.f_lineno}"


def _is_internal(module: str) -> bool:
    return module.partition(".")[0] in ("reactorlib", "importlib")
