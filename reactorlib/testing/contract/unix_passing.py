"""Descriptors over UNIX streams: sendFileDescriptor and IFileDescriptorReceiver."""

from __future__ import annotations

import contextlib
import fcntl
import os
import socket
from collections.abc import Callable, Iterator
from errno import EBADF, EMFILE, ETOOMANYREFS
from typing import Any

import pytest
from zope.interface import implementer

from reactorlib import error
from reactorlib.interfaces import IFileDescriptorReceiver
from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.engine_base import only_descriptors
from reactorlib.testing.contract.tcp_peers import (
    Fault,
    Recorder,
    RecordingFactory,
    await_input,
    raises,
)
from reactorlib.testing.contract.unix_peers import UNIXContractBase, UNIXNet

MOST_WAITING = 253
LARGE = bytes(range(256)) * 8192


@implementer(IFileDescriptorReceiver)
class Taker(Recorder):
    """Takes descriptors; `told` is what came, in order. Hook: `descriptor`."""

    def __init__(self, **hooks: Any) -> None:
        super().__init__(**hooks)
        self.told: list[Any] = []

    def fileDescriptorReceived(self, descriptor: int) -> None:
        self.told.append(descriptor)
        self.note("descriptor", descriptor)

    def dataReceived(self, data: bytes) -> None:
        self.told.append(data)
        super().dataReceived(data)

    @property
    def taken(self) -> list[int]:
        return [each for each in self.told if isinstance(each, int)]


def identity(descriptor: int) -> tuple[int, int]:
    """What a descriptor and its duplicates have in common."""
    status = os.fstat(descriptor)
    return status.st_dev, status.st_ino


def lost(*protocols: Recorder) -> Callable[[], bool]:
    """A condition: one of them has lost its connection."""
    return lambda: any(protocol.reason for protocol in protocols)


def has_taken(protocol: Taker, count: int) -> Callable[[], bool]:
    """A condition: so many descriptors have come."""
    return lambda: len(protocol.taken) == count


def send_with(peer: socket.socket, data: bytes, descriptors: list[int]) -> None:
    """Send from a plain peer."""
    socket.send_fds(peer, [data], descriptors)


class PassingContract(UNIXContractBase):
    """What is passed arrives, in order, and nothing leaks."""

    @pytest.fixture
    def pipes(self) -> Iterator[list[int]]:
        """Read ends of many pipes, each with its own identity, closed after the test."""
        ends = [os.pipe() for _ in range(20)]
        yield [read for read, _ in ends]
        for pair in ends:
            for descriptor in pair:
                os.close(descriptor)

    @pytest.fixture
    def takers(self, net: UNIXNet) -> Iterator[Any]:
        """Makes Takers, and closes in the end what they have taken."""
        made: list[Taker] = []

        def make(**hooks: Any) -> Taker:
            made.append(Taker(**hooks))
            return made[-1]

        yield make
        for taker in made:
            for descriptor in taker.taken:
                os.close(descriptor)

    def receive(self, net: UNIXNet, peer: socket.socket, size: int) -> tuple[bytes, list[int]]:
        """So many bytes at a plain peer, and the descriptors with them."""
        data, descriptors = b"", []
        peer.setblocking(False)

        def all_there() -> bool:
            nonlocal data
            while len(data) < size:
                try:
                    more, some, _, _ = socket.recv_fds(peer, size - len(data), 300)
                except BlockingIOError:
                    return False
                data += more
                descriptors.extend(some)
            return True

        net.turn_until(all_there)
        return data, descriptors

    # Sending

    def test_a_descriptor_goes_with_the_next_byte(self, net: UNIXNet, pipes: list[int]) -> None:
        protocol, peer = net.pair()
        protocol.transport.write(b"before")
        protocol.transport.sendFileDescriptor(pipes[0])
        protocol.transport.write(b"after")
        net.turn()
        assert socket.recv_fds(peer, 6, 10)[:2] == (b"before", [])
        data, (descriptor,), _, _ = socket.recv_fds(peer, 5, 10)
        assert (data, identity(descriptor)) == (b"after", identity(pipes[0]))
        os.close(descriptor)

    def test_descriptors_keep_their_order_and_places(self, net: UNIXNet, pipes: list[int]) -> None:
        protocol, peer = net.pair()
        for number, descriptor in enumerate(pipes):
            protocol.transport.sendFileDescriptor(descriptor)
            if number % 3 == 0:
                protocol.transport.write(b"%02d" % number)
        protocol.transport.write(b"!")
        data, descriptors = self.receive(net, peer, 15)
        assert data == b"00030609121518!"
        assert list(map(identity, descriptors)) == list(map(identity, pipes))
        for descriptor in descriptors:
            os.close(descriptor)

    def test_it_may_be_closed_at_once(self, net: UNIXNet) -> None:
        protocol, peer = net.pair()
        read, write = os.pipe()
        protocol.transport.sendFileDescriptor(read)
        os.close(read)
        protocol.transport.write(b"x")
        _, (descriptor,) = self.receive(net, peer, 1)
        os.write(write, b"through")
        assert os.read(descriptor, 10) == b"through"
        os.close(descriptor)
        os.close(write)

    def test_large_writes_wait_for_their_turn(self, net: UNIXNet, pipes: list[int]) -> None:
        protocol, peer = net.pair()
        protocol.transport.sendFileDescriptor(pipes[0])
        protocol.transport.write(b"x" * 3_000_000)
        protocol.transport.sendFileDescriptor(pipes[1])
        protocol.transport.write(b"y" * 1_000_000)
        protocol.transport.loseConnection()
        data, descriptors = self.receive(net, peer, 4_000_000)
        assert data == b"x" * 3_000_000 + b"y" * 1_000_000
        assert list(map(identity, descriptors)) == list(map(identity, pipes[:2]))
        for descriptor in descriptors:
            os.close(descriptor)

    def test_from_the_first_callback(self, net: UNIXNet, pipes: list[int]) -> None:
        def made(protocol: Recorder) -> None:
            protocol.transport.sendFileDescriptor(pipes[0])
            protocol.transport.write(b"x")

        _, peer = net.pair(lambda: Recorder(made=made))
        _, (descriptor,) = self.receive(net, peer, 1)
        os.close(descriptor)

    def test_no_byte_follows(self, net: UNIXNet, pipes: list[int]) -> None:
        protocol, peer = net.pair()
        protocol.transport.write(b"too early")
        protocol.transport.sendFileDescriptor(pipes[0])
        protocol.transport.loseConnection()
        assert net.read_all(peer) == b"too early"
        net.turn_until(lambda: protocol.reason)
        assert protocol.reason.check(error.FileDescriptorOverrun)

    def test_what_was_to_be_sent_is_closed_at_the_end(self, net: UNIXNet, pipes: list[int]) -> None:
        for how in ("abortConnection", "peer"):
            protocol, peer = net.pair()
            protocol.transport.sendFileDescriptor(pipes[0])
            if how == "peer":
                peer.close()
            else:
                protocol.transport.abortConnection()
            net.turn_until(lost(protocol))
            protocol.transport.sendFileDescriptor(pipes[0])  # dropped

    def test_so_many_wait_and_no_more(self, net: UNIXNet, pipes: list[int]) -> None:
        protocol, peer = net.pair()
        for _ in range(MOST_WAITING):
            protocol.transport.sendFileDescriptor(pipes[0])
        with pytest.raises(OSError, match=r".*") as caught:
            protocol.transport.sendFileDescriptor(pipes[0])
        assert caught.value.errno == ETOOMANYREFS
        protocol.transport.write(b"x")
        _, descriptors = self.receive(net, peer, 1)
        assert len(descriptors) == MOST_WAITING
        for descriptor in descriptors:
            os.close(descriptor)
        protocol.transport.sendFileDescriptor(pipes[0])
        protocol.transport.write(b"y")
        os.close(self.receive(net, peer, 1)[1][0])

    def test_what_is_no_descriptor(self, net: UNIXNet) -> None:
        protocol, peer = net.pair()
        with pytest.raises(OSError, match=r".*") as caught:
            protocol.transport.sendFileDescriptor(1 << 20)
        assert caught.value.errno == EBADF
        protocol.transport.write(b"fine")
        assert net.read(peer, 4) == b"fine"

    def test_none_is_left_for_a_duplicate(self, net: UNIXNet, pipes: list[int]) -> None:
        protocol, peer = net.pair()
        with only_descriptors(0), pytest.raises(OSError, match=r".*") as caught:
            protocol.transport.sendFileDescriptor(pipes[0])
        assert caught.value.errno == EMFILE
        protocol.transport.sendFileDescriptor(pipes[1])
        protocol.transport.write(b"x")
        _, (descriptor,) = self.receive(net, peer, 1)
        assert identity(descriptor) == identity(pipes[1])
        os.close(descriptor)

    def test_with_a_monitor(self, net: UNIXNet, pipes: list[int]) -> None:
        protocol, peer = net.pair()
        protocol.transport.monitorCongestion(lambda *_: None)
        protocol.transport.sendFileDescriptor(pipes[0])
        protocol.transport.write(b"x")
        os.close(self.receive(net, peer, 1)[1][0])

    # Receiving

    def test_a_descriptor_comes_before_its_data(
        self, net: UNIXNet, takers: Any, pipes: list[int]
    ) -> None:
        protocol, peer = net.pair(takers)
        send_with(peer, b"one", [pipes[0]])
        send_with(peer, b"two", [pipes[1], pipes[2]])
        peer.send(b"three")
        net.turn_until(lambda: protocol.received == b"onetwothree")
        kinds = [each if isinstance(each, bytes) else "fd" for each in protocol.told]
        assert kinds[:2] == ["fd", b"one"]
        assert kinds.count("fd") == 3
        assert list(map(identity, protocol.taken)) == list(map(identity, pipes[:3]))

    def test_they_come_once_with_the_first_of_many_parts(
        self, net: UNIXNet, takers: Any, pipes: list[int]
    ) -> None:
        """What follows is more than one read takes, and comes in small parts too."""
        protocol, peer = net.pair(takers)
        peer.setblocking(False)
        sent = socket.send_fds(peer, [LARGE], pipes[:3])
        while sent < len(LARGE):
            net.turn(1)
            with contextlib.suppress(BlockingIOError):
                sent += peer.send(LARGE[sent:])
        for number in range(50):
            send_with(peer, b"%02d" % number, [pipes[number % 20]] * (number % 3))
            net.turn(1)
        tail = b"".join(b"%02d" % number for number in range(50))
        net.turn_until(lambda: len(protocol.received) == len(LARGE + tail))
        assert protocol.received == LARGE + tail
        assert all(isinstance(each, int) for each in protocol.told[:3])
        expected = pipes[:3] + [pipes[n % 20] for n in range(50) for _ in range(n % 3)]
        assert list(map(identity, protocol.taken)) == list(map(identity, expected))

    def test_what_is_received_is_closed_on_exec(
        self, net: UNIXNet, takers: Any, pipes: list[int]
    ) -> None:
        protocol, peer = net.pair(takers)
        send_with(peer, b"x", [pipes[0]])
        net.turn_until(lambda: protocol.taken)
        assert fcntl.fcntl(protocol.taken[0], fcntl.F_GETFD) & fcntl.FD_CLOEXEC

    def test_many_at_once(self, net: UNIXNet, takers: Any, pipes: list[int]) -> None:
        protocols = [net.pair(takers) for _ in range(8)]
        for _, peer in protocols:
            for _ in range(3):
                send_with(peer, b"x", [pipes[0]] * 200)
        for protocol, _ in protocols:
            net.turn_until(has_taken(protocol, 600))
            assert protocol.received == b"xxx"

    def test_a_protocol_that_takes_none(self, net: UNIXNet, pipes: list[int]) -> None:
        """The fixtures of the contract find what is left open."""
        protocol, peer = net.pair()
        send_with(peer, b"data alone", pipes)
        net.turn_until(lambda: protocol.received == b"data alone")
        protocol.transport.sendFileDescriptor(pipes[0])
        protocol.transport.write(b"x")
        os.close(self.receive(net, peer, 1)[1][0])
        send_with(peer, b" still", pipes)
        net.turn_until(lambda: protocol.received == b"data alone still")

    def test_a_pause_keeps_the_order(self, net: UNIXNet, takers: Any, pipes: list[int]) -> None:
        """Both are read in one turn, and the first pauses the second."""
        pair: list[Any] = []

        def pause(protocol: Taker, data: bytes) -> None:
            if not paused:
                paused.append(pair[1 - pair.index(protocol)])
                paused[0].transport.pauseProducing()

        paused: list[Taker] = []
        for _ in range(2):
            pair.append(net.pair(lambda: takers(data=pause)))
        (one, one_peer), (two, two_peer) = pair
        pair[:] = [one, two]
        for peer in (one_peer, two_peer):
            send_with(peer, b"first", [pipes[0]])
        await_input(one.transport, two.transport)
        net.turn(1)
        (held,) = paused
        assert held.told == []
        held.transport.resumeProducing()
        net.turn_until(lambda: held.received)
        assert [type(each) for each in held.told] == [int, bytes]

    def test_what_is_held_when_the_connection_ends_is_closed(
        self, net: UNIXNet, takers: Any, pipes: list[int]
    ) -> None:
        pair: list[Any] = []

        def end(protocol: Taker, descriptor: int) -> None:
            other = pair[1 - pair.index(protocol)]
            other.transport.pauseProducing()
            net.reactor.callSoon(other.transport.abortConnection)

        for how in (end, lambda p, _: p.transport.abortConnection()):
            pair[:] = [net.pair(lambda how=how: takers(descriptor=how)) for _ in range(2)]
            (one, one_peer), (two, two_peer) = pair
            pair[:] = [one, two]
            for peer in (one_peer, two_peer):
                send_with(peer, b"x", [pipes[0], pipes[1]])
            await_input(one.transport, two.transport)
            net.turn_until(lost(one, two))
            for protocol in (one, two):
                protocol.hooks.clear()
                protocol.transport.abortConnection()

    def test_a_fault_costs_the_connection(
        self, net: UNIXNet, takers: Any, pipes: list[int], logged_errors: LoggedErrors
    ) -> None:
        protocol, peer = net.pair(lambda: takers(descriptor=raises))
        send_with(peer, b"x", [pipes[0]])
        net.turn_until(lambda: protocol.reason)
        assert protocol.calls == ["made", "descriptor", "lost"]
        assert len(logged_errors.take(Fault)) == 1

    def test_a_change_of_protocol(self, net: UNIXNet, takers: Any, pipes: list[int]) -> None:
        protocol, peer = net.pair()
        taker, other = takers(), Recorder()
        protocol.transport.handOver(taker)
        send_with(peer, b"taken", [pipes[0]])
        net.turn_until(lambda: taker.received == b"taken")
        assert len(taker.taken) == 1
        taker.transport.handOver(other)
        send_with(peer, b"closed", [pipes[0]])
        net.turn_until(lambda: other.received == b"closed")

    def test_too_few_descriptors_are_left(
        self, net: UNIXNet, takers: Any, pipes: list[int]
    ) -> None:
        """What is lost on the way is told by the end, and nothing is left open."""
        protocol, peer = net.pair(takers)
        send_with(peer, b"x", pipes)
        with only_descriptors(5):
            net.turn_until(lambda: protocol.reason)
        assert protocol.reason.check(error.FileDescriptorOverrun)
        assert protocol.told == []

    # Sharing

    def test_a_listening_port_goes_to_another_reactor(
        self, net: UNIXNet, new_reactor: Any, takers: Any
    ) -> None:
        """Over a UNIX socket, as one process gives it to another."""
        protocol, peer = net.pair(takers)
        with socket.create_server(("127.0.0.1", 0)) as listener:
            send_with(peer, b"x", [listener.fileno()])
            address = listener.getsockname()
        net.turn_until(lambda: protocol.taken)
        other, factory = new_reactor(), RecordingFactory()
        port = other.adoptStreamPort(protocol.taken[0], socket.AF_INET, factory)
        with socket.create_connection(address):
            self.turn_until(other, lambda: factory.protocols)
        self.turn_until(other, lambda: factory.protocols[0].reason)
        self.run_until(other, port.stopListening())
