"""What a reactor does: its life, time, threads, descriptors that are watched, and TCP."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    from reactorlib.failure import Failure


class IReactorCore(Interface):
    """Run, stop, and what happens around both."""

    running: bool = Attribute("True from the start of `run` until the end of `stop`.")

    def run(installSignalHandlers: bool = True) -> None:
        """Fire the startup events, run until `stop`, fire the shutdown events.

        With `installSignalHandlers`, SIGINT, SIGTERM (and SIGBREAK) stop the
        reactor, in the main thread only. May be called again after it
        has returned. Raises ReactorAlreadyRunning when it is running.
        """

    def stop() -> None:
        """Fire the shutdown events, then let `run` return.

        Raises ReactorNotRunning if it is not running, or is stopping already.
        """

    def crash() -> None:
        """Let `run` return soon, with no shutdown events."""

    def iterate(delay: float = 0) -> None:
        """Do one turn, waiting at most `delay` seconds."""

    def fireSystemEvent(eventType: str) -> None:
        """Fire a system event: `startup`, `shutdown`, or one of one's own."""

    def addSystemEventTrigger(
        phase: str, eventType: str, callable: Callable[..., object], *args: Any, **kw: Any
    ) -> object:
        """Call `callable` in the `before`, `during` or `after` phase of an event.

        A phase begins when all Deferreds that the one before it returned have
        fired. Returns an identifier for removeSystemEventTrigger.
        """

    def removeSystemEventTrigger(triggerID: Any) -> None:
        """Remove a trigger. Raises ValueError if it is not there any more."""

    def callWhenRunning(callable: Callable[..., object], *args: Any, **kw: Any) -> object:
        """Call now if running (returning None), else at startup (an identifier)."""


class IDelayedCall(Interface):
    """A call that will be made later, and is made at most once."""

    def getTime() -> float:
        """When, on the clock of `IReactorTime.seconds`."""

    def cancel() -> None:
        """Never call. Raises AlreadyCalled or AlreadyCancelled."""

    def delay(secondsLater: float) -> None:
        """Move by so many seconds. Raises AlreadyCalled or AlreadyCancelled."""

    def reset(secondsFromNow: float) -> None:
        """Call so long from now. Raises AlreadyCalled or AlreadyCancelled."""

    def active() -> bool:
        """Whether it is still to be called."""


class IReactorTime(Interface):
    """A monotonic clock and calls by it, never early."""

    def seconds() -> float:
        """The present; it says nothing about the time of day."""

    def callLater(delay: float, callable: Callable[..., object], *args: Any, **kw: Any) -> Any:
        """Call once, `delay` seconds from now or later; an IDelayedCall."""

    def getDelayedCalls() -> Sequence[Any]:
        """All that are still to be called."""


class IReactorFromThreads(Interface):
    """The one way into a running reactor from another thread."""

    def callFromThread(callable: Callable[..., object], *args: Any, **kw: Any) -> None:
        """Call in the reactor's thread soon; calls of one thread keep their order."""


class IReactorInThreads(Interface):
    """Work in the reactor's thread pool."""

    def callInThread(callable: Callable[..., object], *args: Any, **kw: Any) -> None:
        """Call in a thread of the pool; what it raises is logged."""


class IReactorThreads(IReactorFromThreads, IReactorInThreads):
    """A reactor with a thread pool."""

    def getThreadPool() -> Any:
        """The ThreadPool, made and started when first asked for."""

    def suggestThreadPoolSize(size: int) -> None:
        """Let the pool have at most `size` threads."""


class IFileDescriptor(Interface):
    """Anything with a descriptor."""

    def fileno() -> int:
        """The descriptor, or -1 once it is closed."""

    def connectionLost(reason: Failure) -> None:
        """The descriptor went away, or a method of this object raised."""


class IReadDescriptor(IFileDescriptor):
    """Something to be told that it can be read."""

    def doRead() -> Any:
        """Read once. An exception returned ends the watch with it as the reason."""


class IWriteDescriptor(IFileDescriptor):
    """Something to be told that it can be written to."""

    def doWrite() -> Any:
        """Write once. An exception returned ends the watch with it as the reason."""


class IReadWriteDescriptor(IReadDescriptor, IWriteDescriptor):
    """Both."""


class IReactorFDSet(Interface):
    """Readiness of descriptors that are read and written by somebody else."""

    def addReader(reader: Any) -> None:
        """Call `reader.doRead` while its descriptor is readable."""

    def addWriter(writer: Any) -> None:
        """Call `writer.doWrite` while its descriptor is writable."""

    def removeReader(reader: Any) -> None:
        """Stop; not an error if it was not added."""

    def removeWriter(writer: Any) -> None:
        """Stop; not an error if it was not added."""

    def removeAll() -> list[Any]:
        """Stop all; the objects removed, once each."""

    def getReaders() -> list[Any]:
        """What was added to read."""

    def getWriters() -> list[Any]:
        """What was added to write."""


class IReactorTCP(Interface):
    """TCP servers and clients."""

    def listenTCP(port: int, factory: Any, backlog: int = 50, interface: str = "") -> Any:
        """Listen; an IListeningPort. Raises CannotListenError.

        Port 0 lets the system choose. `interface` is an IPv4 or IPv6 address;
        empty is every IPv4 one, `::` every IPv6 one.
        """

    def connectTCP(
        host: str,
        port: int,
        factory: Any,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> Any:
        """Connect; an IConnector. Every outcome is told to the factory."""


class IReactorSocket(Interface):
    """Sockets that somebody else opened. They are duplicated, not taken over."""

    def adoptStreamPort(fileDescriptor: int, addressFamily: int, factory: Any) -> Any:
        """Accept on a listening socket; an IListeningPort."""

    def adoptStreamConnection(fileDescriptor: int, addressFamily: int, factory: Any) -> Any:
        """Serve a connected socket; its protocol, or None if the factory made none."""

    def adoptDatagramPort(
        fileDescriptor: int, addressFamily: int, protocol: Any, maxPacketSize: int = 8192
    ) -> Any:
        """Start a DatagramProtocol on a datagram socket; an IListeningPort.

        Raises UnsupportedAddressFamily unless that is AF_INET, AF_INET6 or AF_UNIX.
        """
