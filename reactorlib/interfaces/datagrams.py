"""UDP: ports, groups, and the protocols of datagrams."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from zope.interface import Interface

if TYPE_CHECKING:
    import socket

    from reactorlib.defer import Deferred
    from reactorlib.interfaces.transports import IAddress


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
