"""Several processes that serve the same ports, and one that looks after them.

The supervisor opens the listening sockets and keeps them; workers inherit them and
never bind, so that a worker that leaves resets nobody: what has been queued for it
waits for the next one. See `supervisor` for what it promises, `worker` for the other
side, `sockets` for what both know of a place. `serve` is for programs of one's own; a
worker is started by `command` or `forking`, and does its `work`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reactorlib.app.workers.serving import serve

__all__ = ["serve"]


def __getattr__(name: str) -> Any:
    """`serve` is loaded when it is asked for: multiprocessing takes long to import."""
    if name != "serve":
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    return importlib.import_module("reactorlib.app.workers.serving").serve
