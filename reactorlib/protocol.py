"""What users subclass: Protocol and Factory, and the factories that reconnect.

A protocol is the behaviour of one connection; a factory makes one for each
and outlives them. Neither knows of sockets: all they see is a transport.
Those of datagrams are in `datagramprotocol`, and under their names here.
"""

from __future__ import annotations

import contextlib
import logging
import random
from collections.abc import Callable
from typing import Any, TypeVar

from zope.interface import implementer

from reactorlib import error
from reactorlib.datagramprotocol import AbstractDatagramProtocol as AbstractDatagramProtocol
from reactorlib.datagramprotocol import ConnectedDatagramProtocol as ConnectedDatagramProtocol
from reactorlib.datagramprotocol import DatagramProtocol as DatagramProtocol
from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.interfaces import (
    ILoggingContext,
    IProcessProtocol,
    IProtocol,
    IProtocolFactory,
)

logger = logging.getLogger("reactorlib")

_F = TypeVar("_F", bound="Factory")

connectionDone = Failure.shared(error.ConnectionDone())


@implementer(IProtocol, ILoggingContext)
class Protocol:
    """The behaviour of one connection; override what is of interest.

    `transport` is the way out (ITransport), set before connectionMade;
    `factory` is whoever made this protocol, if it did so by Factory's own
    buildProtocol; `connected` is true from connectionMade on.
    """

    connected: bool | int = False
    transport: Any = None
    factory: Any = None

    def makeConnection(self, transport: Any) -> None:
        """Take the transport, then call connectionMade."""
        self.connected = True
        self.transport = transport
        self.connectionMade()

    def connectionMade(self) -> None:
        """The connection is there. A greeting is sent from here."""

    def dataReceived(self, data: bytes) -> None:
        """Some bytes came; how they are divided says nothing about the sender."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        """The connection is gone; the last call. `reason.check(error.ConnectionDone)`
        tells a clean end."""

    def logPrefix(self) -> str:
        """The class's name."""
        return type(self).__name__


@implementer(IProcessProtocol, ILoggingContext)
class ProcessProtocol:
    """What a child process says, and its end; override what is of interest.

    `transport` is the process (IProcessTransport), set before connectionMade.
    """

    transport: Any = None

    def makeConnection(self, process: Any) -> None:
        """Take the transport, then call connectionMade."""
        self.transport = process
        self.connectionMade()

    def connectionMade(self) -> None:
        """The process has started."""

    def childDataReceived(self, childFD: int, data: bytes) -> None:
        """It wrote to a descriptor: outReceived for 1, errReceived for 2."""
        if childFD == 1:
            self.outReceived(data)
        elif childFD == 2:
            self.errReceived(data)

    def outReceived(self, data: bytes) -> None:
        """It wrote to its standard output."""

    def errReceived(self, data: bytes) -> None:
        """It wrote to its standard error."""

    def childConnectionLost(self, childFD: int) -> None:
        """A pipe is closed: inConnectionLost for 0, outConnectionLost for 1, and so on."""
        if childFD == 0:
            self.inConnectionLost()
        elif childFD == 1:
            self.outConnectionLost()
        elif childFD == 2:
            self.errConnectionLost()

    def inConnectionLost(self) -> None:
        """Its standard input is closed."""

    def outConnectionLost(self) -> None:
        """Its standard output is closed."""

    def errConnectionLost(self) -> None:
        """Its standard error is closed."""

    def processExited(self, reason: Failure) -> None:
        """It has ended: `reason.value` is ProcessDone or ProcessTerminated."""

    def processEnded(self, reason: Failure) -> None:
        """It has ended, and all its pipes are closed; the last call."""

    def logPrefix(self) -> str:
        """The class's name."""
        return type(self).__name__


@implementer(IProtocolFactory, ILoggingContext)
class Factory:
    """Makes a protocol for each connection, and holds what they share.

    `protocol` is the class (or any callable) that buildProtocol calls. A
    factory may define `overloaded(reason)`: it is called when connections
    cannot be accepted, with FileDescriptorLimit, SelectLimitError,
    ConnectionLimitReached or an OSError. It may define `buildRefusal(addr)`: the
    protocol of a connection that is above the limit of `limitConnections`, which
    says so to its peer and closes; None closes at once.
    """

    protocol: Callable[[], Any] | None = None
    numPorts = 0
    noisy = True

    @classmethod
    def forProtocol(cls: type[_F], protocol: Callable[[], Any], *args: Any, **kw: Any) -> _F:
        """A factory of this class for a protocol; the rest goes to its constructor."""
        factory = cls(*args, **kw)
        factory.protocol = protocol
        return factory

    def buildProtocol(self, addr: Any) -> Any:
        """A new protocol for a connection with `addr`; None refuses it."""
        if self.protocol is None:
            raise error.NoProtocol(f"{self!r} has no protocol: set it, or use Factory.forProtocol")
        protocol = self.protocol()
        protocol.factory = self
        return protocol

    def doStart(self) -> None:
        """One more port or connector uses this factory; the first calls startFactory."""
        if self.numPorts == 0:
            if self.noisy:
                logger.debug("Starting factory %r", self)
            self.startFactory()
        self.numPorts += 1

    def doStop(self) -> None:
        """One less uses it; the last calls stopFactory."""
        if self.numPorts == 0:
            return
        self.numPorts -= 1
        if self.numPorts == 0:
            if self.noisy:
                logger.debug("Stopping factory %r", self)
            self.stopFactory()

    def startFactory(self) -> None:
        """Called before the first port or connector begins to use the factory."""

    def stopFactory(self) -> None:
        """Called after the last one has ended."""

    def logPrefix(self) -> str:
        """The class's name."""
        return type(self).__name__


class ServerFactory(Factory):
    """A factory for listenTCP; the name says which side a reader is on."""


class ClientFactory(Factory):
    """A factory for connectTCP, told what becomes of the attempt."""

    def startedConnecting(self, connector: Any) -> None:
        """An attempt begins; `connector.stopConnecting()` ends it."""

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        """It failed; `connector.connect()` tries again."""

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        """The connection was made and is gone; `connector.connect()` makes another."""


class ReconnectingClientFactory(ClientFactory):
    """Tries again, and waits longer each time: from `initialDelay` seconds, times
    `factor`, up to `maxDelay`, spread by `jitter` (a share of the delay).

    A protocol that is content calls `self.factory.resetDelay()`. `maxRetries`
    bounds the attempts; `stopTrying()` ends them.
    """

    initialDelay = 1.0
    maxDelay = 3600.0
    factor = 2.718281828459045
    jitter: float | None = 0.11962656472
    maxRetries: int | None = None

    delay = initialDelay
    retries = 0
    continueTrying: bool | int = True
    connector: Any = None
    clock: Any = None
    random: random.Random | None = None
    _callID: Any = None

    def startedConnecting(self, connector: Any) -> None:
        self.connector = connector

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        self._go_on(connector)

    def clientConnectionLost(self, connector: Any, reason: Failure) -> None:
        self._go_on(connector)

    def _go_on(self, connector: Any) -> None:
        if self.continueTrying:
            self.connector = connector
            self.retry()

    def retry(self, connector: Any = None) -> None:
        """Have `connector`, or the last one, connect again after the delay."""
        connector = connector or self.connector
        if connector is None:
            raise ValueError("there is no connector to retry")
        if not self.continueTrying:
            return
        if self.maxRetries is not None and self.retries >= self.maxRetries:
            logger.info("Giving up on %s after %d retries", connector, self.retries)
            return
        self.retries += 1
        self.delay = min(self.delay * self.factor, self.maxDelay)
        if self.jitter:
            source = self.random or random
            spread = source.normalvariate(self.delay, self.delay * self.jitter)
            self.delay = max(0.0, min(spread, self.maxDelay))
        if self.noisy:
            logger.info("%s will be tried again in %.1f seconds", connector, self.delay)
        clock = self.clock or connector.reactor
        self._callID = clock.callLater(self.delay, self._reconnect, connector)

    def _reconnect(self, connector: Any) -> None:
        self._callID = None
        connector.connect()

    def stopTrying(self) -> None:
        """End the attempts: a waiting one, one under way, and those to come."""
        self.continueTrying = False
        if self._callID is not None:
            self._callID.cancel()
            self._callID = None
        if self.connector is not None:
            with contextlib.suppress(error.NotConnectingError):
                self.connector.stopConnecting()

    def resetDelay(self) -> None:
        """Begin again from the initial delay; for a connection that proved good."""
        self.delay = self.initialDelay
        self.retries = 0
        self.continueTrying = True


class _OneConnection(ClientFactory):
    """Connects once, and fires a Deferred with the protocol or the reason."""

    noisy = False

    def __init__(self, build: Callable[[], Any]) -> None:
        self.protocol = build
        self.deferred: Deferred[Any] = Deferred(self._cancel)
        self._connector: Any = None

    def startedConnecting(self, connector: Any) -> None:
        self._connector = connector

    def _cancel(self, deferred: Deferred[Any]) -> None:
        deferred.errback(error.ConnectingCancelledError(self._connector.getDestination()))
        self._connector.disconnect()

    def buildProtocol(self, addr: Any) -> Any:
        protocol = super().buildProtocol(addr)
        # The reactor calls makeConnection when this returns; the Deferred fires after that.
        self._connector.reactor.callSoon(self._fire, protocol)
        return protocol

    def _fire(self, protocol: Any) -> None:
        if not self.deferred.called:
            self.deferred.callback(protocol)

    def clientConnectionFailed(self, connector: Any, reason: Failure) -> None:
        if not self.deferred.called:
            self.deferred.errback(reason)

    clientConnectionLost = clientConnectionFailed


class ClientCreator:
    """Makes single client connections of one protocol class.

    The arguments after the class go to the class.
    """

    def __init__(
        self, reactor: Any, protocolClass: Callable[..., Any], *args: Any, **kw: Any
    ) -> None:
        self.reactor = reactor
        self._build = lambda: protocolClass(*args, **kw)

    def connectTCP(
        self, host: str, port: int, timeout: float = 30, bindAddress: tuple[str, int] | None = None
    ) -> Deferred[Any]:
        """Connect; the Deferred gives the connected protocol, or the ConnectError."""
        factory = _OneConnection(self._build)
        self.reactor.connectTCP(host, port, factory, timeout=timeout, bindAddress=bindAddress)
        return factory.deferred
