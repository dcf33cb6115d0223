"""The PROXY protocol on connections: a server behind a proxy, and a client that is one.

Facts, then decision:

- A header says who the peer is, and nothing proves it. So it is mandatory once
  this is switched on, it is never guessed whether there is one, and it is believed
  only of `trusted` sources. By default those are this machine and UNIX sockets:
  even a private network has neighbours who would like to be somebody else.
- From anybody else nothing is read: the connection is closed.
- A header that is wrong or late ends its connection. The log has one line a
  second at most, with their number.
- Once it is read, the connection goes to its protocol as if it were the client's
  own, and nothing is between them.
- A header goes before everything else, the hand-shake of TLS included.
"""

from __future__ import annotations

import logging
from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network, ip_address, ip_network
from time import monotonic
from typing import Any

from zope.interface import implementer

from reactorlib.address import IPv4Address, IPv6Address, UNIXAddress
from reactorlib.defer import Deferred
from reactorlib.endpoints import fields
from reactorlib.endpoints.opening import OpeningClientEndpoint, OpeningFactory
from reactorlib.endpoints.strings import clientFromString, serverFromString, unparse
from reactorlib.failure import Failure
from reactorlib.interfaces import (
    IHalfCloseableProtocol,
    IProtocolFactory,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from reactorlib.protocol import Protocol, connectionDone
from reactorlib.protocols.proxyheader import (
    BadHeader,
    HeaderReader,
    ProxyHeader,
    encode_block,
    encode_line,
)

logger = logging.getLogger("reactorlib")

Network = IPv4Network | IPv6Network
Trusted = str | Iterable[str | Network]

LOOPBACK = ("127.0.0.0/8", "::1/128")
EVERYBODY = ("0.0.0.0/0", "::/0")

# In seconds. A header that was lost once on its way is sent again within 3.
SHORTEST_TIMEOUT = 3.0
TIMEOUT = 5.0
LOG_INTERVAL = 1.0


def networks(trusted: Trusted) -> list[Network]:
    """Networks and addresses, from a sequence or from text with commas; `*` is everybody.

    Raises ValueError for what is neither.
    """
    texts = trusted.split(",") if isinstance(trusted, str) else list(map(str, trusted))
    return [ip_network(text.strip()) for text in (EVERYBODY if texts == ["*"] else texts)]


def isWithin(address: Any, trusted: Iterable[Network]) -> bool:
    """Whether a peer is in one of the networks; whoever comes by a UNIX socket is."""
    if isinstance(address, UNIXAddress):
        return True  # the file's permissions say who may connect
    if not isinstance(address, IPv4Address | IPv6Address):
        return False  # it was gone before it could be asked for, or is no peer's
    host = ip_address(address.host)
    host = getattr(host, "ipv4_mapped", None) or host
    return any(host in network for network in trusted)


def _patience(timeout: float) -> float:
    if timeout < SHORTEST_TIMEOUT:
        shortest = f"{SHORTEST_TIMEOUT:g} seconds or more"
        raise ValueError(f"the time for a header is {shortest}, not {timeout:g}")
    return timeout


@implementer(IProtocolFactory)
class HAProxyWrappingFactory:
    """A factory for connections from proxies, whose headers say for whom they are.

    `trusted` is what `networks` takes; `timeout` is in seconds, 3 or more, from the
    beginning of a connection to the end of its header. Raises ValueError.
    """

    def __init__(
        self,
        wrappedFactory: Any,
        trusted: Trusted = LOOPBACK,
        timeout: float = TIMEOUT,
    ) -> None:
        self.wrappedFactory = wrappedFactory
        self.timeout = _patience(timeout)
        self._networks = networks(trusted)
        self._refused = 0
        self._logged = float("-inf")

    def __getattr__(self, name: str) -> Any:
        return getattr(self.wrappedFactory, name)

    def buildProtocol(self, addr: Any) -> HeaderProtocol | None:
        """What reads the header of a trusted source; None for any other."""
        if isWithin(addr, self._networks):
            return HeaderProtocol(self)
        self.refused(addr, "it is not a trusted proxy")
        return None

    def refused(self, address: Any, reason: str) -> None:
        """A connection was ended for that reason."""
        self._refused += 1
        if monotonic() - self._logged >= LOG_INTERVAL:
            self._logged = monotonic()
            logger.warning(
                "%d connections without a PROXY header to believe, the last from %s: %s",
                self._refused,
                address,
                reason,
            )
            self._refused = 0


@implementer(IHalfCloseableProtocol)
class HeaderProtocol(Protocol):
    """Reads one header, and hands the connection over."""

    def __init__(self, factory: HAProxyWrappingFactory) -> None:
        self.factory = factory
        self._reader = HeaderReader()
        self._timer: Any = None

    def connectionMade(self) -> None:
        timeout = self.factory.timeout
        self._timer = self.transport.reactor.callLater(timeout, self._timed_out)

    def dataReceived(self, data: bytes) -> None:
        try:
            header = self._reader.feed(data)
        except BadHeader as fault:
            self._refuse(str(fault))
        else:
            if header is not None:
                self._pass_on(header)

    def _pass_on(self, header: ProxyHeader) -> None:
        self._stop_timer()
        transport = self.transport
        if header.source is not None:
            transport.passFor(header.source, header.destination)
        protocol = self.factory.wrappedFactory.buildProtocol(transport.getPeer())
        if protocol is None:
            transport.loseConnection()
        else:
            transport.handOver(protocol, self._reader.rest)

    def _timed_out(self) -> None:
        self._timer = None
        self._refuse(f"no header within {self.factory.timeout:g} seconds")

    def readConnectionLost(self) -> None:
        """The peer has ended before its header."""
        self._refuse("it ended before the header did")

    def writeConnectionLost(self) -> None:
        """Nothing was written."""

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self._stop_timer()

    def _refuse(self, reason: str) -> None:
        self._stop_timer()
        self.factory.refused(self.transport.getPeer(), reason)
        self.transport.abortConnection()

    def _stop_timer(self) -> None:
        timer, self._timer = self._timer, None
        if timer is not None:
            timer.cancel()


class HAProxyClientFactory(OpeningFactory):
    """A client factory whose connections begin with a header.

    `version` is 1 or 2. `source` and `destination` are the addresses of the
    connection that is passed on; by default the client speaks for itself, and they
    are those of its own connection. Raises ValueError for another version.
    """

    def __init__(
        self, wrappedFactory: Any, version: int = 2, source: Any = None, destination: Any = None
    ) -> None:
        super().__init__(wrappedFactory, _Introduction(version, source, destination))


class _Introduction:
    """Writes the header of a connection."""

    def __init__(self, version: int, source: Any, destination: Any) -> None:
        if version not in (1, 2):
            raise ValueError(f"the version of the PROXY protocol is 1 or 2, not {version!r}")
        self._encode = encode_line if version == 1 else encode_block
        self._source = source
        self._destination = destination

    def __call__(self, transport: Any) -> None:
        header = ProxyHeader(
            self._source or transport.getHost(), self._destination or transport.getPeer()
        )
        transport.write(self._encode(header))


# Endpoints


@implementer(IStreamServerEndpoint)
class _ServerEndpoint:
    def __init__(self, endpoint: Any, trusted: Trusted, timeout: float) -> None:
        self._endpoint = endpoint
        self._trusted = networks(trusted)
        self._timeout = _patience(timeout)

    def listen(self, protocolFactory: Any) -> Deferred[Any]:
        factory = HAProxyWrappingFactory(protocolFactory, self._trusted, self._timeout)
        listening: Deferred[Any] = self._endpoint.listen(factory)
        return listening


def proxyEndpoint(
    wrappedEndpoint: Any, trusted: Trusted = LOOPBACK, timeout: float = TIMEOUT
) -> Any:
    """A server endpoint behind proxies; for the arguments see HAProxyWrappingFactory."""

    def wrap(endpoint: Any) -> Any:
        return _ServerEndpoint(endpoint, trusted, timeout)

    return _below_tls(wrappedEndpoint, wrap)


def proxyClientEndpoint(
    wrappedEndpoint: Any, version: int = 2, source: Any = None, destination: Any = None
) -> Any:
    """A client endpoint that sends a header; for the arguments see HAProxyClientFactory."""
    introduction = _Introduction(version, source, destination)

    def wrap(endpoint: Any) -> Any:
        return OpeningClientEndpoint(endpoint, introduction)

    return _below_tls(wrappedEndpoint, wrap)


def _below_tls(endpoint: Any, wrap: Any) -> Any:
    beneath = getattr(endpoint, "beneath", None)
    return wrap(endpoint) if beneath is None else beneath(wrap)


@implementer(IStreamServerEndpointStringParser, IStreamClientEndpointStringParserWithReactor)
class HAProxyParser:
    """`haproxy:` before another endpoint: `haproxy:tcp:8080:trusted=10.0.0.0/8,192.0.2.7`.

    To connect, `haproxy:tcp:example.com:80:version=1`.
    """

    prefix = "haproxy"

    def parseStreamServer(
        self,
        reactor: Any,
        *args: str,
        trusted: str = ",".join(LOOPBACK),
        headerTimeout: str = str(TIMEOUT),
        **kwargs: str,
    ) -> Any:
        timeout = fields.seconds(headerTimeout, "headerTimeout")
        wrapped = serverFromString(reactor, unparse(args, kwargs))
        return proxyEndpoint(wrapped, trusted, timeout)

    def parseStreamClient(self, reactor: Any, *args: str, version: str = "2", **kwargs: str) -> Any:
        number = fields.number(version, "version", 1, 2)
        return proxyClientEndpoint(clientFromString(reactor, unparse(args, kwargs)), number)
