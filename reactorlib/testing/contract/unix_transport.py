"""The transport contract on UNIX sockets, and what only they can tell."""

from __future__ import annotations

import os
import socket
import tempfile
from collections.abc import Iterator
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.address import UNIXAddress
from reactorlib.interfaces import IConsumer, IUNIXTransport
from reactorlib.testing.contract.base import ContractBase, LoggedErrors
from reactorlib.testing.contract.transport import ConnectedTransports
from reactorlib.testing.contract.transport_networks import Network
from reactorlib.testing.contract.unix_peers import UNIXNetwork


class UNIXTransportContract(ContractBase, ConnectedTransports):
    """The whole contract on UNIX connections of the reactor under test."""

    @pytest.fixture
    def network(self, reactor: Any, logged_errors: LoggedErrors) -> Iterator[Network]:
        """Both ends on one reactor."""
        with tempfile.TemporaryDirectory(prefix="reactorlib") as folder:
            network = UNIXNetwork(reactor, logged_errors, folder)
            yield network
            network.close()

    def test_it_provides_its_interfaces(self, network: Network) -> None:
        ours, theirs = network.pair()
        for each in (ours, theirs):
            assert verifyObject(IUNIXTransport, each.transport)
            assert verifyObject(IConsumer, each.transport)

    def test_it_knows_its_addresses(self, network: Network) -> None:
        ours, theirs = network.pair()
        assert ours.transport.getHost() == theirs.transport.getPeer()
        assert ours.transport.getPeer() == theirs.transport.getHost() == UNIXAddress(None)
        assert ours.transport.connector is None
        assert theirs.transport.connector.transport is theirs.transport

    def test_options_of_the_socket(self, network: Network) -> None:
        ours, theirs = network.pair()
        assert ours.transport.getHandle().family == socket.AF_UNIX
        for each in (ours, theirs):
            credentials = each.transport.getPeerCredentials()
            assert credentials == (os.getpid(), os.getuid(), os.getgid())
            assert credentials.uid == os.getuid()

    # The kernel knows no reset here: the peer takes it for a clean end

    def test_abort_connection_resets(self, network: Network) -> None:
        ours, theirs = network.pair()
        network.block()
        ours.transport.write(network.plenty)
        ours.transport.abortConnection()
        network.until(lambda: ours.reason)
        network.unblock()
        network.until(lambda: theirs.reason)
        assert ours.reason.check(error.ConnectionAborted)
        assert len(theirs.received) < len(network.plenty)

    def test_past_the_cap_it_is_aborted(self, network: Network) -> None:
        ours, theirs = network.pair()
        network.block()
        ours.transport.setWriteBufferLimits(high=50, cap=100)
        ours.transport.write(network.plenty)
        network.until(lambda: ours.reason)
        assert "cap" in ours.reason.getErrorMessage()
        network.unblock()
        network.until(lambda: theirs.reason)
        assert ours.calls == ["made", "lost"]

    def test_a_system_that_does_not_tell_who_the_peer_is(
        self, network: Network, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        ours, _ = network.pair()
        monkeypatch.delattr(socket, "SO_PEERCRED")
        with pytest.raises(OSError, match="does not tell"):
            ours.transport.getPeerCredentials()
