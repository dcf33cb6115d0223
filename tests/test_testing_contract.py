"""The transport contract on the doubles and on real connections: what passes here passes there."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reactorlib.testing import Link, StringTransport, StringTransportWithDisconnection
from reactorlib.testing.contract import TransportContract, transport
from reactorlib.testing.contract.tcp_peers import Fault, Recorder, raises
from reactorlib.testing.contract.transport_networks import LinkNetwork, Network, StringNetwork
from tests.on_backends import on_every_backend


class TestStringTransport(transport.Writing, transport.Leaving, transport.Producing):
    @pytest.fixture
    def network(self) -> Network:
        return StringNetwork(StringTransport)


class TestStringTransportWithDisconnection(transport.Writing, transport.Producing):
    @pytest.fixture
    def network(self) -> Network:
        return StringNetwork(StringTransportWithDisconnection)


class TestLink(transport.ConnectedTransports):
    @pytest.fixture(params=range(8))
    def network(self, request: pytest.FixtureRequest) -> Iterator[Network]:
        network = LinkNetwork(Link(request.param))
        yield network
        network.close()


class TestSlowLink(transport.ConnectedTransports):
    """Nearly everything has to wait: for the cable, and for room."""

    @pytest.fixture
    def network(self) -> Iterator[Network]:
        network = LinkNetwork(Link(1, delay=0.01, bandwidth=1_000_000, capacity=1000))
        yield network
        network.close()


class TestNetworks:
    """What the contract runs on must notice what is wrong."""

    def test_a_condition_that_does_not_come_true_fails_the_test(self) -> None:
        for network in (StringNetwork(), LinkNetwork(Link(7))):
            network.pair()
            with pytest.raises(pytest.fail.Exception, match="is not true"):
                network.until(lambda: False)

    def test_a_fault_that_nobody_asked_for_is_raised(self) -> None:
        network = LinkNetwork(Link())
        network.pair(Recorder(made=raises))
        with pytest.raises(Fault):
            network.close()

    def test_a_fault_is_raised_where_there_is_no_turn(self) -> None:
        network = StringNetwork()
        with pytest.raises(Fault):
            network.pair(Recorder(made=raises))
        network.settle()
        assert network.faults(Fault) == 0


globals().update(on_every_backend(TransportContract))
