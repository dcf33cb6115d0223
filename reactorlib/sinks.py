"""Who an engine's events are for: what stands in a reactor's table of handles.

A fault of the user's in a call that is made for one of them costs only that one.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from reactorlib.failure import Failure


class Sink(Protocol):
    """One handle's owner.

    While `receiving` is true, data goes straight to `protocol.dataReceived`;
    otherwise to `hold`. All else is an `event`. An exception out of any of
    these comes back as `raised`, after it was logged. At the end of a run,
    `leave` closes in good order and `abandon` at once.
    """

    receiving: bool
    protocol: Any

    def hold(self, data: bytes) -> None: ...

    def event(self, kind: int, first: int, second: int) -> None: ...

    def raised(self, failure: Failure) -> None: ...

    def leave(self) -> None: ...

    def abandon(self) -> None: ...


def guarded(sink: Any, callable: Callable[..., object], *args: Any) -> None:
    """Call what is the user's: if it raises, this sink pays, not whoever calls."""
    try:
        callable(*args)
    except Exception:
        sink.reactor.report(sink)
