"""Connections that begin with something of their own, before their protocol knows of them.

TLS begins so, and so does a header that goes before everything else. The transport
must have handOver (IHandOver).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from reactorlib.defer import Deferred
from reactorlib.interfaces import IProtocolFactory, IStreamClientEndpoint
from reactorlib.protocol import Protocol

Begin = Callable[[Any], object]


class Opening(Protocol):
    """Calls `begin(transport)`, and hands the connection over."""

    def __init__(self, protocol: Any, begin: Begin) -> None:
        self.protocol = protocol
        self._begin = begin

    def makeConnection(self, transport: Any) -> None:
        self._begin(transport)
        transport.handOver(self.protocol)


@implementer(IProtocolFactory)
class OpeningFactory:
    """A factory like the wrapped one, whose connections begin with `begin(transport)`."""

    def __init__(self, wrapped_factory: Any, begin: Begin) -> None:
        self.wrappedFactory = wrapped_factory
        self._begin = begin

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrappedFactory, name)

    def buildProtocol(self, addr: Any) -> Opening | None:
        """The wrapped factory's protocol, to be opened first; None if there is none."""
        return self._opening(self.wrappedFactory.buildProtocol(addr))

    def buildRefusal(self, addr: Any) -> Opening | None:
        """The same for the wrapped factory's refusal, if it has any."""
        build = getattr(self.wrappedFactory, "buildRefusal", None)
        return self._opening(build(addr)) if build is not None else None

    def _opening(self, protocol: Any) -> Opening | None:
        return None if protocol is None else Opening(protocol, self._begin)


@implementer(IStreamClientEndpoint)
class OpeningClientEndpoint:
    """An endpoint like the wrapped one, whose connections begin with `begin(transport)`."""

    def __init__(self, wrapped_endpoint: Any, begin: Begin) -> None:
        self.wrappedEndpoint = wrapped_endpoint
        self._begin = begin

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        factory = OpeningFactory(protocolFactory, self._begin)
        connected: Deferred[Any] = self.wrappedEndpoint.connect(factory)
        return connected.addCallback(lambda opening: opening.protocol)
