"""Connecting: IReactorTCP.connectTCP and IConnector."""

from __future__ import annotations

import socket
from errno import EMFILE
from functools import partial
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.interfaces import IConnector
from reactorlib.protocol import ClientCreator, ReconnectingClientFactory
from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_peers import (
    LOOPBACK,
    Fault,
    Net,
    Recorder,
    RecordingFactory,
    Refuser,
    TCPContractBase,
    black_hole,
    closed_port,
    echo,
    raises,
)

NOT_OURS = ("192.0.2.1", 0)  # of the block that no machine has: RFC 5737
UNREACHABLE = "224.0.0.1"  # TCP knows no multicast


def is_disconnected(connector: Any) -> bool:
    return bool(connector.state == "disconnected")


class FullSocket(socket.socket):
    """A socket of a process that has no descriptor left."""

    def __init__(self, *_: object) -> None:
        raise OSError(EMFILE, "Too many open files")


class ClientContract(TCPContractBase):
    """Connectors: what they tell their factory, in every state and order."""

    def failure(self, net: Net, host: str, port: int, **options: Any) -> Any:
        """The error that a factory is told of; it is told after connectTCP, and once."""
        factory = RecordingFactory()
        connector = net.reactor.connectTCP(host, port, factory, **options)
        assert factory.calls == ["start", "started"]
        net.turn_until(lambda: factory.reasons)
        net.turn()
        assert factory.calls == ["start", "started", "failed", "stop"]
        assert connector.state == "disconnected"
        (reason,) = factory.reasons
        assert str(reason.value)
        return reason.value

    # Success

    @pytest.mark.parametrize("host", [LOOPBACK, "::1"])
    def test_connects(self, net: Net, host: str) -> None:
        port = net.listen(lambda: Recorder(data=echo), host)
        factory = RecordingFactory(lambda: Recorder(made=lambda p: p.transport.write(b"hello")))
        connector = net.connect(port, factory)
        assert verifyObject(IConnector, connector)
        assert connector.state == "connecting"
        assert connector.getDestination() == port.getHost()
        net.turn_until(lambda: factory.protocols and factory.protocols[0].received)
        assert connector.state == "connected"
        transport = factory.protocols[0].transport
        assert transport.getPeer() == port.getHost()
        assert transport.getHost() == port.factory.addresses[0]
        assert transport.getTcpNoDelay()
        assert factory.addresses == [port.getHost()]
        transport.loseConnection()
        net.turn_until(lambda: factory.reasons)
        assert factory.reasons[0].check(error.ConnectionDone)
        assert factory.protocols[0].calls == ["made", "data", "lost"]
        assert factory.calls == ["start", "started", "building", "lost", "stop"]
        assert net.reactor.getDelayedCalls() == []

    def test_without_a_timeout_and_without_a_host(self, net: Net) -> None:
        port, factory = net.listen(), RecordingFactory()
        connector = net.reactor.connectTCP("", port.port, factory, timeout=None)
        assert net.reactor.getDelayedCalls() == []
        net.turn_until(lambda: connector.state == "connected")
        connector.disconnect()
        net.turn_until(lambda: factory.reasons)

    def test_a_local_address_may_be_chosen(self, net: Net) -> None:
        port, factory = net.listen(), RecordingFactory()
        connector = net.connect(port, factory, bindAddress=("127.0.0.2", 0))
        net.turn_until(lambda: port.factory.addresses)
        assert port.factory.addresses[0].host == "127.0.0.2"
        net.turn_until(lambda: connector.state == "connected")
        connector.disconnect()

    # Failures

    def test_refused(self, net: Net) -> None:
        assert self.failure(net, *closed_port(net)).__class__ is error.ConnectionRefusedError

    def test_no_route(self, net: Net) -> None:
        assert self.failure(net, UNREACHABLE, 9).__class__ is error.NoRouteError

    def test_the_time_is_over(self, net: Net) -> None:
        failure = self.failure(net, *black_hole(net), timeout=0.01)
        assert failure.__class__ is error.TimeoutError
        assert "0.01 seconds" in str(failure)
        net.turn()
        assert net.reactor.sinks == {}

    @pytest.mark.parametrize(
        "address", [NOT_OURS, ("no such\0address", 0), ("127.0.0.1", "port"), ("::1", 0), 5]
    )
    def test_a_local_address_that_cannot_be(self, net: Net, address: Any) -> None:
        failure = self.failure(net, *net.listener().getsockname(), bindAddress=address)
        assert failure.__class__ is error.ConnectBindError

    @pytest.mark.parametrize("port", [-1, 65_536, 1 << 20])
    def test_a_port_that_cannot_be(self, net: Net, port: int) -> None:
        failure = self.failure(net, LOOPBACK, port)
        assert isinstance(failure, error.ConnectError)
        assert "65535" in str(failure)

    def test_no_descriptor_for_the_connection(
        self, net: Net, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        address = closed_port(net)
        with monkeypatch.context() as patched:
            patched.setattr(socket, "socket", FullSocket)
            assert self.failure(net, *address).osError == EMFILE

    def test_an_attempt_that_the_engine_refuses(
        self, net: Net, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        def refuse(descriptor: int, kind: int) -> int:
            raise error.SelectLimitError(descriptor, 0)

        address = net.listener().getsockname()
        with monkeypatch.context() as patched:
            patched.setattr(net.reactor.engine, "add", refuse)
            assert "FD_SETSIZE" in str(self.failure(net, *address))

    # Giving up

    def test_stop_connecting(self, net: Net) -> None:
        for turns in range(3):
            factory = RecordingFactory()
            connector = net.reactor.connectTCP(*black_hole(net), factory)
            net.turn(turns)
            connector.stopConnecting()
            assert factory.reasons[0].check(error.UserError)
            assert not factory.reasons[0].check(error.TimeoutError)
            net.turn()
            assert factory.calls == ["start", "started", "failed", "stop"]
            assert (net.reactor.sinks, net.reactor.getDelayedCalls()) == ({}, [])
            with pytest.raises(error.NotConnectingError):
                connector.stopConnecting()

    def test_an_attempt_that_was_stopped_never_connects(self, net: Net) -> None:
        port, factory = net.listen(), RecordingFactory()
        net.connect(port, factory).stopConnecting()
        net.turn(5)
        assert factory.calls == ["start", "started", "failed", "stop"]
        assert port.factory.addresses == []

    def test_disconnect_in_every_state(self, net: Net) -> None:
        port, factory = net.listen(), RecordingFactory()
        connector = net.connect(port, factory)
        connector.disconnect()
        assert factory.reasons[0].check(error.UserError)
        connector.disconnect()
        connector.connect()
        net.turn_until(lambda: connector.state == "connected")
        with pytest.raises(error.NotConnectingError):
            connector.stopConnecting()
        connector.disconnect()
        connector.disconnect()
        net.turn_until(lambda: len(factory.reasons) == 2)
        assert factory.reasons[1].check(error.ConnectionDone)
        assert connector.state == "disconnected"
        connector.disconnect()

    def test_to_connect_twice_is_an_error(self, net: Net) -> None:
        port, factory = net.listen(), RecordingFactory()
        connector = net.connect(port, factory)
        with pytest.raises(RuntimeError, match="connecting"):
            connector.connect()
        net.turn_until(lambda: connector.state == "connected")
        with pytest.raises(RuntimeError, match="connected"):
            connector.connect()
        connector.disconnect()
        net.turn_until(lambda: factory.reasons)

    def test_the_factory_may_stop_what_it_is_told_of(self, net: Net) -> None:
        factory = RecordingFactory(started=lambda connector: connector.stopConnecting())
        connector = net.connect(net.listen(), factory)
        assert factory.calls == ["start", "started", "failed", "stop"]
        assert connector.state == "disconnected"
        net.turn()
        assert factory.calls == ["start", "started", "failed", "stop"]

    def test_a_reactor_that_stops_ends_the_attempt(self, net: Net) -> None:
        factory = RecordingFactory()
        net.reactor.connectTCP(*black_hole(net), factory)
        net.turn()
        net.reactor.callWhenRunning(net.reactor.stop)
        self.run_guarded(net.reactor)
        assert factory.reasons[0].check(error.UserError)
        assert factory.calls == ["start", "started", "failed", "stop"]

    # Again

    def test_connect_again_from_a_failure(self, net: Net) -> None:
        again = [True, True]
        factory = RecordingFactory(failed=lambda c: again and again.pop() and c.connect())
        net.reactor.connectTCP(*closed_port(net), factory)
        net.turn_until(lambda: len(factory.reasons) == 3)
        assert factory.calls == ["start", *["started", "failed"] * 3, "stop"]

    def test_connect_again_from_a_loss(self, net: Net) -> None:
        again = [True, True]
        port = net.listen(lambda: Recorder(made=lambda p: p.transport.loseConnection()))
        factory = RecordingFactory(lost=lambda c: again and again.pop() and c.connect())
        net.connect(port, factory)
        net.turn_until(lambda: len(factory.reasons) == 3)
        assert factory.calls == ["start", *["started", "building", "lost"] * 3, "stop"]

    def test_connect_again_from_an_attempt_that_its_own_start_has_stopped(self, net: Net) -> None:
        again = [True]
        port = net.listen()
        factory = RecordingFactory(
            started=lambda c: again and c.stopConnecting(),
            failed=lambda c: again.pop() and c.connect(),
        )
        connector = net.connect(port, factory)
        net.turn_until(lambda: connector.state == "connected")
        net.turn(5)
        assert len(port.factory.addresses) == 1
        assert factory.calls == ["start", "started", "failed", "started", "building"]
        connector.disconnect()
        net.turn_until(lambda: connector.state == "disconnected")

    def test_a_factory_of_two_connectors_stops_with_the_last(self, net: Net) -> None:
        port, factory = net.listen(), RecordingFactory()
        connectors = [net.connect(port, factory) for _ in range(2)]
        net.turn_until(lambda: all(each.state == "connected" for each in connectors))
        assert factory.numPorts == 2
        for connector in connectors:
            assert "stop" not in factory.calls
            connector.disconnect()
            net.turn_until(partial(is_disconnected, connector))
        assert (factory.calls[0], factory.calls[-1], factory.numPorts) == ("start", "stop", 0)

    # A factory's faults

    @pytest.mark.parametrize(
        ("name", "calls"),
        [
            ("failed", ["start", "started", "failed", "stop"]),
            ("stop", ["start", "started", "failed", "stop"]),
        ],
    )
    def test_a_fault_on_a_failure(
        self, net: Net, logged_errors: LoggedErrors, name: str, calls: list[str]
    ) -> None:
        factory = RecordingFactory(**{name: raises})
        net.reactor.connectTCP(*closed_port(net), factory)
        net.turn_until(lambda: "stop" in factory.calls)
        assert factory.calls == calls
        assert len(logged_errors.take(Fault)) == 1

    @pytest.mark.parametrize("name", ["building", "lost", "stop"])
    def test_a_fault_around_a_connection(
        self, net: Net, logged_errors: LoggedErrors, name: str
    ) -> None:
        port, factory = net.listen(), RecordingFactory(**{name: raises})
        connector = net.connect(port, factory)
        net.turn_until(lambda: connector.state == "connected")
        connector.disconnect()
        net.turn_until(lambda: "stop" in factory.calls)
        assert factory.calls == ["start", "started", "building", "lost", "stop"]
        assert factory.reasons[0].check(Fault if name == "building" else error.ConnectionDone)
        assert len(logged_errors.take(Fault)) == 1
        assert net.reactor.getDelayedCalls() == []

    @pytest.mark.parametrize(
        ("name", "calls"), [("start", ["start"]), ("started", ["start", "started", "stop"])]
    )
    def test_a_fault_before_the_attempt_is_the_callers(
        self, net: Net, name: str, calls: list[str]
    ) -> None:
        factory = RecordingFactory(**{name: raises})
        with pytest.raises(Fault):
            net.connect(net.listen(), factory)
        net.turn()
        assert factory.calls == calls
        assert factory.numPorts == 0
        assert net.reactor.getDelayedCalls() == []

    def test_a_fault_in_connectionMade(self, net: Net, logged_errors: LoggedErrors) -> None:
        factory = RecordingFactory(lambda: Recorder(made=raises))
        net.connect(net.listen(), factory)
        net.turn_until(lambda: factory.reasons)
        assert factory.reasons[0].check(Fault)
        assert factory.protocols[0].calls == ["made", "lost"]
        assert len(logged_errors.take(Fault)) == 1

    def test_a_factory_that_makes_no_protocol(self, net: Net) -> None:
        factory = Refuser()
        net.connect(net.listen(), factory)
        net.turn_until(lambda: factory.reasons)
        assert factory.calls == ["start", "started", "lost", "stop"]
        assert factory.reasons[0].check(error.ConnectionDone)

    # Clients made of these

    def test_a_client_creator_gives_the_connected_protocol(self, net: Net) -> None:
        port = net.listen(lambda: Recorder(data=echo))
        deferred = ClientCreator(net.reactor, Recorder, data=lambda p, _: None).connectTCP(
            LOOPBACK, port.port
        )
        protocol = self.run_until(net.reactor, deferred)
        assert protocol.calls == ["made"]
        protocol.transport.write(b"hello")
        net.turn_until(lambda: protocol.received == b"hello")
        protocol.transport.loseConnection()

    def test_a_client_creator_tells_what_went_wrong(
        self, net: Net, logged_errors: LoggedErrors
    ) -> None:
        creator = ClientCreator(net.reactor, Recorder)
        with pytest.raises(error.ConnectionRefusedError):
            self.run_until(net.reactor, creator.connectTCP(*closed_port(net)))
        broken = ClientCreator(net.reactor, raises)
        with pytest.raises(Fault):
            self.run_until(net.reactor, broken.connectTCP(LOOPBACK, net.listen().port))
        assert len(logged_errors.take(Fault)) == 1

    @pytest.mark.parametrize("turns", [0, 1])
    def test_a_client_creators_deferred_may_be_cancelled(self, net: Net, turns: int) -> None:
        port = net.listen()
        deferred = ClientCreator(net.reactor, Recorder).connectTCP(LOOPBACK, port.port)
        net.turn(turns)
        deferred.cancel()
        with pytest.raises(error.ConnectingCancelledError, match=str(port.port)):
            self.run_until(net.reactor, deferred)

    def test_a_reconnecting_factory_comes_back(self, net: Net) -> None:
        hooks = {"made": lambda p: p.transport.loseConnection()}
        port = net.listen(lambda: Recorder(**hooks))
        factory = ReconnectingClientFactory.forProtocol(Recorder)
        factory.initialDelay = factory.delay = factory.maxDelay = 0.001
        net.connect(port, factory)
        net.turn_until(lambda: len(port.factory.protocols) == 3)
        hooks.clear()
        net.turn_until(lambda: len(port.factory.protocols) == 4)
        factory.stopTrying()
        port.factory.protocols[-1].transport.loseConnection()
        net.turn_until(lambda: factory.numPorts == 0)
        assert net.reactor.getDelayedCalls() == []

    def test_addresses_of_another_kind_are_told_as_they_are(self, net: Net) -> None:
        factory = RecordingFactory(started=lambda connector: connector.stopConnecting())
        for host, kind in (("::1", IPv6Address), ("name.invalid", IPv4Address)):
            connector = net.reactor.connectTCP(host, 1, factory)
            assert connector.getDestination() == kind("TCP", host, 1)
            assert host in repr(connector)
