"""A request that was made to another place than this server: to the proxy before it."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from reactorlib.address import IPv4Address
from reactorlib.protocols.http.fields.hosts import generateHost
from reactorlib.protocols.http.incoming import ends_of
from reactorlib.protocols.http.interfaces import IChanRequest

USUAL_PORTS = {False: 80, True: 443}


def authorityOf(host: bytes, port: int, secure: bool) -> bytes:
    """Host and port as a URL has them: without the port that is usual for its scheme.

    Raises ValueError for what is no host.
    """
    return generateHost((host, None if port == USUAL_PORTS[secure] else port))


@implementer(IChanRequest)
class ChanRequestElsewhere:
    """What carries a request (IChanRequest), as if it had come to that host and port."""

    def __init__(self, inner: Any, host: bytes, port: int, secure: bool) -> None:
        self._inner = inner
        self._host = host
        self._address = IPv4Address("TCP", host.decode("ascii"), port)
        self._secure = secure

    def __getattr__(self, name: str) -> Any:
        return getattr(self._inner, name)

    def getHostInfo(self) -> tuple[Any, bool]:
        return self._address, self._secure

    def getAddresses(self) -> tuple[Any, Any, bool]:
        return ends_of(self._address), self._inner.getAddresses()[1], self._secure

    def getFields(self) -> list[tuple[bytes, bytes]]:
        fields = [each for each in self._inner.getFields() if each[0].lower() != b"host"]
        return [(b"Host", authorityOf(self._host, self._address.port, self._secure)), *fields]
