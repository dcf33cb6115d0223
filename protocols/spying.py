"""Shows what connections read and write: in the log, or in a file for each."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from typing import Any

from reactorlib.failure import Failure
from reactorlib.protocol import connectionDone
from reactorlib.protocols.wrapping import ProtocolWrapper, WrappingFactory

logger = logging.getLogger("reactorlib")

ELIDED = b"<... elided>"


class SpewingProtocol(ProtocolWrapper):
    """Logs what is read and written."""

    def dataReceived(self, data: bytes) -> None:
        logger.info("Received: %r", data)
        super().dataReceived(data)

    def write(self, data: bytes) -> None:
        logger.info("Sending: %r", bytes(data))
        super().write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        self.write(b"".join(data))


class SpewingFactory(WrappingFactory):
    """Logs what all its connections read and write."""

    protocol = SpewingProtocol


class TrafficLoggingProtocol(ProtocolWrapper):
    """Writes down what happens on connection `number`, a line for each event.

    `*` is its beginning, `C 1: b'…'` data from the peer, `S 1: b'…'` data that
    is sent, `SV 1: […]` a sequence that is sent, `S 1: *` that it was told to end,
    and the last line why it has ended. Of data longer than `lengthLimit` bytes
    only the beginning is written.
    """

    def __init__(
        self,
        factory: Any,
        wrappedProtocol: Any,
        logfile: Any,
        lengthLimit: int | None = None,
        number: int = 0,
    ) -> None:
        super().__init__(factory, wrappedProtocol)
        self.logfile = logfile
        self.lengthLimit = lengthLimit
        self._number = number

    def _log(self, line: str) -> None:
        self.logfile.write(line + "\n")
        self.logfile.flush()

    def _shortened(self, data: bytes) -> bytes:
        if self.lengthLimit is None or len(data) <= self.lengthLimit:
            return bytes(data)
        return bytes(data[: max(0, self.lengthLimit - len(ELIDED))]) + ELIDED

    def connectionMade(self) -> None:
        self._log("*")

    def dataReceived(self, data: bytes) -> None:
        self._log(f"C {self._number}: {self._shortened(data)!r}")
        super().dataReceived(data)

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._log(f"C {self._number}: {reason!r}")
        self.logfile.close()
        super().connectionLost(reason)

    def write(self, data: bytes) -> None:
        self._log(f"S {self._number}: {self._shortened(data)!r}")
        super().write(data)

    def writeSequence(self, data: Iterable[bytes]) -> None:
        data = list(data)
        self._log(f"SV {self._number}: {[self._shortened(part) for part in data]!r}")
        super().writeSequence(data)

    def loseConnection(self) -> None:
        self._log(f"S {self._number}: *")
        super().loseConnection()


class TrafficLoggingFactory(WrappingFactory):
    """Writes the traffic of each connection to a file: `logfilePrefix`, a hyphen, a number."""

    protocol = TrafficLoggingProtocol

    _counter = 0

    def __init__(
        self, wrappedFactory: Any, logfilePrefix: str, lengthLimit: int | None = None
    ) -> None:
        super().__init__(wrappedFactory)
        self.logfilePrefix = logfilePrefix
        self.lengthLimit = lengthLimit

    def open(self, name: str) -> Any:
        """The file for one connection, to write text to."""
        return open(name, "w", encoding="ascii")

    def wrap(self, protocol: Any) -> Any:
        self._counter += 1
        logfile = self.open(f"{self.logfilePrefix}-{self._counter}")
        return self.protocol(self, protocol, logfile, self.lengthLimit, self._counter)

    def resetCounter(self) -> None:
        """Begin again with number 1."""
        self._counter = 0
