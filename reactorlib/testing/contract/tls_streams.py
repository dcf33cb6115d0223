"""What holds on TCP holds over TLS: the same contracts, with peers that speak it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_congestion import CongestionContract
from reactorlib.testing.contract.tcp_connection import ConnectionContract
from reactorlib.testing.contract.tcp_output import OutputContract
from reactorlib.testing.contract.tls_peers import Settings, TLSContractBase, TLSNetwork
from reactorlib.testing.contract.transport import ConnectedTransports
from reactorlib.testing.contract.transport_networks import Network


class TLSStreamsContract(TLSContractBase, ConnectionContract, OutputContract, CongestionContract):
    """The contracts of a TCP connection, over TLS."""


class TLSTransportContract(TLSContractBase, ConnectedTransports):
    """The contract of every transport, with TLS at both ends."""

    @pytest.fixture
    def network(
        self, reactor: Any, logged_errors: LoggedErrors, settings: Settings
    ) -> Iterator[Network]:
        """Both ends on one reactor."""
        network = TLSNetwork(reactor, logged_errors, settings)
        yield network
        network.close()
