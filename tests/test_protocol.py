"""Protocol, Factory and the factories that reconnect, without a network."""

from __future__ import annotations

import logging
import random
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import IPv4Address
from reactorlib.failure import Failure
from reactorlib.interfaces import ILoggingContext, IProtocol, IProtocolFactory
from reactorlib.protocol import (
    ClientCreator,
    ClientFactory,
    Factory,
    Protocol,
    ReconnectingClientFactory,
    ServerFactory,
    connectionDone,
)
from reactorlib.task import Clock

ADDRESS = IPv4Address("TCP", "127.0.0.1", 80)


class FakeReactor(Clock):
    """Makes calls when it is turned, and remembers who wanted to connect."""

    def __init__(self) -> None:
        super().__init__()
        self.soon: list[Any] = []
        self.connects: list[tuple[Any, ...]] = []

    def callSoon(self, callable: Any, *args: Any) -> None:
        self.soon.append((callable, args))

    def turn(self) -> None:
        soon, self.soon = self.soon, []
        for callable, args in soon:
            callable(*args)

    def connectTCP(
        self, host: str, port: int, factory: Any, timeout: float, bindAddress: Any
    ) -> None:
        connector = FakeConnector(self)
        self.connects.append((host, port, timeout, bindAddress, connector))
        factory.startedConnecting(connector)


class FakeConnector:
    """Counts what is asked of it."""

    def __init__(self, reactor: FakeReactor) -> None:
        self.reactor = reactor
        self.calls: list[str] = []
        self.connecting = True

    def connect(self) -> None:
        self.calls.append("connect")

    def disconnect(self) -> None:
        self.calls.append("disconnect")

    def stopConnecting(self) -> None:
        self.calls.append("stop")
        if not self.connecting:
            raise error.NotConnectingError("not now")

    def getDestination(self) -> IPv4Address:
        return ADDRESS


def lost(kind: type[Exception] = error.ConnectionLost) -> Failure:
    return Failure(kind())


# Protocol and Factory


def test_a_protocol_provides_its_interfaces() -> None:
    protocol = Protocol()
    assert verifyObject(IProtocol, protocol)
    assert verifyObject(ILoggingContext, protocol)
    assert protocol.logPrefix() == "Protocol"
    protocol.dataReceived(b"")
    protocol.connectionLost()


def test_make_connection_sets_the_transport_first() -> None:
    class Greeter(Protocol):
        def connectionMade(self) -> None:
            self.seen = (self.transport, self.connected)

    protocol, transport = Greeter(), object()
    assert not protocol.connected
    protocol.makeConnection(transport)
    assert protocol.seen == (transport, True)


@pytest.mark.parametrize("kind", [Factory, ServerFactory, ClientFactory, ReconnectingClientFactory])
def test_a_factory_provides_its_interfaces(kind: type[Factory]) -> None:
    factory = kind.forProtocol(Protocol)
    assert isinstance(factory, kind)
    assert verifyObject(IProtocolFactory, factory)
    assert factory.logPrefix() == kind.__name__
    protocol = factory.buildProtocol(ADDRESS)
    assert type(protocol) is Protocol
    assert protocol.factory is factory


def test_for_protocol_hands_on_arguments_to_the_factory() -> None:
    class Named(Factory):
        def __init__(self, name: str, *, number: int) -> None:
            self.name, self.number = name, number

    factory = Named.forProtocol(Protocol, "a name", number=5)
    assert (factory.name, factory.number, factory.protocol) == ("a name", 5, Protocol)


def test_a_factory_without_a_protocol_says_what_to_do() -> None:
    with pytest.raises(error.NoProtocol, match="forProtocol"):
        Factory().buildProtocol(ADDRESS)


@pytest.mark.parametrize("noisy", [True, False])
def test_start_and_stop_are_called_for_the_first_and_the_last(
    noisy: bool, caplog: pytest.LogCaptureFixture
) -> None:
    class Counting(Factory):
        calls = ""

        def startFactory(self) -> None:
            super().startFactory()
            self.calls += "start "

        def stopFactory(self) -> None:
            super().stopFactory()
            self.calls += "stop "

    caplog.set_level(logging.DEBUG)
    factory = Counting()
    factory.noisy = noisy
    for _ in range(2):
        factory.doStart()
    assert factory.numPorts == 2
    for _ in range(3):
        factory.doStop()
    factory.doStart()
    assert (factory.calls, factory.numPorts) == ("start stop start ", 1)
    assert len(caplog.records) == (3 if noisy else 0)


def test_a_factory_that_cannot_start_has_not_started() -> None:
    class Broken(Factory):
        def startFactory(self) -> None:
            raise ZeroDivisionError

    factory = Broken()
    with pytest.raises(ZeroDivisionError):
        factory.doStart()
    assert factory.numPorts == 0


def test_the_clean_end_is_one_shared_failure() -> None:
    assert connectionDone.check(error.ConnectionDone)
    assert connectionDone.tb is None


# ReconnectingClientFactory


@pytest.fixture
def connector() -> FakeConnector:
    return FakeConnector(FakeReactor())


@pytest.fixture
def steady() -> ReconnectingClientFactory:
    """A factory whose delays are 2, 4, 8 and at most 10 seconds."""
    factory = ReconnectingClientFactory()
    factory.jitter, factory.factor, factory.maxDelay, factory.noisy = None, 2, 10, False
    return factory


def delays(factory: ReconnectingClientFactory, connector: FakeConnector, count: int) -> list[float]:
    """The delays of as many attempts that fail."""
    waited = []
    for _ in range(count):
        factory.clientConnectionFailed(connector, lost())
        (call,) = connector.reactor.getDelayedCalls()
        waited.append(call.getTime() - connector.reactor.seconds())
        connector.reactor.advance(waited[-1])
    return waited


def test_the_delay_grows_up_to_its_maximum(
    steady: ReconnectingClientFactory, connector: FakeConnector
) -> None:
    assert delays(steady, connector, 5) == [2, 4, 8, 10, 10]
    assert connector.calls == ["connect"] * 5
    assert steady.retries == 5


def test_a_reset_begins_again(steady: ReconnectingClientFactory, connector: FakeConnector) -> None:
    delays(steady, connector, 3)
    steady.resetDelay()
    assert delays(steady, connector, 2) == [2, 4]


def test_a_loss_is_followed_like_a_failure(
    steady: ReconnectingClientFactory, connector: FakeConnector
) -> None:
    steady.clientConnectionLost(connector, lost(error.ConnectionDone))
    connector.reactor.advance(1.9)
    assert connector.calls == []
    connector.reactor.advance(0.1)
    assert connector.calls == ["connect"]


def test_jitter_spreads_the_delays_within_bounds(connector: FakeConnector) -> None:
    factory = ReconnectingClientFactory()
    factory.noisy, factory.factor, factory.maxDelay = False, 1.0, 1.5
    factory.jitter, factory.random = 0.5, random.Random(7)
    waited = delays(factory, connector, 300)
    assert len(set(waited)) > 10
    assert 0 <= min(waited) < max(waited) <= 1.5 + 1e-9
    factory.random = None
    delays(factory, connector, 1)
    assert 0 <= factory.delay <= 1.5


def test_the_number_of_retries_is_bounded(
    steady: ReconnectingClientFactory, connector: FakeConnector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    steady.maxRetries = 2
    delays(steady, connector, 2)
    steady.clientConnectionFailed(connector, lost())
    assert connector.reactor.getDelayedCalls() == []
    assert steady.retries == 2
    assert "after 2 retries" in caplog.text


def test_a_noisy_factory_tells_when_it_tries_again(
    steady: ReconnectingClientFactory, connector: FakeConnector, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.INFO)
    steady.noisy = True
    delays(steady, connector, 1)
    assert "again in 2.0 seconds" in caplog.text


@pytest.mark.parametrize("connecting", [True, False])
def test_stop_trying_ends_what_waits_and_what_comes(
    steady: ReconnectingClientFactory, connector: FakeConnector, connecting: bool
) -> None:
    connector.connecting = connecting
    steady.clientConnectionFailed(connector, lost())
    steady.stopTrying()
    assert connector.reactor.getDelayedCalls() == []
    steady.clientConnectionFailed(connector, lost())
    steady.clientConnectionLost(connector, lost())
    steady.retry()
    assert connector.reactor.getDelayedCalls() == []
    assert connector.calls == ["stop"]


def test_stop_trying_ends_the_first_attempt_too(
    steady: ReconnectingClientFactory, connector: FakeConnector
) -> None:
    steady.stopTrying()
    steady.resetDelay()
    steady.startedConnecting(connector)
    steady.stopTrying()
    assert connector.calls == ["stop"]


def test_what_waits_can_be_stopped_after_a_reset(
    steady: ReconnectingClientFactory, connector: FakeConnector
) -> None:
    steady.clientConnectionFailed(connector, lost())
    steady.resetDelay()
    steady.stopTrying()
    assert connector.reactor.getDelayedCalls() == []


def test_retry_needs_a_connector_and_takes_a_clock(
    steady: ReconnectingClientFactory, connector: FakeConnector
) -> None:
    with pytest.raises(ValueError, match="no connector"):
        steady.retry()
    steady.clock = Clock()
    steady.retry(connector)
    steady.clock.advance(2)
    assert connector.calls == ["connect"]
    assert connector.reactor.getDelayedCalls() == []


# ClientCreator


class Made(Protocol):
    """Keeps what it was made with."""

    def __init__(self, *args: Any, **kw: Any) -> None:
        self.made_with = args, kw


def test_a_client_creator_hands_on_its_arguments() -> None:
    reactor = FakeReactor()
    creator = ClientCreator(reactor, Made, 1, name="two")
    deferred = creator.connectTCP("host", 80, timeout=5, bindAddress=("127.0.0.1", 0))
    ((host, port, timeout, bind, _),) = reactor.connects
    assert (host, port, timeout, bind) == ("host", 80, 5, ("127.0.0.1", 0))
    assert not deferred.called
    deferred.cancel()
    with pytest.raises(error.ConnectingCancelledError):
        deferred.result.raiseException()
    deferred.addErrback(lambda _: None)


class Creation:
    """One connection of a ClientCreator, seen from the reactor."""

    def __init__(self) -> None:
        self.reactor = FakeReactor()
        self.results: list[Any] = []
        creator = ClientCreator(self.reactor, Made, 1, name="two")
        factories: list[Any] = []
        connect = self.reactor.connectTCP
        self.reactor.connectTCP = lambda host, port, factory, **kw: (  # type: ignore[method-assign]
            factories.append(factory),
            connect(host, port, factory, **kw),
        )
        self.deferred = creator.connectTCP("host", 80)
        self.deferred.addBoth(self.results.append)
        self.factory, self.connector = factories[0], self.reactor.connects[0][-1]


def test_the_deferred_fires_once_the_protocol_is_connected() -> None:
    creation = Creation()
    protocol = creation.factory.buildProtocol(ADDRESS)
    assert protocol.made_with == ((1,), {"name": "two"})
    assert creation.results == []
    creation.reactor.turn()
    assert creation.results == [protocol]
    creation.factory.clientConnectionLost(creation.connector, lost())
    assert creation.results == [protocol]


@pytest.mark.parametrize("how", ["clientConnectionFailed", "clientConnectionLost"])
def test_the_deferred_fails_with_the_reason(how: str) -> None:
    creation, reason = Creation(), lost()
    getattr(creation.factory, how)(creation.connector, reason)
    assert [each.value for each in creation.results] == [reason.value]


def test_a_connection_that_is_lost_at_once_is_a_failure() -> None:
    creation = Creation()
    creation.factory.buildProtocol(ADDRESS)
    creation.factory.clientConnectionLost(creation.connector, lost())
    creation.reactor.turn()
    assert [each.type for each in creation.results] == [error.ConnectionLost]


def test_a_cancelled_connection_is_ended() -> None:
    creation = Creation()
    creation.deferred.cancel()
    assert [each.type for each in creation.results] == [error.ConnectingCancelledError]
    assert creation.results[0].value.address == ADDRESS
    assert creation.connector.calls == ["disconnect"]
    creation.factory.clientConnectionFailed(creation.connector, lost(error.UserError))
    creation.factory.buildProtocol(ADDRESS)
    creation.reactor.turn()
    assert len(creation.results) == 1
