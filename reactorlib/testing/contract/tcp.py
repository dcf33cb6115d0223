"""All the TCP contracts in one."""

from __future__ import annotations

from reactorlib.testing.contract.tcp_client import ClientContract
from reactorlib.testing.contract.tcp_congestion import CongestionContract
from reactorlib.testing.contract.tcp_connection import ConnectionContract
from reactorlib.testing.contract.tcp_faults import FaultContract
from reactorlib.testing.contract.tcp_files import FilesContract
from reactorlib.testing.contract.tcp_hazards import HazardContract
from reactorlib.testing.contract.tcp_machine import MachineContract
from reactorlib.testing.contract.tcp_names import NamesContract
from reactorlib.testing.contract.tcp_output import OutputContract
from reactorlib.testing.contract.tcp_overload import OverloadContract
from reactorlib.testing.contract.tcp_port import PortContract
from reactorlib.testing.contract.tcp_socket import SocketContract


class TCPContract(
    PortContract,
    ConnectionContract,
    SocketContract,
    OutputContract,
    CongestionContract,
    ClientContract,
    NamesContract,
    HazardContract,
    FaultContract,
    FilesContract,
    OverloadContract,
    MachineContract,
):
    """What a reactor with TCP must do."""
