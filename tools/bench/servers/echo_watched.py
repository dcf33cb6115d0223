"""Echo that tells on stdout, twice a second, how late it is.

`reactorlib run echo_watched.py:factory` serves it on any backend. Run by itself, it is on
the kqueue backend, over the tests' stand-in for kqueue(2). A line is JSON: the process, and
by how many seconds a timer was late at most since the last line.
"""

# mypy: ignore-errors

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

from reactorlib.backends.engine import Engine
from reactorlib.posixbase import Reactor
from reactorlib.protocol import Factory
from reactorlib.protocols.wire import Echo

TICK, LINE = 0.05, 0.5  # seconds between timers, and between lines


class Watch:
    """Looks at a reactor for as long as it runs."""

    def __init__(self, reactor) -> None:
        self._reactor = reactor
        self._worst = 0.0
        reactor.callWhenRunning(self._begin)

    def _begin(self) -> None:
        self._next_line = self._reactor.seconds()
        self._tick(self._next_line)

    def _tick(self, due: float) -> None:
        now = self._reactor.seconds()
        self._worst = max(self._worst, now - due)
        if now >= self._next_line:
            self._tell()
            self._next_line = now + LINE
        self._reactor.callLater(TICK, self._tick, now + TICK)

    def _tell(self) -> None:
        line = {"process": os.getpid(), "lag": self._worst}
        os.write(1, json.dumps(line).encode() + b"\n")
        self._worst = 0.0


def on_kqueue() -> None:
    # Last, so that the checkout's folders do not shadow the installed package.
    sys.path.append(str(Path(__file__).resolve().parents[3]))
    from tests.native.build import KQUEUE, load

    reactor = Reactor(Engine("kqueue", load(KQUEUE)))
    port = reactor.listenTCP(0, Factory.forProtocol(Echo), interface="127.0.0.1")
    print(f"echo on 127.0.0.1:{port.getHost().port} (kqueue)", flush=True)
    Watch(reactor)
    reactor.run()


if __name__ == "__main__":
    on_kqueue()
else:
    from reactorlib import reactor

    Watch(reactor)
    factory = Factory.forProtocol(Echo)
