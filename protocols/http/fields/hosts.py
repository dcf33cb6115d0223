"""Host (RFC 9110, 7.2), Forwarded (RFC 7239), X-Forwarded-For: names and addresses of nodes."""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Iterable
from typing import NamedTuple

from reactorlib.protocols.http.fields.grammar import (
    BLANKS,
    Parameters,
    Reader,
    as_token,
    as_word,
    elements,
)

_BRACKETED = rb"\[([0-9A-Fa-f:.]{2,45})\]"
_REG_NAME = rb"((?:[A-Za-z0-9\-._~!$&'()*+,;=]|%[0-9A-Fa-f]{2})*)"
_AUTHORITY = re.compile(b"(?:" + _BRACKETED + b"|" + _REG_NAME + rb")(?::([0-9]{0,5}))?")
_HIGHEST_PORT = 65_535


class Host(NamedTuple):
    """A name or an address, in lower case and without brackets, and the port if one is given."""

    host: bytes
    port: int | None = None


def parseHost(value: bytes) -> Host:
    """Host: of the grammar of RFC 3986, 3.2.2, and nothing else, so that none of it is markup."""
    match = _AUTHORITY.fullmatch(value)
    if match is None:
        raise ValueError("not a host")
    address, name, port = match.groups()
    if address is not None:
        ipaddress.IPv6Address(address.decode())
        name = address
    number = int(port) if port else None
    if number is not None and number > _HIGHEST_PORT:
        raise ValueError(f"{number} is not a port")
    return Host(name.lower(), number)


def generateHost(value: Host | tuple[bytes, int | None]) -> bytes:
    """Host: an IPv6 address gets its brackets."""
    host, port = value
    written = b"[%b]" % host if b":" in host else host
    if port is not None:
        written += b":%d" % port
    parseHost(written)
    return written


def parseForwardedFor(value: bytes) -> tuple[Host, ...]:
    """X-Forwarded-For: the nodes, the client first.

    A node is an address with or without a port, or a name such as b"unknown".
    Anybody can write this field: believe only what your own proxy appended.
    """
    parts = [part.strip(b" \t") for part in value.split(b",")]
    return tuple([parseNode(part) for part in parts if part])


def parseNode(value: bytes) -> Host:
    """A node of Forwarded or X-Forwarded-For; an IPv6 address may stand there without brackets."""
    if value.count(b":") > 1 and not value.startswith(b"["):
        return parseHost(b"[%b]" % value)
    if not value:
        raise ValueError("not a node")
    return parseHost(value)


def generateForwardedFor(nodes: Iterable[Host]) -> bytes:
    """X-Forwarded-For."""
    return b", ".join([generateHost(node) for node in nodes])


def parseForwarded(value: bytes) -> tuple[Parameters, ...]:
    """Forwarded: for each hop, the client's first, its parameters by lower-case name.

    parseNode reads those named b"for" and b"by", parseHost that named b"host".
    """
    return elements(value, _read_hop)


def _read_hop(reader: Reader) -> dict[bytes, bytes]:
    found: dict[bytes, bytes] = {}
    while True:
        name = reader.token().lower()
        if name in found:
            raise ValueError(f"{name!r} stands twice")
        reader.expect(b"=")
        found[name] = reader.word()
        if not reader.take(b";"):
            return found
        reader.matched(BLANKS)


def generateForwarded(hops: Iterable[Parameters]) -> bytes:
    """Forwarded."""
    return b", ".join(
        [
            b";".join([b"%b=%b" % (as_token(name), as_word(value)) for name, value in hop.items()])
            for hop in hops
        ]
    )
