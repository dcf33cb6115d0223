"""Answers the owner of a process who looks at it, over a UNIX socket.

A request is a line, and its answer a line of JSON: `who` tells what the process is,
`look` what it does now (`look.as_json`); each connection is one looker. Anything else
ends the connection. It is watched, not served: it counts as no connection, for no limit
and no drain, and while nobody is there nothing is measured. That it cannot be opened is
no fault of the server's.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import socket
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any

from reactorlib.app.status import places
from reactorlib.app.status.look import Look, as_json
from reactorlib.app.status.sources import View

logger = logging.getLogger("reactorlib")

BACKLOG = 16
LONGEST_REQUEST = 64
PAUSE = 1.0  # seconds until the next try to accept, when there is no descriptor left


class StatusSocket:
    """Listens; `who` tells what the process is, `open_view` begins to look at it."""

    def __init__(
        self, reactor: Any, who: Callable[[], dict[str, Any]], open_view: Callable[[], View]
    ) -> None:
        self.reactor = reactor
        self.who = who
        self.open_view = open_view
        self._socket: socket.socket | None = None
        self._path = ""
        self._lookers: set[Looker] = set()
        self._again: Any = None

    def open(self) -> None:
        """Begin to listen. Raises OSError."""
        place = places.prepared()
        places.sweep(place)
        path = places.path_for(place, os.getpid())
        listening = socket.socket(socket.AF_UNIX)
        try:
            listening.setblocking(False)
            listening.bind(path)
            self._path = path
            os.chmod(path, 0o600)
            listening.listen(BACKLOG)
            self._socket = listening
            self.reactor.addReader(self)
        except BaseException:
            listening.close()
            self.close()
            raise

    def close(self) -> None:
        """End, with all that look; no error if it is not open."""
        listening, self._socket = self._socket, None
        path, self._path = self._path, ""
        if listening is not None:
            self.reactor.removeReader(self)
            listening.close()
        if self._again is not None:
            self._again.cancel()
            self._again = None
        for each in list(self._lookers):
            each.close()
        if path:
            with contextlib.suppress(OSError):
                os.unlink(path)

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket is not None else -1

    def doRead(self) -> None:
        assert self._socket is not None
        try:
            connection, _ = self._socket.accept()
        except BlockingIOError:
            return
        except OSError as problem:  # no descriptor is left: it stays readable all the time
            logger.debug("Nobody can look at this process now: %s", problem)
            self.reactor.removeReader(self)
            self._again = self.reactor.callLater(PAUSE, self._resume)
            return
        connection.setblocking(False)
        self._lookers.add(Looker(self, connection, self._lookers.discard))

    def _resume(self) -> None:
        self._again = None
        self.reactor.addReader(self)

    def connectionLost(self, reason: Any) -> None:
        """The reactor has ended, or lost it."""

    def logPrefix(self) -> str:
        return "status"


class Looker:
    """One connection: a request is answered before the next one is read."""

    def __init__(
        self, status: StatusSocket, connection: socket.socket, gone: Callable[[Looker], object]
    ) -> None:
        self._status = status
        self._reactor = status.reactor
        self._socket: socket.socket | None = connection
        self._gone = gone
        self._view: View | None = None
        self._requests = b""
        self._answer = b""
        self._reactor.addReader(self)

    def fileno(self) -> int:
        return self._socket.fileno() if self._socket is not None else -1

    def doRead(self) -> None:
        assert self._socket is not None
        try:
            data = self._socket.recv(LONGEST_REQUEST)
        except BlockingIOError:
            return
        except OSError:
            data = b""
        self._requests += data
        if not data:
            self.close()
        else:
            self._next()

    def _next(self) -> None:
        """Answer the next request, if it is here."""
        request, end, rest = self._requests.partition(b"\n")
        if not end and len(request) < LONGEST_REQUEST:
            self._reactor.addReader(self)
            return
        self._requests = rest
        self._reactor.removeReader(self)
        if end and request == b"who":
            self._send(json.dumps(self._status.who()).encode())
        elif end and request == b"look":
            self._view = self._view or self._status.open_view()
            self._view.looks().addCallback(self._tell)
        else:
            self.close()

    def _tell(self, looks: Sequence[Look]) -> None:
        self._send(as_json(looks))

    def _send(self, line: bytes) -> None:
        self._answer = line + b"\n"
        self.doWrite()

    def doWrite(self) -> None:
        if self._socket is None:  # gone before its answer was there
            return
        try:
            sent = self._socket.send(self._answer)
        except BlockingIOError:
            sent = 0
        except OSError:
            self.close()
            return
        self._answer = self._answer[sent:]
        if self._answer:
            self._reactor.addWriter(self)
        else:
            self._reactor.removeWriter(self)
            self._next()

    def close(self) -> None:
        """End it, and with it what is measured for it."""
        connection, self._socket = self._socket, None
        if connection is None:
            return
        self._reactor.removeReader(self)
        self._reactor.removeWriter(self)
        connection.close()
        if self._view is not None:
            self._view.close()
        self._gone(self)

    def connectionLost(self, reason: Any) -> None:
        """The reactor has ended, or lost it."""
        self.close()

    def logPrefix(self) -> str:
        return "status"


def identity(
    name: str, workers: Callable[[], Iterable[int]] = lambda: ()
) -> dict[str, str | int | list[int]]:
    """What a process says that it is: its command, and the workers that it supervises."""
    return {"process": os.getpid(), "name": name, "workers": list(workers())}


@contextlib.contextmanager
def offered(
    reactor: Any, who: Callable[[], dict[str, Any]], open_view: Callable[[], View]
) -> Iterator[None]:
    """Let the owner look meanwhile, if it can be."""
    status = StatusSocket(reactor, who, open_view)
    try:
        status.open()
    except places.NotOurs as problem:
        logger.warning("`reactorlib top` cannot look at this process: %s", problem)
    except OSError as problem:
        logger.debug("`reactorlib top` cannot look at this process: %s", problem)
    try:
        yield
    finally:
        status.close()
