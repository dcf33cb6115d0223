"""The part of a reactor that opens UDP ports."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from reactorlib.base import ReactorBase
from reactorlib.datagram import MAX_PACKET_SIZE
from reactorlib.interfaces import IReactorMulticast, IReactorUDP
from reactorlib.multicast import MulticastPort
from reactorlib.udp import Port


@implementer(IReactorUDP, IReactorMulticast)
class UDPReactor(ReactorBase):
    """See IReactorUDP and IReactorMulticast."""

    def listenUDP(
        self,
        port: int,
        protocol: Any,
        interface: str = "",
        maxPacketSize: int = MAX_PACKET_SIZE,
    ) -> Port:
        listening = Port(port, protocol, interface, maxPacketSize, self)
        listening.startListening()
        return listening

    def listenMulticast(
        self,
        port: int,
        protocol: Any,
        interface: str = "",
        maxPacketSize: int = MAX_PACKET_SIZE,
        listenMultiple: bool = False,
    ) -> MulticastPort:
        listening = MulticastPort(port, protocol, interface, maxPacketSize, self, listenMultiple)
        listening.startListening()
        return listening
