"""All the TLS contracts in one: what TLS adds, and what must stay as it is on TCP.

Certificates are made by trustme, which is not needed for anything else.
"""

from __future__ import annotations

import ssl

from reactorlib.testing.contract.tls_connection import EndingsContract
from reactorlib.testing.contract.tls_faults import PeerFaultsContract
from reactorlib.testing.contract.tls_handshake import HandshakeContract
from reactorlib.testing.contract.tls_machine import StartTLSMachineContract, TLSMachineContract
from reactorlib.testing.contract.tls_output import DrainingContract, RecordsContract
from reactorlib.testing.contract.tls_start import StartTLSContract
from reactorlib.testing.contract.tls_streams import TLSStreamsContract, TLSTransportContract

__all__ = [
    "StartTLSMachineContract",
    "TLS12Contract",
    "TLSContract",
    "TLSMachineContract",
    "TLSStreamsContract",
    "TLSTransportContract",
]


class TLSContract(
    HandshakeContract,
    PeerFaultsContract,
    RecordsContract,
    DrainingContract,
    StartTLSContract,
    EndingsContract,
    TLSStreamsContract,
):
    """What a reactor with TLS must do."""


class TLS12Contract(
    HandshakeContract,
    PeerFaultsContract,
    RecordsContract,
    StartTLSContract,
    EndingsContract,
):
    """The same in the older version, whose hand-shake and records are others."""

    newest = ssl.TLSVersion.TLSv1_2
