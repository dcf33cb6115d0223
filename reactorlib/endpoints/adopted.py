"""Sockets that are listening already: inherited by number, or from systemd."""

from __future__ import annotations

import os
import socket
from typing import Any

from zope.interface import implementer

from reactorlib import error, systemd
from reactorlib.defer import Deferred, execute
from reactorlib.endpoints import fields
from reactorlib.interfaces import IStreamServerEndpoint, IStreamServerEndpointStringParser
from reactorlib.sockets import borrowed_socket


@implementer(IStreamServerEndpoint)
class AdoptedStreamServerEndpoint:
    """A listening socket of this process, by its descriptor and family.

    The descriptor is the endpoint's: it is closed once a port has a copy of it,
    and a second `listen` fails with AlreadyListened.
    """

    def __init__(self, reactor: Any, fileno: int, addressFamily: int) -> None:
        self._reactor = reactor
        self.fileno = fileno
        self.addressFamily = addressFamily
        self._used = False

    def listen(self, protocolFactory: Any) -> Deferred[Any]:
        return execute(self._listen, protocolFactory)

    def _listen(self, factory: Any) -> Any:
        if self._used:
            raise error.AlreadyListened(f"descriptor {self.fileno} has a port already")
        port = self._reactor.adoptStreamPort(self.fileno, self.addressFamily, factory)
        self._used = True
        os.close(self.fileno)
        return port


def adopt(reactor: Any, descriptor: int) -> AdoptedStreamServerEndpoint:
    """The endpoint of a listening socket. Raises ValueError if the descriptor is none."""
    try:
        with borrowed_socket(descriptor) as sock:
            stream = sock.type == socket.SOCK_STREAM
            listening = stream and sock.getsockopt(socket.SOL_SOCKET, socket.SO_ACCEPTCONN)
            family = sock.family
    except OSError as cause:
        raise ValueError(f"descriptor {descriptor} is not a socket: {cause.strerror}") from cause
    if not listening:
        raise ValueError(f"descriptor {descriptor} is not a listening stream socket")
    os.set_inheritable(descriptor, False)
    return AdoptedStreamServerEndpoint(reactor, descriptor, family)


@implementer(IStreamServerEndpointStringParser)
class DescriptorParser:
    """`fd:3`: a listening socket that this process was started with."""

    prefix = "fd"

    def parseStreamServer(self, reactor: Any, fileno: str) -> AdoptedStreamServerEndpoint:
        return adopt(reactor, fields.number(fileno, "fileno"))


@implementer(IStreamServerEndpointStringParser)
class SystemdParser:
    """`systemd:0`, `systemd:index=1` or `systemd:name=web`: one of systemd's sockets.

    Alone, `systemd` is the only one there is.
    """

    prefix = "systemd"

    def parseStreamServer(
        self, reactor: Any, index: str | None = None, name: str | None = None
    ) -> AdoptedStreamServerEndpoint:
        sockets = systemd.inherited().pairs()
        if not sockets:
            raise ValueError("systemd gave this process no sockets (LISTEN_FDS, LISTEN_PID)")
        if index is not None and name is not None:
            raise ValueError("give an index or a name, not both")
        if index is not None:
            return adopt(reactor, _by_index(sockets, index))
        return adopt(reactor, _by_name(sockets, name))


def _by_index(sockets: list[tuple[str, int]], index: str) -> int:
    return sockets[fields.number(index, "index", 0, len(sockets) - 1)][1]


def _by_name(sockets: list[tuple[str, int]], name: str | None) -> int:
    """The one of that name, or the only one; there must be no choice."""
    found = [descriptor for its_name, descriptor in sockets if name in (None, its_name)]
    if len(found) != 1:
        of_that_name = "" if name is None else f" named {name!r}"
        listed = ", ".join(f"{number} {each!r}" for number, (each, _) in enumerate(sockets))
        raise ValueError(
            f"{len(found)} sockets{of_that_name}; give the index of one of these: {listed}"
        )
    return found[0]
