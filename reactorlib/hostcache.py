"""A cache of names in front of a resolver, which keeps what it was told to and no longer.

How long an answer holds is what the resolver says in the resolution's `ttl`. An
answer without one, or without an address, is never kept.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from zope.interface import implementer

from reactorlib.hostnames import Resolution
from reactorlib.interfaces import IHostnameResolver, IResolutionReceiver

Key = tuple[object, ...]


@implementer(IHostnameResolver)
class CachingNameResolver:
    """Asks `resolver` for what it does not have.

    `clock` tells the time (IReactorTime). At most `size` answers are kept; the
    oldest go first.
    """

    def __init__(self, resolver: Any, clock: Any, size: int = 1000) -> None:
        self._resolver = resolver
        self._clock = clock
        self._size = size
        self._answers: dict[Key, tuple[float, list[Any]]] = {}

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        types = None if addressTypes is None else frozenset(addressTypes)
        key = (hostName.lower(), portNumber, types, transportSemantics)
        expires, addresses = self._answers.get(key, (0.0, []))
        left = expires - self._clock.seconds()
        if left > 0:
            resolution = Resolution(hostName)
            resolution.ttl = left
            resolutionReceiver.resolutionBegan(resolution)
            resolution.complete(resolutionReceiver, addresses)
            return resolution
        self._answers.pop(key, None)
        recorder = _Recorder(resolutionReceiver, self, key)
        return self._resolver.resolveHostName(
            recorder, hostName, portNumber, addressTypes, transportSemantics
        )

    def keep(self, key: Key, ttl: float, addresses: list[Any]) -> None:
        """Keep an answer for `ttl` seconds."""
        self._answers.pop(key, None)
        self._answers[key] = (self._clock.seconds() + ttl, addresses)
        if len(self._answers) > self._size:
            del self._answers[next(iter(self._answers))]


@implementer(IResolutionReceiver)
class _Recorder:
    """Passes on what it is told, and gives it to the cache in the end."""

    def __init__(self, receiver: Any, cache: CachingNameResolver, key: Key) -> None:
        self._receiver = receiver
        self._cache = cache
        self._key = key
        self._resolution: Any = None
        self._addresses: list[Any] = []

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        self._resolution = resolutionInProgress
        self._receiver.resolutionBegan(resolutionInProgress)

    def addressResolved(self, address: Any) -> None:
        self._addresses.append(address)
        self._receiver.addressResolved(address)

    def resolutionComplete(self) -> None:
        ttl = getattr(self._resolution, "ttl", None)
        if ttl is not None and ttl > 0 and self._addresses:
            self._cache.keep(self._key, ttl, self._addresses)
        self._receiver.resolutionComplete()
