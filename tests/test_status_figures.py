"""What a process tells of itself, on a real reactor with real connections."""

from __future__ import annotations

import os
import resource
import socket
import ssl
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from time import monotonic, process_time
from typing import Any

import pytest

from reactorlib import stopwatch
from reactorlib.app.status import figures, pace
from reactorlib.app.status.figures import Figures, Subject
from reactorlib.app.status.look import as_json, from_json
from reactorlib.posixbase import Reactor
from reactorlib.protocol import Factory, Protocol
from reactorlib.protocols.wire import Echo
from reactorlib.testing.certificates import Authority
from tests.backends import BACKENDS
from tests.looking import a_look, turn_until
from tests.tlssessions import options


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    reactor = Reactor(BACKENDS["epoll"]())
    yield reactor
    assert reactor.getDelayedCalls() == []
    assert reactor._stopwatch is None
    reactor.close()


@pytest.fixture
def looking(reactor: Reactor) -> Iterator[Figures]:
    looking = Figures(Subject(reactor, "echo"))
    yield looking
    looking.close()


def connected(reactor: Reactor, protocol: type[Protocol] = Echo) -> tuple[Any, socket.socket]:
    """A protocol that is served, and its peer."""
    made: list[Any] = []

    class Noted(protocol):  # type: ignore[misc, valid-type]
        def connectionMade(self) -> None:
            made.append(self)

        def logPrefix(self) -> str:
            return protocol.__name__

    port = reactor.listenTCP(0, Factory.forProtocol(Noted), interface="127.0.0.1")
    peer = socket.create_connection(("127.0.0.1", port.getHost().port))
    turn_until(reactor, lambda: made)
    port.stopListening()
    turn_until(reactor, lambda: not port.connected)
    return made[0], peer


def test_a_process_tells_what_it_is(reactor: Reactor, looking: Figures) -> None:
    begun = process_time()
    look = looking.look()
    assert (look.process, look.worker, look.name) == (os.getpid(), None, "echo")
    assert (look.backend, look.draining) == ("epoll", False)
    assert look.descriptor_limit == resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    assert look.descriptors == pytest.approx(len(os.listdir("/proc/self/fd")), abs=3)
    assert 1 << 20 < look.memory < 1 << 34
    assert begun <= look.processor <= process_time()
    assert 0 <= look.uptime < 60
    assert look.clock == pytest.approx(monotonic(), abs=10)
    assert from_json(as_json([look])) == [look]


def test_without_the_number_of_descriptors_they_are_counted(
    looking: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    for path in ("/nowhere", "/dev/null"):
        monkeypatch.setattr(figures, "DESCRIPTORS", path)
        assert looking.look().descriptors == pytest.approx(len(os.listdir("/proc/self/fd")), abs=3)


def test_traffic_is_counted_and_the_busiest_named(reactor: Reactor, looking: Figures) -> None:
    _, quiet = connected(reactor)
    _, peer = connected(reactor)
    looking.look()
    peer.sendall(b"x" * 1_000)
    turn_until(reactor, lambda: reactor.engine.counters()["sent"] == 1_000)
    look = looking.look()
    assert look.connections == {"open": 2, "paused": 0, "closing": 0, "lingering": 0}
    assert (look.accepted, look.received, look.sent) == (2, 1_000, 1_000)
    assert look.turns > 0
    assert look.events > 0
    (busy,) = look.busiest
    assert busy.peer == f"127.0.0.1:{peer.getsockname()[1]}"
    assert (busy.protocol, busy.received, busy.sent, busy.buffered) == ("Echo", 1_000, 1_000, 0)
    assert looking.look().busiest == []
    quiet.close()
    peer.close()


def test_what_waits_to_be_sent_is_told(reactor: Reactor, looking: Figures) -> None:
    protocol, peer = connected(reactor)
    protocol.transport.write(bytes(20_000_000))
    reactor.iterate()
    look = looking.look()
    assert 0 < look.buffered == protocol.transport.bufferedBytes == look.busiest[0].buffered
    protocol.transport.loseConnection()
    reactor.iterate()
    assert looking.look().connections["closing"] == 1
    peer.close()
    turn_until(reactor, lambda: not reactor.sinks)


def test_a_name_that_cannot_be_asked_for_is_the_connections(
    reactor: Reactor, looking: Figures
) -> None:
    class Nameless(Protocol):
        pass

    def fail(self: Any) -> str:
        raise ZeroDivisionError

    protocol, peer = connected(reactor, Nameless)
    type(protocol).logPrefix = fail
    peer.sendall(b"x")
    turn_until(reactor, lambda: reactor.engine.counters()["received"])
    (busy,) = looking.look().busiest
    assert busy.protocol == "Connection"
    peer.close()


def test_of_one_that_is_gone_nothing_is_told(reactor: Reactor, looking: Figures) -> None:
    class Leaving(Protocol):
        def dataReceived(self, data: bytes) -> None:
            self.transport.loseConnection()

    _, peer = connected(reactor, Leaving)
    peer.sendall(b"x")
    turn_until(reactor, lambda: looking.look().connections["lingering"])
    assert looking.look().busiest == []
    peer.close()


def test_a_unix_socket_and_an_ipv6_one_are_named(
    reactor: Reactor, looking: Figures, tmp_path: Any
) -> None:
    factory = Factory.forProtocol(Echo)
    path = str(tmp_path / "s")
    reactor.listenUNIX(path, factory)
    six = reactor.listenTCP(0, factory, interface="::1")
    number = six.getHost().port
    with (
        socket.socket(socket.AF_UNIX) as unix,
        socket.create_connection(("::1", number)) as tcp,
    ):
        unix.connect(path)
        for each in (unix, tcp):
            each.sendall(b"x")
        turn_until(reactor, lambda: reactor.engine.counters()["received"] == 2)
        look = looking.look()
        assert {busy.peer for busy in look.busiest} == {
            "unix:",
            f"[::1]:{tcp.getsockname()[1]}",
        }
    assert [queue.address for queue in look.queues] == [f"[::1]:{number}"]


def test_tls_is_named_as_what_speaks_it(
    reactor: Reactor, looking: Figures, tmp_path_factory: pytest.TempPathFactory
) -> None:
    authority = Authority(tmp_path_factory.mktemp("authority"))
    own = options(authority.issue("localhost"))
    port = reactor.listenSSL(0, Factory.forProtocol(Echo), own, interface="127.0.0.1")
    with socket.create_connection(("127.0.0.1", port.getHost().port)) as peer:
        context = ssl.create_default_context(cafile=str(authority.root))
        peer.setblocking(False)
        with context.wrap_socket(
            peer, server_hostname="localhost", do_handshake_on_connect=False
        ) as client:
            turn_until(reactor, lambda: shaken(client))
            (busy,) = looking.look().busiest
            assert busy.protocol == "Echo"
            assert busy.peer == f"127.0.0.1:{client.getsockname()[1]}"
    turn_until(reactor, lambda: reactor.engine.survey().look().open == 0)


def shaken(client: ssl.SSLSocket) -> bool:
    """Whether its hand-shake is over."""
    try:
        client.do_handshake()
    except ssl.SSLWantReadError:
        return False
    return True


@pytest.mark.skipif(sys.platform != "linux", reason="Linux tells it")
def test_the_accept_queue_is_told(reactor: Reactor, looking: Figures) -> None:
    port = reactor.listenTCP(0, Factory.forProtocol(Echo), 7, "127.0.0.1")
    place = ("127.0.0.1", port.getHost().port)
    peers = [socket.create_connection(place) for _ in range(3)]
    (queue,) = looking.look().queues
    assert (queue.address, queue.waiting, queue.limit) == (f"{place[0]}:{place[1]}", 3, 7)
    turn_until(reactor, lambda: reactor.engine.counters()["accepted"] == 3)
    assert looking.look().queues[0].waiting == 0
    for peer in peers:
        peer.close()


def test_elsewhere_no_queue_is_told(
    reactor: Reactor, looking: Figures, monkeypatch: pytest.MonkeyPatch
) -> None:
    reactor.listenTCP(0, Factory.forProtocol(Echo), interface="127.0.0.1")
    monkeypatch.setattr(figures.sys, "platform", "darwin")
    assert looking.look().queues == []


def test_while_it_ends_it_is_draining(reactor: Reactor) -> None:
    seen: list[bool] = []
    looking = Figures(Subject(reactor, "echo"))
    reactor.addSystemEventTrigger(
        "before", "shutdown", lambda: seen.append(looking.look().draining)
    )
    reactor.addSystemEventTrigger("after", "shutdown", looking.close)
    reactor.callWhenRunning(reactor.stop)
    reactor.run()
    assert seen == [True]


# The pace


def sleep_for(seconds: float) -> None:
    time.sleep(seconds)


def test_a_slow_callback_makes_the_loop_late_and_is_named_when_it_comes_again(
    reactor: Reactor, looking: Figures
) -> None:
    reactor.callLater(pace.TICK * 1.5, sleep_for, 0.2)
    turn_until(reactor, lambda: looking._pace._hot_until)
    assert 0.1 < looking.look().lag < 5

    def block() -> None:
        time.sleep(0.03)
        reactor.callLater(0.03, block)

    block()
    turn_until(reactor, lambda: looking._pace._slow)
    (slow,) = looking.look().slowest
    assert "block" in slow.what
    assert 0.03 <= slow.seconds < 5
    for call in reactor.getDelayedCalls():
        if call is not looking._pace._call:
            call.cancel()


def test_after_the_loop_was_late_a_larger_part_is_timed(reactor: Reactor) -> None:
    watch = pace.Pace(reactor)
    watch._hot_until = reactor.seconds() + 1_000
    assert sum(timed_ticks(reactor, watch)) == 4
    watch.close()


def test_lateness_is_told_before_the_timer_can_tell_it(reactor: Reactor, looking: Figures) -> None:
    sleep_for(0.2)
    assert looking.look().lag > 0.1


def test_of_many_slow_callbacks_the_slowest_are_kept(reactor: Reactor) -> None:
    watch = pace.Pace(reactor)
    for number in range(1, 21):
        watch._tell(number / 10, f"callback {number % 10}")
    slowest = watch.take()[1]
    assert [call.what for call in slowest] == [f"callback {n}" for n in (0, 9, 8, 7, 6)]
    assert [call.seconds for call in slowest] == [2.0, 1.9, 1.8, 1.7, 1.6]
    watch.close()


def test_a_calm_server_is_timed_for_a_part_of_the_time(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(pace, "LATE", 1_000.0)  # however late this machine is
    watch = pace.Pace(reactor)
    assert sum(timed_ticks(reactor, watch)) == 2
    watch.close()


def timed_ticks(reactor: Reactor, watch: pace.Pace) -> Iterator[bool]:
    """Whether callbacks are timed, tick by tick."""
    for ticks in range(1, 2 * pace.SHARE + 1):
        assert watch._ticks == ticks
        yield reactor._stopwatch is not None
        watch._call.reset(0)
        turn_until(reactor, lambda ticks=ticks: watch._ticks > ticks)


def test_the_users_own_threshold_is_left_alone(
    reactor: Reactor, caplog: pytest.LogCaptureFixture
) -> None:
    reactor.slowCallbackThreshold = 0.01
    looking = Figures(Subject(reactor, "echo"))
    assert reactor.slowCallbackThreshold == 0.01
    reactor.callLater(0, sleep_for, 0.02)
    turn_until(reactor, lambda: caplog.messages)
    looking.close()
    assert reactor.slowCallbackThreshold == 0.01
    assert set(reactor._tellers) == {stopwatch.log_slow}
    reactor.slowCallbackThreshold = None


def test_the_last_call_for_a_connection_is_told_by_its_protocol(reactor: Reactor) -> None:
    told: list[str] = []

    def tell(seconds: float, owner: str) -> None:
        told.append(owner)

    reactor.timeCallbacks(tell, 0.0)
    _, peer = connected(reactor)
    peer.close()
    turn_until(reactor, lambda: not reactor.sinks)
    assert any("connectionLost" in owner and "Noted" in owner for owner in told)
    reactor.timeCallbacks(tell, None)


def test_looks_are_values() -> None:
    look = a_look()
    assert from_json(as_json([look, replace(look, worker=1)])) == [look, replace(look, worker=1)]
    with pytest.raises((ValueError, KeyError, TypeError)):
        from_json(b'[{"process":1}]')
