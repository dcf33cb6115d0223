"""From what a user calls a host to its addresses.

A numeric host is its own address, and asks nobody; an empty one is this machine.
Anything else is found by the reactor's name resolver, which is shown no numbers.
"""

from __future__ import annotations

from typing import Any

from reactorlib.hostnames import AddressTypes, Resolution, numeric

LOOPBACK = "127.0.0.1"


def resolve(reactor: Any, host: str, port: int, address_types: AddressTypes, receiver: Any) -> None:
    """Tell an IResolutionReceiver the addresses of `host`, perhaps before this returns."""
    address = numeric(host or LOOPBACK, port)
    if address is None:
        reactor.nameResolver.resolveHostName(receiver, host, port, address_types, "TCP")
        return
    resolution = Resolution(host)
    receiver.resolutionBegan(resolution)
    resolution.complete(receiver, [address])
