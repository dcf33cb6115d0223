"""Looks at another process over its socket, and never waits long for it.

One that does not answer in time is left out. While it still owes that answer it is not
asked again, so that a process that hangs holds up no second look, and an answer that
comes late is for nobody.
"""

from __future__ import annotations

from typing import Any

from reactorlib.app.status.look import Look, from_json
from reactorlib.defer import Deferred, succeed
from reactorlib.failure import Failure
from reactorlib.protocol import ClientFactory, connectionDone
from reactorlib.protocols.basic import LineOnlyReceiver

PATIENCE = 1.0  # seconds
LONGEST_ANSWER = 1 << 20


class _Line(LineOnlyReceiver):
    """Hands lines on, and that it is connected or lost."""

    delimiter = b"\n"
    MAX_LENGTH = LONGEST_ANSWER

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def connectionMade(self) -> None:
        self._asking.connected(self)

    def lineReceived(self, line: bytes) -> None:
        self._asking.answered(line)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._asking.lost()


class _Lines(ClientFactory):
    noisy = False

    def __init__(self, asking: Asking) -> None:
        self._asking = asking

    def buildProtocol(self, addr: Any) -> _Line:
        return _Line(self._asking)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self._asking.lost()


class Asking:
    """One looker at the process that listens at `path`."""

    def __init__(self, reactor: Any, path: str) -> None:
        self._reactor = reactor
        self._path = path
        self._connector: Any = None
        self._line: _Line | None = None
        self._owes = False
        self._closed = False
        self._answer: Deferred[Look | None] | None = None
        self._timer: Any = None

    def look(self) -> Deferred[Look | None]:
        """What it tells; None if it does not answer. One at a time."""
        if self._owes or self._closed:
            return succeed(None)
        self._owes = True
        answer = self._answer = Deferred()
        self._timer = self._reactor.callLater(PATIENCE, self._give, None)
        if self._line is None:
            self._connector = self._reactor.connectUNIX(self._path, _Lines(self), timeout=PATIENCE)
        else:
            self._line.sendLine(b"look")
        return answer

    def close(self) -> None:
        """Look no more; who still waits is given None."""
        self._closed = True
        if self._line is not None:
            self._line.transport.abortConnection()
        elif self._connector is not None:
            self._connector.disconnect()
        self._give(None)

    def connected(self, line: _Line) -> None:
        """It listens."""
        self._line = line
        line.sendLine(b"look")

    def answered(self, line: bytes) -> None:
        """A line of its has come."""
        self._owes = False
        try:
            (look,) = from_json(line)
        except (ValueError, KeyError, TypeError):
            self._give(None)
        else:
            self._give(look)

    def lost(self) -> None:
        """It has ended, or is not there."""
        self._connector = self._line = None
        self._owes = False
        self._give(None)

    def _give(self, look: Look | None) -> None:
        answer, self._answer = self._answer, None
        if answer is None:
            return
        if self._timer.active():
            self._timer.cancel()
        answer.callback(look)
