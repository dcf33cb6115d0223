"""Limits of the number of connections: of each peer, and of all together."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from typing import Any

from reactorlib.protocol import ServerFactory
from reactorlib.protocols.wrapping import ProtocolWrapper, WrappingFactory


class LimitConnectionsByPeer(WrappingFactory):
    """Refuses a peer's connections beyond `maxConnectionsPerPeer`.

    A peer is an address without its port. `peerConnections` has those that are
    connected, with the number of their connections.
    """

    maxConnectionsPerPeer = 5

    def __init__(self, wrappedFactory: Any) -> None:
        super().__init__(wrappedFactory)
        self.peerConnections: Counter[Any] = Counter()

    def buildProtocol(self, addr: Any) -> Any:
        peer = getattr(addr, "host", addr)
        if self.peerConnections[peer] >= self.maxConnectionsPerPeer:
            return None
        protocol = super().buildProtocol(addr)
        if protocol is not None:
            # Not asked for at the end: getPeer may then have another answer, or none.
            protocol.peer_counted = peer
            self.peerConnections[peer] += 1
        return protocol

    def unregisterProtocol(self, p: Any) -> None:
        super().unregisterProtocol(p)
        self.peerConnections[p.peer_counted] -= 1
        if not self.peerConnections[p.peer_counted]:
            del self.peerConnections[p.peer_counted]


class LimitTotalConnectionsFactory(ServerFactory):
    """Has `connectionLimit` connections at most, or any number if that is None.

    What comes beyond gets an `overflowProtocol`, which counts as well and should
    end soon; without one it is refused. `connectionCount` is their number.
    """

    connectionCount = 0
    connectionLimit: int | None = None
    overflowProtocol: Callable[[], Any] | None = None

    def buildProtocol(self, addr: Any) -> Any:
        if self.connectionLimit is None or self.connectionCount < self.connectionLimit:
            protocol = super().buildProtocol(addr)
        elif self.overflowProtocol is not None:
            protocol = self.overflowProtocol()
            protocol.factory = self
        else:
            return None
        self.connectionCount += 1
        return ProtocolWrapper(self, protocol)

    def registerProtocol(self, p: Any) -> None:
        """Called by a wrapper that is connected; it is counted already."""

    def unregisterProtocol(self, p: Any) -> None:
        """Called by a wrapper that has lost its connection."""
        self.connectionCount -= 1
