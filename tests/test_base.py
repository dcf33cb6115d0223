"""What the heart of the reactor does that only its inside can show."""

from __future__ import annotations

import socket
from collections import deque
from collections.abc import Iterator
from typing import Any

import pytest

from reactorlib import stopwatch
from reactorlib.backends.compiled import load
from reactorlib.posixbase import Reactor
from tests.backends import BACKENDS


@pytest.fixture
def reactor() -> Iterator[Reactor]:
    reactor = Reactor(BACKENDS["poll"]())
    yield reactor
    reactor.close()


def test_a_call_that_was_made_before_its_waking_does_not_hide_the_next(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The loop takes a call between the two steps of callFromThread, and is woken for none."""

    class Overtaken(deque[Any]):
        def append(self, item: Any) -> None:
            super().append(item)
            reactor.iterate()

    calls: list[int] = []
    monkeypatch.setattr(reactor, "_soon", Overtaken())
    reactor.callFromThread(calls.append, 1)
    assert calls == [1]
    monkeypatch.setattr(reactor, "_soon", deque())
    reactor.iterate()
    wakings: list[int] = []
    monkeypatch.setattr(reactor.engine, "wake", lambda: wakings.append(1))
    reactor.callFromThread(calls.append, 2)
    assert wakings == [1]


def test_a_sleeping_reactor_is_woken_once_for_many_calls(
    reactor: Reactor, monkeypatch: pytest.MonkeyPatch
) -> None:
    wakings: list[int] = []
    monkeypatch.setattr(reactor.engine, "wake", lambda: wakings.append(1))
    for number in range(10):
        reactor.callFromThread(int, number)
    assert wakings == [1]


def test_no_event_is_without_a_name_for_its_function() -> None:
    lib = load().lib
    kinds = {getattr(lib, name) for name in dir(lib) if name.startswith("EVENT_")}
    assert kinds == set(stopwatch._FUNCTIONS)


def test_what_arrives_in_another_turn_is_served_in_another_turn(reactor: Reactor) -> None:
    served: list[int] = []
    ours, theirs = socket.socketpair()

    class Reader:
        def fileno(self) -> int:
            return ours.fileno()

        def doRead(self) -> None:
            ours.recv(1)
            served.append(reactor.turns)

        def connectionLost(self, reason: Any) -> None:
            pass

        def logPrefix(self) -> str:
            return "reader"

    with ours, theirs:
        reader = Reader()
        reactor.addReader(reader)
        for number in range(3):
            theirs.send(b"x")
            while len(served) == number:
                reactor.iterate(1)
        reactor.removeReader(reader)
    assert len(set(served)) == 3
