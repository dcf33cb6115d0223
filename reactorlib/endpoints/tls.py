"""TLS: ports and connections of their own, and TLS over any other endpoint.

A context factory is an IContextFactory or an ssl.SSLContext, as for listenSSL and
connectSSL. Their Deferreds fire when the connection is there: the hand-shake comes
after that, and one that fails is told by the protocol's connectionLost.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from zope.interface import implementer

from reactorlib.address import HostnameAddress
from reactorlib.defer import Deferred, execute
from reactorlib.endpoints.connecting import connect_once
from reactorlib.endpoints.opening import OpeningClientEndpoint, OpeningFactory
from reactorlib.endpoints.tcp import Binding
from reactorlib.interfaces import IStreamClientEndpoint, IStreamServerEndpoint
from reactorlib.tcp import BACKLOG


@implementer(IStreamServerEndpoint)
class SSL4ServerEndpoint:
    """A port whose connections begin with TLS; the arguments are those of listenSSL."""

    def __init__(
        self,
        reactor: Any,
        port: int,
        sslContextFactory: Any,
        backlog: int = BACKLOG,
        interface: str = "",
    ) -> None:
        self._reactor = reactor
        self._port = port
        self._context_factory = sslContextFactory
        self._backlog = backlog
        self._interface = interface

    def listen(self, protocolFactory: Any) -> Deferred[Any]:
        return execute(
            lambda: self._reactor.listenSSL(
                self._port,
                protocolFactory,
                self._context_factory,
                backlog=self._backlog,
                interface=self._interface,
            )
        )


@implementer(IStreamClientEndpoint)
class SSL4ClientEndpoint:
    """A port to connect to with TLS; the arguments are those of connectSSL."""

    def __init__(
        self,
        reactor: Any,
        host: str,
        port: int,
        sslContextFactory: Any,
        timeout: float = 30,
        bindAddress: Binding = None,
    ) -> None:
        self._reactor = reactor
        self._host = host
        self._port = port
        self._context_factory = sslContextFactory
        self._timeout = timeout
        self._bind_address = bindAddress

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        destination = HostnameAddress(self._host.encode("utf-8"), self._port)
        return connect_once(self._start, protocolFactory, destination)

    def _start(self, factory: Any) -> None:
        self._reactor.connectSSL(
            self._host,
            self._port,
            factory,
            self._context_factory,
            timeout=self._timeout,
            bindAddress=self._bind_address,
        )


class TLSClientEndpoint(OpeningClientEndpoint):
    """TLS over the connections of another endpoint; see wrapClientTLS."""

    def __init__(self, context_factory: Any, wrapped_endpoint: Any) -> None:
        super().__init__(wrapped_endpoint, lambda transport: transport.startTLS(context_factory))
        self._context_factory = context_factory

    def beneath(self, wrap: Callable[[Any], Any]) -> TLSClientEndpoint:
        """The same over what `wrap` makes of the endpoint below."""
        return TLSClientEndpoint(self._context_factory, wrap(self.wrappedEndpoint))


@implementer(IStreamServerEndpoint)
class TLSServerEndpoint:
    """TLS over the connections of another endpoint; see wrapServerTLS."""

    def __init__(self, context_factory: Any, wrapped_endpoint: Any) -> None:
        self.wrappedEndpoint = wrapped_endpoint
        self._context_factory = context_factory

    def listen(self, protocolFactory: Any) -> Deferred[Any]:
        factory = OpeningFactory(
            protocolFactory, lambda transport: transport.startTLS(self._context_factory)
        )
        listening: Deferred[Any] = self.wrappedEndpoint.listen(factory)
        return listening

    def beneath(self, wrap: Callable[[Any], Any]) -> TLSServerEndpoint:
        """The same over what `wrap` makes of the endpoint below."""
        return TLSServerEndpoint(self._context_factory, wrap(self.wrappedEndpoint))


def wrapClientTLS(contextFactory: Any, wrappedEndpoint: Any) -> TLSClientEndpoint:
    """TLS over whatever an endpoint connects to; `contextFactory` says who must answer."""
    return TLSClientEndpoint(contextFactory, wrappedEndpoint)


def wrapServerTLS(contextFactory: Any, wrappedEndpoint: Any) -> TLSServerEndpoint:
    """TLS over whatever connects to an endpoint."""
    return TLSServerEndpoint(contextFactory, wrappedEndpoint)
