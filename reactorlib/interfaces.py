"""Every contract of the package, in one place, under Twisted's names.

An interface's docstring is the contract; an implementation adds only how.
Times are in seconds, sizes in bytes. Nothing here imports another module of
the package.

The map, from the bottom up: an engine (`IEngine`) does the I/O and reports
what has happened; the reactor (`IReactorCore` and the other `IReactor…`)
dispatches that; a transport (`ITCPTransport`) stands between one connection and
the user's `IProtocol`, which an `IProtocolFactory` made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from zope.interface import Attribute, Interface

if TYPE_CHECKING:
    import socket

    from reactorlib.defer import Deferred
    from reactorlib.failure import Failure


class IAddress(Interface):
    """Where a connection comes from or goes to. Immutable, hashable."""


# The seam between the reactor and the compiled engine


class IEngine(Interface):
    """Does the I/O for a reactor and reports what has happened.

    Descriptors are taken in with `add` and known by their handle from then
    on, an integer that is never used twice. A call with a handle that is
    dead does nothing. Only `wake` may be called from another thread than the
    one that turns; other calls from there raise RuntimeError, and in a forked
    child every call does.
    """

    name: str = Attribute("The backend's name, such as `epoll`.")
    arena: Any = Attribute("What slices give the bytes of this turn's EVENT_DATA.")

    def turn(seconds: float) -> Iterable[tuple[int, int, int, int]]:
        """Flush, wait, do the I/O; what happened, as (kind, handle, a, b).

        The kinds are those of `reactorlib.backends.events`. Waits at most
        `seconds`, without end if that is negative, and not at all if there
        is something to report. The records stay good for ever, the bytes in
        `arena` until the next turn.
        """

    def add(descriptor: int, kind: int) -> int:
        """Take in a non-blocking descriptor, closed by the engine in the end.

        Raises SelectLimitError if the backend cannot hold so large a number,
        OSError if the kernel refuses; the descriptor stays the caller's then.
        """

    def detach(handle: int) -> int:
        """Forget a handle without closing; its descriptor, or -1 if dead."""

    def descriptor(handle: int) -> int:
        """The descriptor under a handle, or -1 if it is dead."""

    def watch(handle: int, readable: bool, writable: bool) -> None:
        """Choose what is reported of a descriptor added to be watched."""

    def notify(handle: int, mask: int) -> None:
        """Choose which NOTIFY_… events a stream reports."""

    def write(handle: int, data: bytes, size: int) -> int:
        """Accept bytes for sending at the end of the turn.

        Returns 0; 1 when this goes past the high-water mark; or a negative
        errno, which `explain_write` takes.
        """

    def send_to(handle: int, data: bytes, size: int, receiver: int) -> int:
        """Queue a datagram to a packed IPv4 address, or -1 where the socket is connected.

        Returns 0 or a negative errno, which `explain_write` takes: ENOBUFS when
        too much is queued.
        """

    def send_to_bytes(
        handle: int, data: bytes, size: int, receiver: bytes, receiver_size: int
    ) -> int:
        """The same to a packed IPv6 address, or to the name of a UNIX socket."""

    def set_longest(handle: int, size: int) -> None:
        """Cut off what is longer of each datagram received."""

    def take_descriptors(handle: int) -> None:
        """Report the descriptors that come over a UNIX stream, from now on."""

    def pass_descriptor(handle: int, descriptor: int) -> bool:
        """Take a descriptor over, and send it with the next byte written.

        Returns whether it was taken: after the end it is not. Raises OSError
        (ETOOMANYREFS) if too many wait; it stays the caller's then.
        """

    def send_file(handle: int, descriptor: int, offset: int, count: int) -> bool:
        """Send a part of a file between what was written before and what will be.

        It is in `buffered` and `sent`, but not for the water marks. EVENT_FILE_SENT tells
        its end; the descriptor may be closed at once. Returns whether it was taken:
        after the end it is not. Raises OSError for what is no stream, no descriptor, or
        an empty part, and if there is no descriptor left.
        """

    def set_limits(handle: int, low: int, high: int, cap: int) -> None:
        """Set the water marks and the hard cap of one stream's output."""

    def buffered(handle: int) -> int:
        """Bytes accepted and not yet given to the kernel."""

    def sent(handle: int) -> int:
        """Bytes given to the kernel so far."""

    def pause(handle: int) -> None:
        """Read or accept no more from the next turn on."""

    def resume(handle: int) -> None:
        """Undo `pause`."""

    def shut(handle: int) -> None:
        """End the writing side after what is buffered."""

    def lose(handle: int) -> None:
        """Close after what is buffered; ends in one EVENT_LOST."""

    def abort(handle: int) -> None:
        """Close at once, with a reset; ends in one EVENT_LOST."""

    def wake() -> None:
        """End the wait of a turn that is under way, from any thread."""

    def wake_descriptor() -> int:
        """A descriptor to which a signal handler may write a byte to wake."""

    def own(owned: bool) -> None:
        """Bind the engine to the calling thread, or free it from it."""

    def counters() -> dict[str, int]:
        """Numbers of now and since the start.

        `open` descriptors, of which `lingering` wait for their peer's end; and since the
        start: connections `accepted`, bytes `received` and `sent`, `turns`, and the
        `events` that they reported.
        """

    def survey() -> ISurvey:
        """One looker's view of all connections. It costs nothing but when he looks."""

    def close() -> None:
        """Close all descriptors that were added, but those only watched."""

    def spawn(program: Any) -> int:
        """Start a `reactorlib.program.Program`; its process id, once it runs.

        It gets the descriptors that it names and no other one. Raises the
        OSError that says why it cannot be started; no child is left then.
        """


class ISurvey(Interface):
    """One looker at the connections of an engine: he compares with his own last look."""

    def look() -> Any:
        """What there is now: see `reactorlib.backends.survey.Surveyed`.

        Connections are streams over sockets, accepted or made. Another thread than the
        engine's gets RuntimeError.
        """


# The reactor


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


# Ports, connectors, factories, protocols


class IListeningPort(Interface):
    """A listening socket that feeds a factory."""

    def startListening() -> None:
        """Bind and listen. Raises CannotListenError."""

    def stopListening() -> Deferred[None] | None:
        """Close. The Deferred fires when the descriptor is gone; None if it was."""

    def getHost() -> IAddress:
        """The address it is bound to."""


class IConnector(Interface):
    """One attempt after another to connect somewhere."""

    def stopConnecting() -> None:
        """Give up the attempt. Raises NotConnectingError if there is none."""

    def disconnect() -> None:
        """Give up the attempt, or lose the connection."""

    def connect() -> None:
        """Start the next attempt. Raises RuntimeError if one is under way."""

    def getDestination() -> IAddress:
        """Where to."""


class IProtocolFactory(Interface):
    """Makes a protocol for each connection."""

    def buildProtocol(addr: Any) -> Any:
        """The protocol for a connection from or to `addr`; None refuses it."""

    def doStart() -> None:
        """Called each time a port or connector begins to use the factory."""

    def doStop() -> None:
        """Called each time one has ended."""


class IProtocol(Interface):
    """What a user writes: the behaviour of one connection."""

    def makeConnection(transport: Any) -> None:
        """Called once, with the transport; calls connectionMade."""

    def connectionMade() -> None:
        """The connection is there; the transport is `self.transport`."""

    def dataReceived(data: bytes) -> None:
        """Some bytes came. Their division says nothing about the sender's writes."""

    def connectionLost(reason: Failure) -> None:
        """The connection is gone; the last call, and it comes exactly once.

        `reason` holds ConnectionDone after a clean end, ConnectionAborted
        after abortConnection, ConnectionLost otherwise.
        """


class IHalfCloseableProtocol(Interface):
    """A protocol that is told of each direction's end by itself."""

    def readConnectionLost() -> None:
        """The peer will send no more."""

    def writeConnectionLost() -> None:
        """What was written has left, and so has the end of writing."""


class ILoggingContext(Interface):
    """Something that says by what name the log shall know it."""

    def logPrefix() -> str:
        """A short name."""


# Transports, producers, consumers


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


# Names


class IResolverSimple(Interface):
    """Finds one address of a name."""

    def getHostByName(name: str, timeout: Sequence[float] = (1, 3, 11, 45)) -> Deferred[str]:
        """The first IPv4 address of a name, as text.

        `timeout` is how long to wait, in seconds, for the first attempt and for
        each that follows; what counts is their sum. Fails with DNSLookupError.
        """


class IHostResolution(Interface):
    """The search for a name's addresses while it lasts."""

    name: str = Attribute("The name that is looked up.")
    reason: str | None = Attribute(
        "Once it is complete without an address: why, where the resolver knows. Optional."
    )
    ttl: float | None = Attribute(
        "Once it is complete: the seconds for which the resolver was told that the answer "
        "holds; None if it was told nothing. Optional."
    )

    def cancel() -> None:
        """End the search: the receiver is told nothing more."""


class IResolutionReceiver(Interface):
    """Who is told the addresses of a name, each as it comes."""

    def resolutionBegan(resolutionInProgress: Any) -> None:
        """Called once and first, with the IHostResolution."""

    def addressResolved(address: IAddress) -> None:
        """Called for each address, the best first as far as the resolver knows."""

    def resolutionComplete() -> None:
        """Called once and last. That there is no address is told by nothing else."""


class IHostnameResolver(Interface):
    """Finds the addresses of names."""

    def resolveHostName(
        resolutionReceiver: Any,
        hostName: str,
        portNumber: int = 0,
        addressTypes: Sequence[type] | None = None,
        transportSemantics: str = "TCP",
    ) -> Any:
        """Begin a search; the IHostResolution that the receiver is given too.

        `portNumber` goes into the addresses. `addressTypes` are the classes of
        address that are wanted (IPv4Address, IPv6Address), by default all.
        `transportSemantics` is their `type`, "TCP" or "UDP". The receiver may be
        told everything before this returns.
        """


class IReactorPluggableNameResolver(Interface):
    """A reactor whose way to look names up can be replaced."""

    nameResolver: Any = Attribute("The IHostnameResolver in use.")

    def installNameResolver(resolver: Any) -> Any:
        """Use this IHostnameResolver from now on; returns the one before it."""


class IReactorPluggableResolver(Interface):
    """A reactor whose IResolverSimple can be replaced."""

    def resolve(name: str, timeout: Sequence[float] = (1, 3, 11, 45)) -> Deferred[str]:
        """See IResolverSimple.getHostByName. An address is its own result."""

    def installResolver(resolver: Any) -> Any:
        """Use this IResolverSimple from now on, for everything; returns the one before it."""


# Endpoints


class IStreamServerEndpoint(Interface):
    """A place to listen at."""

    def listen(protocolFactory: Any) -> Deferred[Any]:
        """Listen; the IListeningPort. Fails with CannotListenError."""


class IStreamClientEndpoint(Interface):
    """A place to connect to."""

    def connect(protocolFactory: Any) -> Deferred[Any]:
        """Connect once; the protocol that the factory made, once it is connected.

        Fails with a ConnectError, with NoProtocol when the factory made none, or
        with what its buildProtocol or the protocol's makeConnection raised.
        Cancelled, it fails with ConnectingCancelledError and the attempt ends.
        """


class IStreamServerEndpointStringParser(Interface):
    """Makes server endpoints of one kind from strings, for serverFromString."""

    prefix: str = Attribute("What such a string begins with, before its first colon.")
    parseStreamServer: Callable[..., Any] = Attribute(
        """A method that takes the reactor and the string's fields, as text.

        Returns the IStreamServerEndpoint that they describe. Its signature says
        which fields there may be: others never get there. Raises ValueError for
        a wrong one.
        """
    )


class IStreamClientEndpointStringParserWithReactor(Interface):
    """Makes client endpoints of one kind from strings, for clientFromString."""

    prefix: str = Attribute("What such a string begins with, before its first colon.")
    parseStreamClient: Callable[..., Any] = Attribute(
        "A method that returns the IStreamClientEndpoint; for the rest see parseStreamServer."
    )


# TLS


class IContextFactory(Interface):
    """Gives connections their settings of TLS.

    Wherever one is taken, an ssl.SSLContext itself does as well. A client's may
    have `hostname`: the name that the server's certificate must carry, by
    default that of the host that is connected to. Any may have
    `handshakeTimeout`: in seconds, by default 30; None waits without end.
    """

    def getContext() -> Any:
        """The ssl.SSLContext for the next connection."""


class ITLSTransport(ITCPTransport):
    """A TCP connection that can change to TLS on the way."""

    TLS: bool = Attribute("Whether it speaks TLS, from the call of startTLS on.")

    def startTLS(contextFactory: Any, normal: bool = True) -> None:
        """Change to TLS after what was written so far; the transport stays the same.

        `contextFactory` is an IContextFactory or an ssl.SSLContext. The side
        that connected is the client, unless `normal` is false. What was read
        already and not delivered is the beginning of the peer's TLS. The
        protocol may write at once. A hand-shake that fails ends the connection,
        with SSLError, VerifyError or CertificateError as the reason.

        Raises RuntimeError if it speaks TLS already, TypeError for what is no
        context factory, SSLError for a context of the wrong kind.
        """


class ISSLTransport(ITCPTransport):
    """A connection that speaks TLS."""

    def getPeerCertificate() -> Any:
        """The other side's reactorlib.ssl.Certificate; None if it has sent none.

        None also before the hand-shake is done.
        """


class INegotiated(ISSLTransport):
    """A connection that speaks TLS, and can agree on the protocol within it (ALPN)."""

    negotiatedProtocol: bytes | None = Attribute(
        "What was agreed on, such as b'h2'; None if nothing was, or not yet."
    )


class IHandshakeListener(Interface):
    """A protocol that is told when the hand-shake is done."""

    def handshakeCompleted() -> None:
        """The peer is verified, if it was to be, and ALPN has agreed; data comes later."""


class IReactorSSL(Interface):
    """TLS servers and clients. See IReactorTCP for the other arguments."""

    def listenSSL(
        port: int, factory: Any, contextFactory: Any, backlog: int = 50, interface: str = ""
    ) -> Any:
        """Listen for connections that begin with TLS; an IListeningPort.

        Raises CannotListenError; and for the context factory what startTLS does.
        """

    def connectSSL(
        host: str,
        port: int,
        factory: Any,
        contextFactory: Any,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> Any:
        """Connect and begin with TLS; an IConnector.

        connectionMade comes when TCP is connected: see IHandshakeListener. A
        hand-shake that fails is told by connectionLost and clientConnectionLost.
        Raises for the context factory what startTLS does.
        """


# Processes


class IReactorProcess(Interface):
    """A reactor that starts other programs."""

    def spawnProcess(
        processProtocol: Any,
        executable: str | bytes,
        args: Sequence[str | bytes] = (),
        env: Mapping[str, Any] | Mapping[bytes, Any] | None = {},
        path: str | bytes | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool | Sequence[Any] = False,
        childFDs: Mapping[int, str | int] | None = None,
    ) -> Any:
        """Start a program; an IProcessTransport, which the protocol has got by then.

        An `executable` without a slash is looked for along the PATH of `env`.
        `args` begins with the name that the program is to be told as its own;
        without any it is told `executable`. `env` are all its environment
        variables: none by default; None lets it have ours. `path` is the
        directory it works in, ours by default. Text is encoded as file names
        are.

        `uid` and `gid` are the user and the group it belongs to; who sets one
        keeps the other. The supplementary groups are then that user's.

        `childFDs` says of each of its descriptors where it leads: "r" to us, who
        read; "w" from us, who write; a number to our descriptor of that number.
        By default {0: "w", 1: "r", 2: "r"}. It has no others.

        With `usePTY` it has a terminal, in a session of its own: what it writes
        there comes as from descriptor 1, and `write` types. A sequence
        (master, slave, name) is a terminal that exists, and is taken over.

        Raises the OSError that says why the program cannot be started, such as
        FileNotFoundError or PermissionError with its name, and ValueError or
        TypeError for what no program can be given, such as a NUL.
        """


class IProcessTransport(Interface):
    """A child process, as its protocol sees it. As an IConsumer it is standard input."""

    pid: int | None = Attribute("Its process id, None once it has ended.")

    def closeStdin() -> None:
        """Close its standard input, after what was written to it."""

    def closeStdout() -> None:
        """Close its standard output, and read no more of it."""

    def closeStderr() -> None:
        """Close its standard error, and read no more of it."""

    def closeChildFD(descriptor: int) -> None:
        """Close a pipe, after what was written to it."""

    def writeToChild(childFD: int, data: bytes) -> None:
        """Write to one of its descriptors. Raises KeyError if that is not to be written to."""

    def loseConnection() -> None:
        """Close its standard input, output and error."""

    def signalProcess(signalID: str | int) -> None:
        """Send it a signal, such as "TERM", "KILL" or 15.

        Raises ProcessExitedAlready if it has ended, ValueError if there is no such signal.
        """


class IProcessProtocol(Interface):
    """What a user writes: the dealings with one child process."""

    def makeConnection(process: Any) -> None:
        """Called once and first, with the IProcessTransport; calls connectionMade."""

    def childDataReceived(childFD: int, data: bytes) -> None:
        """It wrote to a descriptor."""

    def childConnectionLost(childFD: int) -> None:
        """A pipe is closed, by either side; called once for each."""

    def processExited(reason: Failure) -> None:
        """It has ended; its pipes may be open still, in other processes' hands.

        `reason` holds ProcessDone for exit code 0, else ProcessTerminated, with
        its `exitCode` or its `signal`, and neither if that is not known.
        """

    def processEnded(reason: Failure) -> None:
        """It has ended and all pipes are closed; the last call, and it comes exactly once."""


# Datagrams


class IReactorUDP(Interface):
    """UDP."""

    def listenUDP(port: int, protocol: Any, interface: str = "", maxPacketSize: int = 8192) -> Any:
        """Bind and start a DatagramProtocol; an IListeningPort, its transport (IUDPTransport).

        Port 0 lets the system choose. `interface` is an IPv4 or IPv6 address;
        empty is every IPv4 one, `::` every IPv6 one. Of a datagram that is longer
        than `maxPacketSize` bytes the rest is cut off. Raises CannotListenError,
        and what the protocol's startProtocol raises.
        """


class IReactorMulticast(Interface):
    """UDP with multicast."""

    def listenMulticast(
        port: int,
        protocol: Any,
        interface: str = "",
        maxPacketSize: int = 8192,
        listenMultiple: bool = False,
    ) -> Any:
        """The same as listenUDP; the transport is an IMulticastTransport.

        With `listenMultiple` several sockets may have the same port, if all say so.
        """


class IDatagramProtocol(Interface):
    """What a user writes: the behaviour of one datagram port."""

    def makeConnection(transport: Any) -> None:
        """Called once the port is bound, with the transport; calls startProtocol."""

    def startProtocol() -> None:
        """The port is bound; the transport is `self.transport`."""

    def stopProtocol() -> None:
        """The port is closed; the last call."""

    def datagramReceived(datagram: bytes, addr: Any) -> None:
        """One datagram came, from `addr` (see IUDPTransport.write). It may be empty."""

    def connectionRefused() -> None:
        """Nobody took what a connected port had sent. It stays as it is."""

    def doStop() -> None:
        """Called when the port is closed; calls stopProtocol."""


class IUDPTransport(Interface):
    """A UDP port, for its protocol."""

    def write(datagram: bytes, addr: tuple[Any, ...] | None = None) -> None:
        """Send one datagram, without waiting; one of no bytes is one, too.

        bytes, bytearray or memoryview; the data is copied. `addr` is (host, port),
        or for IPv6 (host, port, flow information, scope), with a numeric host;
        `<broadcast>` is the local network. A connected port needs none.

        Raises InvalidAddressError for what is not such an address,
        MessageLengthError for more bytes than UDP takes, TypeError for other
        types, ValueError for an address too few or another than the connected
        one, and OSError (ENOBUFS) when more is queued than is sensible (4 MiB).
        What the system refuses later is logged. After the end all is dropped.
        """

    def writeSequence(seq: Iterable[bytes], addr: tuple[Any, ...] | None = None) -> None:
        """Send one datagram of all these parts."""

    def connect(host: str, port: int) -> None:
        """Send to this address only, from now on, and receive from no other one.

        Raises InvalidAddressError unless the host is numeric, RuntimeError if the
        port is connected already.
        """

    def getHost() -> IAddress:
        """The address it is bound to."""

    def stopListening() -> Deferred[None] | None:
        """Close after what was written is sent; see IListeningPort."""

    def setBroadcastAllowed(enabled: bool) -> None:
        """Let datagrams go to broadcast addresses, or not (they may not, at first)."""

    def getBroadcastAllowed() -> bool:
        """Whether they may."""

    def getHandle() -> socket.socket:
        """The socket, to set options on. It must not be closed or read."""


class IMulticastTransport(IUDPTransport):
    """A UDP port that can be a member of multicast groups.

    Groups are numeric addresses. An interface is one of its addresses for IPv4,
    its name or number for IPv6; empty lets the system choose.
    """

    def joinGroup(addr: str, interface: str | int = "") -> Deferred[None]:
        """Receive what is sent to a group. Fails with MulticastJoinError."""

    def leaveGroup(addr: str, interface: str | int = "") -> Deferred[None]:
        """Receive it no more. Fails with MulticastJoinError."""

    def getTTL() -> int:
        """How many routers what is sent to a group may pass, and one more: 1 at first."""

    def setTTL(ttl: int) -> None:
        """Set it, from 0 to 255."""

    def getLoopbackMode() -> bool:
        """Whether this machine receives what it sends to a group: true at first."""

    def setLoopbackMode(mode: bool) -> None:
        """Set it. For IPv4 what counts is the sender's, on most systems."""

    def getOutgoingInterface() -> str | int:
        """Where what is sent to a group leaves: an IPv4 address, or a number for IPv6."""

    def setOutgoingInterface(addr: str | int) -> Deferred[None]:
        """Set it. Fails with OSError if there is no such interface."""


# UNIX sockets


class IReactorUNIX(Interface):
    """UNIX stream sockets.

    A name is a path, or begins with a NUL: it is in Linux's abstract namespace then,
    has no file, and is gone when its socket is.
    """

    def listenUNIX(
        address: str | bytes,
        factory: Any,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: bool | int = 0,
    ) -> Any:
        """Listen; an IListeningPort. Raises CannotListenError.

        `mode` are the file's permissions, from the beginning. With `wantPID` there is
        a lock beside it (its name and `.lock`, see reactorlib.lockfile): a file whose
        listener has died is removed then, and a path that a living process has
        locked is refused. The port's end removes both.
        """

    def connectUNIX(
        address: str | bytes, factory: Any, timeout: float = 30, checkPID: bool | int = 0
    ) -> Any:
        """Connect; an IConnector. Every outcome is told to the factory.

        With `checkPID` it fails with BadFileError unless a living process has the
        lock. While the listener's queue is full it is tried again, until `timeout`.
        """


class IReactorUNIXDatagram(Interface):
    """UNIX datagram sockets."""

    def listenUNIXDatagram(
        address: str | bytes | None, protocol: Any, maxPacketSize: int = 8192, mode: int = 0o666
    ) -> Any:
        """Bind and start a DatagramProtocol; an IListeningPort, its transport.

        See listenUDP and listenUNIX. Without a name it can send and not be answered.
        """

    def connectUNIXDatagram(
        address: str | bytes,
        protocol: Any,
        maxPacketSize: int = 8192,
        mode: int = 0o666,
        bindAddress: str | bytes | None = None,
    ) -> Any:
        """Start a ConnectedDatagramProtocol that speaks with one other; an IListeningPort.

        Only with a `bindAddress` can it be answered. If it cannot be connected, the
        protocol's connectionFailed is called instead, with the ConnectError.
        """


class IUNIXTransport(ITransport, ICongestionMonitor):
    """A connection over a UNIX socket."""

    def sendFileDescriptor(fileno: int) -> None:
        """Pass a duplicate of this descriptor, with the next byte that is written.

        It may be closed at once. Descriptors keep their order. One that no byte
        follows before the end costs the connection: FileDescriptorOverrun. Raises
        OSError for what is no descriptor, and when more than 253 wait for a byte.
        """

    def getPeerCredentials() -> Any:
        """Who the peer was when it connected, or listened: (pid, uid, gid).

        Raises OSError where the system does not tell it.
        """

    def loseWriteConnection() -> None:
        """Send the end of writing after what was written; go on reading."""

    def abortConnection() -> None:
        """Close at once, and drop what was not sent.

        UNIX sockets know no reset: the peer cannot tell this from a clean end.
        """

    def getHandle() -> socket.socket:
        """The socket, to set options on. It must not be closed or read."""


class IFileDescriptorReceiver(Interface):
    """A protocol that takes descriptors; for others they are closed."""

    def fileDescriptorReceived(descriptor: int) -> None:
        """A descriptor came, now the protocol's to close, before the data it came with.

        If some are lost on the way, for lack of room in this process, the connection
        ends with FileDescriptorOverrun.
        """


class IUNIXDatagramTransport(Interface):
    """A UNIX datagram port, for its protocol."""

    def write(datagram: bytes, address: str | bytes) -> None:
        """Send one datagram to the socket of that name, without waiting.

        See IUDPTransport.write. A receiver whose queue is full gets nothing; that
        is logged.
        """

    def getHost() -> IAddress:
        """The name it is bound to."""

    def stopListening() -> Deferred[None] | None:
        """Close after what was written is sent; see IListeningPort."""


class IUNIXDatagramConnectedTransport(Interface):
    """A UNIX datagram port that is connected to another."""

    def write(datagram: bytes) -> None:
        """Send one datagram, without waiting; while the receiver's queue is full it waits here.

        See IUDPTransport.write.
        """

    def getHost() -> IAddress:
        """The name it is bound to."""

    def getPeer() -> IAddress:
        """The name it is connected to."""

    def stopListening() -> Deferred[None] | None:
        """Close after what was written is sent; see IListeningPort."""
