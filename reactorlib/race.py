"""A race of attempts to connect to the addresses of one destination.

A name's addresses are tried in turn, each as soon as it is known, the address
families alternating (RFC 8305, section 4). Every attempt has a head start, by
default of 250 ms; the next begins when that is over, or at once when one fails
(section 5). While an IPv6 address may yet be told, a first IPv4 one waits for 50 ms
(section 3). The first to connect wins, and the others are closed.
"""

from __future__ import annotations

import socket
from collections.abc import Callable
from errno import EINPROGRESS
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.address import SocketAddress, to_sockaddr
from reactorlib.backends.events import CONNECTED, CONNECTING
from reactorlib.failure import Failure
from reactorlib.hostnames import unresolved
from reactorlib.interfaces import IResolutionReceiver
from reactorlib.sockets import set_common_options

HEAD_START = 0.25
RESOLUTION_DELAY = 0.05

Target = tuple[int, SocketAddress]
"""An address family and a socket address of it."""


class Attempt:
    """One socket on its way to one address, as a Sink."""

    receiving = False
    protocol = None

    def __init__(self, race: Race, target: Target) -> None:
        self._race = race
        self._reactor = race.reactor
        self.target = target
        self._handle = 0

    def start(self) -> None:
        """Raises ConnectError if it fails at once."""
        try:
            with socket.socket(self.target[0], socket.SOCK_STREAM) as sock:
                self._connect(sock)
                self._handle = self._reactor.engine.add(sock.fileno(), CONNECTING)
                sock.detach()
        except error.ConnectError:
            raise
        except Exception as cause:
            raise error.getConnectError(cause) from cause
        self._reactor.sinks[self._handle] = self

    def _connect(self, sock: socket.socket) -> None:
        set_common_options(sock)
        if self._race.bind_address is not None:
            _bind(sock, self._race.bind_address)
        number = sock.connect_ex(self.target[1])
        if number not in (0, EINPROGRESS):  # EAGAIN: the queue of a UNIX socket is full
            raise error.getConnectError(number)

    def event(self, kind: int, first: int, second: int) -> None:
        del self._reactor.sinks[self._handle]
        if kind == CONNECTED:
            self._race.won(self, self._handle)
        else:
            self._race.failed(self, error.getConnectError(first))

    def stop(self) -> None:
        """Close; nothing is told any more."""
        self._reactor.sinks.pop(self._handle, None)
        self._reactor.engine.abort(self._handle)

    def hold(self, data: bytes) -> None:
        raise AssertionError("a connecting socket has no data")

    def raised(self, failure: Failure) -> None:
        """Logged already: the race goes on without it."""

    def leave(self) -> None:
        self._race.stop(error.UserError(string="the reactor stopped"))

    abandon = leave

    def __repr__(self) -> str:
        return f"<attempt to connect to {self.target[1]!r}>"


def _bind(sock: socket.socket, address: tuple[str, int]) -> None:
    try:
        sock.bind(address)
    except socket.gaierror as cause:  # its number is not an errno
        raise error.ConnectBindError(string=cause.strerror) from cause
    except OSError as cause:
        raise error.ConnectBindError(cause.errno, cause.strerror) from cause
    except Exception as cause:
        raise error.ConnectBindError(string=cause) from cause


@implementer(IResolutionReceiver)
class Race:
    """Attempts at the addresses of one destination; tells its outcome once.

    `won(handle, target)` or `lost(error)`, whichever comes first, and never from
    inside the call that tells an address. `head_start` is in seconds, by default
    HEAD_START.
    """

    def __init__(
        self,
        reactor: Any,
        bind_address: tuple[str, int] | None,
        head_start: float | None,
        won: Callable[[int, Target], object],
        lost: Callable[[Exception], object],
    ) -> None:
        self.reactor = reactor
        self.bind_address = bind_address
        self._head_start = HEAD_START if head_start is None else head_start
        self._won = won
        self._lost = lost
        self._resolution: Any = None
        self._resolved = False
        self._patient = True  # to wait for IPv6 before the first attempt
        self._woken = False
        self._waiting: list[Target] = []
        self._running: list[Attempt] = []
        self._family: int | None = None  # of the last attempt
        self._next: Any = None
        self._error: Exception | None = None
        self._over = False

    def resolutionBegan(self, resolutionInProgress: Any) -> None:
        self._resolution = resolutionInProgress

    def addressResolved(self, address: Any) -> None:
        try:
            self._waiting.append(to_sockaddr(address))
        except error.InvalidAddressError as cause:
            self._error = self._error or error.ConnectError(string=cause)
        self._wake()

    def resolutionComplete(self) -> None:
        self._resolved = True
        self._wake()

    def refuse(self, reason: Exception) -> None:
        """No more addresses can be told, for that reason."""
        self._error = self._error or reason
        self.resolutionComplete()

    def _wake(self) -> None:
        if not self._woken:
            self._woken = True
            self.reactor.callSoon(self._woke)

    def _woke(self) -> None:
        self._woken = False
        if self._over:
            return
        if self._patient and not self._is_early():
            self._cancel_next()
        if self._next is None:
            self._start_one()

    def _time_up(self) -> None:
        self._next = None
        self._patient = False
        self._start_one()

    def _is_early(self) -> bool:
        """Whether it is worth while to wait for an address of the better family."""
        only_old = all(family == socket.AF_INET for family, _ in self._waiting)
        return self._patient and not self._resolved and only_old

    def _start_one(self) -> None:
        if self._is_early():
            self._next = self.reactor.callLater(RESOLUTION_DELAY, self._time_up)
            return
        self._patient = False
        while self._waiting:
            attempt = Attempt(self, self._take())
            try:
                attempt.start()
            except error.ConnectError as failure:
                self._error = self._error or failure
                continue
            self._running.append(attempt)
            if self._waiting or not self._resolved:
                self._next = self.reactor.callLater(self._head_start, self._time_up)
            return
        if self._resolved and not self._running:
            self.stop(self._error or unresolved(self._resolution))

    def _take(self) -> Target:
        """The first that waits, of another family than the last one if there is one."""
        others = (each for each in self._waiting if each[0] != self._family)
        target = next(others, self._waiting[0])
        self._waiting.remove(target)
        self._family = target[0]
        return target

    def won(self, attempt: Attempt, handle: int) -> None:
        self._running.remove(attempt)
        self._clear()
        self._won(handle, attempt.target)

    def failed(self, attempt: Attempt, failure: error.ConnectError) -> None:
        self._running.remove(attempt)
        self._error = self._error or failure
        self._cancel_next()
        self._start_one()

    def _cancel_next(self) -> None:
        if self._next is not None:
            self._next.cancel()
            self._next = None

    def stop(self, failure: Exception) -> None:
        """End all attempts; the outcome is `failure`."""
        self._clear()
        self._lost(failure)

    def _clear(self) -> None:
        self._over = True
        self._waiting = []
        if self._resolution is not None and not self._resolved:
            self._resolution.cancel()
        self._cancel_next()
        running, self._running = self._running, []
        for attempt in running:
            attempt.stop()
