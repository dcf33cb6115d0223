"""Transports, which protocols are given; producers, which feed them; addresses."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    import socket

    from reactorlib.defer import Deferred


class IAddress(Interface):
    """Where a connection comes from or goes to. Immutable, hashable."""


class IProducer(Interface):
    """Something that feeds a consumer."""

    def stopProducing() -> None:
        """The consumer is gone: produce no more, ever."""


class IPushProducer(IProducer):
    """One that produces until it is told to pause."""

    def pauseProducing() -> None:
        """Produce no more until resumeProducing."""

    def resumeProducing() -> None:
        """Produce again."""


class IPullProducer(IProducer):
    """One that produces once for each resumeProducing."""

    def resumeProducing() -> None:
        """Produce once."""


class IConsumer(Interface):
    """Something that a producer feeds."""

    def registerProducer(producer: Any, streaming: bool) -> None:
        """Take a push (streaming) or pull producer, one at a time.

        Raises RuntimeError if one is registered. Calls stopProducing at once
        if the connection is gone.
        """

    def unregisterProducer() -> None:
        """Let it go; a loseConnection that waited for it is carried out now."""

    def write(data: bytes) -> None:
        """Take data."""


class ITransport(Interface):
    """The way out to the peer."""

    def write(data: bytes) -> None:
        """Send, in order, without waiting.

        bytes, bytearray or memoryview; the data is copied. Raises TypeError
        for anything else. After the connection's end the data is dropped.
        """

    def writeSequence(data: Iterable[bytes]) -> None:
        """Send each of them."""

    def loseConnection() -> None:
        """Close after everything written so far (and the producer) is done."""

    def getPeer() -> IAddress:
        """The other side's address."""

    def getHost() -> IAddress:
        """This side's address."""


class ICongestionMonitor(Interface):
    """A transport that tells how its output queue fares."""

    bufferedBytes: int = Attribute(
        "Bytes written that the kernel has not taken yet; after the end, those it never took."
    )

    def setWriteBufferLimits(
        high: int | None = None, low: int | None = None, cap: int | None = None
    ) -> None:
        """Set the water marks, in bytes, and the size at which to abort.

        Above `high` (65,536 by default) the producer is paused, at `low` (a
        quarter of high) it is resumed. Past `cap` (none by default) the
        connection is aborted. Raises ValueError unless low ≤ high ≤ cap.
        """

    def monitorCongestion(callback: Callable[[int, int], object]) -> None:
        """Call `callback(status, pending)` when the output queue changes.

        `status` is CONNECTION_BLOCKED (the kernel took less than there was),
        CONNECTION_CLEARED (it takes more again) or CONNECTION_BACKLOG (256
        messages are queued; and once more when none is). `pending` is the
        number of queued messages, one for each write. A callback that raises
        is logged and aborts the connection.
        """

    def ignoreCongestion() -> None:
        """Stop calling."""


class IHandOver(Interface):
    """A transport whose connection can change its protocol on the way."""

    def handOver(protocol: Any, data: bytes = b"") -> None:
        """Give the connection to another protocol, whose makeConnection is called.

        The one before it is told nothing more. `data` was read by it and is the new
        one's: it gets it next, and not before it wants data.
        """


class IProxiedTransport(Interface):
    """A transport that can pass for another connection, for which it was made."""

    def passFor(peer: IAddress, host: IAddress) -> None:
        """Have getPeer and getHost return these from now on."""


class ITCPTransport(ITransport, ICongestionMonitor):
    """A TCP connection."""

    def loseWriteConnection() -> None:
        """Send the end of writing after what was written; go on reading."""

    def abortConnection() -> None:
        """Close at once, and drop what was not sent."""

    def getTcpNoDelay() -> bool:
        """Whether small segments are sent at once (they are, by default)."""

    def setTcpNoDelay(enabled: bool) -> None:
        """Set TCP_NODELAY."""

    def getTcpKeepAlive() -> bool:
        """Whether the kernel probes an idle peer."""

    def setTcpKeepAlive(enabled: bool) -> None:
        """Set SO_KEEPALIVE."""

    def getHandle() -> socket.socket:
        """The socket, to set options on. It must not be closed or read."""


class ISendfileTransport(Interface):
    """A connection over which the kernel sends files by itself: never one with TLS."""

    def sendFile(file: Any, offset: int, count: int) -> Deferred[int]:
        """Send bytes of a file (a descriptor, or what has fileno()) from an offset on.

        They leave after what was written before, and before what is written later. The
        file may be closed at once. The Deferred gives the number of bytes that the kernel
        has taken: less than `count` only if the file ends before; what follows then
        follows there. It fails with OSError if the file cannot be read, and with the
        connection's reason if that is lost. Raises OSError if it cannot begin,
        BrokenPipeError after the end of writing.

        Reading is a blocking call: made for local disks.
        """
