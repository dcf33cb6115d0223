"""The PROXY protocol's header, versions 1 and 2: bytes to addresses, and back.

The rules are those of HAProxy's proxy-protocol.txt (2020/03/05); sections below
are its own. This knows no transport, no clock and no log. Facts, then decision:

- A header stands once, first, and is complete before anything else is looked at.
- What is not a header is refused as soon as that can be seen: after one byte of
  anything that is neither version, and never later than 107 bytes (version 1) or
  at the length of version 2, which is refused past `MAX_BLOCK`.
- Nothing is lenient: no bare LF, no leading zero, no second space.
- What is right and of no use here (datagrams, UNSPEC) counts as UNKNOWN, and what
  stands behind the addresses of version 2 (TLVs) is skipped: section 2.2 wants both.
"""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from struct import Struct
from typing import Any

from reactorlib.address import IPv4Address, IPv6Address, UNIXAddress, to_sockaddr

SIGNATURE = b"\r\n\r\n\0\r\nQUIT\n"
MAX_LINE = 107  # version 1, with its CRLF
MAX_BLOCK = 16_384  # version 2, after its first 16 bytes

_FIRST_PART = Struct("!12sBBH")
_INET = Struct("!4s4sHH")
_INET6 = Struct("!16s16sHH")
_UNIX = Struct("!108s108s")

_NUMBER = r"(0|[1-9][0-9]{0,4})"
_HOST = r"([0-9A-Fa-f:.]{2,39})"
_LINE = re.compile(rf"PROXY TCP([46]) {_HOST} {_HOST} {_NUMBER} {_NUMBER}")

_LOCAL, _PROXY = 0x20, 0x21
_STREAM_BLOCKS = {0x11: _INET, 0x21: _INET6, 0x31: _UNIX}
_HIGHEST_FAMILY, _HIGHEST_PROTOCOL = 3, 2


class BadHeader(ValueError):
    """Why what came is not a header. The connection must end."""


@dataclass(frozen=True)
class ProxyHeader:
    """Whom a connection was made for: addresses, or None for its own ones.

    Both are None when the sender speaks for itself (LOCAL), or cannot tell (UNKNOWN).
    """

    source: Any = None
    destination: Any = None


class HeaderReader:
    """Takes bytes until a header is complete.

    `rest` is what came behind it.
    """

    __slots__ = ("_buffer", "rest")

    def __init__(self) -> None:
        self._buffer = bytearray()
        self.rest = b""

    def feed(self, data: bytes) -> ProxyHeader | None:
        """The header, or None while more is needed. Raises BadHeader."""
        self._buffer += data
        end = _end(self._buffer)
        if not end:
            return None
        header, self.rest = bytes(self._buffer[:end]), bytes(self._buffer[end:])
        return _read_block(header) if header.startswith(SIGNATURE) else _read_line(header)


def _end(buffer: bytearray) -> int:
    """The header's length; 0 while that is not known or not all there."""
    if SIGNATURE.startswith(buffer[: len(SIGNATURE)]):
        return _end_of_block(buffer)
    if b"PROXY ".startswith(buffer[:6]):
        return _end_of_line(buffer)
    raise BadHeader(f"it begins with {bytes(buffer[:16])!r}")


def _end_of_line(buffer: bytearray) -> int:
    end = buffer.find(b"\r\n", 0, MAX_LINE) + 2
    if end < 2 and len(buffer) >= MAX_LINE:
        raise BadHeader(f"the line does not end in {MAX_LINE} bytes")
    return end if end >= 2 else 0


def _end_of_block(buffer: bytearray) -> int:
    if len(buffer) < _FIRST_PART.size:
        return 0
    _, command, family, length = _FIRST_PART.unpack_from(buffer)
    if command not in (_LOCAL, _PROXY):
        raise BadHeader(f"version and command are {command:#04x}")
    if length > MAX_BLOCK:
        raise BadHeader(f"it says that {length} bytes follow; {MAX_BLOCK} are allowed")
    if command == _PROXY:
        _check_family(family, length)
    end: int = _FIRST_PART.size + length
    return end if len(buffer) >= end else 0


def _check_family(family: int, length: int) -> None:
    block = _STREAM_BLOCKS.get(family)
    if family >> 4 > _HIGHEST_FAMILY or family & 0x0F > _HIGHEST_PROTOCOL:
        raise BadHeader(f"address family and protocol are {family:#04x}")
    if block is not None and length < block.size:
        raise BadHeader(f"the addresses have {length} bytes instead of {block.size}")


def _read_line(header: bytes) -> ProxyHeader:
    """Section 2.1."""
    try:
        line = header[:-2].decode("ascii")
    except UnicodeDecodeError:
        raise BadHeader(f"{header!r} is not ASCII") from None
    if line == "PROXY UNKNOWN" or line.startswith("PROXY UNKNOWN "):
        return ProxyHeader()
    match = _LINE.fullmatch(line)
    if match is None:
        raise BadHeader(f"{line!r} is not a line of version 1")
    family, source, destination, *ports = match.groups()
    version = _ipv4 if family == "4" else _ipv6
    if max(map(int, ports)) > 65535:
        raise BadHeader(f"{line!r} has a port that is too large")
    try:
        return ProxyHeader(version(source, int(ports[0])), version(destination, int(ports[1])))
    except ValueError:
        raise BadHeader(f"{line!r} has an address that is none") from None


def _read_block(header: bytes) -> ProxyHeader:
    """Section 2.2."""
    _, command, family, _ = _FIRST_PART.unpack_from(header)
    block = _STREAM_BLOCKS.get(family)
    if command == _LOCAL or block is None:
        return ProxyHeader()
    source, destination, *ports = block.unpack_from(header, _FIRST_PART.size)
    if block is _UNIX:
        return ProxyHeader(_unix(source), _unix(destination))
    version = _ipv4 if block is _INET else _ipv6
    return ProxyHeader(version(source, ports[0]), version(destination, ports[1]))


def _ipv4(host: str | bytes, port: int) -> IPv4Address:
    return IPv4Address("TCP", str(ipaddress.IPv4Address(host)), port)


def _ipv6(host: str | bytes, port: int) -> IPv6Address:
    number = ipaddress.IPv6Address(host)
    mapped = number.ipv4_mapped
    return IPv6Address("TCP", str(number) if mapped is None else f"::ffff:{mapped}", port)


def _unix(path: bytes) -> UNIXAddress:
    """A name ends at its first NUL, an abstract one (it begins with NUL) at its last ones."""
    name = path.rstrip(b"\0") if path.startswith(b"\0") else path.partition(b"\0")[0]
    return UNIXAddress(name or None)


# Writing


def encode_line(header: ProxyHeader) -> bytes:
    """The header in version 1; UNKNOWN for what that cannot express.

    Raises InvalidAddressError for an address that is not complete and numeric.
    """
    source, destination = header.source, header.destination
    kind = _LINE_KINDS.get(type(source))
    if kind is None or type(source) is not type(destination):
        return b"PROXY UNKNOWN\r\n"
    hosts = f"{_packed(source)} {_packed(destination)}"
    return f"PROXY {kind} {hosts} {source.port} {destination.port}\r\n".encode()


def encode_block(header: ProxyHeader) -> bytes:
    """The header in version 2; LOCAL without addresses, UNSPEC for what it cannot express.

    Raises InvalidAddressError as `encode_line` does.
    """
    source, destination = header.source, header.destination
    if source is None and destination is None:
        return _FIRST_PART.pack(SIGNATURE, _LOCAL, 0, 0)
    family = _FAMILIES.get(type(source))
    if family is None or type(source) is not type(destination):
        return _FIRST_PART.pack(SIGNATURE, _PROXY, 0, 0)
    block = _STREAM_BLOCKS[family]
    if block is _UNIX:
        addresses = block.pack(source.name or b"", destination.name or b"")
    else:
        hosts = [_packed(address).packed for address in (source, destination)]
        addresses = block.pack(*hosts, source.port, destination.port)
    return _FIRST_PART.pack(SIGNATURE, _PROXY, family, len(addresses)) + addresses


_LINE_KINDS = {IPv4Address: "TCP4", IPv6Address: "TCP6"}
_FAMILIES = {IPv4Address: 0x11, IPv6Address: 0x21, UNIXAddress: 0x31}


def _packed(address: Any) -> Any:
    to_sockaddr(address)  # raises if it is not complete
    return ipaddress.ip_address(address.host)
