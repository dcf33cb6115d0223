"""What takes two ends of a connection: delivery, pauses, and all the ways in which it ends."""

from __future__ import annotations

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.interfaces import IAddress
from reactorlib.testing.contract.tcp_peers import (
    Fault,
    HalfCloser,
    Producer,
    Recorder,
    echo,
    raises,
)
from reactorlib.testing.contract.transport_networks import Network


class PullProducing:
    """A pull producer is asked by the transport."""

    def test_a_pull_producer_is_asked_until_it_unregisters(self, network: Network) -> None:
        ours, theirs = network.pair()
        left = [b"%d" % number * 1000 for number in range(9)]
        expected = b"".join(left)

        def produce() -> None:
            if left:
                ours.transport.write(left.pop(0))
            else:
                ours.transport.unregisterProducer()

        ours.transport.registerProducer(Producer(resume=produce), False)
        ours.transport.loseConnection()
        network.until(lambda: ours.reason and theirs.reason)
        assert network.arrived() == expected

    @pytest.mark.parametrize("streaming", [True, False])
    def test_a_lost_connection_stops_its_producer(self, network: Network, streaming: bool) -> None:
        ours, theirs = network.pair()
        late, producer = Producer(), Producer(stop=lambda: ours.note("stop"))
        ours.transport.registerProducer(producer, streaming)
        theirs.transport.loseConnection()
        network.until(lambda: ours.reason)
        assert ours.calls == ["made", "stop", "lost"]
        ours.transport.registerProducer(late, streaming)
        assert late.calls == ["stop"]

    def test_lose_connection_waits_for_the_producer(self, network: Network) -> None:
        ours, theirs = network.pair()
        ours.transport.registerProducer(Producer(), True)
        ours.transport.loseConnection()
        network.settle()
        assert theirs.reason is None
        ours.transport.write(b"the rest")
        network.settle()
        ours.transport.unregisterProducer()
        network.until(lambda: ours.reason and theirs.reason)
        assert network.arrived() == b"the rest"
        assert ours.reason.check(error.ConnectionDone)


class Receiving:
    """What the peer sends is delivered, unless it is paused."""

    def test_an_echo(self, network: Network) -> None:
        ours, theirs = network.pair(Recorder(data=echo))
        data = bytes(range(256)) * (len(network.plenty) // 256)
        theirs.transport.write(data)
        network.until(lambda: len(theirs.received) == len(data))
        assert theirs.received == ours.received == data

    def test_a_pause_holds_and_loses_nothing(self, network: Network) -> None:
        ours, theirs = network.pair(Recorder(data=lambda it, _: it.transport.pauseProducing()))
        theirs.transport.write(b"x" * 1000)
        theirs.transport.loseConnection()
        calls = ["made"]
        while len(ours.received) < 1000:
            calls.append("data")
            network.until(lambda: len(ours.calls) >= len(calls))
            network.settle()
            assert ours.calls == calls
            ours.transport.resumeProducing()
            assert ours.calls == calls, "delivered inside resumeProducing"
        network.until(lambda: ours.reason)
        assert ours.reason.check(error.ConnectionDone)

    def test_a_pause_and_a_resumption_change_nothing(self, network: Network) -> None:
        def hesitate(protocol: Recorder, data: bytes) -> None:
            protocol.transport.pauseProducing()
            protocol.transport.resumeProducing()

        ours, theirs = network.pair(Recorder(data=hesitate))
        theirs.transport.write(network.plenty)
        network.until(lambda: len(ours.received) == len(network.plenty))

    @pytest.mark.parametrize("how", ["loseConnection", "abortConnection", "stopProducing"])
    def test_nothing_is_delivered_after_the_end(self, network: Network, how: str) -> None:
        ours, theirs = network.pair(Recorder(data=lambda it, _: getattr(it.transport, how)()))
        theirs.transport.write(b"x" * 100)
        network.until(lambda: ours.reason)
        theirs.transport.write(b"x" * 100)
        network.settle()
        assert ours.calls == ["made", "data", "lost"]


class Ending:
    """connectionLost comes once, last, for the right reason."""

    def test_lose_connection_delivers_first(self, network: Network) -> None:
        ours, theirs = network.pair()
        ours.transport.write(network.plenty)
        ours.transport.loseConnection()
        ours.transport.loseConnection()
        network.until(lambda: ours.reason and theirs.reason)
        assert network.arrived() == network.plenty
        for end in (ours, theirs):
            assert end.reason.check(error.ConnectionDone)
            assert end.calls.count("lost") == 1
            assert end.calls[-1] == "lost"
            assert not end.transport.connected

    def test_unread_input_does_not_cut_the_answer_off(self, network: Network) -> None:
        ours, theirs = network.pair(Recorder(data=lambda it, _: answer(it)))

        def answer(protocol: Recorder) -> None:
            protocol.transport.write(b"too much")
            protocol.transport.loseConnection()

        theirs.transport.write(network.plenty)
        network.until(lambda: ours.reason and theirs.reason)
        assert theirs.received == b"too much"
        assert theirs.reason.check(error.ConnectionDone)

    def test_abort_connection_resets(self, network: Network) -> None:
        ours, theirs = network.pair()
        network.block()
        ours.transport.write(network.plenty)
        ours.transport.abortConnection()
        ours.transport.abortConnection()
        network.until(lambda: ours.reason)
        network.unblock()
        network.until(lambda: theirs.reason)
        assert ours.reason.check(error.ConnectionAborted)
        assert theirs.reason.type is error.ConnectionLost
        assert ours.calls == ["made", "lost"]
        assert network.arrived() != network.plenty

    def test_abort_overtakes_lose(self, network: Network) -> None:
        ours, theirs = network.pair()
        network.block()
        ours.transport.write(network.plenty)
        ours.transport.loseConnection()
        network.settle()
        ours.transport.abortConnection()
        network.until(lambda: ours.reason)
        assert ours.reason.check(error.ConnectionAborted)
        network.unblock()
        network.until(lambda: theirs.reason)

    def test_past_the_cap_it_is_aborted(self, network: Network) -> None:
        ours, theirs = network.pair()
        network.block()
        ours.transport.setWriteBufferLimits(high=50, cap=100)
        ours.transport.write(network.plenty)
        network.until(lambda: ours.reason)
        assert ours.reason.check(error.ConnectionAborted)
        assert "cap" in ours.reason.getErrorMessage()
        network.unblock()
        network.until(lambda: theirs.reason)
        assert theirs.reason.type is error.ConnectionLost

    def test_one_that_does_not_read_lets_its_peer_finish(self, network: Network) -> None:
        ours, theirs = network.pair()
        ours.transport.pauseProducing()
        theirs.transport.write(network.plenty)
        network.settle()
        ours.transport.loseConnection()
        network.until(lambda: ours.reason and theirs.reason)
        assert theirs.reason.check(error.ConnectionDone)

    @pytest.mark.parametrize("how", ["loseConnection", "abortConnection"])
    def test_an_end_in_connectionMade(self, network: Network, how: str) -> None:
        ours, theirs = network.pair(Recorder(made=lambda it: getattr(it.transport, how)()))
        network.until(lambda: ours.reason and theirs.reason)
        assert ours.calls == theirs.calls == ["made", "lost"]

    def test_what_is_done_after_the_end_does_nothing(self, network: Network) -> None:
        ours, theirs = network.pair()
        theirs.transport.loseConnection()
        network.until(lambda: ours.reason and theirs.reason)
        transport = ours.transport
        for method in (
            *(transport.loseConnection, transport.abortConnection),
            *(transport.loseWriteConnection, transport.pauseProducing),
            *(transport.resumeProducing, transport.stopProducing),
            *(transport.ignoreCongestion, transport.setWriteBufferLimits),
        ):
            method()
        transport.write(b"late")
        transport.monitorCongestion(raises)
        network.settle()
        assert ours.calls == ["made", "lost"]
        assert transport.bufferedBytes == 0
        assert repr(transport)
        assert verifyObject(IAddress, transport.getPeer())
        with pytest.raises(error.ConnectionClosed):
            transport.getHost()

    @pytest.mark.parametrize("name", ["made", "data", "lost"])
    def test_a_fault_costs_its_connection_and_is_reported_once(
        self, network: Network, name: str
    ) -> None:
        ours, theirs = network.pair(Recorder(**{name: raises}))
        theirs.transport.write(b"x" * 100)
        if name == "lost":
            ours.transport.loseConnection()
        network.until(lambda: ours.reason and theirs.reason)
        assert ours.reason.check(error.ConnectionDone if name == "lost" else Fault)
        assert ours.calls.count("lost") == 1
        assert ours.calls.count("data") == (name == "data")
        assert network.faults(Fault) == 1

    def test_what_never_left_is_known_at_the_end(self, network: Network) -> None:
        ours, _ = network.pair()
        network.block()
        ours.transport.write(network.plenty)
        network.settle()
        waiting = ours.transport.bufferedBytes
        assert waiting > 0
        ours.transport.abortConnection()
        network.until(lambda: ours.reason)
        assert ours.transport.bufferedBytes == waiting


class HalfClosing:
    """Each direction ends by itself."""

    def test_lose_write_connection_goes_on_reading(self, network: Network) -> None:
        ours, theirs = network.pair(HalfCloser(), HalfCloser())
        ours.transport.write(b"question")
        ours.transport.loseWriteConnection()
        ours.transport.loseWriteConnection()
        network.until(lambda: "write_lost" in ours.calls and "read_lost" in theirs.calls)
        assert theirs.received == b"question"
        theirs.transport.write(network.plenty)
        network.until(lambda: len(ours.received) == len(network.plenty))
        theirs.transport.loseWriteConnection()
        network.until(lambda: ours.reason and theirs.reason)
        for end, first, second in ((ours, "write", "read"), (theirs, "read", "write")):
            assert [call for call in end.calls if call != "data"] == [
                *("made", f"{first}_lost", f"{second}_lost", "lost")
            ]
            assert end.reason.check(error.ConnectionDone)

    def test_others_lose_the_connection_after_what_they_wrote(self, network: Network) -> None:
        ours, theirs = network.pair(Recorder(), HalfCloser())
        ours.transport.write(network.plenty)
        theirs.transport.loseWriteConnection()
        network.until(lambda: ours.reason and theirs.reason)
        assert network.arrived() == network.plenty
        assert ours.reason.check(error.ConnectionDone)
        assert "read_lost" not in ours.calls

    def test_after_both_ends_no_producer_is_waited_for(self, network: Network) -> None:
        ours, theirs = network.pair(HalfCloser(), HalfCloser())
        producer = Producer()
        ours.transport.registerProducer(producer, True)
        ours.transport.loseWriteConnection()
        theirs.transport.loseWriteConnection()
        network.until(lambda: ours.reason and theirs.reason)
        assert producer.calls == ["stop"]
        assert ours.reason.check(error.ConnectionDone)
