"""The socket over which the owner of a process looks at it."""

from __future__ import annotations

import errno
import logging
import os
import socket
import stat
from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest

from reactorlib.app.draining import Drain
from reactorlib.app.status import places
from reactorlib.app.status import socket as status_socket
from reactorlib.app.status.figures import Subject
from reactorlib.app.status.look import from_json
from reactorlib.app.status.socket import StatusSocket, identity, offered
from reactorlib.app.status.sources import OwnView
from reactorlib.posixbase import Reactor
from tests.backends import BACKENDS
from tests.looking import SlowView, Spectator, a_look, own_place, turn_until

ME = os.getpid()


@pytest.fixture(params=BACKENDS)
def reactor(request: pytest.FixtureRequest) -> Iterator[Reactor]:
    with own_place():
        reactor = Reactor(BACKENDS[request.param]())
        yield reactor
        assert reactor.getReaders() == reactor.getWriters() == reactor.getDelayedCalls() == []
        assert reactor.engine.counters()["open"] == 0
        reactor.close()
        assert places.sockets().get(ME) is None


@pytest.fixture
def status(reactor: Reactor) -> Iterator[StatusSocket]:
    view = partial(OwnView, Subject(reactor, "echo"))
    status = StatusSocket(reactor, partial(identity, "echo"), view)
    status.open()
    yield status
    status.close()


def test_it_tells_what_the_process_is(reactor: Reactor, status: StatusSocket) -> None:
    with Spectator(ME, reactor) as spectator:
        assert spectator.ask(b"who") == {"process": ME, "name": "echo", "workers": []}
        assert reactor.getDelayedCalls() == [], "nobody has looked yet"
    turn_until(reactor, lambda: len(reactor.getReaders()) == 1)


def test_it_tells_what_the_process_does(reactor: Reactor, status: StatusSocket) -> None:
    with Spectator(ME, reactor) as spectator:
        for _ in range(3):
            spectator.send(b"look\n")
            (look,) = from_json(spectator.line())
            assert (look.process, look.name, look.backend) == (ME, "echo", reactor.name)
        assert reactor.getDelayedCalls() != []
    turn_until(reactor, lambda: reactor.getDelayedCalls() == [])


def test_several_look_at_once_each_for_himself(reactor: Reactor, status: StatusSocket) -> None:
    with Spectator(ME, reactor) as first, Spectator(ME, reactor) as second:
        assert first.ask(b"look")[0]["process"] == second.ask(b"look")[0]["process"] == ME
        assert len(reactor.getDelayedCalls()) == 2
    turn_until(reactor, lambda: reactor.getDelayedCalls() == [])


def test_requests_may_come_in_any_pieces(reactor: Reactor, status: StatusSocket) -> None:
    with Spectator(ME, reactor) as spectator:
        for byte in b"who\nlo":
            spectator.send(bytes([byte]))
            reactor.iterate()
        spectator.send(b"ok\nwho\nwho\n")
        lines = [spectator.line() for _ in range(4)]
        assert [line[:1] for line in lines] == [b"{", b"[", b"{", b"{"]


@pytest.mark.parametrize("request_", [b"what\n", b"\n", b"x" * 200, b"\xff\n"])
def test_anything_else_ends_the_connection(
    reactor: Reactor, status: StatusSocket, request_: bytes
) -> None:
    with Spectator(ME, reactor) as spectator:
        spectator.send(request_)
        assert spectator.line() == b""
    with Spectator(ME, reactor) as spectator:
        assert spectator.ask(b"who")["process"] == ME


def test_an_answer_of_any_size_comes_whole_and_once(reactor: Reactor) -> None:
    view = SlowView()
    looks = [a_look(name="n" * 1_000) for _ in range(1_000)]
    with offered(reactor, dict, lambda: view), Spectator(ME, reactor) as spectator:
        spectator.send(b"look\nlook\n")
        turn_until(reactor, lambda: view.asked)
        view.asked[0].callback(looks)
        reactor.iterate()
        assert len(view.asked) == 1, "the second is answered after the first"
        assert from_json(spectator.line()) == looks
        turn_until(reactor, lambda: len(view.asked) == 2)
        view.asked[1].callback([])
        assert spectator.line() == b"[]"


def test_who_goes_before_his_answer_is_forgotten(reactor: Reactor) -> None:
    view = SlowView()
    with offered(reactor, dict, lambda: view):
        with Spectator(ME, reactor) as spectator:
            spectator.send(b"look\n")
            turn_until(reactor, lambda: view.asked)
        view.asked[0].callback([a_look(name="n" * 10_000_000)])
        turn_until(reactor, lambda: view.closed)


def test_who_does_not_read_costs_his_own_connection_only(reactor: Reactor) -> None:
    view = SlowView()
    with offered(reactor, partial(identity, "echo"), lambda: view):
        with Spectator(ME, reactor) as lazy, Spectator(ME, reactor) as other:
            lazy.send(b"look\n")
            turn_until(reactor, lambda: view.asked)
            view.asked[0].callback([a_look(name="n" * 10_000_000)])
            assert other.ask(b"who")["process"] == ME
        turn_until(reactor, lambda: view.closed)


def test_one_that_answers_no_more_is_closed_with_the_socket(reactor: Reactor) -> None:
    view = SlowView()
    with offered(reactor, dict, lambda: view):
        spectator = Spectator(ME, reactor)
        spectator.send(b"look\n")
        turn_until(reactor, lambda: view.asked)
    assert view.closed
    view.asked[0].callback([])
    assert spectator.line() == b""
    spectator.__exit__()


def test_a_view_that_fails_ends_its_connection(
    reactor: Reactor, caplog: pytest.LogCaptureFixture
) -> None:
    def fail() -> Any:
        raise ZeroDivisionError

    with offered(reactor, dict, fail), Spectator(ME, reactor) as spectator:
        spectator.send(b"look\n")
        assert spectator.line() == b""
    assert len(caplog.records) == 1
    caplog.clear()


def test_only_the_owner_may_reach_it(reactor: Reactor, status: StatusSocket) -> None:
    path = places.sockets()[ME]
    assert stat.S_IMODE(os.stat(path).st_mode) == 0o600
    assert stat.S_IMODE(os.stat(os.path.dirname(path)).st_mode) == 0o700


def test_it_is_no_connection_for_drains_limits_and_counters(
    reactor: Reactor, status: StatusSocket
) -> None:
    reactor.limitConnections(1)
    with Spectator(ME, reactor) as first, Spectator(ME, reactor) as second:
        look = first.ask(b"look")[0]
        assert second.ask(b"look")[0]["connections"]["open"] == 0
        assert (look["accepted"], look["received"]) == (0, 0)
        assert not Drain(reactor, 1.0, True)._is_busy()


def test_a_full_table_of_descriptors_is_waited_out(
    reactor: Reactor, status: StatusSocket, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Refusing:
        def accept(self) -> Any:
            raise OSError(errno.EMFILE, "none left")

        def __getattr__(self, name: str) -> Any:
            return getattr(real, name)

    real = status._socket
    assert real is not None
    monkeypatch.setattr(status_socket, "PAUSE", 0.1)
    with monkeypatch.context() as full:
        full.setattr(status, "_socket", Refusing())
        spectator = Spectator(ME, reactor)
        turn_until(reactor, lambda: status._again is not None)
        turns = reactor.engine.counters()["turns"]
        reactor.iterate(0.05)
        assert reactor.engine.counters()["turns"] == turns + 1, "it would spin"
    assert spectator.ask(b"who")["process"] == ME
    spectator.__exit__()


def test_a_pause_ends_with_the_socket(reactor: Reactor, status: StatusSocket) -> None:
    status._again = reactor.callLater(60, status._resume)
    status.close()
    assert reactor.getDelayedCalls() == []
    status.close()


def test_a_connection_that_has_gone_meanwhile_is_no_fault(
    reactor: Reactor, status: StatusSocket
) -> None:
    status.doRead()
    assert status._lookers == set()


def test_it_ends_with_the_reactor(reactor: Reactor) -> None:
    view = SlowView()
    with offered(reactor, partial(identity, "echo"), lambda: view):
        spectator = Spectator(ME, None)
        spectator.send(b"look\n")
        reactor.callLater(0.05, reactor.stop)
        reactor.run()
    assert spectator.line() == b""
    spectator.__exit__()
    assert view.closed


def test_a_stale_socket_is_replaced_and_the_end_removes_only_its_own(reactor: Reactor) -> None:
    path = places.path_for(places.prepared(), ME)
    with socket.socket(socket.AF_UNIX) as stale:
        stale.bind(path)
    who = partial(identity, "echo")
    with offered(reactor, who, SlowView), Spectator(ME, reactor) as spectator:
        assert spectator.ask(b"who")["process"] == ME
    assert not os.path.exists(path)


def test_where_it_cannot_be_opened_the_server_goes_on(
    reactor: Reactor, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG, "reactorlib")
    place = places.prepared()
    os.chmod(place, 0o755)
    monkeypatch.setattr(places, "directories", lambda: [place])
    with offered(reactor, dict, SlowView):
        (refused,) = caplog.records
        assert refused.levelno == logging.WARNING
        assert "700" in refused.getMessage()
    os.chmod(place, 0o700)
    caplog.clear()
    taken = places.path_for(place, ME)
    os.mkdir(taken)
    with offered(reactor, dict, SlowView):
        (refused,) = caplog.records
        assert refused.levelno == logging.DEBUG
    os.rmdir(taken)


def test_a_reactor_that_refuses_leaves_no_socket_behind(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(reader: Any) -> None:
        raise OSError(errno.ENOSPC, "no watches left")

    with monkeypatch.context() as full:
        full.setattr(reactor, "addReader", refuse)
        with offered(reactor, dict, SlowView):
            assert places.sockets().get(ME) is None
