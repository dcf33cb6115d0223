"""For whom trusted proxies say that a request is: X-Forwarded-For and X-Forwarded-Proto.

It holds that nobody but a trusted peer is believed, and of what that one passes on, only
what trusted proxies have said: the client is the last address that is no such proxy.
"""

from __future__ import annotations

from ipaddress import ip_address
from typing import Any

from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.protocols.haproxy import Trusted, isWithin, networks
from reactorlib.protocols.http.chanrequest import ChannelRequest
from reactorlib.protocols.http.incoming import ends_of


class ForwardedRequest(ChannelRequest):
    """A ChannelRequest whose client may be another than its peer.

    `networks`, of the class, are those of trusted proxies.
    """

    __slots__ = ()

    networks: list[Any] = []  # noqa: RUF012  set on a class of each factory's own

    def getRemoteHost(self) -> Any:
        peer = super().getRemoteHost()
        if not isWithin(peer, self.networks):
            return peer
        client = peer
        for text in reversed(self._last_of(b"x-forwarded-for")):
            try:
                host = ip_address(text.strip("[]"))
            except ValueError:
                break
            kind = IPv6Address if host.version == 6 else IPv4Address
            client = kind("TCP", str(host), 0)
            if not isWithin(client, self.networks):
                break
        return client

    def getHostInfo(self) -> tuple[Any, bool]:
        host, secure = super().getHostInfo()
        if isWithin(super().getRemoteHost(), self.networks):
            schemes = self._last_of(b"x-forwarded-proto")
            if schemes:
                secure = schemes[-1].lower() == "https"
        return host, secure

    def getAddresses(self) -> tuple[Any, Any, bool]:
        """See IChanRequest."""
        host, secure = self.getHostInfo()
        return ends_of(host), ends_of(self.getRemoteHost()), secure

    def _last_of(self, name: bytes) -> list[str]:
        values = self.headers().getRawHeaders(name, ())
        text = b",".join(values).decode("latin-1")
        return [each.strip() for each in text.split(",")] if text else []


def believing(trusted: Trusted) -> type[ChannelRequest]:
    """The class of exchanges that believe these proxies; see haproxy.networks.

    For HTTPFactory's `exchangeFactory`. Raises ValueError for what is no network.
    """
    names = {"__slots__": (), "networks": networks(trusted)}
    return type("ForwardedRequest", (ForwardedRequest,), names)
