"""Ports that two processes share: inherited by a child, or sent to it over a UNIX socket."""

from __future__ import annotations

import socket
import sys
from typing import Any

from reactorlib.protocol import ProcessProtocol
from reactorlib.testing.contract.tcp_peers import Recorder, RecordingFactory
from reactorlib.testing.contract.udp_peers import LOOPBACK, Datagrams
from reactorlib.testing.contract.unix_peers import UNIXContractBase, UNIXNet
from tests.on_backends import EveryBackend

# Serves on a descriptor, as its arguments say, and answers with its process id.
SERVES = """
import os, socket, sys
from zope.interface import implementer
from reactorlib import reactor
from reactorlib.interfaces import IFileDescriptorReceiver
from reactorlib.protocol import ClientFactory, DatagramProtocol, Factory, Protocol

NAME = str(os.getpid()).encode()

class Answer(Protocol):
    def connectionMade(self):
        self.transport.write(NAME)
        self.transport.loseConnection()

class Datagrams(DatagramProtocol):
    def datagramReceived(self, datagram, addr):
        self.transport.write(NAME, addr)

def serve(descriptor):
    family = getattr(socket, sys.argv[1])
    if sys.argv[2] == "stream":
        reactor.adoptStreamPort(descriptor, family, Factory.forProtocol(Answer))
    else:
        reactor.adoptDatagramPort(descriptor, family, Datagrams())
    os.close(descriptor)
    print("ready", flush=True)
"""

INHERITS = (
    SERVES
    + """
serve(3)
reactor.run()
"""
)

# Takes it from the UNIX socket of its last argument.
RECEIVES = (
    SERVES
    + """
@implementer(IFileDescriptorReceiver)
class Taker(Protocol):
    def fileDescriptorReceived(self, descriptor):
        serve(descriptor)

reactor.connectUNIX(sys.argv[3], ClientFactory.forProtocol(Taker))
reactor.run()
"""
)


class Child(ProcessProtocol):
    """Writes down what a child says, and its end."""

    def __init__(self) -> None:
        self.said = b""
        self.ended = False

    def outReceived(self, data: bytes) -> None:
        self.said += data

    def processEnded(self, reason: Any) -> None:
        self.ended = True


class TestSharing(EveryBackend, UNIXContractBase):
    def spawn(self, net: UNIXNet, script: str, *arguments: str, port: int | None = None) -> Child:
        """A child that says when it is ready; with a descriptor to inherit."""
        child = Child()
        descriptors: dict[int, str | int] = {0: "w", 1: "r", 2: 2}
        if port is not None:
            descriptors[3] = port
        command = (sys.executable, "-c", script, *arguments)
        net.reactor.spawnProcess(child, sys.executable, command, env=None, childFDs=descriptors)
        return child

    def end(self, net: UNIXNet, child: Child) -> None:
        child.transport.signalProcess("KILL")
        net.turn_until(lambda: child.ended)

    def leave_to(self, net: UNIXNet, port: Any, script: str, *arguments: str) -> Child:
        """A child that serves on the port from now on, which this process has stopped."""
        child = self.spawn(net, script, *arguments, port=port.fileno())
        net.turn_until(lambda: child.said == b"ready\n")
        self.run_until(net.reactor, port.stopListening())
        return child

    def test_a_tcp_port_is_inherited(self, net: UNIXNet) -> None:
        port = net.reactor.listenTCP(0, RecordingFactory(), interface=LOOPBACK)
        child = self.leave_to(net, port, INHERITS, "AF_INET", "stream")
        with socket.create_connection((LOOPBACK, port.port)) as peer:
            assert net.read_all(peer) == str(child.transport.pid).encode()
        self.end(net, child)

    def test_a_unix_port_is_inherited(self, net: UNIXNet) -> None:
        name = "\0" + net.name()
        port = net.reactor.listenUNIX(name, RecordingFactory())
        child = self.leave_to(net, port, INHERITS, "AF_UNIX", "stream")
        peer = net.new_socket()
        peer.connect(name)
        assert net.read_all(peer) == str(child.transport.pid).encode()
        self.end(net, child)

    def test_a_udp_port_is_inherited(self, net: UNIXNet) -> None:
        port = net.reactor.listenUDP(0, Datagrams(), LOOPBACK)
        child = self.leave_to(net, port, INHERITS, "AF_INET", "datagrams")
        self.expect_datagram_from(net, child, port)
        self.end(net, child)

    def expect_datagram_from(self, net: UNIXNet, child: Child, port: Any) -> None:
        with socket.socket(type=socket.SOCK_DGRAM) as peer:
            peer.connect((LOOPBACK, port.port))
            peer.setblocking(False)
            peer.send(b"who are you?")
            assert net.receive(peer) == [str(child.transport.pid).encode()]

    def give_to_child(self, net: UNIXNet, port: Any, kind: str) -> Child:
        """A child that has got the port over a UNIX socket; this process has stopped it."""

        def give(protocol: Recorder) -> None:
            protocol.transport.sendFileDescriptor(port.fileno())
            protocol.transport.write(b"take it")

        giver = net.listen(lambda: Recorder(made=give))
        child = self.spawn(net, RECEIVES, "AF_INET", kind, giver.port)
        net.turn_until(lambda: child.said == b"ready\n")
        self.run_until(net.reactor, port.stopListening())
        return child

    def test_a_tcp_port_goes_over_a_unix_socket(self, net: UNIXNet) -> None:
        port = net.reactor.listenTCP(0, RecordingFactory(), interface=LOOPBACK)
        child = self.give_to_child(net, port, "stream")
        with socket.create_connection((LOOPBACK, port.port)) as peer:
            assert net.read_all(peer) == str(child.transport.pid).encode()
        self.end(net, child)

    def test_a_udp_port_goes_over_a_unix_socket(self, net: UNIXNet) -> None:
        port = net.reactor.listenUDP(0, Datagrams(), LOOPBACK)
        child = self.give_to_child(net, port, "datagrams")
        self.expect_datagram_from(net, child, port)
        self.end(net, child)
