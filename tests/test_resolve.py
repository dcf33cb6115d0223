"""From a host to its addresses: what is asked of the resolver, and what is not."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.resolve import resolve


class Receiver:
    """An IResolutionReceiver that writes down what it is told."""

    def __init__(self, cancels: bool = False) -> None:
        self.cancels = cancels
        self.told: list[Any] = []

    def resolutionBegan(self, resolution: Any) -> None:
        self.told.append(f"began {resolution.name}")
        if self.cancels:
            resolution.cancel()

    def addressResolved(self, address: Any) -> None:
        self.told.append(address)

    def resolutionComplete(self) -> None:
        self.told.append("complete")


class FakeReactor:
    """A reactor that is its own name resolver."""

    def __init__(self) -> None:
        self.asked: list[tuple[Any, ...]] = []

    @property
    def nameResolver(self) -> FakeReactor:
        return self

    def resolveHostName(self, *arguments: Any) -> None:
        self.asked.append(arguments)


def told_of(host: str, port: int = 80) -> list[Any]:
    """What a receiver is told of a host that needs no resolver."""
    reactor, receiver = FakeReactor(), Receiver()
    resolve(reactor, host, port, None, receiver)
    assert reactor.asked == []
    return receiver.told


@pytest.mark.parametrize(
    ("host", "address"),
    [
        ("127.0.0.1", IPv4Address("TCP", "127.0.0.1", 80)),
        ("192.0.2.1", IPv4Address("TCP", "192.0.2.1", 80)),
        ("::1", IPv6Address("TCP", "::1", 80)),
        ("2001:db8::1", IPv6Address("TCP", "2001:db8::1", 80)),
        ("::ffff:127.0.0.1", IPv6Address("TCP", "::ffff:127.0.0.1", 80)),
        ("fe80::1%1", IPv6Address("TCP", "fe80::1", 80, 0, 1)),
    ],
)
def test_a_number_is_its_own_address(host: str, address: Any) -> None:
    assert told_of(host) == [f"began {host}", address, "complete"]


def test_nobody_is_this_machine() -> None:
    assert told_of("")[1:] == [IPv4Address("TCP", "127.0.0.1", 80), "complete"]


@pytest.mark.parametrize("port", [-1, 0, 65_536, 1 << 20])
def test_the_port_is_handed_on_as_it_is(port: int) -> None:
    assert told_of("127.0.0.1", port)[1].port == port
    assert told_of("::1", port)[1].port == port


@pytest.mark.parametrize(
    "host",
    ["localhost", "name.invalid", "1.2.3.4.5", "1.2.3.256", "::1::", "a\0b", "\u00fc" * 70, " "],
)
def test_all_else_is_the_resolvers(host: str) -> None:
    reactor, receiver = FakeReactor(), Receiver()
    resolve(reactor, host, 80, [IPv4Address], receiver)
    assert reactor.asked == [(receiver, host, 80, [IPv4Address], "TCP")]
    assert receiver.told == []


def test_a_receiver_may_cancel_at_the_beginning() -> None:
    receiver = Receiver(cancels=True)
    resolve(FakeReactor(), "127.0.0.1", 80, None, receiver)
    assert receiver.told == ["began 127.0.0.1"]
