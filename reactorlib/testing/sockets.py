"""What stands in for a socket where there is none."""

from __future__ import annotations

import socket
from functools import cached_property
from typing import Any


class MemorySocket:
    """Remembers the options that are set on it, and knows its transport's addresses."""

    def __init__(self, transport: Any) -> None:
        self._transport = transport
        self._options: dict[tuple[int, int], Any] = {(socket.IPPROTO_TCP, socket.TCP_NODELAY): 1}

    def setsockopt(self, level: int, option: int, value: Any) -> None:
        self._options[level, option] = value

    def getsockopt(self, level: int, option: int) -> Any:
        """What was set, else 0; but TCP_NODELAY is on."""
        return self._options.get((level, option), 0)

    def getsockname(self) -> tuple[str, int]:
        address = self._transport.getHost()
        return address.host, address.port

    def getpeername(self) -> tuple[str, int]:
        address = self._transport.getPeer()
        return address.host, address.port

    def fileno(self) -> int:
        """No descriptor: -1."""
        return -1


class WithoutSocket:
    """The part of ITCPTransport that is about the socket, for transports in memory."""

    @cached_property
    def _socket(self) -> MemorySocket:
        return MemorySocket(self)

    def getHandle(self) -> Any:
        """A MemorySocket, which remembers its options."""
        return self._socket

    def getTcpNoDelay(self) -> bool:
        return bool(self._socket.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY))

    def setTcpNoDelay(self, enabled: bool) -> None:
        self._socket.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, bool(enabled))

    def getTcpKeepAlive(self) -> bool:
        return bool(self._socket.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE))

    def setTcpKeepAlive(self, enabled: bool) -> None:
        self._socket.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, bool(enabled))
