"""TCP clients: a connector, and its race of attempts.

A name's addresses are tried in turn, each as soon as it is known, the address
families alternating (RFC 8305, section 4). Every attempt has a head start of
250 ms; the next begins when that is over, or at once when one fails (section 5).
While an IPv6 address may yet be told, a first IPv4 one waits for 50 ms (section 3).
The first to connect wins, and the others are closed.
"""

from __future__ import annotations

import logging
import socket
from collections.abc import Callable
from errno import EINPROGRESS, EWOULDBLOCK
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.address import (
    IPv4Address,
    IPv6Address,
    SocketAddress,
    from_sockaddr,
    to_sockaddr,
)
from reactorlib.backends.events import CONNECTED, CONNECTING
from reactorlib.failure import Failure
from reactorlib.hostnames import AddressTypes, unresolved
from reactorlib.interfaces import IConnector, IResolutionReceiver
from reactorlib.resolve import resolve
from reactorlib.tcp import Connection, set_common_options

logger = logging.getLogger("reactorlib")

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
        if number not in (0, EINPROGRESS, EWOULDBLOCK):
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
    inside the call that tells an address. `head_start` is in seconds.
    """

    def __init__(
        self,
        reactor: Any,
        bind_address: tuple[str, int] | None,
        head_start: float,
        won: Callable[[int, Target], object],
        lost: Callable[[Exception], object],
    ) -> None:
        self.reactor = reactor
        self.bind_address = bind_address
        self._head_start = head_start
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


@implementer(IConnector)
class Connector:
    """Connects a ClientFactory to a host and port, as often as it is told to."""

    def __init__(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float | None,
        bindAddress: tuple[str, int] | None,
        reactor: Any,
        addressTypes: AddressTypes = None,
        attemptDelay: float | None = None,
    ) -> None:
        self.host = host
        self.port = port
        self.factory = factory
        self.timeout = timeout
        self.bindAddress = bindAddress
        self.reactor = reactor
        self.addressTypes = addressTypes
        self.attemptDelay = attemptDelay
        self.state = "disconnected"
        self.transport: Connection | None = None
        self.contextFactory: Any = None  # of connections over TLS
        self._started = False
        self._race: Race | None = None
        self._timer: Any = None

    def getDestination(self) -> Any:
        kind = IPv6Address if ":" in self.host else IPv4Address
        return kind("TCP", self.host, self.port)

    def connect(self) -> None:
        if self.state != "disconnected":
            raise RuntimeError(f"{self!r} cannot connect: it is {self.state}")
        if not self._started:
            self.factory.doStart()
            self._started = True
        self.state = "connecting"
        if self.timeout is not None:
            self._timer = self.reactor.callLater(self.timeout, self._timed_out)
        try:
            self.factory.startedConnecting(self)
        except BaseException:
            self._attempt_over("disconnected")
            self._stop_factory_if_idle()
            raise
        if self.state == "connecting" and self._race is None:
            self._begin()

    def _begin(self) -> None:
        delay = HEAD_START if self.attemptDelay is None else self.attemptDelay
        race = Race(self.reactor, self.bindAddress, delay, self._connected, self._not_connected)
        self._race = race
        try:
            resolve(self.reactor, self.host, self.port, self.addressTypes, race)
        except Exception as fault:  # the resolver's; in connectTCP nothing may fail yet
            self.reactor.callSoon(race.stop, fault)

    def _timed_out(self) -> None:
        self._timer = None
        self._give_up(error.TimeoutError(string=f"{self.host}:{self.port}, {self.timeout} seconds"))

    def stopConnecting(self) -> None:
        if self.state != "connecting":
            raise error.NotConnectingError(f"{self!r} is not connecting")
        self._give_up(error.UserError())

    def disconnect(self) -> None:
        if self.state == "connecting":
            self.stopConnecting()
        elif self.transport is not None:
            self.transport.loseConnection()

    def _give_up(self, failure: error.ConnectError) -> None:
        if self._race is not None:
            self._race.stop(failure)
        else:
            self._not_connected(failure)

    def _not_connected(self, failure: Exception) -> None:
        self._attempt_over("disconnected")
        self._tell(self.factory.clientConnectionFailed, Failure(failure))

    def _attempt_over(self, state: str) -> None:
        self.state = state
        self._race = None
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _connected(self, handle: int, target: Target) -> None:
        self._attempt_over("connected")
        peer = from_sockaddr(*target)
        transport = self.transport = ClientConnection(self.reactor, handle, peer, self)
        try:
            protocol = self.factory.buildProtocol(peer)
            if protocol is None:
                transport.loseConnection()
                return
            if self.contextFactory is not None:
                transport.startTLS(self.contextFactory)
            transport.connect_to(protocol)
        except Exception:
            self.reactor.report(transport)

    def connection_lost(self, reason: Failure) -> None:
        """The connection was made, and is gone."""
        self.state = "disconnected"
        self.transport = None
        self._tell(self.factory.clientConnectionLost, reason)

    def _tell(self, callback: Callable[[Connector, Failure], object], reason: Failure) -> None:
        """Tell the factory, which may connect again from there."""
        try:
            callback(self, reason)
        except Exception:
            logger.exception("Unhandled error in %r", self)
        self._stop_factory_if_idle()

    def _stop_factory_if_idle(self) -> None:
        if self.state == "disconnected" and self._started:
            self._started = False
            self.factory.doStop()

    def __repr__(self) -> str:
        return f"<connector to {self.host}:{self.port}, {self.state}>"


class ClientConnection(Connection):
    """A connection that a connector made, and hears the end of."""

    __slots__ = ("connector",)

    is_client = True

    def __init__(self, reactor: Any, handle: int, peer: Any, connector: Connector) -> None:
        super().__init__(reactor, handle, peer)
        self.connector = connector

    @property
    def peer_name(self) -> str:
        return self.connector.host

    def tell_lost(self, protocol: Any, reason: Failure) -> None:
        try:
            super().tell_lost(protocol, reason)
        finally:
            self.connector.connection_lost(reason)
