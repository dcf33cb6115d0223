"""The public conformance suite: what any engine or reactor can be run through with pytest."""

from reactorlib.testing.contract.base import ContractBase, LoggedErrors
from reactorlib.testing.contract.core import CoreContract
from reactorlib.testing.contract.descriptor_ends import DescriptorEndsContract
from reactorlib.testing.contract.descriptors import DescriptorsContract
from reactorlib.testing.contract.system import SystemContract
from reactorlib.testing.contract.threads import ThreadsContract
from reactorlib.testing.contract.timing import TimeContract

__all__ = [
    "ContractBase",
    "CoreContract",
    "DescriptorEndsContract",
    "DescriptorsContract",
    "LoggedErrors",
    "SystemContract",
    "ThreadsContract",
    "TimeContract",
]
