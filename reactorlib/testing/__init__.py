"""Tools for tests of protocols, transports and backends: `from reactorlib.testing import Link`.

    transports, protocols, logs           doubles under Twisted's names
    memory, memoryparts, raising          reactors that only write down, or only raise
    link, delivery                        a simulated network; data in every division
    http, fakerequest                     requests of a web server without a connection
    leaks, waiting                        what is left behind; running until something is true
    plugin                                the pytest plugin: fixtures, asynchronous tests
    contract                              conformance suites for engines, reactors, transports

Each name is loaded when it is first asked for. pytest imports this package for
the plugin before anything measures coverage, and in projects that never use it.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from reactorlib.task import Clock
    from reactorlib.testing.delivery import Delivery, deliver
    from reactorlib.testing.fakerequest import FakeRequest
    from reactorlib.testing.http import MemoryChanRequest
    from reactorlib.testing.leaks import LoggedErrors
    from reactorlib.testing.link import Link, LinkTransport
    from reactorlib.testing.logs import EventLoggingObserver
    from reactorlib.testing.memory import MemoryReactor, MemoryReactorClock
    from reactorlib.testing.memoryparts import MemoryConnector, MemoryPort, SynchronousResolver
    from reactorlib.testing.protocols import AccumulatingProtocol
    from reactorlib.testing.raising import RaisingMemoryReactor
    from reactorlib.testing.transports import (
        StringIOWithoutClosing,
        StringTransport,
        StringTransportWithDisconnection,
    )

__all__ = [
    "AccumulatingProtocol",
    "Clock",
    "Delivery",
    "EventLoggingObserver",
    "FakeRequest",
    "Link",
    "LinkTransport",
    "LoggedErrors",
    "MemoryChanRequest",
    "MemoryConnector",
    "MemoryPort",
    "MemoryReactor",
    "MemoryReactorClock",
    "RaisingMemoryReactor",
    "StringIOWithoutClosing",
    "StringTransport",
    "StringTransportWithDisconnection",
    "SynchronousResolver",
    "deliver",
]

_MODULES = {
    "reactorlib.task": ("Clock",),
    "reactorlib.testing.delivery": ("Delivery", "deliver"),
    "reactorlib.testing.fakerequest": ("FakeRequest",),
    "reactorlib.testing.http": ("MemoryChanRequest",),
    "reactorlib.testing.leaks": ("LoggedErrors",),
    "reactorlib.testing.link": ("Link", "LinkTransport"),
    "reactorlib.testing.logs": ("EventLoggingObserver",),
    "reactorlib.testing.memory": ("MemoryReactor", "MemoryReactorClock"),
    "reactorlib.testing.memoryparts": ("MemoryConnector", "MemoryPort", "SynchronousResolver"),
    "reactorlib.testing.protocols": ("AccumulatingProtocol",),
    "reactorlib.testing.raising": ("RaisingMemoryReactor",),
    "reactorlib.testing.transports": (
        "StringIOWithoutClosing",
        "StringTransport",
        "StringTransportWithDisconnection",
    ),
}
_PLACES = {name: module for module, names in _MODULES.items() for name in names}


def __getattr__(name: str) -> Any:
    if name not in _PLACES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(_PLACES[name]), name)
    globals()[name] = value
    return value
