"""What users subclass for datagrams: the behaviour of one port. See IDatagramProtocol.

Both kinds are found in `reactorlib.protocol`, too.
"""

from __future__ import annotations

import logging
from typing import Any

from zope.interface import implementer

from reactorlib.failure import Failure
from reactorlib.interfaces import IDatagramProtocol, ILoggingContext

logger = logging.getLogger("reactorlib")


class AbstractDatagramProtocol:
    """What the two kinds of datagram protocols share; one port has one of them.

    `transport` is the port, from startProtocol until stopProtocol.
    """

    transport: Any = None
    numPorts = 0
    noisy = True

    def makeConnection(self, transport: Any) -> None:
        """Take the port as the transport, then start."""
        if self.transport is not None:
            raise RuntimeError(f"{self!r} has a port already: {self.transport!r}")
        self.transport = transport
        try:
            self.doStart()
        except BaseException:
            self.transport = None
            raise

    def doStart(self) -> None:
        """A port uses this protocol; calls startProtocol."""
        if self.numPorts == 0:
            if self.noisy:
                logger.debug("Starting protocol %r", self)
            self.startProtocol()
        self.numPorts += 1

    def doStop(self) -> None:
        """It does not any more; calls stopProtocol."""
        self.numPorts -= 1
        self.transport = None
        if self.numPorts == 0:
            if self.noisy:
                logger.debug("Stopping protocol %r", self)
            self.stopProtocol()

    def startProtocol(self) -> None:
        """The port is bound; what is to be sent first is sent from here."""

    def stopProtocol(self) -> None:
        """The port is closed; the last call."""

    def connectionRefused(self) -> None:
        """Nobody took what was sent to the address that the port is connected to."""

    def logPrefix(self) -> str:
        """The class's name."""
        return type(self).__name__


@implementer(IDatagramProtocol, ILoggingContext)
class DatagramProtocol(AbstractDatagramProtocol):
    """The behaviour of a datagram port; override what is of interest."""

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        """One datagram came from `addr`, to which `self.transport.write` may answer."""


@implementer(ILoggingContext)
class ConnectedDatagramProtocol(AbstractDatagramProtocol):
    """The behaviour of a port that is connected to one other from the beginning."""

    def datagramReceived(self, datagram: bytes) -> None:
        """One datagram came."""

    def connectionFailed(self, failure: Failure) -> None:
        """It could not be connected, for the reason in `failure`."""
