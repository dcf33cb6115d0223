"""A network in memory: `Link` joins protocols, and `random.Random(seed)` decides the rest.

Guarantees:

- The transports are the package's own `Stream` on a simulated engine: what
  protocols see keeps to the contract of a TCP connection (ITCPTransport).
- What is written arrives in order, in any pieces, at any time, until the
  connection is reset or the link dropped. Nothing else is promised: neither
  how writes are divided, nor which of two ends is served first.
- The same seed and the same calls give the same run.
- Time is a Clock's: nothing happens until the link is run, and nothing waits.

What a protocol raises ends its connection, as on a real reactor; and it is
raised to the test, from the call that made the link move.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from random import Random
from typing import Any

from zope.interface import implementer

from reactorlib import error
from reactorlib.address import IPv4Address
from reactorlib.backends.events import DATA
from reactorlib.failure import Failure
from reactorlib.interfaces import ITCPTransport
from reactorlib.sinks import Sink
from reactorlib.stream import Stream
from reactorlib.task import Clock
from reactorlib.testing.memory import MemoryReactorClock
from reactorlib.testing.sockets import WithoutSocket
from reactorlib.testing.wire import Conditions, Wire

CLIENT_HOST, SERVER_HOST = "10.0.0.1", "10.0.0.2"
FIRST_CLIENT_PORT = 49152
SERVER_PORT = 80

# Seconds from one turn to the next, at least: time passes even where there is no delay.
TICK = 1e-6


def step(clock: Clock) -> bool:
    """Move a clock on to its next delayed call; False if it has none."""
    calls = clock.getDelayedCalls()
    if calls:
        clock.advance(max(0.0, calls[0].getTime() - clock.seconds()))
    return bool(calls)


class LinkReactor:
    """What the transports of a Link have as their reactor: a turn of its own, and a clock.

    All but what is defined here is the clock's: callLater, seconds and so on.
    """

    def __init__(self, clock: Clock, chance: Random, conditions: Conditions) -> None:
        self.clock = clock
        self.engine = Wire(chance, conditions, clock.seconds, self._wake)
        self.sinks: dict[int, Sink] = {}
        self.corked: Any = None
        self.faults: list[BaseException] = []
        self._soon: list[tuple[Callable[..., object], tuple[Any, ...]]] = []
        self._next: Any = None
        self._free_at = 0.0

    def __getattr__(self, name: str) -> Any:
        return getattr(self.clock, name)

    @property
    def busy(self) -> bool:
        """Whether a turn is to come."""
        return self._next is not None

    def callSoon(self, callable: Callable[..., object], *args: Any) -> None:
        """Call in the next turn."""
        self._soon.append((callable, args))
        self._wake()

    callFromThread = callSoon

    def report(self, sink: Sink) -> None:
        """Keep the exception being handled, which costs this sink's connection."""
        failure = Failure()
        self.faults.append(failure.value)
        sink.raised(failure)

    def raise_fault(self) -> None:
        """Raise the first of those that were kept."""
        if self.faults:
            raise self.faults.pop(0)

    def _wake(self) -> None:
        self._turn_at(self.clock.seconds())

    def _turn_at(self, time: float) -> None:
        time = max(time, self._free_at)
        if self._next is not None:
            if self._next.getTime() <= time:
                return
            self._next.cancel()
        self._next = self.clock.callLater(max(0.0, time - self.clock.seconds()), self._turn)

    def _turn(self) -> None:
        self._next = None
        self._free_at = self.clock.seconds() + TICK
        soon, self._soon = self._soon, []
        for callable, args in soon:
            callable(*args)
        for kind, handle, number, data in self.engine.turn():
            self._dispatch(self.sinks[handle], kind, number, data)
        due = self.engine.next_due()
        if due < math.inf:
            self._turn_at(due)
        self.raise_fault()

    def _dispatch(self, sink: Sink, kind: int, number: int, data: bytes) -> None:
        try:
            if kind != DATA:
                sink.event(kind, number, len(data))
            elif sink.receiving:
                sink.protocol.dataReceived(data)
            else:
                sink.hold(data)
        except (KeyboardInterrupt, SystemExit):
            raise
        except BaseException:
            self.report(sink)


@implementer(ITCPTransport)
class LinkTransport(Stream, WithoutSocket):
    """One end of a connection on a Link."""

    def __init__(self, reactor: LinkReactor, handle: int, host: Any, peer: Any) -> None:
        super().__init__(reactor, handle)
        self._host = host
        self._peer = peer

    def getPeer(self) -> Any:
        return self._peer

    def getHost(self) -> Any:
        """This side's address. Raises ConnectionClosed after the end."""
        if not self.connected:
            raise error.ConnectionClosed("its socket is gone")
        return self._host

    def __repr__(self) -> str:
        return f"<connection of {self.logPrefix()} with {self._peer}>"


class Link:
    """A cable between two hosts, and any number of connections on it.

    `seed`: what decides all chance, an integer or a string.
    `clock`: the Clock whose time it is; by default a MemoryReactorClock of its
    own. The transports' `reactor` has this clock's time.
    `delay`: seconds from writing to arrival, or the least and the most.
    `bandwidth`: bytes in a second in each direction; None is no limit.
    `capacity`: bytes that a direction of a connection holds, unread ones
    included, before it takes no more. Raises ValueError for one below 1.
    """

    def __init__(
        self,
        seed: int | str = 0,
        *,
        clock: Clock | None = None,
        delay: float | tuple[float, float] = (0.0, 0.1),
        bandwidth: float | None = None,
        capacity: int = 65_536,
    ) -> None:
        if capacity < 1:
            raise ValueError(f"a connection cannot hold {capacity} bytes")
        self.seed = seed
        self.clock = MemoryReactorClock() if clock is None else clock
        self._chance = Random(seed)
        least_and_most = delay if isinstance(delay, tuple) else (delay, delay)
        conditions = Conditions(least_and_most, bandwidth or math.inf, capacity)
        self.reactor = LinkReactor(self.clock, self._chance, conditions)
        self._connections = 0

    def connect(self, client: Any, server: Any) -> tuple[LinkTransport, LinkTransport]:
        """Join two protocols: both have their connectionMade called, in any order.

        Returns their transports. Raises what a connectionMade raises, after the
        other's was called; RuntimeError if the link was dropped.
        """
        wire = self.reactor.engine
        if wire.is_cut:
            raise RuntimeError(f"{self!r} was dropped")
        client_address = IPv4Address("TCP", CLIENT_HOST, FIRST_CLIENT_PORT + self._connections)
        server_address = IPv4Address("TCP", SERVER_HOST, SERVER_PORT)
        self._connections += 1
        first, second = wire.join()
        ours = LinkTransport(self.reactor, first, client_address, server_address)
        theirs = LinkTransport(self.reactor, second, server_address, client_address)
        for transport, protocol in self._chance.sample([(ours, client), (theirs, server)], 2):
            self._give(transport, protocol)
        self.reactor.raise_fault()
        return ours, theirs

    def _give(self, transport: LinkTransport, protocol: Any) -> None:
        try:
            transport.connect_to(protocol)
        except Exception:
            self.reactor.report(transport)

    @property
    def busy(self) -> bool:
        """Whether there is anything on its way, or anything raised and not yet told."""
        return self.reactor.busy or bool(self.reactor.faults)

    def turn(self) -> bool:
        """Move time to the next thing that happens on the clock; False if none does on the link."""
        self.reactor.raise_fault()
        return self.reactor.busy and step(self.clock)

    def run(self, turns: int = 100_000) -> None:
        """Go on until nothing is on its way any more.

        Time passes as it must; delayed calls that are due until then are made.
        Raises what a protocol raises, and AssertionError if so many `turns` are
        not enough: protocols that answer each other for ever do not come to an end.
        """
        for _ in range(turns):
            if not self.turn():
                return
        raise AssertionError(f"{self!r} is still busy after {turns} turns")

    def advance(self, seconds: float) -> None:
        """Let so much time pass, one event after the other. Raises what a protocol raises."""
        until = self.clock.seconds() + seconds
        while (calls := self.clock.getDelayedCalls()) and calls[0].getTime() <= until:
            step(self.clock)
        self.clock.advance(max(0.0, until - self.clock.seconds()))

    def reset(self) -> None:
        """Both ends of every connection get a reset from the network."""
        self.reactor.engine.reset()

    def drop(self) -> None:
        """Cut the cable: from now on nothing arrives, and no end is told."""
        self.reactor.engine.cut()

    def __repr__(self) -> str:
        return f"Link(seed={self.seed!r})"
