"""The small services of the early internet, each a protocol of a few lines."""

from __future__ import annotations

import time

from zope.interface import implementer

from reactorlib.interfaces import IPullProducer
from reactorlib.protocol import Protocol


class Echo(Protocol):
    """Sends back what it gets (RFC 862).

    A peer that sends and does not read is not read from either: the connection
    feeds itself, so it pauses itself.
    """

    def connectionMade(self) -> None:
        self.transport.registerProducer(self.transport, True)

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


class Discard(Protocol):
    """Drops what it gets (RFC 863)."""

    def dataReceived(self, data: bytes) -> None:
        pass


def _pattern() -> bytes:
    """Lines of 72 of the 95 printing characters, each beginning one character further."""
    ring = bytes(range(32, 127))
    return b"".join((ring * 2)[start : start + 72] + b"\r\n" for start in range(len(ring)))


@implementer(IPullProducer)
class Chargen(Protocol):
    """Sends characters for as long as the peer takes them (RFC 864).

    `noise` is what it sends, again and again.
    """

    noise = _pattern() * 8

    def connectionMade(self) -> None:
        self.transport.registerProducer(self, False)

    def resumeProducing(self) -> None:
        if self.transport.disconnecting:
            self.transport.unregisterProducer()
        else:
            self.transport.write(self.noise)

    def stopProducing(self) -> None:
        """The peer is gone."""


class _Answer(Protocol):
    """Says one thing and ends; what it is sent is of no interest."""

    def connectionMade(self) -> None:
        self.transport.write(self._answer())
        self.transport.loseConnection()

    def _answer(self) -> bytes:
        raise NotImplementedError


class QOTD(_Answer):
    """Sends the quote of the day (RFC 865)."""

    def getQuote(self) -> bytes:
        """The quote, 512 bytes at most. Override this."""
        return b"An apple a day keeps the doctor away.\r\n"

    def _answer(self) -> bytes:
        return self.getQuote()


class Who(_Answer):
    """Sends the names of those who are logged in, a line for each (RFC 866)."""

    def getUsers(self) -> bytes:
        """The lines. Override this."""
        return b"root\r\n"

    def _answer(self) -> bytes:
        return self.getUsers()


class Daytime(_Answer):
    """Sends the date and the time of day, for people (RFC 867); in UTC."""

    def _answer(self) -> bytes:
        return time.asctime(time.gmtime()).encode("ascii") + b" UTC\r\n"


# From 1900, where RFC 868 begins to count, to 1970.
SEVENTY_YEARS = 2_208_988_800


class Time(_Answer):
    """Sends the seconds since 1900, for machines: 4 bytes, which begin again in 2036 (RFC 868)."""

    def _answer(self) -> bytes:
        return ((int(time.time()) + SEVENTY_YEARS) % 2**32).to_bytes(4, "big")


__all__ = ["QOTD", "Chargen", "Daytime", "Discard", "Echo", "Time", "Who"]
