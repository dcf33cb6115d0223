"""The public conformance suite: what any engine or reactor can be run through with pytest.

Its modules are registered with pytest before they are imported, so that a
failed assertion tells what was compared.
"""

# ruff: noqa: E402
import pkgutil

import pytest

pytest.register_assert_rewrite(
    *(f"{__name__}.{each.name}" for each in pkgutil.iter_modules(__path__))
)

from reactorlib.testing.contract.base import ContractBase, LoggedErrors
from reactorlib.testing.contract.core import CoreContract
from reactorlib.testing.contract.descriptor_ends import DescriptorEndsContract
from reactorlib.testing.contract.descriptors import DescriptorsContract
from reactorlib.testing.contract.engine import EngineContract
from reactorlib.testing.contract.http_request import HTTPRequestContract
from reactorlib.testing.contract.process import ProcessContract
from reactorlib.testing.contract.streams import StreamsContract
from reactorlib.testing.contract.system import SystemContract
from reactorlib.testing.contract.tcp import TCPContract
from reactorlib.testing.contract.tcp_client import ClientContract
from reactorlib.testing.contract.tcp_congestion import CongestionContract
from reactorlib.testing.contract.tcp_connection import ConnectionContract
from reactorlib.testing.contract.tcp_faults import FaultContract
from reactorlib.testing.contract.tcp_hazards import HazardContract
from reactorlib.testing.contract.tcp_machine import MachineContract
from reactorlib.testing.contract.tcp_names import NamesContract
from reactorlib.testing.contract.tcp_output import OutputContract
from reactorlib.testing.contract.tcp_overload import OverloadContract
from reactorlib.testing.contract.tcp_port import PortContract
from reactorlib.testing.contract.tcp_socket import SocketContract
from reactorlib.testing.contract.threads import ThreadsContract
from reactorlib.testing.contract.timing import TimeContract
from reactorlib.testing.contract.transport import TransportContract

__all__ = [
    "ClientContract",
    "CongestionContract",
    "ConnectionContract",
    "ContractBase",
    "CoreContract",
    "DescriptorEndsContract",
    "DescriptorsContract",
    "EngineContract",
    "FaultContract",
    "HTTPRequestContract",
    "HazardContract",
    "LoggedErrors",
    "MachineContract",
    "NamesContract",
    "OutputContract",
    "OverloadContract",
    "PortContract",
    "ProcessContract",
    "SocketContract",
    "StreamsContract",
    "SystemContract",
    "TCPContract",
    "ThreadsContract",
    "TimeContract",
    "TransportContract",
]
