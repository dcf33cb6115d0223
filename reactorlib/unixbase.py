"""The part of a reactor that opens UNIX sockets."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from reactorlib.base import ReactorBase
from reactorlib.datagram import MAX_PACKET_SIZE
from reactorlib.interfaces import IReactorUNIX, IReactorUNIXDatagram
from reactorlib.tcp import BACKLOG
from reactorlib.unix import Connector, Port
from reactorlib.unixdatagram import ConnectedDatagramPort, DatagramPort


@implementer(IReactorUNIX, IReactorUNIXDatagram)
class UNIXReactor(ReactorBase):
    """See IReactorUNIX and IReactorUNIXDatagram."""

    def listenUNIX(
        self,
        address: str | bytes,
        factory: Any,
        backlog: int = BACKLOG,
        mode: int = 0o666,
        wantPID: bool | int = 0,
    ) -> Port:
        listening = Port(address, factory, backlog, mode, self, wantPID)
        listening.startListening()
        return listening

    def connectUNIX(
        self,
        address: str | bytes,
        factory: Any,
        timeout: float = 30,
        checkPID: bool | int = 0,
    ) -> Connector:
        connector = Connector(address, factory, timeout, self, checkPID)
        connector.connect()
        return connector

    def listenUNIXDatagram(
        self,
        address: str | bytes | None,
        protocol: Any,
        maxPacketSize: int = MAX_PACKET_SIZE,
        mode: int = 0o666,
    ) -> DatagramPort:
        listening = DatagramPort(address, protocol, maxPacketSize, mode, self)
        listening.startListening()
        return listening

    def connectUNIXDatagram(
        self,
        address: str | bytes,
        protocol: Any,
        maxPacketSize: int = MAX_PACKET_SIZE,
        mode: int = 0o666,
        bindAddress: str | bytes | None = None,
    ) -> ConnectedDatagramPort:
        port = ConnectedDatagramPort(address, protocol, maxPacketSize, mode, bindAddress, self)
        port.startListening()
        return port
