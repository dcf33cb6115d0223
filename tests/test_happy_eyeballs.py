"""Connecting to a name while its addresses are still coming (RFC 8305)."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib import error
from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.race import Attempt
from reactorlib.testing.contract.tcp_peers import (
    LOOPBACK,
    Net,
    RecordingFactory,
    black_hole,
    closed_port,
)
from tests.on_backends import OnEveryBackend
from tests.resolvers import Resolver

ONE = IPv4Address("TCP", LOOPBACK, 1)


class TestRace(OnEveryBackend):
    @pytest.fixture
    def resolver(self, reactor: Any) -> Resolver:
        resolver = Resolver()
        reactor.installNameResolver(resolver)
        return resolver

    def connected(self, net: Net, factory: RecordingFactory, connector: Any) -> Any:
        net.turn_until(lambda: connector.state == "connected")
        assert net.reactor.getDelayedCalls() == []
        connector.disconnect()
        net.turn_until(lambda: factory.reasons)
        return factory.addresses[-1]

    def test_an_ipv6_address_is_tried_before_the_search_is_over(
        self, net: Net, resolver: Resolver
    ) -> None:
        port, factory = net.listen(interface="::1"), RecordingFactory()
        connector = net.reactor.connectTCP("a.name", port.port, factory)
        resolver.receivers[0].addressResolved(port.getHost())
        assert self.connected(net, factory, connector) == port.getHost()
        assert resolver.resolutions[0].over

    def test_an_ipv4_address_waits_for_ipv6_ones_a_moment(
        self, net: Net, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("reactorlib.race.RESOLUTION_DELAY", 0.02)
        port, factory = net.listen(), RecordingFactory()
        connector = net.reactor.connectTCP("a.name", port.port, factory)
        begun = net.reactor.seconds()
        resolver.receivers[0].addressResolved(port.getHost())
        assert self.connected(net, factory, connector) == port.getHost()
        assert net.reactor.seconds() - begun >= 0.02

    @pytest.mark.parametrize("end", [True, False])
    def test_it_waits_no_longer_than_it_must(
        self, net: Net, resolver: Resolver, monkeypatch: pytest.MonkeyPatch, end: bool
    ) -> None:
        monkeypatch.setattr("reactorlib.race.RESOLUTION_DELAY", 1000)
        monkeypatch.setattr("reactorlib.race.HEAD_START", 1000)
        port, factory = net.listen(interface="127.0.0.1" if end else "::1"), RecordingFactory()
        connector = net.reactor.connectTCP("a.name", port.port, factory)
        resolver.receivers[0].addressResolved(IPv4Address("TCP", LOOPBACK, port.port))
        net.turn()
        if end:
            resolver.receivers[0].resolutionComplete()
        else:
            resolver.receivers[0].addressResolved(port.getHost())
        assert self.connected(net, factory, connector) == port.getHost()

    def test_an_address_that_comes_late_is_tried(
        self, net: Net, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("reactorlib.race.HEAD_START", 0.001)
        port, factory = net.listen(), RecordingFactory()
        black_hole(net, ("127.0.0.2", port.port))
        connector = net.reactor.connectTCP("a.name", port.port, factory)
        resolver.receivers[0].addressResolved(IPv6Address("TCP", "::1", port.port))
        resolver.receivers[0].addressResolved(IPv4Address("TCP", "127.0.0.2", port.port))
        net.turn_until(lambda: not net.reactor.getDelayedCalls()[1:])
        resolver.receivers[0].addressResolved(port.getHost())
        assert self.connected(net, factory, connector) == port.getHost()

    def test_an_address_that_comes_soon_lets_the_first_one_have_its_head_start(
        self, net: Net, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("reactorlib.race.HEAD_START", 0.3)
        monkeypatch.setattr("reactorlib.race.RESOLUTION_DELAY", 0)
        port, factory = net.listen(), RecordingFactory()
        silent = black_hole(net, ("127.0.0.2", port.port))
        connector = net.reactor.connectTCP("a.name", port.port, factory)
        begun = net.reactor.seconds()
        resolver.receivers[0].addressResolved(IPv4Address("TCP", *silent))
        net.turn_until(lambda: any(isinstance(it, Attempt) for it in net.reactor.sinks.values()))
        resolver.receivers[0].addressResolved(port.getHost())
        assert self.connected(net, factory, connector) == port.getHost()
        assert net.reactor.seconds() - begun >= 0.3

    def test_all_have_failed_and_more_may_come(self, net: Net, resolver: Resolver) -> None:
        number, factory = closed_port(net)[1], RecordingFactory()
        connector = net.reactor.connectTCP("a.name", number, factory)
        resolver.receivers[0].addressResolved(IPv6Address("TCP", "::1", number))
        net.turn_until(lambda: len(net.reactor.sinks) == 0)
        net.turn()
        assert connector.state == "connecting"
        resolver.receivers[0].resolutionComplete()
        net.turn_until(lambda: factory.reasons)
        assert factory.reasons[0].check(error.ConnectionRefusedError)
        assert net.reactor.getDelayedCalls() == []

    def test_no_address_and_why(self, net: Net, resolver: Resolver) -> None:
        factory = RecordingFactory()
        net.reactor.connectTCP("a.name", 1, factory)
        resolver.answer(reason="it is Sunday")
        assert factory.reasons == []
        net.turn_until(lambda: factory.reasons)
        assert factory.reasons[0].check(error.DNSLookupError)
        assert "a.name: it is Sunday" in factory.reasons[0].getErrorMessage()

    def test_an_address_that_is_none(self, net: Net, resolver: Resolver) -> None:
        factory = RecordingFactory()
        net.reactor.connectTCP("a.name", 1, factory)
        resolver.answer(IPv4Address("TCP", "not numeric", 1))
        net.turn_until(lambda: factory.reasons)
        assert factory.reasons[0].check(error.ConnectError)
        assert "not numeric" in factory.reasons[0].getErrorMessage()

    def test_what_is_told_after_the_end_changes_nothing(self, net: Net, resolver: Resolver) -> None:
        factory = RecordingFactory()
        connector = net.reactor.connectTCP("a.name", 1, factory)
        connector.stopConnecting()
        assert resolver.resolutions[0].over
        resolver.receivers[0].addressResolved(ONE)
        resolver.receivers[0].resolutionComplete()
        net.turn(5)
        assert factory.calls == ["start", "started", "failed", "stop"]

    def test_a_resolver_that_raises(self, net: Net) -> None:
        factory = RecordingFactory()
        net.reactor.installNameResolver(None)
        net.reactor.connectTCP("a.name", 1, factory)
        assert factory.reasons == []
        net.turn_until(lambda: factory.reasons)
        assert factory.reasons[0].check(AttributeError)

    def test_only_the_wanted_types(self, net: Net, resolver: Resolver) -> None:
        connector = net.reactor.connectTCP(
            "a.name", 1, RecordingFactory(), addressTypes=[IPv6Address]
        )
        assert resolver.calls == [("a.name", 1, [IPv6Address], "TCP")]
        connector.stopConnecting()

    def test_the_delay_between_attempts(
        self, net: Net, resolver: Resolver, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("reactorlib.race.HEAD_START", 1000)
        port, factory = net.listen(), RecordingFactory()
        black_hole(net, ("127.0.0.2", port.port))
        begun = net.reactor.seconds()
        connector = net.reactor.connectTCP("a.name", port.port, factory, attemptDelay=0.01)
        resolver.answer(IPv4Address("TCP", "127.0.0.2", port.port), port.getHost())
        assert self.connected(net, factory, connector) == port.getHost()
        assert net.reactor.seconds() - begun >= 0.01
