"""A reactor on which nothing succeeds."""

from __future__ import annotations

from typing import Any

from zope.interface import implementer

from reactorlib.interfaces import IReactorSocket, IReactorSSL, IReactorTCP, IReactorUNIX
from reactorlib.testing.memoryparts import PluggableNames


@implementer(IReactorTCP, IReactorSSL, IReactorUNIX, IReactorSocket)
class RaisingMemoryReactor(PluggableNames):
    """A reactor on which listening raises `listenException`, and connecting `connectException`."""

    def __init__(
        self,
        listenException: BaseException | None = None,
        connectException: BaseException | None = None,
    ) -> None:
        super().__init__()
        self._listen_exception = listenException
        self._connect_exception = connectException

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = "", **options: Any
    ) -> Any:
        _raise(self._listen_exception)

    def listenSSL(
        self,
        port: int,
        factory: Any,
        contextFactory: Any,
        backlog: int = 50,
        interface: str = "",
        **options: Any,
    ) -> Any:
        _raise(self._listen_exception)

    def listenUNIX(
        self,
        address: Any,
        factory: Any,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: bool | int = 0,
    ) -> Any:
        _raise(self._listen_exception)

    def connectUNIX(
        self, address: Any, factory: Any, timeout: float = 30, checkPID: bool | int = 0
    ) -> Any:
        _raise(self._connect_exception)

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Any:
        _raise(self._listen_exception)

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
        **options: Any,
    ) -> Any:
        _raise(self._connect_exception)

    def connectSSL(
        self,
        host: str,
        port: int,
        factory: Any,
        contextFactory: Any,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
        **options: Any,
    ) -> Any:
        _raise(self._connect_exception)

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: Any) -> Any:
        _raise(self._connect_exception)

    def adoptDatagramPort(
        self, fileDescriptor: int, addressFamily: int, protocol: Any, maxPacketSize: int = 8192
    ) -> Any:
        _raise(self._listen_exception)


def _raise(exception: BaseException | None) -> None:
    if exception is None:
        raise TypeError("this RaisingMemoryReactor was not told what to raise here")
    raise exception
