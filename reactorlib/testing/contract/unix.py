"""All the UNIX contracts."""

from __future__ import annotations

from reactorlib.testing.contract.unix_client import UNIXClientContract
from reactorlib.testing.contract.unix_datagrams import UNIXDatagramContract
from reactorlib.testing.contract.unix_passing import PassingContract
from reactorlib.testing.contract.unix_port import UNIXPortContract
from reactorlib.testing.contract.unix_transport import (
    UNIXTransportContract as UNIXTransportContract,
)


class UNIXContract(UNIXPortContract, UNIXClientContract, PassingContract, UNIXDatagramContract):
    """What a reactor with UNIX sockets must do, but for UNIXTransportContract."""
