"""What holds on TCP holds over TLS: the same contracts, with peers that speak it."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import pytest

from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_congestion import CongestionContract
from reactorlib.testing.contract.tcp_connection import ConnectionContract
from reactorlib.testing.contract.tcp_machine import MachineContract
from reactorlib.testing.contract.tcp_output import OutputContract
from reactorlib.testing.contract.tls_peers import Settings, TLSContractBase, TLSNet, TLSNetwork
from reactorlib.testing.contract.transport import ConnectedTransports
from reactorlib.testing.contract.transport_networks import Network
from reactorlib.testing.tlspeer import TLSPeer


class TLSStreamsContract(TLSContractBase, ConnectionContract, OutputContract, CongestionContract):
    """The contracts of a TCP connection, over TLS."""


class PatientNet(TLSNet):
    """One whose peers may be refused in the middle of the hand-shake."""

    def shake(self, peer: TLSPeer) -> None:
        with contextlib.suppress(OSError):
            super().shake(peer)


class TLSMachineContract(TLSContractBase, MachineContract):
    """Everything from inside everywhere, over TLS."""

    @pytest.fixture
    def net(self, reactor: Any, settings: Settings) -> Iterator[PatientNet]:
        """Ports and peers on the reactor of the test."""
        net = PatientNet(self, reactor, settings)
        yield net
        net.close()


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
