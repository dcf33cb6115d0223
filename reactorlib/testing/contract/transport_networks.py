"""What the transport contract runs on: two protocols, and something between them.

`ours` is the end under test and `theirs` its peer, both Recorders. A network
says how they are connected, how time passes, and what became of faults.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Any

import pytest

from reactorlib.protocol import ClientFactory, Factory
from reactorlib.testing import waiting
from reactorlib.testing.contract.tcp_peers import LOOPBACK, MEGABYTE, Recorder
from reactorlib.testing.leaks import LoggedErrors
from reactorlib.testing.link import Link
from reactorlib.testing.transports import StringTransport


class Network(ABC):
    """One connection at a time. `plenty`: more than it takes while nobody reads."""

    plenty: bytes
    ours: Recorder
    theirs: Recorder

    def pair(
        self, ours: Recorder | None = None, theirs: Recorder | None = None
    ) -> tuple[Recorder, Recorder]:
        """Connect two protocols; by default they only write down what happens."""
        self.ours, self.theirs = ours or Recorder(), theirs or Recorder()
        self.connect()
        return self.ours, self.theirs

    @abstractmethod
    def connect(self) -> None:
        """Connect `ours` and `theirs`: they have their transports when this returns."""

    @abstractmethod
    def until(self, condition: Callable[[], object]) -> None:
        """Go on until something is true; fail if it does not become so."""

    @abstractmethod
    def settle(self) -> None:
        """Go on for a while, in which nothing is expected."""

    @abstractmethod
    def faults(self, kind: type[BaseException]) -> int:
        """How many of these have been reported since this was last asked."""

    def arrived(self) -> bytes:
        """All that `ours` has written, as far as it has come."""
        return bytes(self.theirs.received)

    def block(self) -> None:
        """The peer stops reading."""
        self.theirs.transport.pauseProducing()

    def unblock(self) -> None:
        """The peer goes on reading."""
        self.theirs.transport.resumeProducing()


class StringNetwork(Network):
    """A StringTransport; `theirs` is not connected to anything."""

    plenty = b"x" * 200

    def __init__(self, make: Callable[[], StringTransport] = StringTransport) -> None:
        self._make = make

    def connect(self) -> None:
        self.transport = self._make()
        self.transport.connect_to(self.ours)

    def until(self, condition: Callable[[], object]) -> None:
        __tracebackhide__ = True
        if not condition():
            pytest.fail(f"{condition!r} is not true")

    def settle(self) -> None:
        """Nothing is ever on its way."""

    def faults(self, kind: type[BaseException]) -> int:
        """Faults are raised where they happen."""
        return 0

    def arrived(self) -> bytes:
        return self.transport.value()

    def block(self) -> None:
        self.transport.block()

    def unblock(self) -> None:
        self.transport.unblock()


class LinkNetwork(Network):
    """A Link. What protocols raise comes out of it, and is kept."""

    plenty = b"x" * 200_000

    def __init__(self, link: Link) -> None:
        self.link = link
        self.raised: list[BaseException] = []

    def connect(self) -> None:
        self._catching(lambda: self.link.connect(self.theirs, self.ours))

    def until(self, condition: Callable[[], object]) -> None:
        __tracebackhide__ = True
        while not condition():
            if not self._turn():
                pytest.fail(f"nothing happens any more on {self.link!r}: {condition!r} is not true")

    def settle(self) -> None:
        while self._turn():
            """All that is on its way arrives."""

    def faults(self, kind: type[BaseException]) -> int:
        count = sum(isinstance(each, kind) for each in self.raised)
        self.raised = [each for each in self.raised if not isinstance(each, kind)]
        return count

    def close(self) -> None:
        """End what is left, after a test: a fault that was not asked for is raised."""
        self.settle()
        if self.raised:
            raise self.raised[0]

    def _turn(self) -> bool:
        return self._catching(self.link.turn) is not False

    def _catching(self, action: Callable[[], Any]) -> Any:
        try:
            return action()
        except Exception as fault:
            self.raised.append(fault)
            return None


class TCPNetwork(Network):
    """Real connections, both ends of them on one reactor; `ours` is the accepted one."""

    plenty = b"x" * 8 * MEGABYTE
    patience = 30.0

    def __init__(self, reactor: Any, logged_errors: LoggedErrors) -> None:
        self.reactor = reactor
        self.logged_errors = logged_errors
        self._ports: list[Any] = []

    def connect(self) -> None:
        ours, theirs = self.ours, self.theirs
        factory = Factory.forProtocol(lambda: ours)
        port = self.reactor.listenTCP(0, factory, interface=LOOPBACK)
        self._ports.append(port)
        client = ClientFactory.forProtocol(lambda: theirs)
        self.reactor.connectTCP(LOOPBACK, port.getHost().port, client)
        self.until(lambda: ours.connected and theirs.connected)

    def until(self, condition: Callable[[], object]) -> None:
        __tracebackhide__ = True
        waiting.turn_until(self.reactor, condition, self.patience)

    def settle(self) -> None:
        for _ in range(5):
            self.reactor.iterate(0.001)

    def faults(self, kind: type[BaseException]) -> int:
        return len(self.logged_errors.take(kind))

    def close(self) -> None:
        """End what is left, after a test."""
        for port in self._ports:
            port.stopListening()
        for protocol in (self.ours, self.theirs):
            protocol.hooks.clear()
            protocol.transport.abortConnection()
        self.until(lambda: not self.reactor.sinks)
