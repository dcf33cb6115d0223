"""Echo on this project's kqueue backend, over the tests' stand-in for kqueue(2).

What it costs says nothing of a real kqueue; how it grows with idle
connections does say whether our side of it is sound.
"""

# mypy: ignore-errors

from __future__ import annotations

import sys
from pathlib import Path

# Last, so that the checkout's folders do not shadow the installed package.
sys.path.append(str(Path(__file__).resolve().parents[3]))

from reactorlib.backends.engine import Engine
from reactorlib.posixbase import Reactor
from reactorlib.protocol import Factory, Protocol
from tests.native.build import KQUEUE, load


class Echo(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(data)


reactor = Reactor(Engine("kqueue", load(KQUEUE)))
port = reactor.listenTCP(0, Factory.forProtocol(Echo), backlog=1024, interface="127.0.0.1")
print(port.getHost().port, flush=True)
reactor.run()
