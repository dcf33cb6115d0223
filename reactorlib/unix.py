"""UNIX stream sockets: the transport, the listening port, the connector.

They are TCP's but for their names, which are paths or, after a NUL, names in
Linux's abstract namespace; and for what only they can do: tell who the peer is,
and pass descriptors.
"""

from __future__ import annotations

import os
import socket
import struct
from errno import EAGAIN, EOPNOTSUPP
from typing import Any, NamedTuple

from zope.interface import implementer

from reactorlib import error
from reactorlib.address import UNIXAddress
from reactorlib.backends.events import DESCRIPTOR
from reactorlib.baseconnector import BaseConnector
from reactorlib.connection import Connection
from reactorlib.failure import Failure
from reactorlib.interfaces import IFileDescriptorReceiver, IUNIXTransport
from reactorlib.lockfile import isLocked
from reactorlib.race import Race
from reactorlib.socketfile import SocketFile
from reactorlib.sockets import packed_name
from reactorlib.tcp import BACKLOG
from reactorlib.tcp import Port as TCPPort

# A listener whose queue is full is tried again so soon, in seconds, and later
# and later.
FIRST_RETRY = 0.005
LAST_RETRY = 0.25

_CREDENTIALS = struct.Struct("3i")


class Credentials(NamedTuple):
    """Who a peer was when it connected, or began to listen."""

    pid: int
    uid: int
    gid: int


@implementer(IUNIXTransport)
class UNIXConnection(Connection):
    """One connection over a UNIX socket, accepted or made."""

    __slots__ = ()

    def connect_to(self, protocol: Any) -> None:
        if IFileDescriptorReceiver.providedBy(protocol):
            self._engine.take_descriptors(self._handle)
        super().connect_to(protocol)

    def getPeerCredentials(self) -> Credentials:
        option = getattr(socket, "SO_PEERCRED", None)
        if option is None:
            raise OSError(EOPNOTSUPP, "this system does not tell who the peer is")
        raw = self.getHandle().getsockopt(socket.SOL_SOCKET, option, _CREDENTIALS.size)
        return Credentials(*_CREDENTIALS.unpack(raw))

    def sendFileDescriptor(self, fileno: int) -> None:
        duplicate = os.dup(fileno)
        try:
            taken = self._engine.pass_descriptor(self._handle, duplicate)
        except BaseException:
            os.close(duplicate)
            raise
        if not taken:
            os.close(duplicate)

    def event(self, kind: int, first: int, second: int) -> None:
        if kind != DESCRIPTOR:
            super().event(kind, first, second)
        elif self.receiving:
            self._receive_descriptor(first)
        elif self.disconnecting:
            os.close(first)
        else:
            self._more().held.append(first)

    def _deliver(self, data: Any) -> None:
        if isinstance(data, int):
            self._receive_descriptor(data)
        else:
            super()._deliver(data)

    def _receive_descriptor(self, descriptor: int) -> None:
        receive = getattr(self.protocol, "fileDescriptorReceived", None)
        if receive is None:  # what took them has handed over to a protocol that does not
            os.close(descriptor)
        else:
            receive(descriptor)

    def _let_go(self, extra: Any, reason: Failure) -> None:
        for held in extra.held:
            if isinstance(held, int):
                os.close(held)
        super()._let_go(extra, reason)


class UNIXClientConnection(UNIXConnection):
    """A connection over a UNIX socket that a connector made."""

    __slots__ = ()

    is_client = True


class Port(TCPPort):
    """A listening UNIX socket that feeds a factory. Its `port` is the name."""

    _connection = UNIXConnection

    def __init__(
        self,
        fileName: str | bytes,
        factory: Any,
        backlog: int = BACKLOG,
        mode: int = 0o666,
        reactor: Any = None,
        wantPID: bool | int = 0,
    ) -> None:
        super().__init__(0, factory, backlog, reactor=reactor)
        self.port: Any = fileName
        self.mode = mode
        self.wantPID = bool(wantPID)
        self._file: SocketFile | None = None

    @classmethod
    def adopt(cls, sock: socket.socket, factory: Any, reactor: Any) -> Port:
        self = cls(sock.getsockname(), factory, reactor=reactor)
        self._adopted = sock
        return self

    @property
    def place(self) -> tuple[Any, ...]:
        name = self.port
        return ("unix", name.decode(errors="surrogateescape") if isinstance(name, bytes) else name)

    def bound_socket(self) -> socket.socket:
        try:
            sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        except OSError as cause:
            raise error.CannotListenError(None, self.port, cause) from cause
        try:
            self._file = SocketFile(self.port, self.mode, self.wantPID)
            self._file.bind(sock)
            sock.listen(self.backlog)
        except (OSError, ValueError, TypeError) as cause:
            sock.close()
            self.unbound()
            raise error.CannotListenError(None, self.port, cause) from cause
        return sock

    def unbound(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.release()

    def _address(self, peer: int) -> UNIXAddress:
        return UNIXAddress(packed_name(self.reactor.engine.arena, peer))

    def __repr__(self) -> str:
        kind = type(self.factory)
        state = f"on {self.port!r}" if self.connected else "not listening"
        return f"<{kind.__module__}.{kind.__qualname__} {state}>"


class Connector(BaseConnector):
    """Connects a ClientFactory to a UNIX socket, as often as it is told to."""

    def __init__(
        self,
        address: str | bytes,
        factory: Any,
        timeout: float | None,
        reactor: Any,
        checkPID: bool | int = 0,
    ) -> None:
        super().__init__(factory, timeout, reactor)
        self.address = address
        self.checkPID = bool(checkPID)
        self._pause = FIRST_RETRY
        self._again: Any = None

    def getDestination(self) -> UNIXAddress:
        return UNIXAddress(self.address)

    @property
    def where(self) -> str:
        return repr(os.fsdecode(self.address))

    def _begin(self) -> None:
        self._again = None
        race = self._race = Race(self.reactor, None, 0.0, self._connected, self._not_connected)
        try:
            if self.checkPID and not isLocked(os.fsencode(self.address) + b".lock"):
                raise ValueError(f"no process has the lock of {self.where}")
            race.addressResolved(self.getDestination())
        except ValueError as cause:
            race.refuse(error.BadFileError(string=cause))
        else:
            race.resolutionComplete()

    def _client(self, handle: int, peer: Any) -> UNIXConnection:
        return UNIXClientConnection(self.reactor, handle, peer, self)

    def _not_connected(self, failure: Exception) -> None:
        """The kernel does not say when a full queue has room again."""
        if getattr(failure, "osError", None) == EAGAIN:
            self._race = None
            self._again = self.reactor.callLater(self._pause, self._begin)
            self._pause = min(self._pause * 2, LAST_RETRY)
        else:
            super()._not_connected(failure)

    def _attempt_over(self, state: str) -> None:
        self._pause = FIRST_RETRY
        if self._again is not None:
            self._again.cancel()
            self._again = None
        super()._attempt_over(state)
