"""Datagrams over UNIX sockets: a port with a name, and one that is connected to another.

An address is a path as text, a name in Linux's abstract namespace as bytes that
begin with a NUL, or None for a sender without a name.
"""

from __future__ import annotations

import os
import socket
import sys
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.address import UNIXAddress
from reactorlib.datagram import MAX_PACKET_SIZE, BaseDatagramPort
from reactorlib.failure import Failure
from reactorlib.interfaces import (
    IListeningPort,
    IUNIXDatagramConnectedTransport,
    IUNIXDatagramTransport,
)
from reactorlib.socketfile import SocketFile
from reactorlib.sockets import packed_name

# What a name may have, and what the system needs of the send buffer for itself.
_LONGEST_NAME, _OVERHEAD = (108, 32) if sys.platform.startswith("linux") else (104, 0)


@implementer(IListeningPort, IUNIXDatagramTransport)
class DatagramPort(BaseDatagramPort):
    """A UNIX datagram socket that feeds a DatagramProtocol. Its `port` is the name."""

    def __init__(
        self,
        addr: str | bytes | None,
        protocol: Any,
        maxPacketSize: int = MAX_PACKET_SIZE,
        mode: int = 0o666,
        reactor: Any = None,
    ) -> None:
        super().__init__(protocol, maxPacketSize, reactor)
        self.port = addr
        self.mode = mode
        self._file: SocketFile | None = None

    def write(self, datagram: bytes, address: str | bytes) -> None:
        """See IUNIXDatagramTransport."""
        name = os.fsencode(address)
        if not 0 < len(name) <= _LONGEST_NAME or (b"\0" in name[1:] and name[0]):
            raise error.InvalidAddressError(address, "it is no name of a UNIX socket")
        self._send(datagram, name)

    # What BaseDatagramPort asks

    def _make_socket(self) -> socket.socket:
        sock = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
        try:
            if self.port is not None:
                self._file = SocketFile(self.port, self.mode, locked=False)
                self._file.bind(sock)
        except BaseException:
            sock.close()
            raise
        return sock

    def _cannot_listen(self, cause: Exception) -> Exception:
        return error.CannotListenError(None, self.port, cause)

    def _learn(self, sock: socket.socket) -> int:
        self.port = sock.getsockname() or None
        return sock.getsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF) - _OVERHEAD

    def _address(self, sender: int) -> str | bytes | None:
        name = packed_name(self._engine.arena, sender)
        return name if name is None or name.startswith(b"\0") else os.fsdecode(name)

    def _forget(self) -> None:
        file, self._file = self._file, None
        if file is not None:
            file.release()
        super()._forget()

    def __repr__(self) -> str:
        kind = type(self.protocol)
        state = f"on {self.port!r}" if self.connected else "not listening"
        return f"<{kind.__module__}.{kind.__qualname__} {state}>"


@implementer(IUNIXDatagramConnectedTransport)
class ConnectedDatagramPort(DatagramPort):
    """A UNIX datagram socket that is connected to another, for a ConnectedDatagramProtocol."""

    def __init__(
        self,
        addr: str | bytes,
        protocol: Any,
        maxPacketSize: int = MAX_PACKET_SIZE,
        mode: int = 0o666,
        bindAddress: str | bytes | None = None,
        reactor: Any = None,
    ) -> None:
        super().__init__(bindAddress, protocol, maxPacketSize, mode, reactor)
        self.remoteaddr = addr

    def startListening(self) -> None:
        """Connect, and start the protocol; or tell it later that this failed."""
        try:
            super().startListening()
        except error.ConnectError as cause:
            self.reactor.callSoon(self.protocol.connectionFailed, Failure(cause))

    def write(self, datagram: bytes) -> None:  # type: ignore[override]
        """See IUNIXDatagramConnectedTransport."""
        self._send(datagram)

    def getPeer(self) -> UNIXAddress:
        """The address it is connected to."""
        return UNIXAddress(self.remoteaddr)

    def _make_socket(self) -> socket.socket:
        sock = super()._make_socket()
        try:
            sock.connect(self.remoteaddr)
        except BaseException:
            sock.close()
            raise
        return sock

    def _cannot_listen(self, cause: Exception) -> Exception:
        return error.getConnectError(cause)

    def _deliver(self, data: bytes, address: Any) -> None:
        self.protocol.datagramReceived(data)
