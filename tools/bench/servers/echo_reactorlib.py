"""Echo on this project's reactor, with the backend that the argument names."""

# mypy: ignore-errors
# ruff: noqa: E402

from __future__ import annotations

import sys

from reactorlib import backends

backends.install(sys.argv[1])

from reactorlib import reactor
from reactorlib.protocol import Factory, Protocol


class Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


port = reactor.listenTCP(0, Factory.forProtocol(Echo), backlog=1024, interface="127.0.0.1")
print(port.getHost().port, flush=True)
reactor.run()
