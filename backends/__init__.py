"""The event loops, by name.

`install("poll")` or `reactorlib.backends.poll.install()`, before anything
uses `reactorlib.reactor`, chooses the backend of that reactor.
"""

from reactorlib.backends.engine import Engine
from reactorlib.backends.registry import (
    PREFERENCE,
    Backend,
    available,
    install,
    known,
    open_engine,
)

__all__ = ["PREFERENCE", "Backend", "Engine", "available", "install", "known", "open_engine"]
