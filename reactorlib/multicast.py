"""UDP with multicast: a port that joins groups.

A group is a numeric address. An interface is, for IPv4, one of its addresses,
and for IPv6 its name or number; empty lets the system choose.
"""

from __future__ import annotations

import socket
from dataclasses import dataclass
from struct import pack
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.datagram import MAX_PACKET_SIZE
from reactorlib.defer import Deferred, execute
from reactorlib.interfaces import IMulticastTransport
from reactorlib.udp import Port


@dataclass(frozen=True)
class _Options:
    """One protocol's names for what both have."""

    family: int
    level: int
    join: int
    leave: int
    ttl: int
    loopback: int
    interface: int


_IPV4 = _Options(
    socket.AF_INET,
    socket.IPPROTO_IP,
    socket.IP_ADD_MEMBERSHIP,
    socket.IP_DROP_MEMBERSHIP,
    socket.IP_MULTICAST_TTL,
    socket.IP_MULTICAST_LOOP,
    socket.IP_MULTICAST_IF,
)
_IPV6 = _Options(
    socket.AF_INET6,
    socket.IPPROTO_IPV6,
    socket.IPV6_JOIN_GROUP,
    socket.IPV6_LEAVE_GROUP,
    socket.IPV6_MULTICAST_HOPS,
    socket.IPV6_MULTICAST_LOOP,
    socket.IPV6_MULTICAST_IF,
)


@implementer(IMulticastTransport)
class MulticastPort(Port):
    """A UDP port that can be a member of groups. See IMulticastTransport."""

    def __init__(
        self,
        port: int,
        protocol: Any,
        interface: str = "",
        maxPacketSize: int = MAX_PACKET_SIZE,
        reactor: Any = None,
        listenMultiple: bool = False,
    ) -> None:
        super().__init__(port, protocol, interface, maxPacketSize, reactor)
        self.listenMultiple = listenMultiple

    def joinGroup(self, addr: str, interface: str | int = "") -> Deferred[None]:
        return execute(self._change_membership, self._options.join, addr, interface)

    def leaveGroup(self, addr: str, interface: str | int = "") -> Deferred[None]:
        return execute(self._change_membership, self._options.leave, addr, interface)

    def getTTL(self) -> int:
        return self._get(self._options.ttl)

    def setTTL(self, ttl: int) -> None:
        self._set(self._options.ttl, ttl)

    def getLoopbackMode(self) -> bool:
        return bool(self._get(self._options.loopback))

    def setLoopbackMode(self, mode: bool) -> None:
        self._set(self._options.loopback, bool(mode))

    def getOutgoingInterface(self) -> str | int:
        options = self._options
        if options is _IPV6:
            return self._get(options.interface)
        return socket.inet_ntoa(self.getHandle().getsockopt(options.level, options.interface, 4))

    def setOutgoingInterface(self, addr: str | int) -> Deferred[None]:
        return execute(lambda: self._set(self._options.interface, self._interface(addr)))

    @property
    def _options(self) -> _Options:
        return _IPV6 if self.getHandle().family == socket.AF_INET6 else _IPV4

    def _get(self, option: int) -> int:
        return self.getHandle().getsockopt(self._options.level, option)

    def _set(self, option: int, value: int | bytes) -> None:
        self.getHandle().setsockopt(self._options.level, option, value)

    def _change_membership(self, option: int, group: str, interface: str | int) -> None:
        try:
            self._set(option, _numeric(self._options.family, group) + self._interface(interface))
        except OSError as cause:
            raise error.MulticastJoinError(group, interface, *cause.args) from cause

    def _interface(self, interface: str | int) -> bytes:
        """As the options take it: for IPv4 an address, for IPv6 a number."""
        if self._options is _IPV4:
            return _numeric(socket.AF_INET, interface or "0.0.0.0")
        number = str(interface or 0)
        return pack("=I", int(number) if number.isdecimal() else socket.if_nametoindex(number))

    def _set_options(self, sock: socket.socket) -> None:
        if self.listenMultiple:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            if hasattr(socket, "SO_REUSEPORT"):
                sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)


def _numeric(family: int, address: Any) -> bytes:
    try:
        return socket.inet_pton(family, address)
    except (OSError, TypeError) as cause:
        raise error.InvalidAddressError(address, "it is not a numeric address") from cause
