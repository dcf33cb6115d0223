"""The way out over TLS: how writes become records, and when who feeds them goes on."""

from __future__ import annotations

import contextlib
import ssl
from typing import Any

import pytest

from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_peers import (
    MUCH,
    Fault,
    Producer,
    Recorder,
    echo,
    raises,
)
from reactorlib.testing.contract.tls_peers import NAME, TLSContractBase, TLSNet
from reactorlib.testing.tlspeer import TLSPeer

# Of a record: header, type or nonce, authentication.
OVERHEAD = {ssl.TLSVersion.TLSv1_3: 5 + 1 + 16, ssl.TLSVersion.TLSv1_2: 5 + 8 + 16}


def write_much(transport: Any) -> None:
    """More than the mark, in pieces that are not large enough to be sent at once."""
    for _ in range(3):
        transport.write(b"x" * 10_000)


class RecordsContract(TLSContractBase):
    """Writes of one turn are joined."""

    def records(self, net: TLSNet, peer: TLSPeer, size: int) -> list[int]:
        """The sizes of the next records, which hold so much together."""
        peer.raw.setblocking(False)
        data, sizes = peer.take_ciphertext(), []

        def arrived() -> bool:
            nonlocal data
            with contextlib.suppress(BlockingIOError):
                data += peer.raw.recv(1 << 20)
            while len(data) >= 5 and len(data) >= (whole := 5 + int.from_bytes(data[3:5], "big")):
                sizes.append(whole - OVERHEAD[self.newest])
                data = data[whole:]
            return sum(sizes) >= size

        net.turn_until(arrived)
        assert not data
        return sizes

    def test_many_small_writes_are_one_record(self, net: TLSNet) -> None:
        protocol, peer = net.pair()
        for _ in range(100):
            protocol.transport.write(b"x" * 10)
        protocol.transport.writeSequence([b"x"] * 100)
        assert self.records(net, peer, 1100) == [1100]

    def test_so_are_those_of_other_connections_callbacks(self, net: TLSNet) -> None:
        protocol, peer = net.pair()
        others = [
            net.pair(lambda: Recorder(data=lambda *_: protocol.transport.write(b"x")))
            for _ in range(5)
        ]
        for _, other in others:
            other.send(b"!")
        assert self.records(net, peer, 5) == [5]

    def test_and_those_of_calls_from_threads_and_timers(self, net: TLSNet) -> None:
        protocol, peer = net.pair()
        for _ in range(5):
            net.reactor.callFromThread(protocol.transport.write, b"x")
            net.reactor.callLater(0, protocol.transport.write, b"y")
        assert self.records(net, peer, 10) == [10]

    @pytest.mark.parametrize(
        ("size", "records"),
        [
            (16_384, [16_384]),
            (16_385, [16_384, 1]),
            (65_536, [16_384] * 4),
            (65_546, [16_384] * 4 + [10]),
        ],
    )
    def test_much_is_cut_into_full_records(
        self, net: TLSNet, size: int, records: list[int]
    ) -> None:
        protocol, peer = net.pair()
        protocol.transport.write(b"x" * size)
        assert self.records(net, peer, size) == records

    def test_full_records_leave_at_once_and_the_rest_waits_for_more(self, net: TLSNet) -> None:
        protocol, peer = net.pair()
        transport = protocol.transport
        transport.write(b"x" * 10)
        transport.write(b"x" * 65_536)
        assert transport.bufferedBytes == 10
        transport.write(b"x" * 5)
        assert transport.bufferedBytes == 15
        assert self.records(net, peer, 65_551) == [16_384] * 4 + [15]

    def test_small_writes_before_the_handshake_are_one_record(self, net: TLSNet) -> None:
        def greet(protocol: Recorder) -> None:
            for _ in range(10):
                protocol.transport.write(b"x")

        port = net.listen(lambda: Recorder(made=greet))
        peer = TLSPeer(net.dial_plain(port), net.client.getContext(), NAME)
        context = net.server.getContext()
        context.num_tickets = 0  # each is a record
        peer.shake(lambda: net.turn(1))
        assert self.records(net, peer, 10) == [10]


class DrainingContract(TLSContractBase):
    """Producers that are resumed when all was encrypted."""

    def above_the_mark(self, net: TLSNet, *resumptions: Any) -> list[Recorder]:
        """Connections whose producers are paused until the end of the turn."""
        protocols = [net.pair()[0] for _ in resumptions]
        for protocol, resume in zip(protocols, resumptions, strict=True):
            producer = Producer(resume=resume)
            protocol.transport.setWriteBufferLimits(high=20_000)
            protocol.transport.registerProducer(producer, True)
            write_much(protocol.transport)
            assert producer.calls == ["pause"]
        return protocols

    def test_one_goes_on_however_little_the_kernel_left(self, net: TLSNet) -> None:
        """What is left may be below the high mark, and is above the low one."""
        protocol, peer = net.pair()
        transport, producer = protocol.transport, Producer()
        transport.setWriteBufferLimits(high=len(MUCH) - 10_000, low=10_000)
        transport.registerProducer(producer, True)
        for start in range(0, len(MUCH), 10_000):
            transport.write(MUCH[start : start + 10_000])
        assert producer.calls == ["pause"]
        net.turn()
        assert 10_000 < transport.bufferedBytes < len(MUCH) - 10_000
        assert producer.calls == ["pause"]
        assert net.read(peer, len(MUCH)) == MUCH
        assert producer.calls == ["pause", "resume"]

    def test_one_that_cannot_go_on(self, net: TLSNet, logged_errors: LoggedErrors) -> None:
        failing, other = self.above_the_mark(net, raises, lambda: None)
        net.until_lost(failing)
        assert failing.reason.check(Fault)
        assert len(logged_errors.take(Fault)) == 1
        assert other.transport.bufferedBytes == 0

    def test_one_that_leaves_the_reactor(self, net: TLSNet) -> None:
        def leave() -> None:
            raise SystemExit

        _, other = self.above_the_mark(net, leave, lambda: None)
        with pytest.raises(SystemExit):
            net.turn()
        net.turn_until(lambda: other.transport.bufferedBytes == 0)

    def test_one_that_turns_the_reactor(self, net: TLSNet) -> None:
        resumed: list[int] = []

        def turn() -> None:
            net.turn()
            resumed.append(other.transport.bufferedBytes)

        _, other = self.above_the_mark(net, turn, lambda: None)
        net.turn()
        assert resumed == [0]

    def test_one_that_never_has_enough(self, net: TLSNet) -> None:
        _, peer = net.pair(lambda: Recorder(data=echo))
        greedy: list[Recorder] = []
        greedy += self.above_the_mark(net, lambda: write_much(greedy[0].transport))
        assert net.ask(peer, b"still served") == b"still served"
        greedy[0].transport.abortConnection()

    def test_the_cap_counts_what_is_there_still(self, net: TLSNet) -> None:
        protocol, _ = net.pair()
        protocol.transport.write(MUCH)
        net.turn()
        waiting = protocol.transport.bufferedBytes
        protocol.transport.setWriteBufferLimits(high=1000, cap=waiting + 1000)
        protocol.transport.write(b"x" * 1000)
        assert not protocol.transport.disconnecting
        protocol.transport.write(b"x")
        net.until_lost(protocol)
        assert "cap" in protocol.reason.getErrorMessage()
