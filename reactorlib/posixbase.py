"""The reactor that users get: the heart of base with the transports on it."""

from __future__ import annotations

import os
import socket
from typing import Any

from zope.interface import implementer

from reactorlib.address import from_sockaddr
from reactorlib.backends.events import STREAM
from reactorlib.base import ReactorBase
from reactorlib.connector import Connector
from reactorlib.interfaces import IReactorSocket, IReactorTCP
from reactorlib.tcp import BACKLOG, Connection, Port, set_common_options


@implementer(IReactorTCP, IReactorSocket)
class Reactor(ReactorBase):
    """A reactor with TCP, on an engine from `reactorlib.backends`."""

    def listenTCP(
        self,
        port: int,
        factory: Any,
        backlog: int = BACKLOG,
        interface: str = "",
        *,
        reusePort: bool = False,
    ) -> Port:
        """See IReactorTCP. `reusePort` lets several sockets share the port (SO_REUSEPORT)."""
        listening = Port(port, factory, backlog, interface, self, reusePort)
        listening.startListening()
        return listening

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
    ) -> Connector:
        connector = Connector(host, port, factory, timeout, bindAddress, self)
        connector.connect()
        return connector

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Port:
        duplicate = socket.socket(addressFamily, fileno=os.dup(fileDescriptor))
        listening = Port.adopt(duplicate, factory, self)
        listening.startListening()
        return listening

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Any:
        sock = socket.socket(addressFamily, fileno=os.dup(fileDescriptor))
        try:
            set_common_options(sock)
            peer = from_sockaddr(sock.family, sock.getpeername())
            protocol = factory.buildProtocol(peer)
            if protocol is None:
                sock.close()
                return None
            handle = self.engine.add(sock.fileno(), STREAM)
        except BaseException:
            sock.close()
            raise
        sock.detach()
        Connection(self, handle, peer).connect_to(protocol)
        return protocol
