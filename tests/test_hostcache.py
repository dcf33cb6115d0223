"""A cache of names keeps what it was told to, and no longer."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.hostcache import CachingNameResolver
from reactorlib.task import Clock
from tests.resolvers import COMPLETE, Receiver, Resolver

ONE = IPv4Address("TCP", "127.0.0.1", 0)
SIX = IPv6Address("TCP", "::1", 0)


class Cached:
    """A cache with a clock, and the resolver behind it."""

    def __init__(self, size: int = 10) -> None:
        self.resolver = Resolver()
        self.clock = Clock()
        self.cache = CachingNameResolver(self.resolver, self.clock, size)

    def ask(self, *arguments: Any, cancel_after: int | None = None) -> Receiver:
        receiver = Receiver(cancel_after)
        self.cache.resolveHostName(receiver, *arguments)
        return receiver

    def learn(self, *arguments: Any, ttl: float | None = 10, addresses: Any = (ONE, SIX)) -> None:
        self.ask(*arguments)
        self.resolver.answer(*addresses, ttl=ttl)

    @property
    def asked(self) -> int:
        return len(self.resolver.calls)


@pytest.fixture
def cached() -> Cached:
    return Cached()


def test_what_is_asked_goes_through(cached: Cached) -> None:
    receiver = cached.ask("a.name", 5, [IPv4Address], "UDP")
    assert cached.resolver.calls == [("a.name", 5, [IPv4Address], "UDP")]
    cached.resolver.receivers[0].addressResolved(ONE)
    assert receiver.told == [ONE]
    cached.resolver.answer(SIX)
    assert receiver.told == [ONE, SIX, COMPLETE]
    assert receiver.resolution is cached.resolver.resolutions[0]


def test_an_answer_is_kept_as_long_as_it_holds(cached: Cached) -> None:
    cached.learn("a.name")
    cached.clock.advance(9.5)
    receiver = cached.ask("A.NAME")
    assert receiver.told == [ONE, SIX, COMPLETE]
    assert receiver.resolution.ttl == 0.5
    assert receiver.resolution.name == "A.NAME"
    assert cached.asked == 1
    cached.clock.advance(0.5)
    assert cached.ask("a.name").told == []
    assert cached.asked == 2


@pytest.mark.parametrize("ttl", [None, 0, -1])
def test_what_was_not_said_to_hold_is_not_kept(cached: Cached, ttl: float | None) -> None:
    cached.learn("a.name", ttl=ttl)
    cached.ask("a.name")
    assert cached.asked == 2


def test_that_there_is_no_address_is_not_kept(cached: Cached) -> None:
    cached.learn("a.name", addresses=())
    cached.ask("a.name")
    assert cached.asked == 2


def test_a_resolution_need_not_tell_how_long(cached: Cached) -> None:
    cached.ask("a.name")
    del cached.resolver.resolutions[0].ttl
    cached.resolver.resolutions[0].complete(cached.resolver.receivers[0], [ONE])
    cached.ask("a.name")
    assert cached.asked == 2


@pytest.mark.parametrize(
    "other",
    [("b.name",), ("a.name", 5), ("a.name", 0, [IPv4Address]), ("a.name", 0, None, "UDP")],
)
def test_other_questions_are_others(cached: Cached, other: Any) -> None:
    cached.learn("a.name")
    cached.ask(*other)
    assert cached.asked == 2


def test_the_order_of_types_means_nothing(cached: Cached) -> None:
    cached.learn("a.name", 0, [IPv4Address, IPv6Address])
    assert cached.ask("a.name", 0, [IPv6Address, IPv4Address]).told


def test_a_search_that_was_cancelled_is_not_kept(cached: Cached) -> None:
    receiver = cached.ask("a.name", cancel_after=1)
    cached.resolver.answer(ONE, SIX, ttl=10)
    assert receiver.told == [ONE]
    cached.ask("a.name")
    assert cached.asked == 2


@pytest.mark.parametrize("calls", [0, 1])
def test_an_answer_from_the_cache_can_be_cancelled(cached: Cached, calls: int) -> None:
    cached.learn("a.name")
    assert len(cached.ask("a.name", cancel_after=calls).told) == calls


def test_it_is_bounded_and_the_oldest_go(cached: Cached) -> None:
    cached = Cached(size=2)
    for name in ("a", "b", "a", "c"):
        cached.clock.advance(10 if name == "a" else 0)
        cached.learn(name, ttl=10)
    assert [bool(cached.ask(name).told) for name in ("a", "c", "b")] == [True, True, False]
