"""TCP clients: a connector, and the transport of a connection that it made."""

from __future__ import annotations

from typing import Any

from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.baseconnector import BaseConnector
from reactorlib.connection import Connection
from reactorlib.hostnames import AddressTypes
from reactorlib.race import Race
from reactorlib.resolve import resolve


class Connector(BaseConnector):
    """Connects a ClientFactory to a host and port over TCP, as often as it is told to."""

    def __init__(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float | None,
        bindAddress: tuple[str, int] | None,
        reactor: Any,
        addressTypes: AddressTypes = None,
        attemptDelay: float | None = None,
    ) -> None:
        super().__init__(factory, timeout, reactor)
        self.host = host
        self.port = port
        self.bindAddress = bindAddress
        self.addressTypes = addressTypes
        self.attemptDelay = attemptDelay

    def getDestination(self) -> Any:
        kind = IPv6Address if ":" in self.host else IPv4Address
        return kind("TCP", self.host, self.port)

    @property
    def where(self) -> str:
        return f"{self.host}:{self.port}"

    def _begin(self) -> None:
        race = self._race = Race(
            self.reactor,
            self.bindAddress,
            self.attemptDelay,
            self._connected,
            self._not_connected,
        )
        try:
            resolve(self.reactor, self.host, self.port, self.addressTypes, race)
        except Exception as fault:  # the resolver's; in connectTCP nothing may fail yet
            race.refuse(fault)

    def _client(self, handle: int, peer: Any) -> Connection:
        return ClientConnection(self.reactor, handle, peer, self)


class ClientConnection(Connection):
    """A TCP connection that a connector made."""

    __slots__ = ()

    is_client = True

    @property
    def peer_name(self) -> str:
        return str(self.connector.host)
