"""Where looks come from: this process, or all workers of this supervisor.

A View is one looker, and costs until it is closed; each compares with its own last
look. Who looks now and then, and never says that he has gone, takes `Looks`: they open
a view at the first look, and close it when nobody has looked for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any, Protocol

from reactorlib.app.status import places
from reactorlib.app.status.asking import Asking
from reactorlib.app.status.figures import Figures, Subject
from reactorlib.app.status.look import Look
from reactorlib.defer import Deferred, gatherResults, maybeDeferred, succeed
from reactorlib.failure import Failure

LEASE = 120.0  # seconds after the last look: twice what Prometheus lets pass


class View(Protocol):
    """One looker."""

    def looks(self) -> Deferred[list[Look]]:
        """At each process that answers, one look. One at a time."""
        ...

    def close(self) -> None:
        """Look no more."""
        ...


class OwnView:
    """Of this process."""

    def __init__(self, subject: Subject) -> None:
        self._figures = Figures(subject)

    def looks(self) -> Deferred[list[Look]]:
        return succeed([self._figures.look()])

    def close(self) -> None:
        self._figures.close()


class WorkersView:
    """Of all workers of this supervisor: `processes` tells the number of each by its process."""

    def __init__(self, reactor: Any, processes: Callable[[], dict[int, int]]) -> None:
        self._reactor = reactor
        self._processes = processes
        self._asked: dict[int, Asking] = {}

    def looks(self) -> Deferred[list[Look]]:
        numbers = self._processes()
        self._follow(numbers)
        answers = [self._asked[process].look() for process in numbers if process in self._asked]
        return gatherResults(answers).addCallback(_numbered, numbers)

    def _follow(self, numbers: dict[int, int]) -> None:
        """Look at those that are new, and no more at those that have gone."""
        for process in set(self._asked) - set(numbers):
            self._asked.pop(process).close()
        if set(numbers) - set(self._asked):
            for process, path in places.sockets().items():
                if process in numbers and process not in self._asked:
                    self._asked[process] = Asking(self._reactor, path)

    def close(self) -> None:
        for each in self._asked.values():
            each.close()
        self._asked.clear()


def _numbered(answers: list[Look | None], numbers: dict[int, int]) -> list[Look]:
    looks = [
        replace(look, worker=numbers[look.process])
        for look in answers
        if look is not None and look.process in numbers
    ]
    return sorted(looks, key=lambda look: (look.worker, look.process))


class Looks:
    """A view that is open while it is used; `open_view` makes one."""

    def __init__(self, reactor: Any, open_view: Callable[[], View]) -> None:
        self._reactor = reactor
        self._open_view = open_view
        self._view: View | None = None
        self._lease: Any = None
        self._waiting: list[Deferred[list[Look]]] = []

    def looks(self) -> Deferred[list[Look]]:
        """Those of now. Who asks while some are under way is given the same."""
        answer: Deferred[list[Look]] = Deferred()
        self._waiting.append(answer)
        if len(self._waiting) == 1:
            maybeDeferred(self._look).addBoth(self._answer)
        return answer

    def close(self) -> None:
        """Look no more, until the next time."""
        if self._view is not None:
            self._lease.cancel()
            self._end()

    def _look(self) -> Deferred[list[Look]]:
        if self._view is None:
            self._view = self._open_view()
            self._lease = self._reactor.callLater(LEASE, self._end)
        self._lease.reset(LEASE)
        return self._view.looks()

    def _end(self) -> None:
        view, self._view = self._view, None
        assert view is not None
        view.close()

    def _answer(self, looks: list[Look] | Failure) -> None:
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer.callback(looks)
