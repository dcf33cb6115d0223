"""A Twisted-style reactor framework on a compiled engine.

The map, from the bottom up; a module imports from its own layer, and from those
that stand before it here:

    values       interfaces, error, failure, address, rlimit
    engine       backends: the C engine on select, poll, epoll, kqueue
    reactor      timers, defer, task, threads, base
    transports   protocol, stream, tcp, connector, posixbase
    wire         protocols: lines, HTTP, proxies and others
    use          app (the command line), testing

`reactorlib.reactor` is the process's reactor, made when it is first asked
for, on the backend that was installed or on the best one there is.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

from reactorlib._version import __version__

if TYPE_CHECKING:
    from reactorlib.posixbase import Reactor

    reactor: Reactor

__all__ = ["__version__", "reactor", "run"]


_LAZY = {"reactor": "reactorlib._global", "run": "reactorlib.running"}


def __getattr__(name: str) -> Any:
    if name not in _LAZY:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_LAZY[name]), name)
    globals()[name] = value
    return value
