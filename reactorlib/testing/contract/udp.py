"""All the UDP contracts in one."""

from __future__ import annotations

from reactorlib.testing.contract.udp_multicast import MulticastContract
from reactorlib.testing.contract.udp_output import UDPOutputContract
from reactorlib.testing.contract.udp_port import UDPPortContract


class UDPContract(UDPPortContract, UDPOutputContract, MulticastContract):
    """What a reactor with UDP must do."""
