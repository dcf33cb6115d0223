"""Clients that ask again and again on connections that they keep, and note what comes.

A client never asks twice for what has failed: what it notes as failed, its user has seen.
"""

from __future__ import annotations

import json
import threading
import time
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from http.client import HTTPConnection, HTTPException
from types import TracebackType

PATIENCE = 40.0


@dataclass
class Tally:
    """What came while something was so: answers by node, failures in words, in seconds."""

    name: str
    nodes: Counter[str] = field(default_factory=Counter)
    failures: Counter[str] = field(default_factory=Counter)
    slowest: float = 0.0

    @property
    def requests(self) -> int:
        return self.nodes.total() + self.failures.total()


class Clients:
    """Threads that ask as long as the `with` block lasts, one for each of `paths`.

    An answer counts as right only if the node took its client to be at `own`. What comes
    at first is counted under the name `first`.
    """

    def __init__(self, host: str, own: str, paths: Sequence[str], first: str) -> None:
        self.tallies = [Tally(first)]
        self._host = host
        self._own = own
        self._ended = threading.Event()
        self._lock = threading.Lock()
        self._threads = [threading.Thread(target=self._ask, args=[path]) for path in paths]

    def __enter__(self) -> Clients:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._ended.set()
        for thread in self._threads:
            thread.join()

    def note(self, name: str) -> None:
        """From now on what comes is counted under that name."""
        with self._lock:
            self.tallies.append(Tally(name))

    def _ask(self, path: str) -> None:
        connection = HTTPConnection(self._host, timeout=PATIENCE)
        while not self._ended.is_set():
            begun = time.monotonic()
            node, failure = self._answer(connection, path)
            seconds = time.monotonic() - begun
            with self._lock:
                tally = self.tallies[-1]
                tally.slowest = max(tally.slowest, seconds)
                if failure:
                    tally.failures[failure] += 1
                else:
                    tally.nodes[node] += 1
        connection.close()

    def _answer(self, connection: HTTPConnection, path: str) -> tuple[str, str]:
        """The node's name, and what was wrong with its answer."""
        try:
            connection.request("GET", path)
            answer = connection.getresponse()
            body = answer.read()
        except (OSError, HTTPException) as problem:
            connection.close()
            return "", repr(problem)
        if answer.status != 200:
            return "", f"status {answer.status}"
        told = json.loads(body)
        if told["client"] != self._own:
            return "", f"taken to be at {told['client']}"
        return told["node"], ""
