"""Listening sockets that one process opens and others serve.

Where the system has SO_REUSEPORT, each worker has a socket of its own for a port, and
the kernel divides connections among them; elsewhere, and for UNIX sockets, all share
one. A place is what a port calls itself (`Port.place`): a worker's port finds its
inherited socket by it.
"""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from zope.interface import implementer

from reactorlib import tcp, unix
from reactorlib.address import from_sockaddr
from reactorlib.app.mistakes import UserMistake
from reactorlib.defer import Deferred, succeed
from reactorlib.interfaces import IListeningPort

VARIABLE = "REACTORLIB_INHERITED"

Place = tuple[Any, ...]


@implementer(IListeningPort)
class Opened:
    """A place with its sockets, as the endpoint that opened it sees it: a port.

    `descriptor` is the number by which workers know it, for what was not opened here.
    """

    def __init__(
        self,
        place: Place,
        sockets: list[socket.socket],
        descriptor: int | None = None,
        port: Any = None,
    ) -> None:
        self.place = place
        self.sockets = sockets
        self.descriptor = descriptor
        self._port = port

    def for_worker(self, index: int) -> socket.socket:
        """The socket that a worker serves."""
        return self.sockets[index % len(self.sockets)]

    def getHost(self) -> Any:
        """The address."""
        first = self.sockets[0]
        return from_sockaddr(first.family, first.getsockname())

    def startListening(self) -> None:
        """It was opened so."""

    def stopListening(self) -> Deferred[None]:
        """Close them; nobody's connections end by that."""
        for each in self.sockets:
            each.close()
        if self._port is not None:
            self._port.unbound()
        return succeed(None)


class Opener:
    """What endpoints take for a reactor: opens sockets, for so many workers, and serves none."""

    def __init__(self, reactor: Any, workers: int) -> None:
        self._reactor = reactor
        self.workers = workers
        self.opened: list[Opened] = []
        self._when_served: list[Callable[[], object]] = []

    def callWhenRunning(self, callable: Callable[[], object]) -> None:
        """Call it when workers serve what was opened."""
        self._when_served.append(callable)

    def is_served(self) -> None:
        """They do."""
        for each in self._when_served:
            each()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._reactor, name)

    def listenTCP(
        self,
        port: int,
        factory: Any,
        backlog: int = tcp.BACKLOG,
        interface: str = "",
        *,
        reusePort: bool = False,
    ) -> Opened:
        """Open a port for each worker."""
        sockets: list[socket.socket] = []
        number = port
        each_has_one = hasattr(socket, "SO_REUSEPORT") and self.workers > 1
        if each_has_one and port and not reusePort:  # else two servers would share it unnoticed
            tcp.Port(port, None, 0, interface, self._reactor).bound_socket().close()
        try:
            for _ in range(self.workers if each_has_one else 1):
                shared = tcp.Port(
                    number, None, backlog, interface, self._reactor, reusePort or each_has_one
                )
                sockets.append(shared.bound_socket())
                number = sockets[0].getsockname()[1]
        except BaseException:
            for each in sockets:
                each.close()
            raise
        return self._keep(Opened(("tcp", interface, port), sockets))

    def listenSSL(
        self, port: int, factory: Any, contextFactory: Any, *arguments: Any, **options: Any
    ) -> Opened:
        """As listenTCP: TLS is the workers' affair."""
        return self.listenTCP(port, factory, *arguments, **options)

    def listenUNIX(
        self,
        address: str | bytes,
        factory: Any,
        backlog: int = tcp.BACKLOG,
        mode: int = 0o666,
        wantPID: bool | int = 0,
    ) -> Opened:
        """Open a UNIX socket for all."""
        port = unix.Port(address, None, backlog, mode, self._reactor, wantPID)
        return self._keep(Opened(port.place, [port.bound_socket()], port=port))

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Opened:
        """Keep one that is open already."""
        sock = socket.socket(addressFamily, fileno=os.dup(fileDescriptor))
        return self._keep(Opened((), [sock], fileDescriptor))

    def _keep(self, opened: Opened) -> Opened:
        self.opened.append(opened)
        return opened

    def close(self) -> None:
        """Close all that was opened."""
        for each in self.opened:
            each.stopListening()


@dataclass(frozen=True)
class Inheritance:
    """What a worker is told of its place among others, and of what it inherits.

    `slot` is its number, from 0 on. `control` is the descriptor that leads to its
    supervisor. `places` are the sockets that ports will ask for. `names` are those of
    descriptors that systemd gave, from 3 on.
    """

    slot: int
    control: int
    places: dict[int, Place]
    names: tuple[str, ...] = ()

    def share(self, whole: int, workers: int) -> int:
        """This worker's part of a number: all parts together are that number."""
        return whole // workers + (self.slot < whole % workers)

    def environment(self) -> dict[str, str]:
        """The variable that tells it to a child of this process."""
        told = [os.getpid(), self.slot, self.control, list(self.places.items()), self.names]
        return {VARIABLE: json.dumps(told)}


def inherited() -> Inheritance | None:
    """What this process was told, once: None if it is nobody's worker.

    Raises UserMistake if its supervisor has gone meanwhile.
    """
    text = os.environ.pop(VARIABLE, "")
    if not text:
        return None
    parent, slot, control, places, names = json.loads(text)
    if parent != os.getppid():
        raise UserMistake("the process that supervised this worker has gone")
    by_number = {number: tuple(place) for number, place in places}
    return Inheritance(slot, control, by_number, tuple(names))
