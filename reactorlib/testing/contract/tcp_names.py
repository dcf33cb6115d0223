"""Connecting to names: off the reactor's thread, and all addresses in turn (RFC 8305)."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from reactorlib import error
from reactorlib.race import Attempt
from reactorlib.testing.contract.tcp_peers import (
    LOOPBACK,
    Net,
    RecordingFactory,
    TCPContractBase,
    black_hole,
    closed_port,
)

NAME = "service.invalid"


class Resolver:
    """Stands in for the system's: gives the addresses of NAME, and notes who asked."""

    def __init__(self, *hosts: str, fault: Exception | None = None) -> None:
        self.hosts = hosts
        self.fault = fault
        self.threads: list[threading.Thread] = []
        self.answer = threading.Event()
        self.answer.set()
        self._system = socket.getaddrinfo

    def __call__(self, host: Any, port: Any, *arguments: Any, **keywords: Any) -> Any:
        if host != NAME or keywords.get("flags"):
            return self._system(host, port, *arguments, **keywords)
        self.threads.append(threading.current_thread())
        self.answer.wait(10)
        if self.fault is not None:
            raise self.fault
        return [
            entry
            for each in self.hosts
            for entry in self._system(each, port, *arguments, **keywords)
        ]


class NamesContract(TCPContractBase):
    """Names, and the race of the addresses that one name has."""

    @pytest.fixture
    def resolve(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Puts a Resolver in place of the system's."""

        def resolve(*hosts: str, fault: Exception | None = None) -> Resolver:
            resolver = Resolver(*hosts, fault=fault)
            monkeypatch.setattr(socket, "getaddrinfo", resolver)
            return resolver

        return resolve

    @pytest.fixture
    def head_start(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Sets the head start of an address, in seconds."""
        return lambda seconds: monkeypatch.setattr("reactorlib.race.HEAD_START", seconds)

    @pytest.fixture(autouse=True)
    def stop_threads(self, reactor: Any, net: Net) -> Any:
        """Resolvers' threads end with their test."""
        yield
        reactor.getThreadPool().stop()

    def connected(self, net: Net, port: int) -> RecordingFactory:
        """A factory that was connected to NAME; the connection is lost again."""
        factory = RecordingFactory()
        connector = net.reactor.connectTCP(NAME, port, factory)
        net.turn_until(lambda: connector.state == "connected")
        assert net.reactor.getDelayedCalls() == []
        assert not any(isinstance(sink, Attempt) for sink in net.reactor.sinks.values())
        connector.disconnect()
        net.turn_until(lambda: factory.reasons)
        return factory

    def failed(self, net: Net, port: int, **options: Any) -> Any:
        """The error of connecting to NAME."""
        factory = RecordingFactory()
        net.reactor.connectTCP(NAME, port, factory, **options)
        net.turn_until(lambda: factory.reasons)
        assert factory.calls == ["start", "started", "failed", "stop"]
        return factory.reasons[0].value

    # Resolving

    def test_a_name_is_resolved_in_another_thread(self, net: Net, resolve: Any) -> None:
        resolver, port = resolve(LOOPBACK), net.listen()
        factory = self.connected(net, port.port)
        assert factory.addresses == [port.getHost()]
        (thread,) = resolver.threads
        assert thread is not threading.current_thread()

    def test_a_number_is_not_resolved(self, net: Net, resolve: Any) -> None:
        resolver, port, factory = resolve(), net.listen(), RecordingFactory()
        connector = net.connect(port, factory)
        net.turn_until(lambda: connector.state == "connected")
        connector.disconnect()
        net.turn_until(lambda: factory.reasons)
        assert resolver.threads == []

    @pytest.mark.parametrize(
        "fault",
        [
            socket.gaierror(socket.EAI_NONAME, "Name or service not known"),
            UnicodeError("label too long"),
            OSError("the resolver is broken"),
        ],
    )
    def test_a_name_that_cannot_be_resolved(self, net: Net, resolve: Any, fault: Any) -> None:
        resolve(fault=fault)
        failure = self.failed(net, 1)
        assert failure.__class__ is error.DNSLookupError
        assert NAME in str(failure)

    def test_a_name_without_addresses(self, net: Net, resolve: Any) -> None:
        resolve()
        assert self.failed(net, 1).__class__ is error.DNSLookupError

    @pytest.mark.parametrize("timeout", [0.01, None])
    def test_nobody_waits_for_a_slow_resolver(
        self, net: Net, resolve: Any, timeout: float | None
    ) -> None:
        resolver, port, factory = resolve(LOOPBACK), net.listen(), RecordingFactory()
        resolver.answer.clear()
        connector = net.reactor.connectTCP(NAME, port.port, factory, timeout=timeout)
        net.turn()
        if timeout is None:
            connector.stopConnecting()
        net.turn_until(lambda: factory.reasons)
        resolver.answer.set()
        net.reactor.getThreadPool().stop()
        net.turn(5)
        assert factory.reasons[0].check(error.UserError)
        assert factory.calls == ["start", "started", "failed", "stop"]
        assert port.factory.addresses == []

    # The race

    def test_the_next_address_follows_a_refusal_at_once(
        self, net: Net, resolve: Any, head_start: Any
    ) -> None:
        head_start(1000)
        resolve("127.0.0.2", "127.0.0.3", LOOPBACK)
        port = net.listen()
        assert self.connected(net, port.port).addresses == [port.getHost()]

    def test_the_next_address_follows_a_silence_after_the_head_start(
        self, net: Net, resolve: Any, head_start: Any
    ) -> None:
        head_start(0.02)
        port = net.listen()
        black_hole(net, ("127.0.0.2", port.port))
        resolve("127.0.0.2", LOOPBACK)
        begun = net.reactor.seconds()
        assert self.connected(net, port.port).addresses == [port.getHost()]
        assert net.reactor.seconds() - begun >= 0.02

    def test_the_first_address_wins_if_it_answers(
        self, net: Net, resolve: Any, head_start: Any
    ) -> None:
        head_start(1000)
        port = net.listen(interface="")
        resolve("127.0.0.3", "127.0.0.2", LOOPBACK)
        assert self.connected(net, port.port).addresses[0].host == "127.0.0.3"
        assert len(port.factory.addresses) == 1

    def test_the_families_take_turns(self, net: Net, resolve: Any, head_start: Any) -> None:
        head_start(1000)
        port = net.listen(interface="::1")
        resolve("127.0.0.3", "127.0.0.2", "::1")
        black_hole(net, ("127.0.0.2", port.port))
        assert self.connected(net, port.port).addresses == [port.getHost()]

    def test_one_wins_and_the_others_are_closed(
        self, net: Net, resolve: Any, head_start: Any
    ) -> None:
        head_start(0)
        port = net.listen(interface="")
        hosts = [f"127.0.0.{number}" for number in range(2, 12)]
        resolve(*hosts)
        assert len(self.connected(net, port.port).addresses) == 1
        net.until_lost(*port.factory.protocols)

    def test_all_fail_for_the_first_reason(self, net: Net, resolve: Any) -> None:
        resolve("224.0.0.1", "127.0.0.2", LOOPBACK)
        number = closed_port(net)[1]
        assert self.failed(net, number).__class__ is error.NoRouteError

    def test_all_are_silent(self, net: Net, resolve: Any, head_start: Any) -> None:
        head_start(0.001)
        number = black_hole(net)[1]
        black_hole(net, ("127.0.0.2", number))
        resolve("127.0.0.2", LOOPBACK)
        assert self.failed(net, number, timeout=0.05).__class__ is error.TimeoutError
        net.turn()
        assert net.reactor.sinks == {}
