"""UNIX sockets: paths, and on Linux names of the abstract namespace, written `@name`."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from reactorlib.address import UNIXAddress
from reactorlib.defer import Deferred, execute
from reactorlib.endpoints import fields
from reactorlib.endpoints.connecting import connect_once
from reactorlib.interfaces import (
    IStreamClientEndpoint,
    IStreamClientEndpointStringParserWithReactor,
    IStreamServerEndpoint,
    IStreamServerEndpointStringParser,
)
from reactorlib.tcp import BACKLOG


@implementer(IStreamServerEndpoint)
class UNIXServerEndpoint:
    """A UNIX socket to listen at; the arguments are those of listenUNIX."""

    def __init__(
        self,
        reactor: Any,
        address: str | bytes,
        backlog: int = BACKLOG,
        mode: int = 0o666,
        wantPID: bool | int = False,
    ) -> None:
        self._reactor = reactor
        self._address = address
        self._backlog = backlog
        self._mode = mode
        self._want_pid = wantPID

    def listen(self, protocolFactory: Any) -> Deferred[Any]:
        return execute(
            lambda: self._reactor.listenUNIX(
                self._address,
                protocolFactory,
                backlog=self._backlog,
                mode=self._mode,
                wantPID=self._want_pid,
            )
        )


@implementer(IStreamClientEndpoint)
class UNIXClientEndpoint:
    """A UNIX socket to connect to; the arguments are those of connectUNIX."""

    def __init__(
        self, reactor: Any, path: str | bytes, timeout: float = 30, checkPID: bool | int = False
    ) -> None:
        self._reactor = reactor
        self._path = path
        self._timeout = timeout
        self._check_pid = checkPID

    def connect(self, protocolFactory: Any) -> Deferred[Any]:
        return connect_once(self._start, protocolFactory, UNIXAddress(self._path))

    def _start(self, factory: Any) -> None:
        self._reactor.connectUNIX(
            self._path, factory, timeout=self._timeout, checkPID=self._check_pid
        )


@implementer(IStreamServerEndpointStringParser, IStreamClientEndpointStringParserWithReactor)
class UNIXParser:
    """`unix:/run/web.sock:mode=660`; to connect, `unix:/run/web.sock`.

    With `lockfile=0` a file left by a dead process is not found out and removed.
    """

    prefix = "unix"

    def parseStreamServer(
        self,
        reactor: Any,
        address: str,
        mode: str = "666",
        backlog: str = str(BACKLOG),
        lockfile: str = "1",
    ) -> UNIXServerEndpoint:
        path, lock = _path(address), fields.switch(lockfile, "lockfile")
        size = fields.number(backlog, "backlog", 1)
        return UNIXServerEndpoint(reactor, path, size, fields.mode(mode), lock and path[0] != "\0")

    def parseStreamClient(
        self, reactor: Any, path: str, timeout: str = "30", lockfile: str = "0"
    ) -> UNIXClientEndpoint:
        check = fields.switch(lockfile, "lockfile")
        return UNIXClientEndpoint(reactor, _path(path), fields.seconds(timeout), check)


def _path(text: str) -> str:
    if not text:
        raise ValueError("the path is empty")
    return "\0" + text[1:] if text.startswith("@") else text
