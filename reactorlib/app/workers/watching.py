"""Tells when the sources of a program change: what `--reload` does, for who is writing it."""

from __future__ import annotations

import logging
import os
from collections.abc import Callable, Iterator
from typing import Any

logger = logging.getLogger("reactorlib")

PERIOD = 0.5  # seconds


class Watching:
    """Calls `changed` whenever a Python file below `root` is not what it was.

    Hidden directories and virtual environments are not looked into.
    """

    def __init__(self, reactor: Any, root: str, changed: Callable[[], object]) -> None:
        self._reactor = reactor
        self._root = root
        self._changed = changed
        self._seen: dict[str, int] = {}

    def start(self) -> None:
        """Take what there is for what was."""
        self._seen = dict(_sources(self._root))
        self._reactor.callLater(PERIOD, self._look)

    def _look(self) -> None:
        self._reactor.callLater(PERIOD, self._look)
        before, self._seen = self._seen, dict(_sources(self._root))
        differ = sorted(path for path, _ in before.items() ^ self._seen.items())
        if differ:
            logger.info("%s has changed", differ[0])
            self._changed()


def _sources(root: str) -> Iterator[tuple[str, int]]:
    """The Python files below, and when each was written."""
    for folder, folders, files in os.walk(root):
        folders[:] = [name for name in folders if not _is_others(os.path.join(folder, name))]
        for name in files:
            if name.endswith(".py"):
                path = os.path.join(folder, name)
                try:
                    yield path, os.stat(path).st_mtime_ns
                except OSError:  # it has just gone
                    continue


def _is_others(folder: str) -> bool:
    hidden = os.path.basename(folder).startswith(".")
    return hidden or os.path.exists(os.path.join(folder, "pyvenv.cfg"))
