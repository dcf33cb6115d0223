"""Link: the simulated network, and what a seed decides."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactorlib.congestion import CONNECTION_BLOCKED
from reactorlib.protocol import ClientFactory, Protocol
from reactorlib.testing import AccumulatingProtocol, Clock, Link, MemoryReactorClock
from reactorlib.testing.contract.tcp_peers import (
    Producer,
    Recorder,
    echo,
)
from reactorlib.testing.link import step

SEEDS = range(20)


class Logger(Protocol):
    """Writes what happens, and when, to a common list."""

    def __init__(self, name: str, log: list[Any]) -> None:
        self.name = name
        self.log = log

    def connectionMade(self) -> None:
        self.log.append((self.name, "made"))

    def dataReceived(self, data: bytes) -> None:
        self.log.append((self.name, self.transport.reactor.seconds(), data))

    def connectionLost(self, reason: Any = None) -> None:
        self.log.append((self.name, self.transport.reactor.seconds(), reason.type))


def run_of(seed: int | str) -> list[Any]:
    """All that happens on a link of three connections."""
    link = Link(seed)
    log: list[Any] = []
    for number in range(3):
        client, server = Logger(f"client {number}", log), Logger(f"server {number}", log)
        ours, theirs = link.connect(client, server)
        for _ in range(3):
            ours.write(b"question" * 10)
            theirs.write(b"answer" * 10)
    link.run()
    theirs.loseConnection()
    link.run()
    return log


class TestSeed:
    def test_the_same_seed_gives_the_same_run(self) -> None:
        for seed in (0, 1, "a name"):
            assert run_of(seed) == run_of(seed)

    def test_other_seeds_give_other_runs(self) -> None:
        assert len({repr(run_of(seed)) for seed in SEEDS}) == len(SEEDS)

    def test_it_is_shown(self) -> None:
        assert repr(Link(7)) == "Link(seed=7)"

    def test_any_may_be_served_first(self) -> None:
        firsts = set()
        for seed in SEEDS:
            link = Link(seed, delay=0)
            log: list[Any] = []
            for name in ("a", "b"):
                link.connect(Protocol(), Logger(name, log))[0].write(b"x")
            log.clear()
            link.run()
            firsts.add(log[0][0])
        assert firsts == {"a", "b"}

    def test_either_end_may_be_first(self) -> None:
        def first(index: int) -> set[str]:
            return {run_of(seed)[index][0] for seed in SEEDS}

        assert first(0) == {"client 0", "server 0"}
        assert len(first(6)) == 6  # the first to get data


# A script: which end writes how much, or lets time pass.
steps = st.lists(
    st.tuples(st.sampled_from(["client", "server", "wait"]), st.integers(0, 300)), max_size=20
)


class TestData:
    @given(
        seed=st.integers(),
        script=steps,
        capacity=st.integers(1, 500),
        bandwidth=st.one_of(st.none(), st.integers(10_000, 1_000_000)),
        delay=st.tuples(st.just(0.0), st.floats(0.0, 1.0)),
    )
    def test_arrives_in_order_whatever_the_seed_and_the_script(
        self,
        seed: int,
        script: list[tuple[str, int]],
        capacity: int,
        bandwidth: int | None,
        delay: tuple[float, float],
    ) -> None:
        link = Link(seed, capacity=capacity, bandwidth=bandwidth, delay=delay)
        ends = {"client": AccumulatingProtocol(), "server": AccumulatingProtocol()}
        written = {"client": bytearray(), "server": bytearray()}
        link.connect(ends["client"], ends["server"])
        for number, (who, size) in enumerate(script):
            if who == "wait":
                link.advance(size / 100)
            else:
                data = bytes([number + 1]) * size
                ends[who].transport.write(data)
                written[who] += data
        link.run()
        assert ends["client"].data == written["server"]
        assert ends["server"].data == written["client"]
        assert not ends["client"].closed
        assert not ends["server"].closed

    def test_comes_in_any_pieces(self) -> None:
        pieces = set()
        for seed in range(300):
            link = Link(seed)
            got: list[bytes] = []
            ours, _ = link.connect(
                Protocol(), Recorder(data=lambda _, data, got=got: got.append(data))
            )
            ours.write(b"ab")
            ours.write(b"c")
            link.run()
            pieces.add(tuple(got))
        assert pieces == {(b"abc",), (b"a", b"bc"), (b"ab", b"c"), (b"a", b"b", b"c")}

    def test_connections_do_not_mix(self) -> None:
        link = Link(3)
        servers = [AccumulatingProtocol() for _ in range(5)]
        for number, server in enumerate(servers):
            ours, _ = link.connect(Protocol(), server)
            ours.write(bytes([number]) * 1000)
        link.run()
        assert [set(server.data) for server in servers] == [{number} for number in range(5)]
        assert {len(server.data) for server in servers} == {1000}

    def test_an_end_that_another_pauses_in_the_same_turn_gets_its_data_later(self) -> None:
        held = 0
        for seed in SEEDS:
            link = Link(seed, delay=0)
            servers: list[Recorder] = []

            def pause_the_others(it: Recorder, _: bytes, all_of_them: Any = servers) -> None:
                for other in all_of_them:
                    if other is not it:
                        other.transport.pauseProducing()

            for _ in range(5):
                servers.append(Recorder(data=pause_the_others))
                link.connect(Protocol(), servers[-1])[0].write(b"x" * 100)
            link.turn()
            extras = [server.transport._extra for server in servers]
            held += sum(bool(extra and extra.held) for extra in extras)
            for server in servers:
                server.hooks.clear()
                server.transport.resumeProducing()
            link.run()
            assert [server.received for server in servers] == [b"x" * 100] * 5
        assert held > 0

    def test_an_end_that_another_ends_in_the_same_turn_gets_nothing(self) -> None:
        for seed in SEEDS:
            link = Link(seed, delay=0)
            servers: list[Recorder] = []

            def end_the_others(it: Recorder, _: bytes, all_of_them: Any = servers) -> None:
                for other in all_of_them:
                    if other is not it:
                        other.transport.abortConnection()

            for _ in range(5):
                servers.append(Recorder(data=end_the_others))
                link.connect(Protocol(), servers[-1])[0].write(b"x")
            link.run()
            assert sum(bool(server.received) for server in servers) == 1

    def test_connections_have_addresses_of_their_own(self) -> None:
        link = Link()
        first, second = (link.connect(Protocol(), Protocol()) for _ in range(2))
        assert first[0].getHost() == first[1].getPeer() != second[0].getHost()
        assert first[0].getPeer() == first[1].getHost() == second[1].getHost()


class TestTime:
    def test_nothing_happens_until_it_is_run(self) -> None:
        link, server = Link(), AccumulatingProtocol()
        ours, _ = link.connect(Protocol(), server)
        assert not link.busy
        ours.write(b"x")
        assert (server.data, link.busy) == (b"", True)
        link.run()
        assert (server.data, link.busy) == (b"x", False)

    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_delay_is_kept(self, seed: int) -> None:
        link, server = Link(seed, delay=0.5), AccumulatingProtocol()
        ours, _ = link.connect(Protocol(), server)
        ours.write(b"x")
        link.advance(0.499)
        assert server.data == b""
        link.advance(0.002)
        assert server.data == b"x"
        assert link.clock.seconds() == pytest.approx(0.501)

    def test_a_bandwidth_is_kept_and_shared(self) -> None:
        link = Link(2, delay=0, bandwidth=1000, capacity=10_000)
        servers = [AccumulatingProtocol(), AccumulatingProtocol()]
        back = AccumulatingProtocol()
        for server in servers:
            ours, theirs = link.connect(back, server)
            ours.write(b"x" * 5000)
        theirs.write(b"y" * 1000)
        link.advance(5.0)
        assert 0 < sum(len(server.data) for server in servers) <= 5000
        assert len(back.data) == 1000
        link.run()
        assert link.clock.seconds() == pytest.approx(10.0)

    def test_the_clock_may_be_the_tests_own(self) -> None:
        clock, server = Clock(), AccumulatingProtocol()
        link = Link(1, clock=clock, delay=1.0)
        ours, _ = link.connect(Protocol(), server)
        ours.write(b"x")
        clock.pump([0, 1, 1])
        assert server.data == b"x"

    def test_transports_have_its_time_and_its_reactor(self) -> None:
        link = Link()
        ours, _ = link.connect(Protocol(), Protocol())
        called: list[float] = []
        ours.reactor.callLater(7, lambda: called.append(link.clock.seconds()))
        ours.reactor.callFromThread(called.append, 0.0)
        ours.reactor.connectTCP("host", 1, ClientFactory())
        link.run()
        assert called == [0.0]
        link.advance(10)
        assert called == [0.0, 7.0]
        assert isinstance(link.clock, MemoryReactorClock)
        assert len(link.clock.tcpClients) == 1

    def test_run_makes_the_calls_that_are_due_on_the_way(self) -> None:
        link = Link(delay=2.0)
        order: list[str] = []
        ours, _ = link.connect(Protocol(), Recorder(data=lambda *_: order.append("data")))
        link.clock.callLater(1, order.append, "call")
        link.clock.callLater(3, order.append, "later")
        ours.write(b"x")
        link.run()
        assert order == ["call", "data"]

    def test_a_talk_without_end_is_noticed(self) -> None:
        link = Link(5)
        ours, _ = link.connect(Recorder(data=echo), Recorder(data=echo))
        ours.write(b"x")
        with pytest.raises(AssertionError, match=r"Link\(seed=5\).* 500 turns"):
            link.run(turns=500)

    def test_a_talk_without_delay_takes_time(self) -> None:
        link = Link(5, delay=0)
        ours, _ = link.connect(Recorder(data=echo), Recorder(data=echo))
        ours.write(b"x")
        link.clock.advance(1)
        assert link.busy

    def test_step_moves_to_the_next_call(self) -> None:
        clock = Clock()
        called: list[int] = []
        assert not step(clock)
        clock.callLater(5, called.append, 5)
        assert step(clock)
        assert (called, clock.seconds()) == ([5], 5.0)


class TestCongestion:
    def test_a_peer_that_does_not_read_fills_the_link(self) -> None:
        link, producer = Link(4, capacity=1000), Producer()
        ours, theirs = link.connect(Protocol(), AccumulatingProtocol())
        theirs.pauseProducing()
        ours.registerProducer(producer, True)
        ours.setWriteBufferLimits(high=500, low=100)
        ours.write(b"x" * 2000)
        link.run()
        assert (ours.bufferedBytes, producer.calls) == (1000, ["pause"])
        theirs.resumeProducing()
        link.run()
        assert (ours.bufferedBytes, producer.calls) == (0, ["pause", "resume"])

    def test_it_holds_no_more_than_its_capacity_in_several_writes(self) -> None:
        link = Link(4, capacity=1000)
        ours, theirs = link.connect(Protocol(), Protocol())
        theirs.pauseProducing()
        for _ in range(3):
            ours.write(b"x" * 400)
            link.run()
        assert ours.bufferedBytes == 200

    def test_what_waits_is_counted_in_messages(self) -> None:
        link = Link(4, capacity=299)
        ours, theirs = link.connect(Protocol(), Protocol())
        seen: list[tuple[int, int]] = []
        theirs.pauseProducing()
        ours.monitorCongestion(lambda *args: seen.append(args))
        for _ in range(10):
            ours.write(b"x" * 100)
        link.run()
        assert seen == [(CONNECTION_BLOCKED, 8)]

    def test_a_link_that_holds_nothing_is_refused(self) -> None:
        with pytest.raises(ValueError, match="0 bytes"):
            Link(capacity=0)
