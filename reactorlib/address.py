"""Addresses as values: equal by their fields, hashable, never changed.

The names and fields are Twisted's. An address is a description: making one
asks nothing of the system and resolves no name. `to_sockaddr` refuses what a
socket call would have to look up, because that look-up would block the loop.
"""

from __future__ import annotations

import os
import socket
from dataclasses import dataclass
from struct import Struct
from typing import Any, Literal

from zope.interface import implementer

from reactorlib.error import InvalidAddressError, UnsupportedAddressFamily
from reactorlib.interfaces import IAddress

Kind = Literal["TCP", "UDP"]
SocketAddress = tuple[str, int] | tuple[str, int, int, int] | bytes

AF_UNIX: int | None = getattr(socket, "AF_UNIX", None)  # absent on some systems

_KINDS = ("TCP", "UDP")
_HIGHEST_PORT = 65535
_HOST_BITS = 32
_HOST_MASK = (1 << _HOST_BITS) - 1
_pack_host = Struct("!I").pack


def _check_kind(kind: str) -> None:
    if kind not in _KINDS:
        raise ValueError(f"the type of an address is 'TCP' or 'UDP', not {kind!r}")


@implementer(IAddress)
class IPv4Address:
    """An IPv4 endpoint: `type` ("TCP" or "UDP"), `host` (dotted quad), `port`.

    Raises ValueError for another type.
    """

    # _packed is port << 32 | host. _host is None when the host is in _packed,
    # else the text the address was made with, and the low bits are unused.
    __slots__ = ("_host", "_packed", "_type")

    _type: Kind
    _packed: int
    _host: str | None

    def __init__(self, type: Kind, host: str, port: int) -> None:
        _check_kind(type)
        self._type = type
        self._packed = port << _HOST_BITS
        self._host = host

    @classmethod
    def from_packed(cls, packed: int, type: Kind = "TCP") -> IPv4Address:
        """The address in one integer: port << 32 | host, both in host byte order.

        `host` is worked out each time it is asked for, and never kept.
        """
        self = cls.__new__(cls)
        self._type = type
        self._packed = packed
        self._host = None
        return self

    @property
    def type(self) -> Kind:
        return self._type

    @property
    def host(self) -> str:
        if self._host is None:
            return socket.inet_ntoa(_pack_host(self._packed & _HOST_MASK))
        return self._host

    @property
    def port(self) -> int:
        return self._packed >> _HOST_BITS

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, IPv4Address):
            return NotImplemented
        return self.port == other.port and self._type == other._type and self.host == other.host

    def __hash__(self) -> int:
        return hash((self._type, self.host, self.port))

    def __repr__(self) -> str:
        return f"IPv4Address(type={self._type!r}, host={self.host!r}, port={self.port!r})"


@implementer(IAddress)
@dataclass(frozen=True, slots=True)
class IPv6Address:
    """An IPv6 endpoint: `type` ("TCP" or "UDP"), `host`, `port`, `flowInfo`, `scopeID`.

    `scopeID` is the number of a network interface, or its name. Raises
    ValueError for another type.
    """

    type: Kind
    host: str
    port: int
    flowInfo: int = 0
    scopeID: int | str = 0

    def __post_init__(self) -> None:
        _check_kind(self.type)


@implementer(IAddress)
@dataclass(frozen=True, slots=True, init=False, repr=False)
class UNIXAddress:
    """A UNIX socket's `name`: a path in bytes, or None for a socket without a name.

    A name that begins with a NUL byte is in Linux's abstract namespace.
    """

    name: bytes | None

    def __init__(self, name: bytes | str | None) -> None:
        object.__setattr__(self, "name", None if name is None else os.fsencode(name))

    def __repr__(self) -> str:
        return f"UNIXAddress({None if self.name is None else os.fsdecode(self.name)!r})"


@implementer(IAddress)
@dataclass(frozen=True, slots=True)
class HostnameAddress:
    """A `hostname` (in bytes) and a `port`, before the name is resolved."""

    hostname: bytes
    port: int


def from_sockaddr(
    family: int, sockaddr: Any, type: Kind = "TCP"
) -> IPv4Address | IPv6Address | UNIXAddress:
    """The address in the form the `socket` module gives it.

    `type` means nothing to a UNIX address. Raises UnsupportedAddressFamily
    for a family other than AF_INET, AF_INET6 and AF_UNIX.
    """
    if family == socket.AF_INET:
        return IPv4Address(type, *sockaddr)
    if family == socket.AF_INET6:
        return IPv6Address(type, *sockaddr)
    if family == AF_UNIX:
        return UNIXAddress(sockaddr or None)
    raise UnsupportedAddressFamily(f"address family {family} is not supported")


def to_sockaddr(address: object) -> tuple[int, SocketAddress]:
    """Family and address in the form the `socket` module takes.

    Raises InvalidAddressError when it is not complete and numeric: a name to
    resolve, a port outside 0 to 65535, an unknown scope, an unnamed socket.
    """
    if isinstance(address, IPv4Address):
        return socket.AF_INET, (_numeric(address, socket.AF_INET), _port(address))
    if isinstance(address, IPv6Address):
        host = _numeric(address, socket.AF_INET6)
        return socket.AF_INET6, (host, _port(address), address.flowInfo, _scope(address))
    if isinstance(address, UNIXAddress) and AF_UNIX is not None:
        if address.name is None:
            raise InvalidAddressError(address, "the UNIX socket has no name")
        return AF_UNIX, address.name
    raise InvalidAddressError(address, "it does not name an IPv4, IPv6 or UNIX socket")


def _numeric(address: IPv4Address | IPv6Address, family: int) -> str:
    try:
        socket.inet_pton(family, address.host)
    except (OSError, ValueError):
        raise InvalidAddressError(address, "the host is not a numeric address") from None
    return address.host


def _port(address: IPv4Address | IPv6Address) -> int:
    if not 0 <= address.port <= _HIGHEST_PORT:
        raise InvalidAddressError(address, f"the port is not in 0 to {_HIGHEST_PORT}")
    return address.port


def _scope(address: IPv6Address) -> int:
    if isinstance(address.scopeID, int):
        return address.scopeID
    if address.scopeID.isdecimal():
        return int(address.scopeID)
    try:
        return socket.if_nametoindex(address.scopeID)
    except OSError:
        raise InvalidAddressError(address, "the scope is not a network interface") from None
