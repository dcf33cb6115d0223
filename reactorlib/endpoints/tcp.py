"""TCP: places to listen at, numbers and names to connect to."""

from __future__ import annotations

from typing import Any, ClassVar

from zope.interface import implementer

from reactorlib.address import HostnameAddress, IPv4Address, IPv6Address
from reactorlib.defer import Deferred, execute
from reactorlib.endpoints import fields
from reactorlib.endpoints.connecting import connect_once
from reactorlib.hostnames import numeric
from reactorlib.interfaces import (
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from reactorlib.tcp import BACKLOG

Binding = tuple[str, int] | None


@implementer(IStreamServerEndpoint)
class TCP4ServerEndpoint:
    """A TCP port on an IPv4 address; the arguments are those of listenTCP."""

    def __init__(
        self, reactor: Any, port: int, backlog: int = BACKLOG, interface: str = ""
    ) -> None:
        self._reactor = reactor
        self._port = port
        self._backlog = backlog
        self._interface = interface

    def listen(self, protocolFactory: Any) -> Deferred[Any]:
        return execute(
            lambda: self._reactor.listenTCP(
                self._port, protocolFactory, backlog=self._backlog, interface=self._interface
            )
        )


class TCP6ServerEndpoint(TCP4ServerEndpoint):
    """A TCP port on an IPv6 address, by default on all of them."""

    def __init__(
        self, reactor: Any, port: int, backlog: int = BACKLOG, interface: str = "::"
    ) -> None:
        super().__init__(reactor, port, backlog, interface)


@implementer(IStreamClientEndpoint)
class HostnameEndpoint:
    """A TCP port of a host, whose IPv6 and IPv4 addresses are tried in turn (RFC 8305).

    `host` is a name or an address; `timeout` is for all attempts together, and
    `attemptDelay` between two of them, in seconds, by default 0.25.
    """

    def __init__(
        self,
        reactor: Any,
        host: str | bytes,
        port: int,
        timeout: float = 30,
        bindAddress: Binding = None,
        attemptDelay: float | None = None,
    ) -> None:
        self._reactor = reactor
        self._host = host.decode("ascii") if isinstance(host, bytes) else host
        self._port = port
        self._timeout = timeout
        self._bind_address = bindAddress
        self._options: dict[str, Any] = {}
        if attemptDelay is not None:
            self._options["attemptDelay"] = attemptDelay

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        return connect_once(self._start, protocolFactory, self._destination())

    def _start(self, factory: Any) -> None:
        self._reactor.connectTCP(
            self._host,
            self._port,
            factory,
            timeout=self._timeout,
            bindAddress=self._bind_address,
            **self._options,
        )

    def _destination(self) -> Any:
        address = numeric(self._host, self._port)
        return address or HostnameAddress(self._host.encode("utf-8"), self._port)

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._host}:{self._port}>"


class TCP4ClientEndpoint(HostnameEndpoint):
    """A TCP port of a host; of a name, the IPv4 addresses."""

    address_type: ClassVar[type] = IPv4Address

    def __init__(
        self,
        reactor: Any,
        host: str | bytes,
        port: int,
        timeout: float = 30,
        bindAddress: Binding = None,
    ) -> None:
        super().__init__(reactor, host, port, timeout, bindAddress)
        if numeric(self._host) is None:
            self._options["addressTypes"] = [self.address_type]


class TCP6ClientEndpoint(TCP4ClientEndpoint):
    """A TCP port of a host; of a name, the IPv6 addresses."""

    address_type = IPv6Address


@implementer(IStreamServerEndpointStringParser, IStreamClientEndpointStringParserWithReactor)
class TCPParser:
    """`tcp:8080:interface=127.0.0.1`; to connect, `tcp:example.com:80:timeout=5`."""

    prefix = "tcp"
    server: ClassVar[type[TCP4ServerEndpoint]] = TCP4ServerEndpoint
    client: ClassVar[type[HostnameEndpoint]] = HostnameEndpoint

    def parseStreamServer(
        self, reactor: Any, port: str, interface: str | None = None, backlog: str = str(BACKLOG)
    ) -> TCP4ServerEndpoint:
        place = {} if interface is None else {"interface": interface}
        backlog_size = fields.number(backlog, "backlog", 1)
        return self.server(reactor, fields.listening_port(port), backlog_size, **place)

    def parseStreamClient(
        self,
        reactor: Any,
        host: str,
        port: str,
        timeout: str = "30",
        bindAddress: str | None = None,
    ) -> HostnameEndpoint:
        seconds, binding = fields.seconds(timeout), fields.binding(bindAddress)
        return self.client(reactor, host, fields.port(port), seconds, binding)


class TCP6Parser(TCPParser):
    r"""`tcp6:8080:interface=\:\:1`; to connect, `tcp6:example.com:80`."""

    prefix = "tcp6"
    server = TCP6ServerEndpoint
    client = TCP6ClientEndpoint
