"""A PROXY header does not depend on how the bytes are divided, nothing behind it is lost, and
what was read is written and read again as the same.
"""

from __future__ import annotations

from random import Random

from mutations import divided

from reactorlib.address import IPv4Address, IPv6Address, UNIXAddress
from reactorlib.protocols.proxyheader import (
    MAX_BLOCK,
    SIGNATURE,
    BadHeader,
    HeaderReader,
    ProxyHeader,
    encode_block,
    encode_line,
)

HEADERS = [
    ProxyHeader(),
    ProxyHeader(IPv4Address("TCP", "192.0.2.1", 56324), IPv4Address("TCP", "203.0.113.9", 443)),
    ProxyHeader(IPv6Address("TCP", "2001:db8::1", 1), IPv6Address("TCP", "::1", 65535)),
    ProxyHeader(UNIXAddress(b"/run/a"), UNIXAddress(b"\0abstract")),
]
SEEDS = [encode(header) + b"rest" for header in HEADERS for encode in (encode_line, encode_block)]
TOKENS = [b"PROXY ", b"TCP4", b"TCP6", b"UNKNOWN", b" ", b"\r\n", b"\r", b"\n", b"::", b"255."]
TOKENS += [SIGNATURE, b"\x20", b"\x21", b"\x11", b"\x21\x31\0\xd8", b"\0", b"\xff\xff", b"65536"]


def read(pieces: list[bytes]) -> tuple[ProxyHeader | str | None, bytes]:
    reader = HeaderReader()
    fed = 0
    for number, piece in enumerate(pieces):
        fed += len(piece)
        try:
            header = reader.feed(piece)
        except BadHeader:
            return "bad", b""
        if header is not None:
            return header, reader.rest + b"".join(pieces[number + 1 :])
    assert fed < len(SIGNATURE) + 4 + MAX_BLOCK
    return None, b""


def check(data: bytes, random: Random) -> None:
    header, rest = read([data])
    assert data.endswith(rest)
    assert read(list(divided(data, random))) == (header, rest)
    if isinstance(header, ProxyHeader):
        assert read([encode_block(header)]) == (header, b"")
        expected = ProxyHeader() if isinstance(header.source, UNIXAddress) else header
        assert read([encode_line(header)]) == (expected, b"")
