"""Names to addresses: resolvers, and reactors that take one."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from reactorlib.defer import Deferred
    from reactorlib.interfaces.transports import IAddress


class IResolverSimple(Interface):
    """Finds one address of a name."""

    def getHostByName(name: str, timeout: Sequence[float] = (1, 3, 11, 45)) -> Deferred[str]:
        """The first IPv4 address of a name, as text.

        `timeout` is how long to wait, in seconds, for the first attempt and for
        each that follows; what counts is their sum. Fails with DNSLookupError.
        """


class IHostResolution(Interface):
    """The search for a name's addresses while it lasts."""

    name: str = Attribute("The name that is looked up.")
    reason: str | None = Attribute(
        "Once it is complete without an address: why, where the resolver knows. Optional."
    )
    ttl: float | None = Attribute(
        "Once it is complete: the seconds for which the resolver was told that the answer "
        "holds; None if it was told nothing. Optional."
    )

    def cancel() -> None:
        """End the search: the receiver is told nothing more."""


class IResolutionReceiver(Interface):
    """Who is told the addresses of a name, each as it comes."""

    def resolutionBegan(resolutionInProgress: Any) -> None:
        """Called once and first, with the IHostResolution."""

    def addressResolved(address: IAddress) -> None:
        """Called for each address, the best first as far as the resolver knows."""

    def resolutionComplete() -> None:
        """Called once and last. That there is no address is told by nothing else."""


class IHostnameResolver(Interface):
    """Finds the addresses of names."""

    def resolveHostName(
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        """Begin a search; the IHostResolution that the receiver is given too.

        `portNumber` goes into the addresses. `addressTypes` are the classes of
        address that are wanted (IPv4Address, IPv6Address), by default all.
        `transportSemantics` is their `type`, "TCP" or "UDP". The receiver may be
        told everything before this returns.
        """


class IReactorPluggableNameResolver(Interface):
    """A reactor whose way to look names up can be replaced."""

    nameResolver: Any = Attribute("The IHostnameResolver in use.")

    def installNameResolver(resolver: Any) -> Any:
        """Use this IHostnameResolver from now on; returns the one before it."""


class IReactorPluggableResolver(Interface):
    """A reactor whose IResolverSimple can be replaced."""

    def resolve(name: str, timeout: Sequence[float] = (1, 3, 11, 45)) -> Deferred[str]:
        """See IResolverSimple.getHostByName. An address is its own result."""

    def installResolver(resolver: Any) -> Any:
        """Use this IResolverSimple from now on, for everything; returns the one before it."""
