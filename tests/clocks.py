"""What tests of repeated, delayed and cooperative work stand on."""

from __future__ import annotations

from typing import Any

import pytest

import reactorlib
from reactorlib.defer import Deferred
from reactorlib.task import Clock


def outcomes_of(deferred: Deferred[Any]) -> list[Any]:
    """The list that gets the result of a Deferred, or its Failure."""
    outcomes: list[Any] = []
    deferred.addBoth(outcomes.append)
    return outcomes


class Clocks:
    """The base of test classes: their tests take a clock."""

    @pytest.fixture
    def clock(self) -> Clock:
        return Clock()

    @pytest.fixture
    def process_clock(self, clock: Clock, monkeypatch: pytest.MonkeyPatch) -> Clock:
        """A clock in the place of the process's reactor, which must not be made."""
        monkeypatch.setitem(vars(reactorlib), "reactor", clock)
        return clock
