"""Who an engine's events are for: what stands in a reactor's table of handles."""

from __future__ import annotations

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
