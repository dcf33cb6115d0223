"""The PROXY protocol's header: the same result however it is divided, and nothing lenient."""

from __future__ import annotations

import struct
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from reactorlib.address import HostnameAddress, IPv4Address, IPv6Address, UNIXAddress
from reactorlib.error import InvalidAddressError
from reactorlib.protocols.proxyheader import (
    MAX_BLOCK,
    MAX_LINE,
    SIGNATURE,
    BadHeader,
    HeaderReader,
    ProxyHeader,
    encode_block,
    encode_line,
)
from tests.pieces import cut, divisions, places, streams

OWN = ProxyHeader()
FOUR = ProxyHeader(IPv4Address("TCP", "192.0.2.1", 56324), IPv4Address("TCP", "203.0.113.9", 443))
SIX = ProxyHeader(IPv6Address("TCP", "2001:db8::1", 1), IPv6Address("TCP", "::1", 65535))
MAPPED = ProxyHeader(
    IPv6Address("TCP", "::ffff:192.0.2.1", 0), IPv6Address("TCP", "::ffff:192.0.2.2", 0)
)
PATHS = ProxyHeader(UNIXAddress(b"/run/a"), UNIXAddress(b"\0abstract"))
UNNAMED = ProxyHeader(UNIXAddress(None), UNIXAddress(b"x" * 107))


def block(command: int, family: int, body: bytes, length: int | None = None) -> bytes:
    return (
        SIGNATURE + struct.pack("!BBH", command, family, len(body) if length is None else length)
    ) + body


INET = bytes([192, 0, 2, 1, 203, 0, 113, 9]) + struct.pack("!HH", 56324, 443)
TLVS = b"\x04\0\3abc" + b"\x05\0\0" + b"\x20\xff\xff"  # the last one is cut

GOOD: dict[str, tuple[bytes, ProxyHeader]] = {
    "line 4": (b"PROXY TCP4 192.0.2.1 203.0.113.9 56324 443\r\n", FOUR),
    "line 6": (b"PROXY TCP6 2001:DB8::1 0:0:0:0:0:0:0:1 1 65535\r\n", SIX),
    "line mapped": (b"PROXY TCP6 ::ffff:192.0.2.1 ::FFFF:c000:202 0 0\r\n", MAPPED),
    "unknown": (b"PROXY UNKNOWN\r\n", OWN),
    "unknown with more": (b"PROXY UNKNOWN ff:: what ever\t1\r\n", OWN),
    "longest line": (b"PROXY UNKNOWN " + b"x" * (MAX_LINE - 16) + b"\r\n", OWN),
    "block 4": (block(0x21, 0x11, INET), FOUR),
    "block 4 with TLVs": (block(0x21, 0x11, INET + TLVS), FOUR),
    "block 6": (encode_block(SIX), SIX),
    "block mapped": (encode_block(MAPPED), MAPPED),
    "block of paths": (encode_block(PATHS), PATHS),
    "block of no path": (encode_block(UNNAMED), UNNAMED),
    "local": (block(0x20, 0x00, b""), OWN),
    "local with addresses": (block(0x20, 0x11, INET), OWN),
    "local of no known family": (block(0x20, 0xFF, b"anything"), OWN),
    "unspecified": (block(0x21, 0x00, b"anything"), OWN),
    "unspecified protocol": (block(0x21, 0x10, INET), OWN),
    "unspecified family": (block(0x21, 0x01, INET), OWN),
    "datagrams": (block(0x21, 0x12, INET), OWN),
    "longest block": (block(0x21, 0x11, INET + bytes(MAX_BLOCK - len(INET))), FOUR),
}

BAD: dict[str, bytes] = {
    "nothing of it": b"GET / HTTP/1.1\r\n\r\n",
    "TLS": b"\x16\x03\x01\x02\x00",
    "lower case": b"proxy TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "no space": b"PROXYTCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "two spaces": b"PROXY  TCP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "two spaces within": b"PROXY TCP4 192.0.2.1  192.0.2.2 1 2\r\n",
    "a tab": b"PROXY TCP4 192.0.2.1\t192.0.2.2 1 2\r\n",
    "a space at the end": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 \r\n",
    "a leading zero": b"PROXY TCP4 192.0.2.01 192.0.2.2 1 2\r\n",
    "a leading zero of a port": b"PROXY TCP4 192.0.2.1 192.0.2.2 01 2\r\n",
    "a sign": b"PROXY TCP4 192.0.2.1 192.0.2.2 +1 2\r\n",
    "a port too large": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 65536\r\n",
    "no port": b"PROXY TCP4 192.0.2.1 192.0.2.2 1\r\n",
    "too much": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2 3\r\n",
    "three numbers": b"PROXY TCP4 192.0.2 192.0.2.2 1 2\r\n",
    "a number too large": b"PROXY TCP4 192.0.2.256 192.0.2.2 1 2\r\n",
    "a name": b"PROXY TCP4 localhost 192.0.2.2 1 2\r\n",
    "4 in 6": b"PROXY TCP6 192.0.2.1 192.0.2.2 1 2\r\n",
    "6 in 4": b"PROXY TCP4 ::1 ::1 1 2\r\n",
    "a scope": b"PROXY TCP6 fe80::1%lo ::1 1 2\r\n",
    "two double colons": b"PROXY TCP6 1::2::3 ::1 1 2\r\n",
    "another protocol": b"PROXY UDP4 192.0.2.1 192.0.2.2 1 2\r\n",
    "no protocol": b"PROXY \r\n",
    "unknown and more": b"PROXY UNKNOWNS\r\n",
    "digits that are not ASCII": "PROXY TCP4 192.0.2.1 192.0.2.2 1 \u0662\r\n".encode(),
    "a NUL": b"PROXY TCP4 192.0.2.1\0 192.0.2.2 1 2\r\n",
    "LF": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n" + b"x" * 80,
    "CR": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\r" + b"x" * 80,
    "LF before CRLF": b"PROXY TCP4 192.0.2.1 192.0.2.2 1 2\n\r\n",
    "a line too long by one": b"PROXY UNKNOWN " + b"x" * (MAX_LINE - 15) + b"\r\n",
    "an endless line": b"PROXY UNKNOWN " + b"x" * 10_000,
    "a signature with a fault": SIGNATURE[:-1] + b"\r" + bytes(4),
    "version 1 in binary": block(0x11, 0x11, INET),
    "version 3": block(0x31, 0x11, INET),
    "a command that is none": block(0x22, 0x11, INET),
    "a family that is none": block(0x21, 0x41, INET),
    "a protocol that is none": block(0x21, 0x13, INET),
    "addresses too short": block(0x21, 0x11, INET[:-1]),
    "IPv6 addresses too short": block(0x21, 0x21, bytes(35)),
    "paths too short": block(0x21, 0x31, bytes(215)),
    "a block too long by one": block(0x21, 0x11, INET, MAX_BLOCK + 1),
    "the longest of all blocks": block(0x20, 0x00, b"", 0xFFFF),
}


def result(pieces: list[bytes]) -> tuple[ProxyHeader | str | None, bytes]:
    """What came of them, and what was left."""
    reader = HeaderReader()
    for number, piece in enumerate(pieces):
        try:
            header = reader.feed(piece)
        except BadHeader:
            return "bad", b""
        if header is not None:
            return header, reader.rest + b"".join(pieces[number + 1 :])
    return None, b""


class TestReading:
    @pytest.mark.parametrize("name", GOOD)
    def test_good_however_divided(self, name: str) -> None:
        data, header = GOOD[name]
        short = data if len(data) < 300 else data[:300]
        assert result([data]) == (header, b"")
        for pieces in divisions(short):
            assert result([*pieces, data[len(short) :]]) == (header, b"")

    @pytest.mark.parametrize(
        "rest", [b"x", b"\r\n", GOOD["line 4"][0], GOOD["block 4"][0], bytes(99)]
    )
    @pytest.mark.parametrize("name", GOOD)
    def test_what_follows_is_left(self, name: str, rest: bytes) -> None:
        data, header = GOOD[name]
        assert result([data + rest]) == (header, rest)
        assert result([data[:-1], data[-1:] + rest]) == (header, rest)

    @pytest.mark.parametrize("name", GOOD)
    def test_a_part_is_not_enough(self, name: str) -> None:
        data, _ = GOOD[name]
        for size in range(len(data) if len(data) < 300 else 300):
            assert result([data[:size]]) == (None, b"")

    @pytest.mark.parametrize("name", BAD)
    def test_bad_however_divided(self, name: str) -> None:
        for pieces in divisions(BAD[name][:300]):
            assert result(pieces) == ("bad", b"")

    @pytest.mark.parametrize("name", BAD)
    def test_bad_is_not_made_good_by_what_follows(self, name: str) -> None:
        assert result([BAD[name] + GOOD["line 4"][0]]) == ("bad", b"")

    def test_what_is_no_header_is_refused_at_its_first_byte(self) -> None:
        for byte in range(256):
            expected = (None, b"") if byte in b"P\r" else ("bad", b"")
            assert result([bytes([byte])]) == expected

    def test_a_block_is_refused_before_it_is_there(self) -> None:
        assert result([SIGNATURE + b"\x21\x11\xff\xff"]) == ("bad", b"")
        assert result([SIGNATURE + b"\x21\x55\x00\x0c"]) == ("bad", b"")

    def test_the_longest_line_has_107_bytes(self) -> None:
        line = b"PROXY UNKNOWN ffff:f...f:ffff".ljust(105, b"f") + b"\r\n"
        assert result([line]) == (OWN, b"")
        assert result([line[:14] + b"f" + line[14:]]) == ("bad", b"")
        assert result([line[:-1]]) == (None, b"")
        assert result([line[:-2] + b"ff"]) == ("bad", b"")

    def test_the_fault_is_told(self) -> None:
        with pytest.raises(BadHeader, match="begins with b'GET /"):
            HeaderReader().feed(BAD["nothing of it"])
        with pytest.raises(BadHeader, match="instead of 12"):
            HeaderReader().feed(BAD["addresses too short"])


TOKENS = (
    *(b"PROXY ", b"TCP4", b"TCP6", b"UNKNOWN", b" ", b"\r\n", b"\r", b"\n", b"0", b"65535"),
    *(b"::1", b"1.2.3.4", SIGNATURE, b"\x21\x11\0\x0c", b"\x20\0\0\0", b"\x21\x31\0\xd8"),
    b"\0" * 12,
)

ports = st.integers(0, 65535)
fours = st.builds(IPv4Address, st.just("TCP"), st.ip_addresses(v=4).map(str), ports)
sixes = st.builds(
    IPv6Address,
    st.just("TCP"),
    st.ip_addresses(v=6).filter(lambda host: host.ipv4_mapped is None).map(str),
    ports,
)
paths = st.builds(
    UNIXAddress,
    st.none()
    | st.binary(min_size=1, max_size=107).map(lambda name: b"/" + name.replace(b"\0", b"x"))
    | st.binary(min_size=1, max_size=106).map(lambda name: b"\0" + name.replace(b"\0", b"x")),
)
headers = st.one_of(*(st.builds(ProxyHeader, kind, kind) for kind in (fours, sixes, paths)))


class TestAnyBytes:
    @given(data=streams(*TOKENS), cuts=places)
    def test_the_division_does_not_matter(self, data: bytes, cuts: list[int]) -> None:
        whole = result([data])
        assert result(cut(data, cuts)) == whole
        assert result([bytes([byte]) for byte in data]) == whole
        assert data.endswith(whole[1])

    @given(header=headers, rest=st.binary(max_size=20), cuts=places)
    def test_what_is_written_is_read(
        self, header: ProxyHeader, rest: bytes, cuts: list[int]
    ) -> None:
        data = encode_block(header)
        assert result(cut(data + rest, cuts)) == (header, rest)
        line = encode_line(header)
        assert len(line) <= MAX_LINE
        expected = OWN if isinstance(header.source, UNIXAddress) else header
        assert result(cut(line + rest, cuts)) == (expected, rest)


class TestWriting:
    @pytest.mark.parametrize("header", [FOUR, SIX, MAPPED])
    def test_a_line(self, header: ProxyHeader) -> None:
        line = encode_line(header)
        assert line.startswith(b"PROXY TCP")
        assert result([line]) == (header, b"")

    def test_the_bytes(self) -> None:
        assert encode_line(FOUR) == GOOD["line 4"][0]
        assert encode_block(FOUR) == GOOD["block 4"][0]
        assert encode_block(OWN) == GOOD["local"][0]

    @pytest.mark.parametrize(
        "header",
        [
            OWN,
            PATHS,
            ProxyHeader(FOUR.source, SIX.source),
            ProxyHeader(FOUR.source, None),
            ProxyHeader(None, FOUR.source),
        ],
    )
    def test_what_a_line_cannot_say(self, header: ProxyHeader) -> None:
        assert encode_line(header) == b"PROXY UNKNOWN\r\n"

    @pytest.mark.parametrize(
        "header",
        [
            ProxyHeader(FOUR.source, SIX.source),
            ProxyHeader(FOUR.source, None),
            ProxyHeader(None, FOUR.source),
            ProxyHeader(HostnameAddress(b"a", 1), HostnameAddress(b"b", 1)),
        ],
    )
    def test_what_a_block_cannot_say(self, header: ProxyHeader) -> None:
        data = encode_block(header)
        assert data == block(0x21, 0x00, b"")
        assert result([data]) == (OWN, b"")

    @pytest.mark.parametrize("encode", [encode_line, encode_block])
    @pytest.mark.parametrize(
        "address", [IPv4Address("TCP", "a.name", 1), IPv4Address("TCP", "192.0.2.1", 65536)]
    )
    def test_an_address_that_is_not_complete(self, encode: Any, address: IPv4Address) -> None:
        with pytest.raises(InvalidAddressError):
            encode(ProxyHeader(address, address))
