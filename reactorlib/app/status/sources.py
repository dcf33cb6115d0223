"""Where looks come from: this process, or all workers of this supervisor.

A View is one looker, and costs until it is closed; each compares with its own last
look. Who looks now and then, and never says that he has gone, takes `Looks`: they open
a view at the first look, and close it when nobody has looked for a while.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Protocol

from reactorlib.app.status.figures import Figures, Subject
from reactorlib.app.status.look import Look
from reactorlib.defer import Deferred, succeed

LEASE = 120.0  # seconds after the last look: twice what Prometheus lets pass


class View(Protocol):
    """One looker."""

    def looks(self) -> Deferred[list[Look]]:
        """At each process that answers, one look. It never fails."""
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
            self._opened().looks().addCallback(self._answer)
        return answer

    def close(self) -> None:
        """Look no more, until the next time."""
        if self._view is not None:
            self._lease.cancel()
            self._end()

    def _opened(self) -> View:
        if self._view is None:
            self._view = self._open_view()
            self._lease = self._reactor.callLater(LEASE, self._end)
        self._lease.reset(LEASE)
        return self._view

    def _end(self) -> None:
        view, self._view = self._view, None
        assert view is not None
        view.close()

    def _answer(self, looks: list[Look]) -> None:
        waiting, self._waiting = self._waiting, []
        for answer in waiting:
            answer.callback(looks)
