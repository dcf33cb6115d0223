"""Connecting to UNIX sockets: IReactorUNIX.connectUNIX and IConnector."""

from __future__ import annotations

import os
import socket
from errno import ENOENT
from pathlib import Path
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import UNIXAddress
from reactorlib.interfaces import IConnector
from reactorlib.testing.contract.tcp_peers import Recorder, RecordingFactory, echo
from reactorlib.testing.contract.udp_peers import at_least
from reactorlib.testing.contract.unix_peers import (
    UNIXContractBase,
    UNIXNet,
    every_kind_of_name,
)


def full(net: UNIXNet) -> socket.socket:
    """A listener whose queue is full."""
    listener = net.listener(backlog=0)
    while True:
        filler = net.new_socket()
        filler.setblocking(False)
        if filler.connect_ex(listener.getsockname()):
            return listener


class UNIXClientContract(UNIXContractBase):
    """Connectors: what they tell their factory."""

    def failure(self, net: UNIXNet, name: Any, **options: Any) -> Any:
        """The error that a factory is told of; it is told after connectUNIX, and once."""
        factory = RecordingFactory()
        connector = net.connect(name, factory, **options)
        assert factory.calls == ["start", "started"]
        net.turn_until(lambda: factory.reasons)
        net.turn()
        assert factory.calls == ["start", "started", "failed", "stop"]
        assert connector.state == "disconnected"
        assert net.reactor.getDelayedCalls() == []
        (reason,) = factory.reasons
        assert str(reason.value)
        return reason.value

    @every_kind_of_name
    def test_connects(self, net: UNIXNet, make_name: Any) -> None:
        name = make_name(net)
        port = net.listen(lambda: Recorder(data=echo), name)
        factory = RecordingFactory(lambda: Recorder(made=lambda p: p.transport.write(b"hello")))
        connector = net.connect(name, factory)
        assert verifyObject(IConnector, connector)
        assert connector.getDestination() == UNIXAddress(name) == port.getHost()
        assert os.fsdecode(name)[1:] in repr(connector)
        net.turn_until(lambda: factory.protocols and factory.protocols[0].received)
        (protocol,) = factory.protocols
        assert protocol.received == b"hello"
        assert (connector.state, connector.transport) == ("connected", protocol.transport)
        assert protocol.transport.getPeer() == UNIXAddress(name)
        assert protocol.transport.getPeerCredentials().pid == os.getpid()
        connector.disconnect()
        net.turn_until(lambda: factory.reasons)
        assert factory.calls == ["start", "started", "building", "lost", "stop"]
        assert protocol.reason.check(error.ConnectionDone)

    def test_a_factory_may_connect_again(self, net: UNIXNet) -> None:
        port = net.listen()
        factory = RecordingFactory(lost=lambda connector: again(connector))

        def again(connector: Any) -> None:
            if len(factory.protocols) < 3:
                connector.connect()

        net.connect(port, factory)
        for number in range(3):
            net.turn_until(at_least(port.factory.protocols, number + 1))
            net.turn_until(at_least(factory.protocols, number + 1))
            factory.protocols[-1].transport.loseConnection()
        net.turn_until(lambda: factory.numPorts == 0)
        assert factory.calls.count("lost") == 3

    # Failures

    @pytest.mark.parametrize("name", ["/no/such/socket", "\0no such name"])
    def test_nothing_is_there(self, net: UNIXNet, name: str) -> None:
        failure = self.failure(net, name)
        expected = error.ConnectionRefusedError if name[0] == "\0" else error.ConnectError
        assert failure.__class__ is expected
        assert name[0] == "\0" or failure.osError == ENOENT

    def test_nobody_listens(self, net: UNIXNet) -> None:
        listener = net.listener()
        name = listener.getsockname()
        listener.close()
        assert self.failure(net, name).__class__ is error.ConnectionRefusedError
        Path(net.folder, "file").write_text("no socket")
        failure = self.failure(net, str(net.folder / "file"))
        assert failure.__class__ is error.ConnectionRefusedError

    def test_a_name_that_nothing_can_have(self, net: UNIXNet) -> None:
        assert "too long" in str(self.failure(net, "/tmp/" + "x" * 150))

    def test_the_queue_is_full(self, net: UNIXNet) -> None:
        listener = full(net)
        failure = self.failure(net, listener, timeout=0.05)
        assert failure.__class__ is error.TimeoutError
        assert listener.getsockname() in str(failure)

    def test_a_queue_that_was_full_has_room_again(self, net: UNIXNet) -> None:
        listener, factory = full(net), RecordingFactory()
        connector = net.connect(listener, factory)
        net.turn(5)
        assert connector.state == "connecting"
        net.sockets.append(listener.accept()[0])
        net.turn_until(lambda: connector.state == "connected")
        assert factory.calls == ["start", "started", "building"]
        connector.disconnect()

    def test_giving_up_while_the_queue_is_full(self, net: UNIXNet) -> None:
        factory = RecordingFactory()
        connector = net.connect(full(net), factory, timeout=None)
        net.turn()
        connector.stopConnecting()
        assert factory.reasons[0].check(error.UserError)
        assert net.reactor.getDelayedCalls() == []
        net.turn()
        assert factory.calls == ["start", "started", "failed", "stop"]

    # Locks

    def test_the_lock_is_checked(self, net: UNIXNet) -> None:
        port = net.listen()
        assert isinstance(self.failure(net, port, checkPID=1), error.BadFileError)
        Path(port.port + ".lock").write_text("no lock")
        assert "no lock" in str(self.failure(net, port, checkPID=1))
        locked, factory = net.listen(wantPID=1), RecordingFactory()
        connector = net.connect(locked, factory, checkPID=1)
        net.turn_until(lambda: connector.state == "connected")
        connector.disconnect()

    def test_giving_up_before_a_failed_check_is_told(self, net: UNIXNet) -> None:
        factory = RecordingFactory()
        connector = net.connect(net.listen(), factory, checkPID=1)
        connector.stopConnecting()
        net.turn()
        assert factory.calls == ["start", "started", "failed", "stop"]
