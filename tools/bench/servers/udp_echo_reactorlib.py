"""UDP echo on this project's reactor, with the backend that the argument names."""

# mypy: ignore-errors
# ruff: noqa: E402

from __future__ import annotations

import sys

from reactorlib import backends

backends.install(sys.argv[1])

from reactorlib import reactor
from reactorlib.protocol import DatagramProtocol


class Echo(DatagramProtocol):
    def datagramReceived(self, datagram: bytes, addr: tuple[str, int]) -> None:
        self.transport.write(datagram, addr)


port = reactor.listenUDP(0, Echo(), interface="127.0.0.1")
print(port.getHost().port, flush=True)
reactor.run()
