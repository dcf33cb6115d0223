"""What the nets of all contracts share: what is closed after a test, and waiting."""

from __future__ import annotations

import socket
from collections.abc import Callable
from typing import Any

from reactorlib.testing.contract.base import ContractBase

DATAGRAM = 1 << 20  # bytes; none is longer


class BaseNet:
    """Ports, plain sockets and waiting, for one reactor. `close` ends all it made."""

    def __init__(self, contract: ContractBase, reactor: Any) -> None:
        self._contract = contract
        self.reactor = reactor
        self.ports: list[Any] = []
        self.sockets: list[socket.socket] = []

    def keep(self, port: Any) -> Any:
        """A port that is stopped with all others."""
        self.ports.append(port)
        return port

    def turn(self, times: int = 3) -> None:
        for _ in range(times):
            self.reactor.iterate(0)

    def turn_until(self, condition: Callable[[], object]) -> None:
        self._contract.turn_until(self.reactor, condition)

    def receive(self, sock: socket.socket, count: int = 1) -> list[bytes]:
        """So many datagrams from a socket that does not block, while the reactor turns."""
        received: list[bytes] = []

        def all_there() -> bool:
            try:
                while len(received) < count:
                    received.append(sock.recv(DATAGRAM))
            except BlockingIOError:
                return False
            return True

        self.turn_until(all_there)
        return received

    def close(self) -> None:
        for each in self.sockets:
            each.close()
        for port in self.ports:
            port.stopListening()
        self.turn_until(lambda: not any(port.connected for port in self.ports))
