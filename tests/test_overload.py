"""More connections than are allowed, and more bytes than are read: what the peers learn."""

from __future__ import annotations

import re
import socket
import time
from collections.abc import Iterator
from typing import Any

import pytest

from reactorlib.endpoints.opening import OpeningFactory
from reactorlib.posixbase import Reactor
from reactorlib.protocol import Factory, Protocol
from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.protocols.http.request import Request
from reactorlib.protocols.limits import LimitConnectionsByPeer
from reactorlib.protocols.wire import Echo
from reactorlib.protocols.wrapping import WrappingFactory
from tests.backends import BACKENDS
from tests.test_cli import connect, read_all, serving

PATIENCE = 10.0


class Busy(Protocol):
    """Says so, and stays until it is let go."""

    def connectionMade(self) -> None:
        self.transport.write(b"busy")


class Polite(Factory):
    """Has a word for those that are too many."""

    protocol = Echo

    def __init__(self, refusal: Any = Busy) -> None:
        self.reasons: list[Exception] = []
        self.refusal = refusal
        self.built: list[Any] = []

    def overloaded(self, reason: Exception) -> None:
        self.reasons.append(reason)

    def buildRefusal(self, addr: Any) -> Any:
        self.built.append(self.refusal())
        return self.built[-1]


class Net:
    """A reactor with one port, and blocking peers of it."""

    def __init__(self, backend: str) -> None:
        self.reactor = Reactor(BACKENDS[backend]())
        self.peers: list[socket.socket] = []

    def listen(self, factory: Any) -> None:
        self.port = self.reactor.listenTCP(0, factory, interface="127.0.0.1")
        self.address = ("127.0.0.1", self.port.port)

    def dial(self) -> socket.socket:
        """A peer that is accepted, or turned away."""
        before = self._known()
        self.peers.append(socket.create_connection(self.address, timeout=PATIENCE))
        self.turn_until(lambda: self._known() > before)
        return self.peers[-1]

    def _known(self) -> int:
        return len(self.port.factory.reasons) + len(self.reactor.sinks)

    def turn_until(self, done: Any) -> None:
        deadline = time.monotonic() + PATIENCE
        while not done():
            assert time.monotonic() < deadline
            self.reactor.iterate(0.01)

    def answer(self, peer: socket.socket, size: int) -> bytes:
        """What comes, up to so many bytes or the end."""
        peer.setblocking(False)
        data = bytearray()

        def whole() -> bool:
            try:
                data.extend(piece := peer.recv(size - len(data)))
            except BlockingIOError:
                return False
            return not piece or len(data) == size

        self.turn_until(whole)
        return bytes(data)


@pytest.fixture(params=BACKENDS)
def net(request: pytest.FixtureRequest) -> Iterator[Net]:
    net = Net(request.param)
    yield net
    for peer in net.peers:
        peer.close()
    net.port.stopListening()
    for sink in list(net.reactor.sinks.values()):
        if sink is not net.port:
            sink.abortConnection()
    net.turn_until(lambda: not net.reactor.sinks)
    net.reactor.engine.close()


class TestRefusals:
    def test_one_too_many_is_told_in_the_factorys_words(self, net: Net) -> None:
        factory = Polite()
        net.reactor.limitConnections(1, reserve=4)
        net.listen(factory)
        first = net.dial()
        assert net.answer(net.dial(), 4) == b"busy"
        assert [reason.limit for reason in factory.reasons] == [1]  # type: ignore[attr-defined]
        first.send(b"echo")
        assert net.answer(first, 4) == b"echo"

    def test_no_more_are_told_than_half_of_the_reserve(self, net: Net) -> None:
        factory = Polite()
        net.reactor.limitConnections(1, reserve=4)
        net.listen(factory)
        net.dial()
        assert [net.answer(net.dial(), 4) for _ in range(3)] == [b"busy", b"busy", b""]
        assert net.reactor.budget is not None
        assert net.reactor.budget.used == 1
        factory.built[0].transport.loseConnection()
        net.peers[1].close()
        refusals = net.reactor.budget.refusals
        assert refusals is not None
        net.turn_until(lambda: refusals.used == 1)
        assert net.answer(net.dial(), 4) == b"busy"

    def test_without_a_reserve_nobody_is_told(self, net: Net) -> None:
        factory = Polite()
        net.reactor.limitConnections(1)
        net.listen(factory)
        net.dial()
        assert net.answer(net.dial(), 4) == b""
        assert factory.built == []
        assert len(factory.reasons) == 1

    def test_a_factory_may_have_nothing_to_say(self, net: Net) -> None:
        factory = Polite(refusal=lambda: None)
        net.reactor.limitConnections(1, reserve=4)
        net.listen(factory)
        net.dial()
        assert net.answer(net.dial(), 4) == b""
        assert len(factory.reasons) == 1

    def test_a_fault_in_it_costs_that_connection(
        self, net: Net, caplog: pytest.LogCaptureFixture
    ) -> None:
        def fault() -> Any:
            raise ZeroDivisionError

        factory = Polite(refusal=fault)
        net.reactor.limitConnections(1, reserve=4)
        net.listen(factory)
        first, second = net.dial(), net.dial()
        with pytest.raises(ConnectionResetError):
            net.answer(second, 4)
        assert len(factory.reasons) == 1
        assert len([record for record in caplog.records if record.exc_info]) == 1
        first.send(b"echo")
        assert net.answer(first, 4) == b"echo"

    def test_http_says_503(self, net: Net) -> None:
        factory: Any = HTTPFactory(Request)
        factory.reasons = []
        factory.overloaded = factory.reasons.append
        net.reactor.limitConnections(1, reserve=4)
        net.listen(factory)
        net.dial()
        answer = net.answer(net.dial(), 10_000)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert b"\r\nConnection: close\r\n" in answer
        assert factory.outstandingRequests == 1


class TestFactoriesAround:
    def test_a_policy_does_not_count_it(self) -> None:
        factory = LimitConnectionsByPeer(Polite())
        assert isinstance(factory.buildRefusal(None), Busy)
        assert not factory.peerConnections
        assert WrappingFactory(Factory()).buildRefusal(None) is None

    def test_it_begins_as_the_others_do(self) -> None:
        begun: list[Any] = []
        opening = OpeningFactory(Polite(), begun.append).buildRefusal(None)
        assert opening is not None
        assert isinstance(opening.protocol, Busy)
        assert OpeningFactory(Factory(), begun.append).buildRefusal(None) is None


class TestWriteBuffers:
    def test_what_nobody_reads_is_bounded(self, net: Net) -> None:
        factory = Polite()
        factory.protocol = Busy  # type: ignore[assignment]
        net.reactor.maxWriteBuffer = 1000
        net.listen(factory)
        peer = net.dial()
        (connection,) = (sink for sink in net.reactor.sinks.values() if sink is not net.port)
        connection.write(b"x" * 996)
        assert net.answer(peer, 1000) == b"busy" + b"x" * 996
        connection.write(b"x" * 900)
        connection.write(b"x" * 200)
        net.turn_until(lambda: not connection.connected)

    @pytest.mark.parametrize("bound", [None, 1 << 40])
    def test_no_bound_and_one_beyond_all_numbers(self, net: Net, bound: int | None) -> None:
        net.reactor.maxWriteBuffer = bound
        net.listen(Polite())
        peer = net.dial()
        (connection,) = (sink for sink in net.reactor.sinks.values() if sink is not net.port)
        connection.write(b"x" * 100_000)
        assert net.answer(peer, 100_000) == b"x" * 100_000


class TestCommandLine:
    def test_a_bound_of_what_waits_for_a_reader(self) -> None:
        flags = ("chargen", "--port", "0", "--host", "127.0.0.1", "--max-write-buffer", "10")
        with (
            serving(*flags) as (_process, port, _line),
            pytest.raises(ConnectionResetError),
            connect(port) as peer,
        ):
            read_all(peer)

    def test_a_web_server_answers_503_to_one_too_many(self) -> None:
        flags = ("web", "--port", "0", "--host", "127.0.0.1", "--max-connections", "2")
        get = b"GET / HTTP/1.1\r\nHost: x\r\n\r\n"
        with (
            serving(*flags) as (_process, port, _line),
            connect(port) as first,
            connect(port) as second,
        ):
            for peer in (first, second):
                peer.sendall(get)
                assert peer.recv(100).startswith(b"HTTP/1.1 200 ")
            with connect(port) as third:
                assert read_all(third).startswith(b"HTTP/1.1 503 ")

    def test_what_cannot_be_held_names_the_doctor(self) -> None:
        flags = ("echo", "--port", "0", "--max-connections", "9000000")
        with serving(*flags) as (process, _port, _line):
            process.terminate()
            _, errors = process.communicate(timeout=20)
        assert re.search(r"`reactorlib doctor --connections 9000000` tells how", errors)
