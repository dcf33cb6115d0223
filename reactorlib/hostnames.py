"""Names to addresses: the resolvers of a reactor, as IHostnameResolver has them.

Facts, then what follows from them:

- getaddrinfo blocks, so it is called in a thread of the reactor's pool. It reads
  /etc/hosts, and whatever else the system asks, in the system's own order.
- It tells nothing of how long an answer holds, so its answers are never kept.
  `CachingNameResolver` keeps those of a resolver that does tell.
- Some systems wrap a port that is too large around, so it is never shown a port.

What is numeric already never leaves the loop.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.defer import CancelledError, Deferred, maybeDeferred, succeed
from reactorlib.failure import Failure
from reactorlib.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IResolutionReceiver,
    IResolverSimple,
)
from reactorlib.threads import deferToThreadPool

logger = logging.getLogger("reactorlib")

Address = IPv4Address | IPv6Address
AddressTypes = Sequence[type] | None

# The times that IResolverSimple allows by default, in seconds.
TIMEOUTS = (1, 3, 11, 45)

_FAMILIES: dict[type, int] = {IPv4Address: socket.AF_INET, IPv6Address: socket.AF_INET6}
_SOCKET_TYPES = {"TCP": socket.SOCK_STREAM, "UDP": socket.SOCK_DGRAM}


@implementer(IHostResolution)
class Resolution:
    """A search; `over` is true once the receiver is told nothing more."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.reason: str | None = None
        self.ttl: float | None = None
        self.over = False
        self._stop: Callable[[], object] = lambda: None

    def cancel(self) -> None:
        if not self.over:
            self.over = True
            self._stop()

    def on_cancel(self, stop: Callable[[], object]) -> None:
        """What ends the search itself."""
        self._stop = stop

    def complete(self, receiver: Any, addresses: Iterable[Any]) -> None:
        """Tell these addresses and the end, unless a callback cancels in between."""
        for address in addresses:
            if not self.over:
                receiver.addressResolved(address)
        if not self.over:
            self.over = True
            receiver.resolutionComplete()


def numeric(host: str, port: int = 0, kind: Any = "TCP") -> Address | None:
    """The address if the host is one already, an IPv6 scope included; else None."""
    try:
        return _look_up(socket.AF_UNSPEC, socket.AI_NUMERICHOST, kind, port, host)[0]
    except (OSError, ValueError):
        return None


def _look_up(family: int, flags: int, kind: Any, port: int, host: str) -> list[Address]:
    found = socket.getaddrinfo(host, None, family, _SOCKET_TYPES[kind], flags=flags)
    addresses = (_address(kind, port, entry[0], entry[4]) for entry in found)
    return [address for address in dict.fromkeys(addresses) if address is not None]


def _address(kind: Any, port: int, family: int, place: Any) -> Address | None:
    if family == socket.AF_INET:
        return IPv4Address(kind, place[0], port)
    if family == socket.AF_INET6:
        return IPv6Address(kind, place[0], port, *place[2:])
    return None


@implementer(IHostnameResolver)
class ThreadedNameResolver:
    """Asks the system, in a thread of the reactor's pool.

    A cancelled search ends for its receiver; the thread's own call ends when it ends.
    """

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: AddressTypes = None,
        transportSemantics: str = "TCP",
    ) -> Resolution:
        """See IHostnameResolver. Raises ValueError for unknown semantics."""
        _check(transportSemantics)
        wanted = _wanted(addressTypes)
        resolution = Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        known = numeric(hostName, portNumber, transportSemantics)
        if known is not None:
            resolution.complete(resolutionReceiver, [known] if isinstance(known, wanted) else [])
        elif not resolution.over:
            family = _FAMILIES[wanted[0]] if len(wanted) == 1 else socket.AF_UNSPEC
            look_up = partial(_look_up, family, 0, transportSemantics, portNumber)
            self._search(look_up, resolution, resolutionReceiver)
        return resolution

    def _search(
        self, look_up: Callable[[str], list[Address]], resolution: Resolution, receiver: Any
    ) -> None:
        pool = self._reactor.getThreadPool()
        looking = deferToThreadPool(self._reactor, pool, look_up, resolution.name)
        resolution.on_cancel(looking.cancel)
        looking.addErrback(partial(_without_result, resolution))
        looking.addCallback(partial(resolution.complete, receiver))


def _wanted(types: AddressTypes) -> tuple[type, ...]:
    if types is None:
        return tuple(_FAMILIES)
    if not types or not set(types) <= set(_FAMILIES):
        raise ValueError(f"addressTypes are IPv4Address, IPv6Address or both, not {types!r}")
    return tuple(types)


def _check(transport_semantics: str) -> None:
    if transport_semantics not in _SOCKET_TYPES:
        known = ", ".join(_SOCKET_TYPES)
        raise ValueError(f"transportSemantics is one of {known}, not {transport_semantics!r}")


def _without_result(resolution: Resolution, failure: Failure) -> list[Any]:
    """Not to be found, or not a name at all (ValueError); anything else is a fault."""
    if not failure.check(OSError, ValueError, CancelledError):
        logger.error("Unhandled error in looking up %r", resolution.name, exc_info=failure.value)
    resolution.reason = failure.getErrorMessage()
    return []


def unresolved(resolution: Any) -> error.DNSLookupError:
    """The error for a search that is complete and has found nothing."""
    reason = getattr(resolution, "reason", None) or "no address was found"
    return error.DNSLookupError(f"{resolution.name}: {reason}")


# From one interface to the other


@implementer(IResolverSimple)
class FirstAddress:
    """An IResolverSimple on an IHostnameResolver."""

    def __init__(self, resolver: Any, reactor: Any) -> None:
        self._resolver = resolver
        self._reactor = reactor

    def getHostByName(self, name: str, timeout: Sequence[float] = TIMEOUTS) -> Deferred[str]:
        receiver = _FirstReceiver(name)
        self._resolver.resolveHostName(receiver, name, addressTypes=[IPv4Address])
        if not receiver.result.called:
            limit = self._reactor.callLater(sum(timeout), receiver.give_up, sum(timeout))
            receiver.result.addBoth(_cancelling, limit)
        return receiver.result


def _cancelling(result: Any, limit: Any) -> Any:
    if limit.active():
        limit.cancel()
    return result


@implementer(IResolutionReceiver)
class _FirstReceiver:
    """Fires `result` with the first address."""

    def __init__(self, name: str) -> None:
        self.result: Deferred[str] = Deferred(lambda _: self._resolution.cancel())
        self._name = name
        self._resolution: Any = None

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        self._resolution = resolutionInProgress

    def addressResolved(self, address: Any) -> None:
        if not self.result.called:
            self.result.callback(address.host)

    def resolutionComplete(self) -> None:
        if not self.result.called:
            self.result.errback(unresolved(self._resolution))

    def give_up(self, seconds: float) -> None:
        self._resolution.cancel()
        self.result.errback(error.DNSLookupError(f"{self._name}: no answer in {seconds} seconds"))


@implementer(IHostnameResolver)
class SimpleNameResolver:
    """An IHostnameResolver on an IResolverSimple: one address at most."""

    def __init__(self, resolver: Any) -> None:
        self._resolver = resolver

    def resolveHostName(
        self,
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: AddressTypes = None,
        transportSemantics: str = "TCP",
    ) -> Resolution:
        """See IHostnameResolver. Raises ValueError for unknown semantics."""
        _check(transportSemantics)
        wanted = _wanted(addressTypes)
        resolution = Resolution(hostName)
        resolutionReceiver.resolutionBegan(resolution)
        if resolution.over:
            return resolution

        def found(host: str) -> list[Address]:
            address = numeric(host, portNumber, transportSemantics)
            return [address] if address and isinstance(address, wanted) else []

        looking = maybeDeferred(self._resolver.getHostByName, hostName)
        resolution.on_cancel(looking.cancel)
        looking.addCallback(found).addErrback(partial(_without_result, resolution))
        looking.addCallback(partial(resolution.complete, resolutionReceiver))
        return resolution


class NameResolution:
    """A reactor's two resolvers, always two faces of one."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor
        self.install_complex(ThreadedNameResolver(reactor))

    def install_complex(self, resolver: Any) -> None:
        self.complex = resolver
        self.simple: Any = FirstAddress(resolver, self._reactor)

    def install_simple(self, resolver: Any) -> None:
        self.simple = resolver
        self.complex = SimpleNameResolver(resolver)

    def resolve(self, name: str, timeout: Sequence[float]) -> Deferred[str]:
        """The result of `reactor.resolve`."""
        if not name:
            return succeed("0.0.0.0")
        if numeric(name) is not None:
            return succeed(name)
        return maybeDeferred(self.simple.getHostByName, name, timeout)
