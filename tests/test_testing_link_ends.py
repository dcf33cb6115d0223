"""Link: how connections on it end, and what becomes of faults."""

from __future__ import annotations

from errno import EBADF

import pytest
from zope.interface.verify import verifyObject

from reactorlib import error
from reactorlib.interfaces import IConsumer, ITCPTransport
from reactorlib.protocol import Protocol
from reactorlib.testing import AccumulatingProtocol, Link
from reactorlib.testing.contract.tcp_peers import (
    Fault,
    HalfCloser,
    Recorder,
    raises,
)
from reactorlib.testing.wire import LINGER

SEEDS = range(20)


class TestWire:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_forgets_connections_that_are_over(self, seed: int) -> None:
        link = Link(seed)
        for how in ("loseConnection", "abortConnection"):
            for transport in link.connect(Protocol(), Protocol()):
                getattr(transport, how)()
        link.connect(HalfCloser(made=lambda it: it.transport.loseWriteConnection()), Protocol())
        link.run()
        assert link.reactor.engine._ends == {}
        assert link.reactor.sinks == {}

    def test_a_call_with_a_dead_handle_does_nothing(self) -> None:
        link = Link()
        ours, _ = link.connect(Protocol(), Protocol())
        handle, wire = ours._handle, link.reactor.engine
        for dead in (handle, -1):
            ours.abortConnection()
            link.run()
            wire.set_limits(dead, 1, 2, 3)
            wire.notify(dead, 7)
            for call in (wire.pause, wire.resume, wire.shut, wire.lose, wire.abort):
                call(dead)
            assert wire.write(dead, b"x", 1) == -EBADF
            assert (wire.buffered(dead), wire.sent(dead)) == (0, 0)
            assert not link.busy


class TestEnds:
    @pytest.mark.parametrize("seed", SEEDS)
    def test_a_reset_from_the_network(self, seed: int) -> None:
        link = Link(seed)
        ends = [Recorder() for _ in range(4)]
        link.connect(*ends[:2])
        link.connect(*ends[2:])
        ends[0].transport.write(b"x" * 1000)
        ends[2].transport.loseConnection()
        link.turn()
        link.reset()
        link.run()
        assert {end.calls[-1] for end in ends} == {"lost"}
        for end in ends[:2]:
            assert end.reason.type is error.ConnectionLost
            assert "ECONNRESET" in end.reason.getErrorMessage()
        assert ends[2].reason.check(error.ConnectionDone)

    def test_some_of_what_came_before_a_reset_may_be_read(self) -> None:
        sizes = set()
        for seed in range(200):
            link, server = Link(seed), AccumulatingProtocol()
            ours, theirs = link.connect(Protocol(), server)
            ours.write(b"x" * 10)
            link.turn()
            theirs.abortConnection() if seed % 2 else ours.abortConnection()
            link.run()
            assert server.closed
            sizes.add(len(server.data))
        assert sizes >= {0, 1, 10}

    def test_a_dropped_link_tells_nobody(self) -> None:
        link = Link(1, capacity=1000)
        client, server = Recorder(), Recorder()
        ours, theirs = link.connect(client, server)
        ours.write(b"lost on the way")
        link.turn()
        link.drop()
        theirs.write(b"x" * 5000)
        link.run()
        assert client.calls == server.calls == ["made"]
        assert theirs.bufferedBytes == 4000
        theirs.abortConnection()
        ours.loseConnection()
        link.run()
        assert server.reason.check(error.ConnectionAborted)
        assert client.reason.check(error.ConnectionDone)
        with pytest.raises(RuntimeError, match="dropped"):
            link.connect(Protocol(), Protocol())

    def test_a_dropped_link_forgets_a_reset_on_its_way(self) -> None:
        link, server = Link(1, delay=1), Recorder()
        ours, _ = link.connect(Protocol(), server)
        ours.abortConnection()
        link.turn()
        link.drop()
        link.run()
        assert server.calls == ["made"]

    def test_writing_to_one_who_has_gone_is_answered_with_a_reset(self) -> None:
        link = Link(1)
        server = HalfCloser()
        ours, theirs = link.connect(Protocol(), server)
        ours.loseConnection()
        link.run()
        theirs.write(b"he lingers")
        link.run()
        assert "lost" not in server.calls
        link.advance(LINGER)
        theirs.write(b"he is gone")
        link.run()
        assert server.reason.type is error.ConnectionLost

    def test_a_transport_provides_its_interfaces(self) -> None:
        for transport in Link().connect(Protocol(), Protocol()):
            assert verifyObject(ITCPTransport, transport)
            assert verifyObject(IConsumer, transport)
            assert transport.getHandle().fileno() == -1


class TestFaults:
    def test_are_raised_by_what_moves_the_link(self) -> None:
        link = Link()
        for move in (link.run, link.turn, lambda: link.advance(1), lambda: link.clock.advance(1)):
            ours, _ = link.connect(Protocol(), Recorder(data=raises))
            ours.write(b"x")
            with pytest.raises(Fault):  # noqa: PT012
                while True:
                    move()
            link.run()

    @pytest.mark.parametrize("seed", SEEDS)
    def test_of_a_connectionMade_are_raised_by_connect(self, seed: int) -> None:
        link, bad, good = Link(seed), Recorder(made=raises), Recorder()
        with pytest.raises(Fault):
            link.connect(good, bad)
        link.run()
        assert good.calls == ["made", "lost"]
        assert bad.reason.check(Fault)

    def test_each_is_raised_once(self) -> None:
        link = Link(delay=0)
        for _ in range(10):
            ours, _ = link.connect(Protocol(), Recorder(data=raises))
            ours.write(b"x")
        for _ in range(10):
            assert link.busy
            with pytest.raises(Fault):
                link.run()
        link.run()

    @pytest.mark.parametrize("kind", [KeyboardInterrupt, SystemExit])
    def test_a_way_out_is_one(self, kind: type[BaseException]) -> None:
        def leave(*_: object) -> None:
            raise kind

        link, server = Link(), Recorder(data=leave)
        ours, _ = link.connect(Protocol(), server)
        ours.write(b"x")
        with pytest.raises(kind):
            link.run()
        assert server.reason is None

    def test_an_assertion_is_told_as_such(self) -> None:
        def check(*_: object) -> None:
            pytest.fail("apples are no pears")

        link = Link()
        ours, _ = link.connect(Protocol(), Recorder(data=check))
        ours.write(b"x")
        with pytest.raises(pytest.fail.Exception, match="apples"):
            link.run()
