"""Lets a protocol gather what it sends while it delivers many strings at once.

A protocol that is about to handle a batch corks its transport with itself,
keeps what it wants to send, and uncorks at the end. Whatever else is asked of
the transport in between, a write, a close, a count, has it flushed first: the
order of what is sent is that of the calls, and nobody sees a difference.
"""

from __future__ import annotations

from typing import Any, Protocol


class Gatherer(Protocol):
    """Who gathers."""

    def flush_gathered(self) -> None:
        """Write what was gathered so far."""

    def stop_gathering(self) -> None:
        """From now on, write at once."""


class CorkedEngine:
    """Stands in the place of a transport's engine: has all flushed, then is that engine."""

    def __init__(self, engine: Any, gatherer: Gatherer, outer: Any) -> None:
        self.engine = engine
        self.gatherer = gatherer
        self.flush = gatherer.flush_gathered
        self.outer = outer  # what the reactor flushed before a nested turn until now

    def __getattr__(self, name: str) -> Any:
        self.flush()
        return getattr(self.engine, name)
