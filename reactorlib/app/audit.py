"""Sends the corpus of HTTP/1.1 messages to a server, and tells what came of each.

It talks to the place that it was given and to no other: nothing that an answer says
is followed. Each case has a connection of its own; a few are under way at a time,
and each ends after at most `timeout` seconds to connect and as many to answer.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from reactorlib.app.verdicts import (
    CLOSED,
    OPEN,
    REFUSED,
    RESET,
    UNREACHABLE,
    UNREADABLE,
    AnswerReader,
    Finding,
    Seen,
    answers_to,
    judge,
)
from reactorlib.defer import Deferred, DeferredSemaphore, gatherResults
from reactorlib.endpoints import HostnameEndpoint
from reactorlib.error import ConnectError, ConnectionDone
from reactorlib.failure import Failure
from reactorlib.protocol import Factory, Protocol, connectionDone
from reactorlib.protocols.http.corpus import ACCEPTED, REQUESTS, Case

PLAIN = Case("", b"GET / HTTP/1.1\r\nHost: example.com\r\n\r\n", (ACCEPTED,), "a plain request")
# Its answer, if there is one, is the last: the server is asked to close.
BEHIND = b"GET /http-audit HTTP/1.1\r\nHost: example.com\r\nConnection: close\r\n\r\n"

AT_ONCE = 16
NOT_CONNECTED = (ConnectError, OSError)  # a name that is not found is an OSError
# Seconds in which what must not come, an answer too many, would.
GRACE = 1.0


class Audit:
    """One server, by host and port; `timeout` in seconds."""

    def __init__(self, reactor: Any, host: str, port: int, timeout: float) -> None:
        self._reactor = reactor
        self._timeout = timeout
        self._endpoint = HostnameEndpoint(reactor, host, port, timeout=timeout)

    async def run(self, cases: Iterable[Case] = REQUESTS) -> list[Finding]:
        """What is wrong, in the order of the cases."""
        turns = DeferredSemaphore(AT_ONCE)
        verdicts = await gatherResults([turns.run(self._try, case) for case in cases])
        return [finding for finding in verdicts if finding is not None]

    async def _try(self, case: Case) -> Finding | None:
        try:
            finding = judge(case, await self.ask(case))
            if finding is not None and finding.found == REFUSED:
                # It may have been the request behind, which a last one must not have.
                finding = judge(case, await self.ask(case, b""))
        except NOT_CONNECTED:
            finding = judge(case, Seen((), UNREACHABLE))
        return finding

    async def ask(self, case: Case = PLAIN, behind: bytes = BEHIND) -> Seen:
        """What comes of one case. Raises one of NOT_CONNECTED."""
        exchange = Exchange(self._reactor, case, behind, self._timeout)
        await self._endpoint.connect(Factory.forProtocol(lambda: exchange))
        return await exchange.outcome


class Exchange(Protocol):
    """A case, the request behind it, and what comes; `outcome` fires with a Seen."""

    def __init__(self, reactor: Any, case: Case, behind: bytes, timeout: float) -> None:
        self.outcome: Deferred[Seen] = Deferred()
        self._data = case.data + behind
        self._reader = AnswerReader(case)
        self._enough = answers_to(case) + bool(behind and ACCEPTED in case.outcomes)
        self._grace = GRACE if behind else 0.0
        self._reactor = reactor
        self._timeout = timeout
        self._timer: Any = None

    def connectionMade(self) -> None:
        self._timer = self._reactor.callLater(self._timeout, self._end, OPEN)
        self.transport.write(self._data)

    def dataReceived(self, data: bytes) -> None:
        if self.outcome.called:
            return
        before = len(self._reader.statuses)
        self._reader.feed(data)
        if not self._reader.readable:
            self._end(UNREADABLE)
        elif before < self._enough <= len(self._reader.statuses):
            self._wait_for_more()

    def _wait_for_more(self) -> None:
        """All that is right has come: only what is wrong is waited for now."""
        if not self._grace:
            self._end(CLOSED)
            return
        left = self._timer.getTime() - self._reactor.seconds()
        self._timer.reset(min(self._grace, left))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._end(CLOSED if reason.check(ConnectionDone) else RESET)

    def _end(self, how: str) -> None:
        if self.outcome.called:
            return
        if self._timer.active():
            self._timer.cancel()
        self.transport.abortConnection()
        self.outcome.callback(Seen(tuple(self._reader.statuses), how))
