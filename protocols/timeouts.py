"""Ends connections on which nothing happens for too long."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from reactorlib.failure import Failure
from reactorlib.protocol import connectionDone
from reactorlib.protocols.wrapping import ProtocolWrapper, WrappingFactory


class TimeoutMixin:
    """One timeout, for a protocol that mixes this in and is connected.

    `timeOut` is its length in seconds; None is none. The protocol says what
    counts as activity, by resetTimeout, and ends it with `setTimeout(None)` in
    connectionLost.
    """

    timeOut: float | None = None
    transport: Any

    __timeout_call: Any = None

    def callLater(self, period: float, func: Callable[[], object]) -> Any:
        """Call a function in `period` seconds; by the transport's reactor."""
        return self.transport.reactor.callLater(period, func)

    def setTimeout(self, period: float | None) -> float | None:
        """Begin to wait `period` seconds from now, or end waiting; the one that held before."""
        previous, self.timeOut = self.timeOut, period
        call = self.__timeout_call
        if period is None:
            self.__timeout_call = None
            if call is not None and call.active():
                call.cancel()
        elif call is not None:
            call.reset(period)
        else:
            self.__timeout_call = self.callLater(period, self.__timed_out)
        return previous

    def resetTimeout(self) -> None:
        """Something has happened: wait anew, if it is waited at all."""
        if self.__timeout_call is not None and self.timeOut is not None:
            self.__timeout_call.reset(self.timeOut)

    def __timed_out(self) -> None:
        self.__timeout_call = None
        self.timeoutConnection()

    def timeoutConnection(self) -> None:
        """The time is over. Loses the connection."""
        self.transport.loseConnection()


class TimeoutProtocol(TimeoutMixin, ProtocolWrapper):
    """Loses a connection on which nothing was read or written for `timeoutPeriod` seconds."""

    def __init__(self, factory: Any, wrappedProtocol: Any, timeoutPeriod: float | None) -> None:
        super().__init__(factory, wrappedProtocol)
        self.timeoutPeriod = timeoutPeriod

    def callLater(self, period: float, func: Callable[[], object]) -> Any:
        return self.factory.callLater(period, func)

    def connectionMade(self) -> None:
        self.setTimeout(self.timeoutPeriod)

    def setTimeout(self, timeoutPeriod: float | None = None) -> float | None:
        """Wait so long from now on; None ends waiting."""
        self.timeoutPeriod = timeoutPeriod
        return super().setTimeout(timeoutPeriod)

    def cancelTimeout(self) -> None:
        """Wait no longer."""
        self.setTimeout(None)

    def write(self, data: bytes) -> None:
        self.resetTimeout()
        super().write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.resetTimeout()
        super().writeSequence(data)

    def dataReceived(self, data: bytes) -> None:
        self.resetTimeout()
        super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.cancelTimeout()
        super().connectionLost(reason)

    def timeoutConnection(self) -> None:
        self.timeoutFunc()

    def timeoutFunc(self) -> None:
        """The time is over. Loses the connection."""
        self.loseConnection()


class TimeoutFactory(WrappingFactory):
    """Loses connections on which nothing was read or written for `timeoutPeriod` seconds."""

    protocol = TimeoutProtocol

    def __init__(
        self, wrappedFactory: Any, timeoutPeriod: float | None = 30 * 60, reactor: Any = None
    ) -> None:
        super().__init__(wrappedFactory)
        self.timeoutPeriod = timeoutPeriod
        self.reactor = reactor

    def wrap(self, protocol: Any) -> Any:
        return self.protocol(self, protocol, timeoutPeriod=self.timeoutPeriod)
