"""The reactor that users get: the heart of base with the transports on it."""

from __future__ import annotations

import os
import socket
from typing import Any

from zope.interface import implementer

from reactorlib import rlimit
from reactorlib.address import from_sockaddr
from reactorlib.backends.events import STREAM
from reactorlib.base import ReactorBase
from reactorlib.budget import ConnectionBudget
from reactorlib.connector import Connector
from reactorlib.interfaces import IReactorSocket, IReactorTCP
from reactorlib.tcp import BACKLOG, Connection, Port, set_common_options


@implementer(IReactorTCP, IReactorSocket)
class Reactor(ReactorBase):
    """A reactor with TCP, on an engine from `reactorlib.backends`."""

    budget: ConnectionBudget | None = None

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

    def limitConnections(self, limit: int, reserve: int = 0) -> rlimit.NofileLimits:
        """Accept up to `limit` connections, on all ports together, and close others at once.

        Raises the limit of open files to hold them and `reserve` more; returns
        what became of that. A port's factory is told by `overloaded`.
        """
        self.budget = ConnectionBudget(limit)
        self.raiseDescriptorLimit = False
        return rlimit.raise_nofile(limit + reserve)

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Port:
        duplicate = _duplicate(fileDescriptor, addressFamily)
        listening = Port.adopt(duplicate, factory, self)
        listening.startListening()
        return listening

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Any:
        sock = _duplicate(fileDescriptor, addressFamily)
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
        connection = Connection(self, handle, peer)
        try:
            connection.connect_to(protocol)
        except Exception:
            self.report(connection)
        return protocol


def _duplicate(descriptor: int, family: int) -> socket.socket:
    """A socket of one's own. Raises OSError if the descriptor is not a socket."""
    duplicate = os.dup(descriptor)
    try:
        return socket.socket(family, fileno=duplicate)
    except BaseException:
        os.close(duplicate)
        raise
