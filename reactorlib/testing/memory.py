"""Reactors that only write down what is asked of them."""

from __future__ import annotations

from collections.abc import Callable
from socket import AF_INET6
from typing import Any

from zope.interface import implementer

from reactorlib.address import IPv4Address, IPv6Address, Kind, UNIXAddress, from_sockaddr
from reactorlib.interfaces import (
    IReactorCore,
    IReactorFDSet,
    IReactorFromThreads,
    IReactorSocket,
    IReactorSSL,
    IReactorTCP,
    IReactorTime,
    IReactorUNIX,
)
from reactorlib.systemevent import PHASES
from reactorlib.task import Clock
from reactorlib.testing.memoryparts import MemoryConnector, MemoryPort, PluggableNames

ADOPTED_PORT = 1234

Trigger = tuple[Callable[..., object], tuple[Any, ...], dict[str, Any]]


@implementer(IReactorCore, IReactorTCP, IReactorSSL, IReactorUNIX, IReactorSocket, IReactorFDSet)
class MemoryReactor(PluggableNames):
    """A reactor that connects nothing and waits for nothing.

    What it was asked for is in its lists, each entry the arguments in their
    order: `tcpServers` (port, factory, backlog, interface), `tcpClients` (host,
    port, factory, timeout, bindAddress), `sslServers` and `sslClients` (the
    same, with the context factory after the factory), `unixServers` (address,
    factory, backlog, mode, wantPID), `unixClients` (address, factory, timeout,
    checkPID), `adoptedPorts` and `adoptedStreamConnections` (descriptor, family,
    factory); `connectors` has what was returned for clients. Keywords that only
    the real reactor has are accepted. `whenRunningHooks` has the calls that wait for
    `run`, `triggers[phase][eventType]` those of system events, `readers` and
    `writers` what is watched. `hasInstalled`, `hasRun`, `hasStopped` and
    `hasCrashed` tell what was called.
    """

    def __init__(self) -> None:
        super().__init__()
        self.running = False
        self.hasInstalled = False
        self.hasRun = False
        self.hasStopped = False
        self.hasCrashed = False
        self.whenRunningHooks: list[Trigger] = []
        self.triggers: dict[str, dict[str, list[Trigger]]] = {}
        self.tcpServers: list[tuple[int, Any, int, str]] = []
        self.tcpClients: list[tuple[str, int, Any, float, tuple[str, int] | None]] = []
        self.sslServers: list[tuple[int, Any, Any, int, str]] = []
        self.sslClients: list[tuple[str, int, Any, Any, float, tuple[str, int] | None]] = []
        self.unixServers: list[tuple[Any, Any, int, int, bool | int]] = []
        self.unixClients: list[tuple[Any, Any, float, bool | int]] = []
        self.adoptedPorts: list[tuple[Any, ...]] = []
        self.adoptedStreamConnections: list[tuple[int, int, Any]] = []
        self.connectors: list[MemoryConnector] = []
        self.readers: set[Any] = set()
        self.writers: set[Any] = set()

    def install(self) -> None:
        """Only set `hasInstalled`."""
        self.hasInstalled = True

    # IReactorCore

    def run(self, installSignalHandlers: bool = True) -> None:
        """Make the calls that wait for it, then stop."""
        assert not self.running, "it is running already"
        self.running = True
        self.hasRun = True
        hooks, self.whenRunningHooks = self.whenRunningHooks, []
        for callable, args, kw in hooks:
            callable(*args, **kw)
        self.stop()

    def stop(self) -> None:
        """Only set `running` and `hasStopped`."""
        self.running = False
        self.hasStopped = True

    def crash(self) -> None:
        """Only set `running` and `hasCrashed`."""
        self.running = False
        self.hasCrashed = True

    def iterate(self, delay: float = 0) -> None:
        """There is nothing to turn: raises NotImplementedError."""
        raise NotImplementedError("a MemoryReactor has no turns")

    def fireSystemEvent(self, eventType: str) -> None:
        """Call the triggers, phase by phase; Deferreds that they return are not waited for."""
        for phase in PHASES:
            for callable, args, kw in self.triggers.get(phase, {}).pop(eventType, []):
                callable(*args, **kw)

    def addSystemEventTrigger(
        self, phase: str, eventType: str, callable: Callable[..., object], *args: Any, **kw: Any
    ) -> tuple[str, str, Trigger]:
        trigger = (callable, args, kw)
        self.triggers.setdefault(phase, {}).setdefault(eventType, []).append(trigger)
        return phase, eventType, trigger

    def removeSystemEventTrigger(self, triggerID: tuple[str, str, Trigger]) -> None:
        """Raises ValueError if it is not there any more."""
        phase, eventType, trigger = triggerID
        self.triggers[phase].get(eventType, []).remove(trigger)

    def callWhenRunning(self, callable: Callable[..., object], *args: Any, **kw: Any) -> None:
        """Call at `run`; or now, if `run` was ever called."""
        if self.hasRun:
            callable(*args, **kw)
        else:
            self.whenRunningHooks.append((callable, args, kw))

    # IReactorTCP, IReactorSSL

    def listenTCP(
        self, port: int, factory: Any, backlog: int = 50, interface: str = "", **options: Any
    ) -> MemoryPort:
        """Write it down in `tcpServers`."""
        self.tcpServers.append((port, factory, backlog, interface))
        return MemoryPort(_address(interface or "0.0.0.0", port))

    def listenSSL(
        self,
        port: int,
        factory: Any,
        contextFactory: Any,
        backlog: int = 50,
        interface: str = "",
        **options: Any,
    ) -> MemoryPort:
        """Write it down in `sslServers`."""
        self.sslServers.append((port, factory, contextFactory, backlog, interface))
        return MemoryPort(_address(interface or "0.0.0.0", port))

    def connectTCP(
        self,
        host: str,
        port: int,
        factory: Any,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
        **options: Any,
    ) -> MemoryConnector:
        """Write it down in `tcpClients`, and call the factory's startedConnecting."""
        self.tcpClients.append((host, port, factory, timeout, bindAddress))
        return self._connector(_address(host, port), factory)

    def connectSSL(
        self,
        host: str,
        port: int,
        factory: Any,
        contextFactory: Any,
        timeout: float = 30,
        bindAddress: tuple[str, int] | None = None,
        **options: Any,
    ) -> MemoryConnector:
        """Write it down in `sslClients`, and call the factory's startedConnecting."""
        self.sslClients.append((host, port, factory, contextFactory, timeout, bindAddress))
        return self._connector(_address(host, port), factory)

    def _connector(self, address: Any, factory: Any) -> MemoryConnector:
        connector = MemoryConnector(self, address, factory)
        factory.startedConnecting(connector)
        self.connectors.append(connector)
        return connector

    # IReactorUNIX

    def listenUNIX(
        self,
        address: Any,
        factory: Any,
        backlog: int = 50,
        mode: int = 0o666,
        wantPID: bool | int = 0,
    ) -> MemoryPort:
        """Write it down in `unixServers`."""
        self.unixServers.append((address, factory, backlog, mode, wantPID))
        return MemoryPort(UNIXAddress(address))

    def connectUNIX(
        self, address: Any, factory: Any, timeout: float = 30, checkPID: bool | int = 0
    ) -> MemoryConnector:
        """Write it down in `unixClients`, and call the factory's startedConnecting."""
        self.unixClients.append((address, factory, timeout, checkPID))
        return self._connector(UNIXAddress(address), factory)

    # IReactorSocket

    def adoptStreamPort(self, fileDescriptor: int, addressFamily: int, factory: Any) -> MemoryPort:
        """Write it down. Raises UnsupportedAddressFamily for one that is neither IPv4 nor IPv6."""
        address = _adopted(addressFamily, "TCP")
        self.adoptedPorts.append((fileDescriptor, addressFamily, factory))
        return MemoryPort(address)

    def adoptStreamConnection(self, fileDescriptor: int, addressFamily: int, factory: Any) -> None:
        """Write it down in `adoptedStreamConnections`."""
        self.adoptedStreamConnections.append((fileDescriptor, addressFamily, factory))

    def adoptDatagramPort(
        self, fileDescriptor: int, addressFamily: int, protocol: Any, maxPacketSize: int = 8192
    ) -> MemoryPort:
        """Write it down in `adoptedPorts`, with maxPacketSize. Raises as adoptStreamPort does."""
        address = _adopted(addressFamily, "UDP")
        self.adoptedPorts.append((fileDescriptor, addressFamily, protocol, maxPacketSize))
        return MemoryPort(address)

    # IReactorFDSet

    def addReader(self, reader: Any) -> None:
        self.readers.add(reader)

    def addWriter(self, writer: Any) -> None:
        self.writers.add(writer)

    def removeReader(self, reader: Any) -> None:
        self.readers.discard(reader)

    def removeWriter(self, writer: Any) -> None:
        self.writers.discard(writer)

    def removeAll(self) -> list[Any]:
        """Forget all; what was watched, once each."""
        watched = list(self.readers | self.writers)
        self.readers.clear()
        self.writers.clear()
        return watched

    def getReaders(self) -> list[Any]:
        return list(self.readers)

    def getWriters(self) -> list[Any]:
        return list(self.writers)


def _adopted(family: int, kind: Kind) -> Any:
    return from_sockaddr(family, ("::" if family == AF_INET6 else "0.0.0.0", ADOPTED_PORT), kind)


def _address(host: str, port: int) -> IPv4Address | IPv6Address:
    return IPv6Address("TCP", host, port) if ":" in host else IPv4Address("TCP", host, port)


@implementer(IReactorTime, IReactorFromThreads)
class MemoryReactorClock(MemoryReactor, Clock):
    """A MemoryReactor with a time that moves when it is told to: see Clock."""

    def __init__(self) -> None:
        MemoryReactor.__init__(self)
        Clock.__init__(self)

    def callFromThread(self, callable: Callable[..., object], *args: Any, **kw: Any) -> None:
        """Call at the next `advance`, be it by 0 seconds."""
        self.callLater(0, callable, *args, **kw)

    callSoon = callFromThread
