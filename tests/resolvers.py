"""Doubles of resolvers, and of those who ask them."""

from __future__ import annotations

from typing import Any

from reactorlib.defer import Deferred
from reactorlib.hostnames import Resolution

COMPLETE = "complete"


class Receiver:
    """Writes down what it is told; may cancel after so many calls."""

    def __init__(self, cancel_after: int | None = None) -> None:
        self.told: list[Any] = []
        self.resolution: Any = None
        self.done: Deferred[None] = Deferred()
        self._cancel_after = cancel_after

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        assert self.resolution is None
        self.resolution = resolutionInProgress
        self._tell()

    def addressResolved(self, address: Any) -> None:
        self.told.append(address)
        self._tell()

    def resolutionComplete(self) -> None:
        self.told.append(COMPLETE)
        self.done.callback(None)

    def _tell(self) -> None:
        if self._cancel_after == len(self.told):
            self.resolution.cancel()


class Resolver:
    """An IHostnameResolver whose answers the test gives, through `receivers`."""

    def __init__(self) -> None:
        self.calls: list[tuple[Any, ...]] = []
        self.receivers: list[Any] = []
        self.resolutions: list[Resolution] = []

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Any = None,
        transportSemantics: str = "TCP",
    ) -> Resolution:
        self.calls.append((hostName, portNumber, addressTypes, transportSemantics))
        self.resolutions.append(Resolution(hostName))
        self.receivers.append(resolutionReceiver)
        resolutionReceiver.resolutionBegan(self.resolutions[-1])
        return self.resolutions[-1]

    def answer(self, *addresses: Any, ttl: float | None = None, reason: str | None = None) -> None:
        """Complete the last search."""
        self.resolutions[-1].ttl = ttl
        self.resolutions[-1].reason = reason
        self.resolutions[-1].complete(self.receivers[-1], addresses)
