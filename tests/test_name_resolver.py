"""Names to addresses: the system in a thread, resolvers in its place, and what is cached."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import IPv4Address, IPv6Address, UNIXAddress
from reactorlib.defer import CancelledError, Deferred, fail, succeed
from reactorlib.hostcache import CachingNameResolver
from reactorlib.hostnames import (
    FirstAddress,
    Resolution,
    SimpleNameResolver,
    ThreadedNameResolver,
    numeric,
)
from reactorlib.interfaces import (
    IHostnameResolver,
    IHostResolution,
    IReactorPluggableNameResolver,
    IReactorPluggableResolver,
    IResolutionReceiver,
    IResolverSimple,
)
from reactorlib.testing.contract.tcp_peers import LOOPBACK, Net, RecordingFactory
from tests.deferreds import result_of, results_of
from tests.on_backends import OnEveryBackend
from tests.resolvers import COMPLETE, Receiver, Resolver

ONE = IPv4Address("TCP", "127.0.0.1", 0)
TWO = IPv4Address("TCP", "127.0.0.2", 0)
SIX = IPv6Address("TCP", "::1", 0)


class FakeSystem:
    """Stands in for getaddrinfo."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.arguments: list[Any] = []
        self.threads: list[threading.Thread] = []
        self.answer = threading.Event()
        self.answer.set()
        self._real = socket.getaddrinfo

    def __call__(self, host: Any, *arguments: Any, flags: int = 0, **options: Any) -> Any:
        if flags:
            return self._real(host, *arguments, flags=flags, **options)
        self.arguments.append((host, *arguments))
        self.threads.append(threading.current_thread())
        self.answer.wait(10)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


def entry(host: str) -> Any:
    """One line of getaddrinfo's result."""
    if host.startswith("/"):
        return (socket.AF_UNIX, socket.SOCK_STREAM, 0, "", host)
    six = ":" in host
    place = (host, 0, 0, 0) if six else (host, 0)
    return (socket.AF_INET6 if six else socket.AF_INET, socket.SOCK_STREAM, 6, "", place)


class WithThreads(OnEveryBackend):
    @pytest.fixture(autouse=True)
    def stop_threads(self, reactor: Any) -> Iterator[None]:
        """They end with their test."""
        yield
        reactor.getThreadPool().stop()

    @pytest.fixture
    def system(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        """Puts a FakeSystem in place of the real one."""

        def system(*hosts: str, fault: Exception | None = None) -> FakeSystem:
            fake = FakeSystem(fault or [entry(host) for host in hosts])
            monkeypatch.setattr(socket, "getaddrinfo", fake)
            return fake

        return system

    def resolve(self, reactor: Any, host: str, *arguments: Any, **options: Any) -> Receiver:
        """A receiver that was told everything."""
        receiver = Receiver()
        resolution = reactor.nameResolver.resolveHostName(receiver, host, *arguments, **options)
        assert resolution is receiver.resolution
        self.run_until(reactor, receiver.done)
        return receiver


class TestThreaded(WithThreads):
    def test_interfaces(self, reactor: Any) -> None:
        receiver = Receiver()
        verifyObject(IHostnameResolver, reactor.nameResolver)
        verifyObject(IReactorPluggableNameResolver, reactor)
        verifyObject(IReactorPluggableResolver, reactor)
        verifyObject(IResolverSimple, FirstAddress(reactor.nameResolver, reactor))
        verifyObject(IHostnameResolver, SimpleNameResolver(None))
        verifyObject(IHostnameResolver, CachingNameResolver(None, reactor))
        verifyObject(IHostResolution, Resolution("a"))
        verifyObject(IResolutionReceiver, receiver, tentative=True)

    def test_in_the_pool_and_in_the_system_s_order(self, reactor: Any, system: Any) -> None:
        fake = system("192.0.2.2", "::1", "192.0.2.1", "192.0.2.2", "/tmp/socket")
        receiver = self.resolve(reactor, "a.name", 70_000)
        assert receiver.told == [
            IPv4Address("TCP", "192.0.2.2", 70_000),
            IPv6Address("TCP", "::1", 70_000),
            IPv4Address("TCP", "192.0.2.1", 70_000),
            COMPLETE,
        ]
        assert fake.threads[0] is not threading.current_thread()
        assert fake.arguments == [("a.name", None, socket.AF_UNSPEC, socket.SOCK_STREAM)]
        assert receiver.resolution.reason is None
        assert receiver.resolution.ttl is None

    @pytest.mark.parametrize(
        ("types", "family"),
        [
            ([IPv4Address], socket.AF_INET),
            ([IPv6Address], socket.AF_INET6),
            ([IPv6Address, IPv4Address], socket.AF_UNSPEC),
        ],
    )
    def test_only_what_is_wanted_is_asked_for(
        self, reactor: Any, system: Any, types: Any, family: int
    ) -> None:
        fake = system("192.0.2.1")
        self.resolve(reactor, "a.name", 0, types, "UDP")
        assert fake.arguments == [("a.name", None, family, socket.SOCK_DGRAM)]

    @pytest.mark.parametrize("types", [[], [UNIXAddress], [IPv4Address, str]])
    def test_what_cannot_be_wanted(self, reactor: Any, types: Any) -> None:
        with pytest.raises(ValueError, match="addressTypes"):
            reactor.nameResolver.resolveHostName(Receiver(), "a.name", 0, types)

    def test_unknown_semantics(self, reactor: Any) -> None:
        with pytest.raises(ValueError, match="TCP, UDP"):
            reactor.nameResolver.resolveHostName(Receiver(), "a.name", transportSemantics="X")

    @pytest.mark.parametrize(
        ("host", "types", "expected"),
        [
            ("192.0.2.1", None, IPv4Address("UDP", "192.0.2.1", 5)),
            ("::1", None, IPv6Address("UDP", "::1", 5)),
            ("fe80::1%1", None, IPv6Address("UDP", "fe80::1", 5, 0, 1)),
            ("::1", [IPv6Address], IPv6Address("UDP", "::1", 5)),
            ("::1", [IPv4Address], None),
            ("192.0.2.1", [IPv6Address], None),
        ],
    )
    def test_a_number_never_leaves_the_loop(
        self, reactor: Any, system: Any, host: str, types: Any, expected: Any
    ) -> None:
        fake, receiver = system(), Receiver()
        reactor.nameResolver.resolveHostName(receiver, host, 5, types, "UDP")
        assert receiver.told == [*([expected] if expected else []), COMPLETE]
        assert fake.threads == []

    @pytest.mark.parametrize(
        ("fault", "reason"),
        [
            (socket.gaierror(socket.EAI_NONAME, "Name or service not known"), "not known"),
            (socket.gaierror(socket.EAI_AGAIN, "Temporary failure"), "Temporary failure"),
            (UnicodeError("label too long"), "label too long"),
        ],
    )
    def test_no_address_and_why(
        self, reactor: Any, system: Any, fault: Exception, reason: str
    ) -> None:
        system(fault=fault)
        receiver = self.resolve(reactor, "a.name")
        assert receiver.told == [COMPLETE]
        assert reason in receiver.resolution.reason

    def test_a_fault_is_logged_and_completes(
        self, reactor: Any, system: Any, logged_errors: Any
    ) -> None:
        system(fault=ZeroDivisionError("mine"))
        assert self.resolve(reactor, "a.name").told == [COMPLETE]
        assert len(logged_errors.take(ZeroDivisionError)) == 1

    @pytest.mark.parametrize("host", ["a" * 64 + ".example", "a..b", "a\0b", "\u00fc" * 70])
    def test_what_is_no_name(self, reactor: Any, host: str) -> None:
        receiver = self.resolve(reactor, host)
        assert receiver.told == [COMPLETE]
        assert receiver.resolution.reason

    def test_a_cancelled_search_tells_nothing(self, reactor: Any, system: Any) -> None:
        fake, receiver = system("192.0.2.1"), Receiver()
        fake.answer.clear()
        resolution = reactor.nameResolver.resolveHostName(receiver, "a.name")
        resolution.cancel()
        resolution.cancel()
        fake.answer.set()
        reactor.getThreadPool().stop()
        for _ in range(5):
            reactor.iterate()
        assert receiver.told == []

    def test_cancelled_before_the_search(self, reactor: Any, system: Any) -> None:
        fake, receiver = system("192.0.2.1"), Receiver(cancel_after=0)
        reactor.nameResolver.resolveHostName(receiver, "a.name")
        reactor.nameResolver.resolveHostName(Receiver(cancel_after=0), "127.0.0.1")
        assert receiver.told == []
        assert fake.threads == []

    def test_cancelled_between_two_addresses(self, reactor: Any, system: Any) -> None:
        fake, receiver = system("192.0.2.1", "192.0.2.2"), Receiver(cancel_after=1)
        reactor.nameResolver.resolveHostName(receiver, "a.name")
        self.turn_until(reactor, lambda: receiver.told)
        reactor.getThreadPool().stop()
        reactor.iterate()
        assert [address.host for address in receiver.told] == ["192.0.2.1"]
        assert len(fake.threads) == 1

    def test_the_hosts_file(self, reactor: Any) -> None:
        """The machine's own: each of its names has at least the address that it says."""
        lines = [
            line.partition("#")[0].split() for line in Path("/etc/hosts").read_text().splitlines()
        ]
        names = {name: fields[0] for fields in lines if fields for name in fields[1:]}
        assert names
        for name, host in list(names.items())[:5]:
            found = [each.host for each in self.resolve(reactor, name).told[:-1]]
            assert numeric(host).host in found  # type: ignore[union-attr]

    def test_nothing_of_the_system_is_kept(self, reactor: Any, system: Any) -> None:
        fake = system("192.0.2.1")
        for _ in range(2):
            self.resolve(reactor, "a.name")
        assert len(fake.arguments) == 2
        reactor.installNameResolver(CachingNameResolver(reactor.nameResolver, reactor))
        for _ in range(2):
            self.resolve(reactor, "a.name")
        assert len(fake.arguments) == 4


class TestResolve(WithThreads):
    def test_a_name(self, reactor: Any, system: Any) -> None:
        fake = system("192.0.2.1", "192.0.2.2")
        assert self.run_until(reactor, reactor.resolve("a.name")) == "192.0.2.1"
        assert fake.arguments == [("a.name", None, socket.AF_INET, socket.SOCK_STREAM)]
        assert reactor.getDelayedCalls() == []

    @pytest.mark.parametrize(
        ("host", "expected"), [("192.0.2.1", "192.0.2.1"), ("::1", "::1"), ("", "0.0.0.0")]
    )
    def test_a_number(self, reactor: Any, system: Any, host: str, expected: str) -> None:
        fake = system()
        assert result_of(reactor.resolve(host)) == expected
        assert fake.threads == []

    def test_no_address(self, reactor: Any, system: Any) -> None:
        system(fault=socket.gaierror(socket.EAI_NONAME, "Name or service not known"))
        with pytest.raises(error.DNSLookupError, match=r"a\.name.*not known"):
            self.run_until(reactor, reactor.resolve("a.name"))
        system("::1")
        system()
        with pytest.raises(error.DNSLookupError, match=r"a\.name: no address was found"):
            self.run_until(reactor, reactor.resolve("a.name"))

    @pytest.mark.parametrize("timeout", [(0.01,), (0.005, 0.005)])
    def test_a_timeout(self, reactor: Any, system: Any, timeout: Any) -> None:
        fake = system("192.0.2.1")
        fake.answer.clear()
        with pytest.raises(error.DNSLookupError, match=r"no answer in 0\.01 seconds"):
            self.run_until(reactor, reactor.resolve("a.name", timeout))
        fake.answer.set()

    def test_an_answer_at_once(self, reactor: Any) -> None:
        class AtOnce(Resolver):
            def resolveHostName(self, receiver: Any, *arguments: Any, **options: Any) -> Any:
                resolution = super().resolveHostName(receiver, *arguments, **options)
                self.answer(TWO, ONE)
                return resolution

        reactor.installNameResolver(AtOnce())
        assert result_of(reactor.resolve("a.name")) == "127.0.0.2"
        assert reactor.getDelayedCalls() == []

    def test_cancelled(self, reactor: Any, system: Any) -> None:
        fake = system("192.0.2.1")
        fake.answer.clear()
        resolving = reactor.resolve("a.name")
        results = results_of(resolving)
        resolving.cancel()
        assert isinstance(results[0], CancelledError)
        assert reactor.getDelayedCalls() == []
        fake.answer.set()


class Simple:
    """An IResolverSimple."""

    def __init__(self, result: Any) -> None:
        self.result = result
        self.names: list[str] = []

    def getHostByName(self, name: str, timeout: Any = (1,)) -> Any:
        self.names.append(name)
        if isinstance(self.result, Exception):
            raise self.result
        return self.result


class TestInstalling(OnEveryBackend):
    def test_a_name_resolver(self, net: Net) -> None:
        resolver, port, factory = Resolver(), net.listen(), RecordingFactory()
        before = net.reactor.installNameResolver(resolver)
        assert isinstance(before, ThreadedNameResolver)
        assert net.reactor.nameResolver is resolver
        connector = net.reactor.connectTCP("a.name", port.port, factory)
        assert resolver.calls == [("a.name", port.port, None, "TCP")]
        resolver.answer(port.getHost())
        net.turn_until(lambda: connector.state == "connected")
        connector.disconnect()
        net.turn_until(lambda: factory.reasons)
        resolving = net.reactor.resolve("b.name")
        resolver.answer(TWO, ONE)
        assert result_of(resolving) == "127.0.0.2"
        assert resolver.calls[1] == ("b.name", 0, [IPv4Address], "TCP")
        assert net.reactor.installNameResolver(before) is resolver

    def test_a_number_does_not_reach_it(self, net: Net) -> None:
        resolver, port, factory = Resolver(), net.listen(), RecordingFactory()
        net.reactor.installNameResolver(resolver)
        connector = net.connect(port, factory)
        net.turn_until(lambda: connector.state == "connected")
        connector.disconnect()
        net.turn_until(lambda: factory.reasons)
        assert resolver.calls == []

    def test_a_simple_resolver(self, net: Net) -> None:
        simple, port, factory = Simple(succeed(LOOPBACK)), net.listen(), RecordingFactory()
        before = net.reactor.installResolver(simple)
        assert isinstance(before, FirstAddress)
        connector = net.reactor.connectTCP("a.name", port.port, factory)
        net.turn_until(lambda: connector.state == "connected")
        connector.disconnect()
        net.turn_until(lambda: factory.reasons)
        simple.result = succeed("192.0.2.1")
        assert result_of(net.reactor.resolve("b.name")) == "192.0.2.1"
        assert simple.names == ["a.name", "b.name"]
        assert net.reactor.installResolver(before) is simple

    def test_a_simple_resolver_that_raises(self, net: Net) -> None:
        net.reactor.installResolver(Simple(error.DNSLookupError("mine")))
        assert "mine" in str(result_of(net.reactor.resolve("a.name")))


class TestSimple:
    """SimpleNameResolver, without a reactor."""

    def told(self, result: Any, *arguments: Any) -> tuple[list[Any], Any]:
        receiver = Receiver()
        SimpleNameResolver(Simple(result)).resolveHostName(receiver, "a.name", *arguments)
        return receiver.told, receiver.resolution

    def test_an_address(self) -> None:
        assert self.told(succeed("127.0.0.1"))[0] == [ONE, COMPLETE]
        assert self.told(succeed("::1"), 5, None, "UDP")[0] == [
            IPv6Address("UDP", "::1", 5),
            COMPLETE,
        ]

    def test_what_is_not_wanted_or_no_address(self) -> None:
        assert self.told(succeed("127.0.0.1"), 0, [IPv6Address])[0] == [COMPLETE]
        assert self.told(succeed("nonsense"))[0] == [COMPLETE]

    def test_a_failure_and_why(self) -> None:
        for result in (fail(error.DNSLookupError("mine")), error.DNSLookupError("mine")):
            told, resolution = self.told(result)
            assert told == [COMPLETE]
            assert "mine" in resolution.reason

    def test_cancelled(self) -> None:
        receiver, looking = Receiver(), Deferred[str]()
        resolution = SimpleNameResolver(Simple(looking)).resolveHostName(receiver, "a.name")
        resolution.cancel()
        assert looking.called
        assert receiver.told == []

    def test_cancelled_at_once(self) -> None:
        simple = Simple(succeed("127.0.0.1"))
        SimpleNameResolver(simple).resolveHostName(Receiver(cancel_after=0), "a.name")
        assert simple.names == []
