"""X-Forwarded-For and X-Forwarded-Proto: who is believed, and how much."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.address import IPv4Address, IPv6Address, UNIXAddress
from reactorlib.protocols.http.accesslog import Entry
from reactorlib.protocols.http.forwarded import believing
from tests.webserver import Server

PEER = "192.168.1.1"  # of the transport


def request_from(trusted: Any, *fields: bytes, peer: Any = None) -> Any:
    server = Server(exchangeFactory=believing(trusted))
    if peer is not None:
        server.transport.getPeer = lambda: peer
    server.send(b"\r\n".join([b"GET / HTTP/1.1", b"Host: x", *fields, b"", b""]))
    return server.requests[0]


@pytest.mark.parametrize(
    ("trusted", "fields", "client"),
    [
        ([PEER], [], PEER),
        ([PEER], [b"192.0.2.7"], "192.0.2.7"),
        ([], [b"192.0.2.7"], PEER),
        ("127.0.0.1,::1", [b"192.0.2.7"], PEER),
        ("*", [b"192.0.2.7, 192.0.2.8"], "192.0.2.7"),
        ([PEER], [b"1.1.1.1, 192.0.2.7"], "192.0.2.7"),  # the client may have made up the first
        (["192.168.0.0/16"], [b"1.1.1.1, 192.0.2.7,192.168.2.2"], "192.0.2.7"),
        ([PEER], [b"1.1.1.1", b"192.0.2.7"], "192.0.2.7"),
        ([PEER], [b"2001:db8::1"], "2001:db8::1"),
        ([PEER], [b"[2001:db8::1]"], "2001:db8::1"),
        ([PEER], [b"unknown"], PEER),
        ([PEER], [b""], PEER),
        (["192.168.0.0/16"], [b"nonsense, 192.168.2.2"], "192.168.2.2"),
    ],
)
def test_the_client(trusted: Any, fields: list[bytes], client: str) -> None:
    request = request_from(trusted, *[b"X-Forwarded-For: " + value for value in fields])
    assert request.getClientAddress().host == client
    assert request.chanRequest.getAddresses()[1][0] == client


@pytest.mark.parametrize(
    ("peer", "believed"),
    [
        (IPv6Address("TCP", "::ffff:192.168.1.1", 1), True),
        (IPv6Address("TCP", "fe80::1%eth0", 1), False),
        (UNIXAddress(None), True),
        (None, True),
    ],
)
def test_peers(peer: Any, believed: bool) -> None:
    request = request_from([PEER], b"X-Forwarded-For: 192.0.2.7", peer=peer)
    assert (request.getClientAddress() == IPv4Address("TCP", "192.0.2.7", 0)) is believed


@pytest.mark.parametrize(
    ("trusted", "value", "secure"),
    [
        ([PEER], b"https", True),
        ([PEER], b"http, HTTPS", True),
        ([PEER], b"https, http", False),
        ([PEER], b"", False),
        ([], b"https", False),
    ],
)
def test_the_scheme(trusted: list[str], value: bytes, secure: bool) -> None:
    request = request_from(trusted, b"X-Forwarded-Proto: " + value)
    assert request.isSecure() is secure
    assert request.chanRequest.getAddresses()[2] is secure


def test_what_is_no_network() -> None:
    with pytest.raises(ValueError, match="nowhere"):
        believing("nowhere")


def test_the_access_log_names_the_client() -> None:
    server = Server(lambda request: request.finish(), exchangeFactory=believing("*"))
    entries: list[Entry] = []
    server.factory.log = entries.append
    server.connect()
    server.send(b"GET / HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 192.0.2.7\r\n\r\n")
    assert [entry.client.host for entry in entries] == ["192.0.2.7"]
