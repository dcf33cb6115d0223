"""Standard input and output as a place to listen at, where one peer is connected already."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from reactorlib.defer import Deferred, execute
from reactorlib.error import NoProtocol
from reactorlib.interfaces import IStreamServerEndpoint, IStreamServerEndpointStringParser
from reactorlib.stdio import PipeAddress, StandardIO


@implementer(IStreamServerEndpoint)
class StandardIOEndpoint:
    """This process's standard input and output."""

    def __init__(self, reactor: Any) -> None:
        self._reactor = reactor

    def listen(self, stdioProtocolFactory: Any) -> Deferred[Any]:
        """Connect a protocol; the StandardIO, which is no IListeningPort, or NoProtocol."""
        return execute(self._connect, stdioProtocolFactory)

    def _connect(self, factory: Any) -> StandardIO:
        protocol = factory.buildProtocol(PipeAddress())
        if protocol is None:
            raise NoProtocol(f"{factory!r} made no protocol")
        return StandardIO(protocol, reactor=self._reactor)


@implementer(IStreamServerEndpointStringParser)
class StandardIOParser:
    """`stdio`."""

    prefix = "stdio"

    def parseStreamServer(self, reactor: Any) -> StandardIOEndpoint:
        return StandardIOEndpoint(reactor)
