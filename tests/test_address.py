"""Addresses as values, and their way from and to the socket module."""

from __future__ import annotations

import copy
import pickle
import socket
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as some
from zope.interface.verify import verifyClass, verifyObject

from reactorlib import address
from reactorlib.address import (
    HostnameAddress,
    IPv4Address,
    IPv6Address,
    UNIXAddress,
    from_sockaddr,
    to_sockaddr,
)
from reactorlib.error import InvalidAddressError, UnsupportedAddressFamily
from reactorlib.interfaces import IAddress

ports = some.integers(0, 65535)
kinds: some.SearchStrategy[Any] = some.sampled_from(["TCP", "UDP"])

# Each makes a new object; all are different addresses.
MAKERS: list[Callable[[], Any]] = [
    lambda: IPv4Address("TCP", "127.0.0.1", 80),
    lambda: IPv4Address("UDP", "127.0.0.1", 80),
    lambda: IPv4Address("TCP", "127.0.0.2", 80),
    lambda: IPv4Address("TCP", "127.0.0.1", 81),
    lambda: IPv4Address("TCP", "name.example", 80),
    lambda: IPv4Address.from_packed(1 << 32 | 0x01020304),
    lambda: IPv4Address.from_packed(1 << 32 | 0x01020304, "UDP"),
    lambda: IPv6Address("TCP", "::1", 80),
    lambda: IPv6Address("UDP", "::1", 80),
    lambda: IPv6Address("TCP", "::2", 80),
    lambda: IPv6Address("TCP", "::1", 81),
    lambda: IPv6Address("TCP", "::1", 80, 1),
    lambda: IPv6Address("TCP", "::1", 80, 0, 1),
    lambda: IPv6Address("TCP", "::1", 80, 0, "lo"),
    lambda: UNIXAddress("/run/it"),
    lambda: UNIXAddress(b"\0it"),
    lambda: UNIXAddress(None),
    lambda: HostnameAddress(b"example.org", 80),
    lambda: HostnameAddress(b"example.org", 81),
]
every_maker = pytest.mark.parametrize("make", MAKERS, ids=lambda make: repr(make()))


class TestValues:
    @every_maker
    def test_equal_when_made_alike(self, make: Callable[[], Any]) -> None:
        assert make() == make()
        assert hash(make()) == hash(make())

    def test_different_ones_are_unequal(self) -> None:
        assert len({make() for make in MAKERS}) == len(MAKERS)
        for index, make in enumerate(MAKERS):
            for other in MAKERS[index + 1 :]:
                assert make() != other()

    @every_maker
    def test_not_equal_to_something_else(self, make: Callable[[], Any]) -> None:
        assert make() != ("TCP", "127.0.0.1", 80)
        assert make() != repr(make())

    @every_maker
    def test_fields_cannot_be_set(self, make: Callable[[], Any]) -> None:
        one = make()
        for field in ("type", "host", "port", "name", "hostname", "flowInfo", "scopeID"):
            if hasattr(one, field):
                with pytest.raises(AttributeError):
                    setattr(one, field, getattr(one, field))
        assert one == make()

    @every_maker
    def test_copies(self, make: Callable[[], Any]) -> None:
        assert copy.copy(make()) == make()
        assert pickle.loads(pickle.dumps(make())) == make()

    @every_maker
    def test_small(self, make: Callable[[], Any]) -> None:
        assert not hasattr(make(), "__dict__")

    @every_maker
    def test_is_an_address(self, make: Callable[[], Any]) -> None:
        assert verifyObject(IAddress, make())
        assert verifyClass(IAddress, type(make()))

    @pytest.mark.parametrize("kind", [IPv4Address, IPv6Address])
    def test_type_is_checked(self, kind: Callable[..., Any]) -> None:
        with pytest.raises(ValueError, match="'TCP' or 'UDP', not 'tcp'"):
            kind("tcp", "::1", 80)


class TestRepr:
    @pytest.mark.parametrize(
        ("one", "text"),
        [
            (
                IPv4Address("TCP", "127.0.0.1", 80),
                "IPv4Address(type='TCP', host='127.0.0.1', port=80)",
            ),
            (
                IPv6Address("UDP", "::1", 80),
                "IPv6Address(type='UDP', host='::1', port=80, flowInfo=0, scopeID=0)",
            ),
            (UNIXAddress(b"/run/it"), "UNIXAddress('/run/it')"),
            (UNIXAddress(b"\0it"), "UNIXAddress('\\x00it')"),
            (UNIXAddress(None), "UNIXAddress(None)"),
            (HostnameAddress(b"h", 80), "HostnameAddress(hostname=b'h', port=80)"),
        ],
    )
    def test_repr(self, one: object, text: str) -> None:
        assert repr(one) == text


class TestPacked:
    def test_fields(self) -> None:
        one = IPv4Address.from_packed(8080 << 32 | 0x7F000001)
        assert (one.type, one.host, one.port) == ("TCP", "127.0.0.1", 8080)

    @given(kinds, some.ip_addresses(v=4), ports)
    def test_same_as_from_text(self, kind: Any, host: Any, port: int) -> None:
        packed = IPv4Address.from_packed(port << 32 | int(host), kind)
        text = IPv4Address(kind, str(host), port)
        assert (packed.type, packed.host, packed.port) == (kind, str(host), port)
        assert packed == text
        assert text == packed
        assert hash(packed) == hash(text)
        assert repr(packed) == repr(text)

    @given(ports, ports, some.integers(0, 2**32 - 1), some.integers(0, 2**32 - 1))
    def test_equal_exactly_when_the_integers_are(
        self, port: int, other_port: int, host: int, other_host: int
    ) -> None:
        one, other = port << 32 | host, other_port << 32 | other_host
        same = IPv4Address.from_packed(one) == IPv4Address.from_packed(other)
        assert same == (one == other)

    def test_stays_small_after_use(self) -> None:
        one = IPv4Address.from_packed(1 << 32 | 1)
        before = sys.getsizeof(one)
        assert one.host == "0.0.0.1"
        assert sys.getsizeof(one) == before <= 64
        assert one._host is None


class TestUNIX:
    def test_text_and_bytes_are_one_name(self) -> None:
        assert UNIXAddress("/run/it") == UNIXAddress(b"/run/it")
        assert UNIXAddress("/run/it").name == b"/run/it"

    def test_equality_is_by_name_alone(self, tmp_path: Path) -> None:
        (tmp_path / "real").touch()
        (tmp_path / "link").symlink_to(tmp_path / "real")
        assert UNIXAddress(str(tmp_path / "real")) != UNIXAddress(str(tmp_path / "link"))

    def test_undecodable_name(self) -> None:
        one = UNIXAddress(b"/\xff")
        assert one.name == b"/\xff"
        assert UNIXAddress("/\udcff") == one


class TestFromSockaddr:
    def test_ipv4(self) -> None:
        made = from_sockaddr(socket.AF_INET, ("127.0.0.1", 80), "UDP")
        assert made == IPv4Address("UDP", "127.0.0.1", 80)

    def test_ipv6(self) -> None:
        made = from_sockaddr(socket.AF_INET6, ("fe80::1", 80, 5, 2))
        assert made == IPv6Address("TCP", "fe80::1", 80, 5, 2)

    @pytest.mark.parametrize("name", ["", b"", None])
    def test_unix_without_a_name(self, name: object) -> None:
        assert from_sockaddr(socket.AF_UNIX, name) == UNIXAddress(None)

    def test_other_families_are_refused(self) -> None:
        with pytest.raises(UnsupportedAddressFamily, match="address family 9999 is not supported"):
            from_sockaddr(9999, ())

    def test_real_sockets(self, tmp_path: Path) -> None:
        with socket.create_server(("127.0.0.1", 0)) as server:
            made = from_sockaddr(server.family, server.getsockname())
            assert made == IPv4Address("TCP", "127.0.0.1", server.getsockname()[1])
        with socket.socket(socket.AF_UNIX) as named, socket.socket(socket.AF_UNIX) as unnamed:
            named.bind(str(tmp_path / "it"))
            assert from_sockaddr(named.family, named.getsockname()) == UNIXAddress(
                str(tmp_path / "it")
            )
            assert from_sockaddr(unnamed.family, unnamed.getsockname()) == UNIXAddress(None)


class TestToSockaddr:
    @given(kinds, some.ip_addresses(v=4), ports)
    def test_ipv4_and_back(self, kind: Any, host: Any, port: int) -> None:
        for one in (
            IPv4Address(kind, str(host), port),
            IPv4Address.from_packed(port << 32 | int(host), kind),
        ):
            assert to_sockaddr(one) == (socket.AF_INET, (str(host), port))
            assert from_sockaddr(*to_sockaddr(one), kind) == one

    @given(kinds, some.ip_addresses(v=6), ports, some.integers(0, 2**20 - 1), some.integers(0, 99))
    def test_ipv6_and_back(self, kind: Any, host: Any, port: int, flow: int, scope: int) -> None:
        one = IPv6Address(kind, str(host), port, flow, scope)
        assert to_sockaddr(one) == (socket.AF_INET6, (str(host), port, flow, scope))
        assert from_sockaddr(*to_sockaddr(one), kind) == one

    @given(some.binary(min_size=1))
    def test_unix_and_back(self, name: bytes) -> None:
        assert to_sockaddr(UNIXAddress(name)) == (socket.AF_UNIX, name)
        assert from_sockaddr(*to_sockaddr(UNIXAddress(name))) == UNIXAddress(name)

    def test_scope_by_number_in_text_and_by_name(self) -> None:
        number, name = socket.if_nameindex()[0]
        assert to_sockaddr(IPv6Address("TCP", "fe80::1", 1, 0, "7"))[1][3] == 7  # type: ignore[misc]
        assert to_sockaddr(IPv6Address("TCP", "fe80::1", 1, 0, name))[1][3] == number  # type: ignore[misc]

    @pytest.mark.parametrize(
        ("one", "why"),
        [
            (IPv4Address("TCP", "localhost", 80), "not a numeric address"),
            (IPv4Address("TCP", "", 80), "not a numeric address"),
            (IPv4Address("TCP", "127.1", 80), "not a numeric address"),
            (IPv4Address("TCP", "1.2.3.4\0", 80), "not a numeric address"),
            (IPv6Address("TCP", "127.0.0.1", 80), "not a numeric address"),
            (IPv4Address("TCP", "127.0.0.1", 65536), "not in 0 to 65535"),
            (IPv4Address("TCP", "127.0.0.1", -1), "not in 0 to 65535"),
            (IPv6Address("TCP", "::1", 65536), "not in 0 to 65535"),
            (IPv6Address("TCP", "::1", 80, 0, "no-such-interface"), "not a network interface"),
            (UNIXAddress(None), "has no name"),
            (HostnameAddress(b"localhost", 80), "does not name an IPv4, IPv6 or UNIX socket"),
            (("127.0.0.1", 80), "does not name an IPv4, IPv6 or UNIX socket"),
        ],
    )
    def test_what_no_socket_takes_at_once_is_refused(self, one: object, why: str) -> None:
        with pytest.raises(InvalidAddressError, match=why) as caught:
            to_sockaddr(one)
        assert caught.value.address is one

    def test_a_system_without_unix_sockets(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(address, "AF_UNIX", None)
        with pytest.raises(InvalidAddressError):
            to_sockaddr(UNIXAddress("/run/it"))
        with pytest.raises(UnsupportedAddressFamily):
            from_sockaddr(socket.AF_UNIX, "/run/it")
