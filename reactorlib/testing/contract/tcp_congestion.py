"""How a transport's output queue fares: ICongestionMonitor."""

from __future__ import annotations

import socket
import weakref

import pytest

from reactorlib.congestion import (
    BACKLOG_MESSAGES,
    CONNECTION_BACKLOG,
    CONNECTION_BLOCKED,
    CONNECTION_CLEARED,
)
from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_peers import (
    MUCH,
    Fault,
    HalfCloser,
    Net,
    Producer,
    Recorder,
    TCPContractBase,
    echo,
    raises,
)


class CongestionContract(TCPContractBase):
    """Monitors: when they are called, with what, and what their faults cost."""

    def test_blocked_and_cleared_take_turns(self, net: Net) -> None:
        protocol, peer = net.pair()
        seen: list[tuple[int, int]] = []
        protocol.transport.monitorCongestion(lambda *args: seen.append(args))
        protocol.transport.write(MUCH)
        protocol.transport.writeSequence([b"one", b"message"])
        protocol.transport.write(b"")
        protocol.transport.write(b"another")
        net.turn(5)
        assert seen[0] == (CONNECTION_BLOCKED, 3)
        net.read(peer, len(MUCH) + 17)
        statuses = [status for status, _ in seen]
        assert statuses[::2] == [CONNECTION_BLOCKED] * (len(seen) // 2)
        assert statuses[1::2] == [CONNECTION_CLEARED] * (len(seen) // 2)
        assert seen[1] == (CONNECTION_CLEARED, 3)

    def test_a_backlog_is_told_when_it_is_there_and_when_it_is_gone(self, net: Net) -> None:
        transport = net.pair()[0].transport
        seen: list[tuple[int, int]] = []
        transport.monitorCongestion(lambda *args: seen.append(args))
        full, empty = (CONNECTION_BACKLOG, BACKLOG_MESSAGES), (CONNECTION_BACKLOG, 0)
        for _ in range(BACKLOG_MESSAGES - 1):
            transport.write(b"x")
        assert seen == []
        for _ in range(10):
            transport.write(b"x")
        assert seen == [full]
        net.turn()
        assert seen == [full, empty]
        for _ in range(BACKLOG_MESSAGES):
            transport.write(b"x")
        net.turn()
        assert seen == [full, empty] * 2

    def test_what_waits_already_is_one_message(self, net: Net) -> None:
        transport = net.pair()[0].transport
        seen: list[tuple[int, int]] = []
        transport.write(MUCH)
        net.turn()
        transport.monitorCongestion(lambda *args: seen.append(args))
        for _ in range(BACKLOG_MESSAGES - 1):
            transport.write(b"x")
        assert seen == [(CONNECTION_BACKLOG, BACKLOG_MESSAGES)]

    def test_the_last_monitor_is_told_until_it_is_ignored(self, net: Net) -> None:
        transport = net.pair()[0].transport
        seen: list[tuple[int, int]] = []

        def once(status: int, pending: int) -> None:
            seen.append((status, pending))
            transport.ignoreCongestion()

        transport.monitorCongestion(raises)
        transport.monitorCongestion(once)
        for _ in range(2):
            for _ in range(BACKLOG_MESSAGES):
                transport.write(b"x")
            net.turn()
        assert seen == [(CONNECTION_BACKLOG, BACKLOG_MESSAGES)]
        transport.ignoreCongestion()

    @pytest.mark.parametrize("message", [MUCH, b"x"], ids=["blocked", "backlog"])
    @pytest.mark.parametrize("fault", [Fault, TypeError])
    def test_a_monitor_that_raises_costs_its_own_connection(
        self, net: Net, logged_errors: LoggedErrors, message: bytes, fault: type[Exception]
    ) -> None:
        def fail(status: int, pending: int) -> None:
            raise fault("in a monitor")

        watched, watched_peer = net.pair()
        watched.transport.monitorCongestion(fail)

        def feed(protocol: Recorder, data: bytes) -> None:
            for _ in range(1 if message is MUCH else BACKLOG_MESSAGES):
                watched.transport.write(message)
            echo(protocol, data)

        writer, peer = net.pair(lambda: Recorder(data=feed))
        assert net.ask(peer, b"go") == b"go"
        assert net.is_reset(watched_peer)
        assert watched.reason.check(fault)
        assert len(logged_errors.take(fault)) == 1
        assert writer.calls == ["made", "data"]

    def test_a_lost_connection_lets_its_monitor_go(self, net: Net) -> None:
        class Monitor:
            def __call__(self, status: int, pending: int) -> None:
                pass

        protocol, peer = net.pair()
        monitor = Monitor()
        protocol.transport.monitorCongestion(monitor)
        gone = weakref.ref(monitor)
        del monitor
        assert gone() is not None
        peer.close()
        net.until_lost(protocol)
        assert gone() is None

    def test_a_monitored_half_closer_still_hears_of_the_end(self, net: Net) -> None:
        protocol, peer = net.pair(HalfCloser)
        protocol.transport.monitorCongestion(lambda *_: None)
        protocol.transport.registerProducer(Producer(), False)
        protocol.transport.unregisterProducer()
        protocol.transport.ignoreCongestion()
        peer.shutdown(socket.SHUT_WR)
        net.turn_until(lambda: "read_lost" in protocol.calls)
        protocol.transport.loseConnection()

    def test_a_pull_producer_outlives_a_monitor_and_a_monitor_a_producer(self, net: Net) -> None:
        transport = net.pair()[0].transport
        seen: list[tuple[int, int]] = []
        producer = Producer()
        transport.registerProducer(producer, False)
        transport.monitorCongestion(lambda *args: seen.append(args))
        transport.ignoreCongestion()
        transport.write(b"x")
        net.turn()
        assert producer.calls == ["resume", "resume"]
        transport.monitorCongestion(lambda *args: seen.append(args))
        transport.unregisterProducer()
        for _ in range(BACKLOG_MESSAGES):
            transport.write(b"x")
        net.turn()
        assert seen == [(CONNECTION_BACKLOG, BACKLOG_MESSAGES), (CONNECTION_BACKLOG, 0)]
        assert producer.calls == ["resume", "resume"]
