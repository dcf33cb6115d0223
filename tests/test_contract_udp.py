"""The conformance suite of UDP on every backend, and the addresses of its peers."""

from __future__ import annotations

import pytest

from reactorlib.testing.contract.udp import UDPContract
from reactorlib.udp import REMEMBERED, pack_ipv4, pack_ipv6, unpack_ipv4, unpack_ipv6
from tests.on_backends import on_every_backend

globals().update(on_every_backend(UDPContract))


@pytest.mark.parametrize("address", [("127.0.0.1", 1), ("255.255.255.255", 65_535), ("0.0.0.0", 0)])
def test_an_ipv4_address_comes_back(address: tuple[str, int]) -> None:
    assert unpack_ipv4(pack_ipv4(address)) == address


@pytest.mark.parametrize("address", [("::1", 1, 0, 0), ("fe80::1", 65_535, 7, 3)])
def test_an_ipv6_address_comes_back(address: tuple[str, int, int, int]) -> None:
    assert unpack_ipv6(pack_ipv6(address)) == address


def test_so_many_addresses_are_remembered_and_no_more() -> None:
    for number in range(2 * REMEMBERED):
        address = unpack_ipv4(53 << 32 | number)
        assert pack_ipv4(address) == 53 << 32 | number
    for memory in (unpack_ipv4, pack_ipv4):
        assert memory.cache_info().currsize == REMEMBERED
