"""A connection: ITCPTransport but for its producers and its congestion."""

from __future__ import annotations

import socket
import threading
from typing import Any

import pytest

from reactorlib import error
from reactorlib.testing.contract.tcp_peers import (
    MEGABYTE,
    MUCH,
    HalfCloser,
    Net,
    Recorder,
    TCPContractBase,
    await_input,
    echo,
    raises,
    reset,
)


class ConnectionContract(TCPContractBase):
    """Connections: what is written and read, how they end, what they tell."""

    # Writing

    def test_writes_keep_their_order(self, net: Net) -> None:
        protocol, peer = net.pair()
        for piece in (b"one ", bytearray(b"two "), memoryview(b"three "), b"", b"four "):
            protocol.transport.write(piece)
        protocol.transport.writeSequence([b"five ", bytearray(b"six "), memoryview(b"seven")])
        protocol.transport.writeSequence(iter([]))
        assert net.read(peer, 33) == b"one two three four five six seven"

    def test_a_write_takes_a_copy(self, net: Net) -> None:
        protocol, peer = net.pair()
        data = bytearray(b"before" * 10_000)
        protocol.transport.write(data)
        data[:] = b"after!" * 10_000
        protocol.transport.write(memoryview(b"a-b-c-")[::2])
        assert net.read(peer, 60_003) == b"before" * 10_000 + b"abc"

    @pytest.mark.parametrize("data", ["text", 5, None, [b"list"], (b"tuple",), 1.5])
    def test_what_is_not_bytes_is_refused(self, net: Net, data: Any) -> None:
        protocol, peer = net.pair()
        name = type(data).__name__
        for refused in (
            protocol.transport.write,
            lambda data: protocol.transport.writeSequence([data]),
        ):
            with pytest.raises(TypeError, match=f"bytes.*{name}") as caught:
                refused(data)
            assert ("encode" in str(caught.value)) == isinstance(data, str)
        protocol.transport.write(b"fine")
        assert net.read(peer, 4) == b"fine"

    def test_much_goes_both_ways(self, net: Net) -> None:
        protocol, peer = net.pair(lambda: Recorder(data=echo))
        sent = bytes(range(256)) * (4 * MEGABYTE // 256)
        assert net.ask(peer, sent) == sent
        assert protocol.received == sent

    def test_writing_after_the_end_is_dropped(self, net: Net) -> None:
        protocol, peer = net.pair()
        transport = protocol.transport
        transport.loseConnection()
        transport.write(b"")
        assert net.read_all(peer) == b""
        peer.close()
        net.until_lost(protocol)
        transport.write(b"late")
        transport.write(bytearray(b"late"))
        transport.writeSequence([b"late"])
        with pytest.raises(TypeError, match="encode"):
            transport.write("late")
        assert transport.bufferedBytes == 0

    def test_what_is_done_after_the_end_does_nothing(self, net: Net) -> None:
        protocol, peer = net.pair()
        peer.close()
        net.until_lost(protocol)
        transport = protocol.transport
        for method in (
            transport.loseConnection,
            transport.abortConnection,
            transport.loseWriteConnection,
            transport.pauseProducing,
            transport.resumeProducing,
            transport.stopProducing,
            transport.ignoreCongestion,
            transport.unregisterProducer,
            transport.setWriteBufferLimits,
        ):
            method()
        transport.monitorCongestion(raises)
        net.turn()
        assert protocol.calls == ["made", "lost"]
        assert not transport.connected
        assert repr(transport)

    def test_another_thread_is_turned_away(self, net: Net) -> None:
        refused: list[str] = []

        def intrude(transport: Any) -> None:
            for method, *arguments in (
                (transport.write, b"intruder"),
                (transport.write, bytearray(b"intruder")),
                (transport.loseConnection,),
                (transport.abortConnection,),
                (transport.loseWriteConnection,),
                (transport.pauseProducing,),
            ):
                with pytest.raises(RuntimeError, match="callFromThread"):
                    method(*arguments)
                refused.append(method.__name__)

        def invite(protocol: Recorder, data: bytes) -> None:
            thread = threading.Thread(target=intrude, args=(protocol.transport,))
            thread.start()
            thread.join()
            echo(protocol, data)

        protocol, peer = net.pair(lambda: Recorder(data=invite))
        assert net.ask(peer, b"mine") == b"mine"
        assert net.ask(peer, b"and again") == b"and again"
        assert len(refused) == 12
        assert protocol.calls == ["made", "data", "data"]

    # The end

    def test_lose_connection_delivers_first(self, net: Net) -> None:
        protocol, peer = net.pair()
        data = b"x" * 3 * MEGABYTE
        protocol.transport.write(data)
        protocol.transport.loseConnection()
        protocol.transport.loseConnection()
        assert (protocol.transport.connected, protocol.transport.disconnecting) == (True, True)
        assert protocol.calls == ["made"]
        assert net.read_all(peer) == data
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionDone)
        assert protocol.calls == ["made", "lost"]

    def test_the_peer_closes(self, net: Net) -> None:
        protocol, peer = net.pair()
        peer.close()
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionDone)
        assert protocol.calls == ["made", "lost"]

    def test_the_peer_resets(self, net: Net) -> None:
        protocol, peer = net.pair()
        reset(peer)
        net.until_lost(protocol)
        assert protocol.reason.type is error.ConnectionLost
        assert "ECONNRESET" in protocol.reason.getErrorMessage()
        assert protocol.calls == ["made", "lost"]

    def test_abort_connection_resets_and_drops(self, net: Net) -> None:
        protocol, peer = net.pair()
        protocol.transport.write(MUCH)
        protocol.transport.abortConnection()
        protocol.transport.abortConnection()
        protocol.transport.write(b"dropped")
        assert protocol.calls == ["made"]
        assert net.is_reset(peer)
        assert protocol.reason.check(error.ConnectionAborted)
        assert protocol.calls == ["made", "lost"]

    def test_abort_overtakes_lose(self, net: Net) -> None:
        protocol, peer = net.pair()
        protocol.transport.write(MUCH)
        protocol.transport.loseConnection()
        net.turn(1)
        protocol.transport.abortConnection()
        protocol.transport.loseConnection()
        assert net.is_reset(peer)
        assert protocol.reason.check(error.ConnectionAborted)

    def test_the_loss_is_never_told_inside_a_call(self, net: Net) -> None:
        def end(protocol: Recorder, data: bytes) -> None:
            getattr(protocol.transport, data.decode())()
            protocol.note("returned")

        protocols, peers = [], []
        for how in (b"loseConnection", b"abortConnection", b"stopProducing"):
            protocol, peer = net.pair(lambda: Recorder(data=end))
            peer.send(how)
            net.until_called(protocol, "returned")
            protocols.append(protocol)
            peers.append(peer)
        for peer in peers:
            peer.close()
        net.until_lost(*protocols)
        assert [each.calls for each in protocols] == [["made", "data", "returned", "lost"]] * 3

    # Half close

    def test_lose_write_connection_goes_on_reading(self, net: Net) -> None:
        protocol, peer = net.pair()
        protocol.transport.write(b"x" * MEGABYTE)
        protocol.transport.loseWriteConnection()
        protocol.transport.write(b"dropped")
        assert net.read_all(peer) == b"x" * MEGABYTE
        peer.sendall(b"answer")
        net.turn_until(lambda: protocol.received == b"answer")
        peer.close()
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionDone)
        assert protocol.calls == ["made", "data", "lost"]

    def test_a_half_closer_hears_of_the_peers_end_and_may_answer(self, net: Net) -> None:
        protocol, peer = net.pair(HalfCloser)
        peer.sendall(b"question")
        peer.shutdown(socket.SHUT_WR)
        net.turn_until(lambda: "read_lost" in protocol.calls)
        net.turn()
        assert protocol.calls == ["made", "data", "read_lost"]
        protocol.transport.write(b"x" * MEGABYTE)
        protocol.transport.loseConnection()
        assert net.read_all(peer) == b"x" * MEGABYTE
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionDone)
        assert protocol.calls == ["made", "data", "read_lost", "lost"]

    @pytest.mark.parametrize("first", ["peer", "own"])
    def test_both_directions_ended_end_the_connection(self, net: Net, first: str) -> None:
        protocol, peer = net.pair(HalfCloser)
        ends = [lambda: peer.shutdown(socket.SHUT_WR), protocol.transport.loseWriteConnection]
        names = ["read_lost", "write_lost"]
        if first == "own":
            ends.reverse()
            names.reverse()
        for end, name in zip(ends, names, strict=True):
            assert not protocol.reason
            end()
            net.until_called(protocol, name)
        net.until_lost(protocol)
        assert protocol.calls == ["made", *names, "lost"]
        assert protocol.reason.check(error.ConnectionDone)

    def test_a_half_closer_is_told_once_that_it_lost_writing(self, net: Net) -> None:
        protocol, peer = net.pair(HalfCloser)
        protocol.transport.write(b"last")
        protocol.transport.loseWriteConnection()
        protocol.transport.loseWriteConnection()
        assert net.read_all(peer) == b"last"
        peer.sendall(b"more")
        net.turn_until(lambda: protocol.received)
        assert protocol.calls == ["made", "write_lost", "data"]

    # Pauses

    def test_a_pause_keeps_the_peers_data_and_its_end_back(self, net: Net) -> None:
        protocol, peer = net.pair(lambda: Recorder(data=lambda p, _: p.transport.pauseProducing()))
        peer.sendall(b"a")
        net.turn_until(lambda: protocol.received == b"a")
        peer.sendall(b"b" * 1000)
        peer.close()
        await_input(protocol.transport)
        net.turn(5)
        assert (protocol.received, protocol.calls[-1]) == (b"a", "data")
        protocol.transport.resumeProducing()
        protocol.transport.resumeProducing()
        net.turn_until(lambda: len(protocol.received) == 1001)
        net.turn(5)
        assert "lost" not in protocol.calls
        protocol.transport.resumeProducing()
        net.until_lost(protocol)
        assert protocol.reason.check(error.ConnectionDone)

    def test_losing_a_paused_connection(self, net: Net) -> None:
        protocol, peer = net.pair()
        protocol.transport.pauseProducing()
        peer.sendall(b"unread" * 1000)
        await_input(protocol.transport)
        protocol.transport.write(b"answer")
        protocol.transport.loseConnection()
        protocol.transport.pauseProducing()
        protocol.transport.resumeProducing()
        assert net.read_all(peer) == b"answer"
        net.until_lost(protocol)
        assert protocol.calls == ["made", "lost"]
