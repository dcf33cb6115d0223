"""UNIX sockets: streams and datagrams between processes of one machine."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from zope.interface import Interface

from reactorlib.interfaces.transports import IAddress, ICongestionMonitor, ITransport

if TYPE_CHECKING:
    import socket

    from reactorlib.defer import Deferred


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
