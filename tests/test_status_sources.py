"""Looks at this process and at workers, of which some hang, end, or talk nonsense."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import pytest

from reactorlib.app.status import asking, places, sources
from reactorlib.app.status.figures import Subject
from reactorlib.app.status.look import Look, as_json
from reactorlib.app.status.sources import Looks, OwnView, WorkersView
from reactorlib.defer import Deferred, fail, succeed
from reactorlib.posixbase import Reactor
from reactorlib.task import Clock
from tests.backends import BACKENDS
from tests.looking import SlowView, a_look, own_place, turn_until


@pytest.fixture
def place() -> Iterator[str]:
    with own_place():
        yield places.prepared()


@pytest.fixture
def reactor(place: str) -> Iterator[Reactor]:
    reactor = Reactor(BACKENDS["epoll"]())
    yield reactor
    turn_until(reactor, lambda: not reactor.sinks)
    assert reactor.getDelayedCalls() == []
    reactor.close()


class FakeWorker:
    """A status socket that says what it is told to."""

    def __init__(self, place: str, process: int) -> None:
        self.process = process
        self._listening = socket.socket(socket.AF_UNIX)
        self._listening.bind(places.path_for(place, process))
        self._listening.listen(5)
        self.line: socket.socket | None = None

    def accept(self) -> None:
        self.line, _ = self._listening.accept()

    def asked(self) -> bytes:
        """What has come since."""
        if self.line is None:
            self._listening.setblocking(False)
            try:
                self.accept()
            except BlockingIOError:
                return b""
        assert self.line is not None
        self.line.setblocking(False)
        try:
            return self.line.recv(100)
        except BlockingIOError:
            return b""

    def say(self, data: bytes) -> None:
        assert self.line is not None
        self.line.sendall(data)

    def tell(self, **changes: Any) -> None:
        """A look."""
        self.say(as_json([a_look(process=self.process, **changes)]) + b"\n")

    def end(self) -> None:
        self._listening.close()
        if self.line is not None:
            self.line.close()


@pytest.fixture
def workers(place: str) -> Iterator[list[FakeWorker]]:
    workers = [FakeWorker(place, process) for process in (101, 102)]
    yield workers
    for each in workers:
        each.end()


NUMBERS = {102: 0, 101: 1}


def outcome(deferred: Deferred[Any]) -> list[Any]:
    results: list[Any] = []
    deferred.addBoth(results.append)
    return results


def test_this_process_has_one_look(reactor: Reactor) -> None:
    view = OwnView(Subject(reactor, "echo"))
    ((look,),) = outcome(view.looks())
    assert look.process == os.getpid()
    view.close()


def test_all_workers_are_asked_at_once_and_come_by_number(
    reactor: Reactor, workers: list[FakeWorker]
) -> None:
    view = WorkersView(reactor, lambda: NUMBERS)
    for round_ in range(3):
        answer = outcome(view.looks())
        for each in workers:
            assert turn_until(reactor, each.asked) == b"look\n"
        assert answer == []
        for each in workers:
            each.tell(turns=round_)
        (looks,) = turn_until(reactor, lambda answer=answer: answer)
        assert looks == [
            a_look(process=102, worker=0, turns=round_),
            a_look(process=101, worker=1, turns=round_),
        ]
    view.close()


def test_one_that_hangs_is_left_out_and_holds_up_no_second_look(
    reactor: Reactor, workers: list[FakeWorker], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(asking, "PATIENCE", 0.2)
    view = WorkersView(reactor, lambda: NUMBERS)
    good, hanging = workers
    answer = outcome(view.looks())
    turn_until(reactor, good.asked)
    turn_until(reactor, hanging.asked)
    good.tell()
    (looks,) = turn_until(reactor, lambda: answer)
    assert [look.process for look in looks] == [101]
    monkeypatch.setattr(asking, "PATIENCE", 60.0)
    answer = outcome(view.looks())
    turn_until(reactor, good.asked)
    good.tell()
    (looks,) = turn_until(reactor, lambda: answer)
    assert [look.process for look in looks] == [101]
    assert hanging.asked() == b"", "it was asked a second time"
    hanging.tell(turns=1)  # late: for nobody
    turn_until(reactor, lambda: not view._asked[102]._owes)
    answer = outcome(view.looks())
    turn_until(reactor, good.asked)
    turn_until(reactor, hanging.asked)
    good.tell()
    hanging.tell(turns=2)
    (looks,) = turn_until(reactor, lambda: answer)
    assert [(look.process, look.turns) for look in looks] == [(102, 2), (101, 0)]
    view.close()


@pytest.mark.parametrize("nonsense", [b"\n", b"[]\n", b"{}\n", b'[{"process":1}]\n', b"\xff\n"])
def test_nonsense_is_no_look(reactor: Reactor, workers: list[FakeWorker], nonsense: bytes) -> None:
    view = WorkersView(reactor, lambda: {101: 0})
    answer = outcome(view.looks())
    turn_until(reactor, workers[0].asked)
    workers[0].say(nonsense)
    assert turn_until(reactor, lambda: answer) == [[]]
    view.close()


def test_one_that_ends_is_left_out_and_asked_anew_the_next_time(
    reactor: Reactor, workers: list[FakeWorker]
) -> None:
    view = WorkersView(reactor, lambda: {101: 0})
    answer = outcome(view.looks())
    turn_until(reactor, workers[0].asked)
    assert workers[0].line is not None
    workers[0].line.close()
    workers[0].line = None
    assert turn_until(reactor, lambda: answer) == [[]]
    answer = outcome(view.looks())
    turn_until(reactor, workers[0].asked)
    workers[0].tell()
    assert turn_until(reactor, lambda: answer) == [[a_look(process=101, worker=0)]]
    view.close()


def test_who_is_no_worker_any_more_is_let_go(reactor: Reactor, workers: list[FakeWorker]) -> None:
    numbers = dict(NUMBERS)
    view = WorkersView(reactor, lambda: numbers)
    view.looks()
    for each in workers:
        turn_until(reactor, each.asked)
    del numbers[101]
    answer = outcome(view.looks())
    workers[1].tell()
    turn_until(reactor, lambda: not view._asked[102]._owes)
    assert answer == [[]], "it owed the answer to the first one"
    assert set(view._asked) == {102}
    view.close()


def test_those_without_a_socket_and_dead_ones_are_left_out(reactor: Reactor, place: str) -> None:
    dead = FakeWorker(place, 103)
    dead.end()
    view = WorkersView(reactor, lambda: {103: 0, 104: 1})
    answer = outcome(view.looks())
    assert turn_until(reactor, lambda: answer) == [[]]
    view.close()


def test_without_workers_there_is_nothing(reactor: Reactor) -> None:
    view = WorkersView(reactor, dict)
    assert outcome(view.looks()) == [[]]
    view.close()


def test_what_is_asked_of_a_closed_one_is_nothing(
    reactor: Reactor, workers: list[FakeWorker]
) -> None:
    each = asking.Asking(reactor, places.sockets()[101])
    answer = outcome(each.look())
    each.close()
    assert answer == [None]
    turn_until(reactor, lambda: not reactor.sinks)
    assert outcome(each.look()) == [None]


# Looks


def test_a_view_is_open_while_somebody_looks() -> None:
    clock, views = Clock(), []

    def open_view() -> SlowView:
        views.append(SlowView())
        return views[-1]

    looks = Looks(clock, open_view)
    looks.close()
    assert views == []
    for _ in range(3):
        looks.looks()
        views[-1].asked[-1].callback([])
        clock.advance(sources.LEASE - 1)
    assert len(views) == 1
    assert not views[0].closed
    clock.advance(1)
    assert views[0].closed
    looks.looks()
    views[-1].asked[-1].callback([])
    assert len(views) == 2
    looks.close()
    assert views[1].closed
    assert clock.getDelayedCalls() == []


def test_who_asks_while_a_look_is_under_way_is_given_the_same() -> None:
    view, clock = SlowView(), Clock()
    looks = Looks(clock, lambda: view)
    answers = [outcome(looks.looks()) for _ in range(3)]
    assert len(view.asked) == 1
    view.asked[0].callback([a_look()])
    assert answers == [[[a_look()]]] * 3
    last = outcome(looks.looks())
    assert len(view.asked) == 2
    view.asked[1].callback([])
    assert last == [[]]


def test_a_view_that_fails_is_asked_again() -> None:
    class Failing(SlowView):
        def looks(self) -> Deferred[list[Look]]:
            self.asked.append(Deferred())
            if len(self.asked) == 1:
                raise ZeroDivisionError
            return fail(KeyError()) if len(self.asked) == 2 else succeed([a_look()])

    looks = Looks(Clock(), Failing)
    assert outcome(looks.looks())[0].check(ZeroDivisionError)
    assert outcome(looks.looks())[0].check(KeyError)
    assert outcome(looks.looks()) == [[replace(a_look())]]
