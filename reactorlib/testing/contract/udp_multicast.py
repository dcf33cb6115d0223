"""UDP with multicast: IMulticastTransport."""

from __future__ import annotations

import socket
from dataclasses import dataclass
from typing import Any

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.interfaces import IMulticastTransport
from reactorlib.testing.contract.udp_peers import LOOPBACK, Datagrams, UDPContractBase, UDPNet


@dataclass(frozen=True)
class Network:
    """One protocol's group on the loopback interface."""

    anywhere: str
    group: str
    interface: str
    outgoing: object


NETWORKS = [
    Network("0.0.0.0", "239.255.77.1", LOOPBACK, LOOPBACK),
    Network("::", "ff11::77:1", "lo", socket.if_nametoindex("lo")),
]
networks = pytest.mark.parametrize("network", NETWORKS, ids=["ipv4", "ipv6"])


class MulticastContract(UDPContractBase):
    """Groups, and the options for what is sent to them."""

    def port(self, net: UDPNet, network: Network = NETWORKS[0], **options: Any) -> Any:
        return net.keep(net.reactor.listenMulticast(0, Datagrams(), network.anywhere, **options))

    def test_a_member_receives_what_is_sent_to_its_group(self, net: UDPNet) -> None:
        """Over IPv4: for IPv6 the loopback interface has no route to groups."""
        member, sender = self.port(net), self.port(net)
        group = NETWORKS[0].group
        self.run_until(net.reactor, sender.setOutgoingInterface(LOOPBACK))
        self.run_until(net.reactor, member.joinGroup(group, LOOPBACK))
        sender.write(b"to all", (group, member.port))
        net.turn_until(lambda: member.protocol.received)
        self.run_until(net.reactor, member.leaveGroup(group, LOOPBACK))
        sender.write(b"not to you", (group, member.port))
        net.turn()
        assert member.protocol.received == [b"to all"]

    @networks
    def test_membership_and_interface(self, net: UDPNet, network: Network) -> None:
        port = self.port(net, network)
        assert verifyObject(IMulticastTransport, port)
        self.run_until(net.reactor, port.setOutgoingInterface(network.interface))
        assert port.getOutgoingInterface() == network.outgoing
        for _ in range(2):
            self.run_until(net.reactor, port.joinGroup(network.group, network.interface))
            with pytest.raises(error.MulticastJoinError):  # it is a member
                self.run_until(net.reactor, port.joinGroup(network.group, network.interface))
            self.run_until(net.reactor, port.leaveGroup(network.group, network.interface))
            with pytest.raises(error.MulticastJoinError):
                self.run_until(net.reactor, port.leaveGroup(network.group, network.interface))

    @networks
    def test_options(self, net: UDPNet, network: Network) -> None:
        port = self.port(net, network)
        assert (port.getTTL(), port.getLoopbackMode()) == (1, True)
        port.setTTL(32)
        port.setLoopbackMode(False)
        assert (port.getTTL(), port.getLoopbackMode()) == (32, False)
        with pytest.raises(OSError, match=r".*"):
            port.setTTL(1000)

    @networks
    def test_what_cannot_be_joined(self, net: UDPNet, network: Network) -> None:
        port = self.port(net, network)
        no_group = "127.0.0.1" if network.group[0] == "2" else "::1"
        with pytest.raises(error.MulticastJoinError):
            self.run_until(net.reactor, port.joinGroup(no_group, network.interface))
        for name in ("name.invalid", "", None):
            with pytest.raises(error.InvalidAddressError, match="numeric"):
                self.run_until(net.reactor, port.joinGroup(name, network.interface))
        with pytest.raises((OSError, error.InvalidAddressError), match=r".*"):
            self.run_until(net.reactor, port.setOutgoingInterface("nowhere"))

    def test_ports_share_a_number_only_if_all_of_them_say_so(self, net: UDPNet) -> None:
        port = self.port(net, listenMultiple=True)
        listen = net.reactor.listenMulticast
        again = net.keep(listen(port.port, Datagrams(), "0.0.0.0", listenMultiple=True))
        for each in (port, again):
            self.run_until(net.reactor, each.joinGroup("239.255.77.2", LOOPBACK))
        sender = self.port(net)
        self.run_until(net.reactor, sender.setOutgoingInterface(LOOPBACK))
        sender.write(b"to both", ("239.255.77.2", port.port))
        net.turn_until(lambda: port.protocol.received and again.protocol.received)
        with pytest.raises(error.CannotListenError):
            listen(port.port, Datagrams(), "0.0.0.0")
