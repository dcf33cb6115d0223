"""The reactor that users get: the heart of base with the transports on it."""

from __future__ import annotations

import socket
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from typing import TYPE_CHECKING, Any

from zope.interface import implementer

from reactorlib import error, rlimit, udp, unix
from reactorlib.address import AF_UNIX, from_sockaddr
from reactorlib.backends.events import STREAM
from reactorlib.base import ReactorBase
from reactorlib.budget import ConnectionBudget
from reactorlib.connection import Connection
from reactorlib.connector import Connector
from reactorlib.datagram import MAX_PACKET_SIZE, BaseDatagramPort
from reactorlib.defer import Deferred
from reactorlib.exits import HAS_PIDFD
from reactorlib.hostnames import TIMEOUTS, AddressTypes, NameResolution
from reactorlib.interfaces import (
    IReactorPluggableNameResolver,
    IReactorPluggableResolver,
    IReactorProcess,
    IReactorSocket,
    IReactorSSL,
    IReactorTCP,
)
from reactorlib.pipes import Target
from reactorlib.process import Process, spawn
from reactorlib.program import NO_VARIABLES, Environment, Text, program
from reactorlib.sockets import duplicated, set_common_options
from reactorlib.tcp import BACKLOG, Port
from reactorlib.udpbase import UDPReactor
from reactorlib.unix import UNIXConnection
from reactorlib.unixbase import UNIXReactor
from reactorlib.unixdatagram import DatagramPort

if TYPE_CHECKING:
    from reactorlib.tls import TLS


@implementer(
    IReactorTCP,
    IReactorSSL,
    IReactorSocket,
    IReactorPluggableNameResolver,
    IReactorPluggableResolver,
    IReactorProcess,
)
class Reactor(UDPReactor, UNIXReactor):
    """A reactor with TCP and TLS, on an engine from `reactorlib.backends`.

    `maxWriteBuffer`: bytes that may wait in a connection that a port has accepted for its
    peer to read them; one that is written more is aborted. None for no bound.
    `waitsByPidfd`: whether a pidfd tells of a child's end, or a thread for each.
    """

    budget: ConnectionBudget | None = None
    maxWriteBuffer: int | None = None
    waitsByPidfd = HAS_PIDFD

    @cached_property
    def inherited(self) -> dict[tuple[Any, ...], list[socket.socket]]:
        """Sockets that another process has opened for this one, by the `place` of their port.

        Ports of one place take them in their order: there can be several of port 0.
        """
        return {}

    def take_inherited(self, place: tuple[Any, ...]) -> socket.socket | None:
        """The next socket of a place, if there is one."""
        sockets = self.inherited.get(place)
        return sockets.pop(0) if sockets else None

    def disown(self) -> None:
        """In a forked child: close what is the parent's, and handle no signal in its place."""
        self._handlers.remove()
        self._pool = None  # its threads are not here
        self.close()

    def renew(self, engine: Any) -> None:
        """In a forked child: begin anew, on an engine of its own."""
        self.disown()
        vars(self).clear()
        ReactorBase.__init__(self, engine)

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
        *,
        addressTypes: AddressTypes = None,
        attemptDelay: float | None = None,
    ) -> Connector:
        """See IReactorTCP.

        Of a name's addresses, those of `addressTypes` are tried (by default IPv4 and
        IPv6 ones), each `attemptDelay` seconds after the one before (by default 0.25).
        """
        connector = Connector(
            host, port, factory, timeout, bindAddress, self, addressTypes, attemptDelay
        )
        connector.connect()
        return connector

    # IReactorSSL

    @cached_property
    def tls(self) -> TLS:
        """Puts TLS around this reactor's connections."""
        from reactorlib.tls import TLS  # OpenSSL is four megabytes, which few need

        return TLS(self)

    def listenSSL(
        self,
        port: int,
        factory: Any,
        contextFactory: Any,
        backlog: int = BACKLOG,
        interface: str = "",
        *,
        reusePort: bool = False,
    ) -> Port:
        """See IReactorSSL, and listenTCP."""
        self.tls.session(contextFactory, is_client=False)
        listening = Port(port, factory, backlog, interface, self, reusePort)
        listening.contextFactory = contextFactory
        listening.startListening()
        return listening

    def connectSSL(
        self,
        host: str,
        port: int,
        factory: Any,
        contextFactory: Any,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
        *,
        addressTypes: AddressTypes = None,
        attemptDelay: float | None = None,
    ) -> Connector:
        """See IReactorSSL, and connectTCP."""
        self.tls.session(contextFactory, True, host)
        connector = Connector(
            host, port, factory, timeout, bindAddress, self, addressTypes, attemptDelay
        )
        connector.contextFactory = contextFactory
        connector.connect()
        return connector

    # IReactorProcess

    def spawnProcess(
        self,
        processProtocol: Any,
        executable: Text,
        args: Iterable[Text] = (),
        env: Environment | None = NO_VARIABLES,
        path: Text | None = None,
        uid: int | None = None,
        gid: int | None = None,
        usePTY: bool | Sequence[Any] = False,
        childFDs: Mapping[int, Target] | None = None,
    ) -> Process:
        wanted = program(executable, args, env, path).of_user(uid, gid)
        return spawn(self, processProtocol, wanted, usePTY, childFDs)

    # IReactorPluggableNameResolver, IReactorPluggableResolver

    @cached_property
    def _names(self) -> NameResolution:
        return NameResolution(self)

    @property
    def nameResolver(self) -> Any:
        return self._names.complex

    def installNameResolver(self, resolver: Any) -> Any:
        before = self.nameResolver
        self._names.install_complex(resolver)
        return before

    def installResolver(self, resolver: Any) -> Any:
        before = self._names.simple
        self._names.install_simple(resolver)
        return before

    def resolve(self, name: str, timeout: Sequence[float] = TIMEOUTS) -> Deferred[str]:
        return self._names.resolve(name, timeout)

    def limitConnections(self, limit: int, reserve: int = 0) -> rlimit.NofileLimits:
        """Accept up to `limit` connections, on all ports together, and close others at once.

        Raises the limit of open files to hold them and `reserve` more; returns
        what became of that. A port's factory is told by `overloaded`. If it has
        `buildRefusal(addr)`, the protocol that this gives may tell the peer first, as
        long as such connections take no more than half of the reserve.
        """
        self.budget = ConnectionBudget(
            limit, ConnectionBudget(reserve // 2) if reserve > 1 else None
        )
        self.raiseDescriptorLimit = False
        return rlimit.raise_nofile(limit + reserve)

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Port:
        kind = unix.Port if addressFamily == AF_UNIX else Port
        listening = kind.adopt(duplicated(fileDescriptor, addressFamily), factory, self)
        listening.startListening()
        return listening

    def adoptDatagramPort(
        self,
        fileDescriptor: int,
        addressFamily: int,
        protocol: Any,
        maxPacketSize: int = MAX_PACKET_SIZE,
    ) -> BaseDatagramPort:
        listening: BaseDatagramPort
        if addressFamily == AF_UNIX:
            listening = DatagramPort(None, protocol, maxPacketSize, reactor=self)
        elif addressFamily in (socket.AF_INET, socket.AF_INET6):
            listening = udp.Port(0, protocol, "", maxPacketSize, self)
        else:
            raise error.UnsupportedAddressFamily(f"address family {addressFamily}")
        listening.adopt(duplicated(fileDescriptor, addressFamily))
        return listening

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Any:
        sock = duplicated(fileDescriptor, addressFamily)
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
        kind = UNIXConnection if sock.family == AF_UNIX else Connection
        connection = kind(self, handle, peer)
        try:
            connection.connect_to(protocol)
        except Exception:
            self.report(connection)
        return protocol
