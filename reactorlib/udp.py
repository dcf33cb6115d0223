"""UDP: a port that sends and receives datagrams, over IPv4 or IPv6.

Addresses are the socket module's tuples, (host, port) for IPv4 and (host,
port, flow information, scope) for IPv6, and hosts are numeric: no call here
ever looks a name up.
"""

from __future__ import annotations

import socket
from collections.abc import Iterable
from functools import lru_cache
from struct import Struct
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.address import IPv4Address, IPv6Address, to_sockaddr
from reactorlib.datagram import MAX_PACKET_SIZE, TO_THE_PEER, BaseDatagramPort
from reactorlib.interfaces import IListeningPort, IUDPTransport

Address = tuple[str, int] | tuple[str, int, int, int]

# The most that fits: the lengths that both headers give have 16 bits.
LONGEST_IPV4 = 65_535 - 20 - 8
LONGEST_IPV6 = 65_535 - 8

# Peers whose addresses are remembered as tuples.
REMEMBERED = 4096

_HOST_BITS = 32
_HOST_MASK = (1 << _HOST_BITS) - 1
_IPV4_HOST = Struct("!I")
_IPV6_PEER = Struct("=16sIII")


@lru_cache(REMEMBERED)
def unpack_ipv4(packed: int) -> Address:
    """The address that the engine has packed into an integer."""
    host = socket.inet_ntop(socket.AF_INET, _IPV4_HOST.pack(packed & _HOST_MASK))
    return host, packed >> _HOST_BITS


@lru_cache(REMEMBERED)
def unpack_ipv6(packed: bytes) -> Address:
    """The address that the engine has packed into 28 bytes."""
    host, port, flow, scope = _IPV6_PEER.unpack(packed)
    return socket.inet_ntop(socket.AF_INET6, host), port, flow, scope


@lru_cache(REMEMBERED)
def pack_ipv4(address: Address) -> int:
    """The opposite. Raises InvalidAddressError."""
    host, port = _checked(IPv4Address("UDP", *_described(address, 2)))
    return int(port << _HOST_BITS | _IPV4_HOST.unpack(socket.inet_pton(socket.AF_INET, host))[0])


@lru_cache(REMEMBERED)
def pack_ipv6(address: Address) -> bytes:
    """The opposite. Raises InvalidAddressError. The scope may stand in the host, after a `%`."""
    host, *numbers = _described(address, 4)
    host, _, scope = host.partition("%")
    if scope:
        numbers = [*numbers[:1], *(numbers[1:2] or [0]), scope]
    host, port, flow, number = _checked(IPv6Address("UDP", host, *numbers))
    return _IPV6_PEER.pack(socket.inet_pton(socket.AF_INET6, host), port, flow, number)


def _described(address: Any, most: int) -> tuple[Any, ...]:
    if isinstance(address, tuple) and 2 <= len(address) <= most and isinstance(address[0], str):
        return ("255.255.255.255" if address[0] == "<broadcast>" else address[0], *address[1:])
    raise error.InvalidAddressError(address, f"a tuple of a host, a port and so on up to {most}")


def _checked(address: IPv4Address | IPv6Address) -> tuple[Any, ...]:
    return tuple(to_sockaddr(address)[1])


@implementer(IListeningPort, IUDPTransport)
class Port(BaseDatagramPort):
    """A UDP socket that feeds a DatagramProtocol."""

    def __init__(
        self,
        port: int,
        protocol: Any,
        interface: str = "",
        maxPacketSize: int = MAX_PACKET_SIZE,
        reactor: Any = None,
    ) -> None:
        super().__init__(protocol, maxPacketSize, reactor)
        self.port = port
        self.interface = interface
        self._peer: Address | None = None
        self._ipv6 = False

    # ITransport, for datagrams

    def write(self, datagram: bytes, addr: Address | None = None) -> None:
        """See IUDPTransport."""
        if self._peer is None:
            if addr is None:
                raise ValueError("a port that is not connected needs each datagram's address")
            self._send(datagram, self._packed(addr))
        elif addr is None or self._packed(addr) == self._packed(self._peer):
            self._send(datagram, TO_THE_PEER)
        else:
            raise ValueError(f"this port is connected to {self._peer}, and {addr} is another one")

    def writeSequence(self, seq: Iterable[bytes], addr: Address | None = None) -> None:
        """Send one datagram of all these parts."""
        self.write(b"".join(seq), addr)

    def connect(self, host: str, port: int) -> None:
        """See IUDPTransport."""
        if self._peer is not None:
            raise RuntimeError(f"this port is connected to {self._peer} already")
        self._packed((host, port))
        self.getHandle().connect((host, port))
        self._peer = self.getHandle().getpeername()

    def _packed(self, address: Address) -> int | bytes:
        return pack_ipv6(address) if self._ipv6 else pack_ipv4(address)

    # Options

    def setBroadcastAllowed(self, enabled: bool) -> None:
        """Let datagrams go to broadcast addresses, or not."""
        self.getHandle().setsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST, bool(enabled))

    def getBroadcastAllowed(self) -> bool:
        """Whether datagrams may go to broadcast addresses."""
        return bool(self.getHandle().getsockopt(socket.SOL_SOCKET, socket.SO_BROADCAST))

    # What BaseDatagramPort asks

    def _make_socket(self) -> socket.socket:
        ipv6 = ":" in self.interface
        sock = socket.socket(socket.AF_INET6 if ipv6 else socket.AF_INET, socket.SOCK_DGRAM)
        try:
            if ipv6:
                sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
            self._set_options(sock)
            sock.bind((self.interface, self.port))
        except BaseException:
            sock.close()
            raise
        return sock

    def _set_options(self, sock: socket.socket) -> None:
        """What must be set before the socket is bound."""

    def _cannot_listen(self, cause: Exception) -> Exception:
        return error.CannotListenError(self.interface, self.port, cause)

    def _learn(self, sock: socket.socket) -> int:
        self.port = sock.getsockname()[1]
        self._ipv6 = sock.family == socket.AF_INET6
        try:
            self._peer = sock.getpeername()
        except OSError:
            self._peer = None
        return LONGEST_IPV6 if self._ipv6 else LONGEST_IPV4

    def _address(self, sender: int) -> Address:
        if sender >= 0:
            return unpack_ipv4(sender)
        start = -2 - sender
        return unpack_ipv6(self._engine.arena[start : start + _IPV6_PEER.size])

    def __repr__(self) -> str:
        kind = type(self.protocol)
        state = f"on UDP port {self.port}" if self.connected else "not listening"
        return f"<{kind.__module__}.{kind.__qualname__} {state}>"
