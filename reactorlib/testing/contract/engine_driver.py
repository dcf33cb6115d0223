"""Drives an engine for its contract's tests, and holds every record against the contract.

Whatever a test is about, each turn must keep to this: a record is about a
handle that is alive; EVENT_LOST comes once and last; nothing is read while
paused, after `lose` or `abort`, or after the end; nothing is reported that was
not asked for; a handle is never given out twice.
"""

from __future__ import annotations

import os
import socket
from collections.abc import Callable
from time import monotonic
from typing import Any, Protocol, TypeVar

from reactorlib.backends.events import (
    ACCEPTED,
    BLOCKED,
    CLEARED,
    CONNECTED,
    CONNECTING,
    DATA,
    DATAGRAM,
    EMPTIED,
    EOF,
    LISTENER,
    LOST,
    NOTIFY_CONGESTION,
    NOTIFY_EMPTIED,
    NOTIFY_EOF,
    READABLE,
    SHUT,
    STREAM,
    WRITABLE,
)

LOOPBACK = "127.0.0.1"

# What must have been asked for by `notify`.
ASKED_FOR = {
    EOF: NOTIFY_EOF,
    BLOCKED: NOTIFY_CONGESTION,
    CLEARED: NOTIFY_CONGESTION,
    EMPTIED: NOTIFY_EMPTIED,
}

# What only happens to one kind of descriptor.
BELONGS_TO = {ACCEPTED: LISTENER, CONNECTED: CONNECTING}


class Closable(Protocol):
    """A socket, a file."""

    def close(self) -> None: ...


Owned = TypeVar("Owned", bound=Closable)


class Handle:
    """One descriptor in the engine: what is asked of it, and what it reports."""

    def __init__(self, driver: EngineDriver, number: int, kind: int) -> None:
        self.driver = driver
        self.number = number
        self.kind = kind
        self.received = bytearray()
        self.events: list[tuple[int, int, int]] = []
        self.accepted: list[Handle] = []
        self.lost: int | None = None
        self.paused = self.leaving = self.shutting = False
        self.mask = 0
        self.watched: set[int] = set()

    def write(self, data: bytes) -> int:
        return int(self.driver.engine.write(self.number, data, len(data)))

    def notify(self, mask: int) -> None:
        self.mask = mask
        self.driver.engine.notify(self.number, mask)

    def watch(self, readable: bool, writable: bool) -> None:
        self.watched = {READABLE} if readable else set()
        self.watched |= {WRITABLE} if writable else set()
        self.driver.engine.watch(self.number, readable, writable)

    def pause(self) -> None:
        self.paused = True
        self.driver.engine.pause(self.number)

    def resume(self) -> None:
        self.paused = False
        self.driver.engine.resume(self.number)

    def shut(self) -> None:
        self.shutting = True
        self.driver.engine.shut(self.number)

    def lose(self) -> None:
        self.leaving = True
        self.driver.engine.lose(self.number)

    def abort(self) -> None:
        self.leaving = True
        self.driver.engine.abort(self.number)

    def detach(self) -> int:
        descriptor = int(self.driver.engine.detach(self.number))
        if descriptor >= 0:
            del self.driver.handles[self.number]
        return descriptor

    @property
    def descriptor(self) -> int:
        return int(self.driver.engine.descriptor(self.number))

    @property
    def buffered(self) -> int:
        return int(self.driver.engine.buffered(self.number))

    @property
    def sent(self) -> int:
        return int(self.driver.engine.sent(self.number))

    def count(self, kind: int) -> int:
        """How often an event has happened."""
        return sum(event[0] == kind for event in self.events)

    def take(self, kind: int, first: int, second: int) -> None:
        """Take one record in, and check that it may come now."""
        assert self.lost is None, f"event {kind} after EVENT_LOST"
        self.events.append((kind, first, second))
        if kind in ASKED_FOR:
            assert self.mask & ASKED_FOR[kind], f"event {kind} was not asked for"
        if kind in BELONGS_TO:
            assert self.kind == BELONGS_TO[kind], f"event {kind} on kind {self.kind}"
        getattr(self, _CHECKS.get(kind, "_take_other"))(kind, first, second)

    def _take_data(self, kind: int, first: int, second: int) -> None:
        assert self.kind != CONNECTING, "data before EVENT_CONNECTED"
        assert not self.paused, "data while paused"
        assert not self.leaving, "data after lose or abort"
        assert self.count(EOF) == 0, "data after the end"
        assert 0 <= first < second, "an empty read"
        self.received += self.driver.engine.arena[first:second]

    def _take_datagram(self, kind: int, first: int, second: int) -> None:
        assert not self.paused, "a datagram while paused"
        assert not self.leaving, "a datagram after lose or abort"

    def _take_accepted(self, kind: int, first: int, second: int) -> None:
        assert not self.paused, "a connection while paused"
        self.accepted.append(self.driver.know(first, STREAM))

    def _take_connected(self, kind: int, first: int, second: int) -> None:
        self.kind = STREAM

    def _take_readiness(self, kind: int, first: int, second: int) -> None:
        assert kind in self.watched, f"readiness {kind} was not asked for"

    def _take_lost(self, kind: int, first: int, second: int) -> None:
        self.lost = first

    def _take_other(self, kind: int, first: int, second: int) -> None:
        if kind in (EOF, SHUT):
            assert self.count(kind) == 1
        if kind == SHUT:
            assert self.shutting


_CHECKS = {
    DATA: "_take_data",
    DATAGRAM: "_take_datagram",
    ACCEPTED: "_take_accepted",
    CONNECTED: "_take_connected",
    READABLE: "_take_readiness",
    WRITABLE: "_take_readiness",
    LOST: "_take_lost",
}


class EngineDriver:
    """An engine, and a Handle for everything in it. `patience` in seconds."""

    def __init__(self, engine: Any, patience: float) -> None:
        self.engine = engine
        self.patience = patience
        self.handles: dict[int, Handle] = {}
        self.used: set[int] = set()
        self.turns = 0
        self._owned: list[Closable] = []

    def know(self, number: int, kind: int) -> Handle:
        assert number > 0
        assert number not in self.used, "a handle is given out twice"
        self.used.add(number)
        handle = self.handles[number] = Handle(self, number, kind)
        return handle

    def add(self, descriptor: int | socket.socket, kind: int) -> Handle:
        """Take a descriptor, or a socket, from which it is detached, into the engine."""
        if isinstance(descriptor, socket.socket):
            descriptor.setblocking(False)
            handle = self.know(self.engine.add(descriptor.fileno(), kind), kind)
            descriptor.detach()
            return handle
        os.set_blocking(descriptor, False)
        return self.know(self.engine.add(descriptor, kind), kind)

    def turn(self, seconds: float = 0.0) -> int:
        """One turn; the number of records."""
        self.turns += 1
        records = list(self.engine.turn(seconds))
        for kind, number, first, second in records:
            handle = self.handles.get(number)
            assert handle is not None, f"event {kind} for the dead or unknown handle {number}"
            handle.take(kind, first, second)
        for handle in [handle for handle in self.handles.values() if handle.lost is not None]:
            del self.handles[handle.number]
        return len(records)

    def until(self, condition: Callable[[], object]) -> None:
        """Turn until something is true."""
        end = monotonic() + self.patience
        while not condition():
            assert monotonic() < end, f"not true within {self.patience} s"
            self.turn(0.05)

    def until_told(self, handle: Handle, kind: int, times: int = 1) -> None:
        """Turn until an event has happened so often."""
        self.until(lambda: handle.count(kind) >= times)

    def until_received(self, handle: Handle, size: int) -> None:
        """Turn until so many bytes were read."""
        self.until(lambda: len(handle.received) >= size)

    def until_lost(self, *handles: Handle) -> None:
        self.until(lambda: all(handle.lost is not None for handle in handles))

    def expect_quiet(self, seconds: float = 0.02, rest: int = 8) -> None:
        """Nothing more happens, and a turn waits: after `rest` turns at the latest."""
        for _ in range(rest):
            begun = monotonic()
            assert self.turn(seconds) == 0
            if monotonic() - begun >= seconds:
                return
        raise AssertionError("turns come back at once with nothing to report")

    # What is on the other side; closed with the driver

    def own(self, other: Owned) -> Owned:
        self._owned.append(other)
        return other

    def server(self, family: int = socket.AF_INET, host: str = LOOPBACK) -> socket.socket:
        """A listening socket that is not in the engine."""
        sock = self.own(socket.socket(family, socket.SOCK_STREAM))
        sock.bind((host, 0))
        sock.listen(1024)
        return sock

    def listener(self) -> tuple[Handle, Any]:
        """A listener in the engine, and its address."""
        sock = self.server()
        address = sock.getsockname()
        return self.add(sock, LISTENER), address

    def client(self, address: Any) -> socket.socket:
        """A connected socket that is not in the engine."""
        sock = self.own(socket.create_connection(address, self.patience))
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        return sock

    def connection(self) -> tuple[Handle, socket.socket]:
        """A TCP connection: one side in the engine, the other one a blocking socket."""
        server = self.server()
        client = self.client(server.getsockname())
        accepted, _ = server.accept()
        server.close()
        return self.add(accepted, STREAM), client

    def pair(self) -> tuple[Handle, socket.socket]:
        """The same on a pair of Unix sockets, of which the kernel buffers less."""
        ours, theirs = socket.socketpair()
        return self.add(ours, STREAM), self.own(theirs)

    def connecting(self, address: Any) -> Handle:
        """A socket on its way."""
        sock = self.own(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
        sock.setblocking(False)
        sock.connect_ex(address)
        return self.add(sock, CONNECTING)

    def send_some(self, sock: socket.socket, data: bytes) -> int:
        """Send from the other side what goes out now; how much."""
        sock.setblocking(False)
        try:
            return sock.send(data)
        except BlockingIOError:
            return 0

    def read(self, sock: socket.socket, size: int) -> bytes:
        """Exactly so many bytes from the other side, while the engine turns."""
        sock.setblocking(False)
        data = bytearray()
        end = monotonic() + self.patience
        while len(data) < size:
            assert monotonic() < end, f"{len(data)} bytes of {size} within {self.patience} s"
            try:
                part = sock.recv(min(size - len(data), 1 << 18))
            except BlockingIOError:
                self.turn(0.001)
                continue
            assert part, f"the end after {len(data)} bytes of {size}"
            data += part
            self.turn()
        return bytes(data)

    def read_end(self, sock: socket.socket) -> None:
        """Nothing but a clean end from the other side."""
        sock.setblocking(False)
        end = monotonic() + self.patience
        while monotonic() < end:
            try:
                assert sock.recv(1) == b""
                return
            except BlockingIOError:
                self.turn(0.001)
        raise AssertionError(f"no end within {self.patience} s")

    def read_reset(self, sock: socket.socket) -> None:
        """A reset, after whatever comes before it, from the other side."""
        sock.settimeout(self.patience)
        try:
            while sock.recv(1 << 20):
                pass
        except ConnectionResetError:
            return
        raise AssertionError("a clean end instead of a reset")

    def close(self) -> None:
        for other in self._owned:
            other.close()
        self.engine.close()
