"""What tests of workers look at: their processes, and who serves which connection."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable
from time import monotonic
from typing import Any

import psutil

PATIENCE = 60


def wait_until(condition: Callable[[], Any]) -> Any:
    """The first thing that is true of it; a process has no other way to tell us."""
    end = monotonic() + PATIENCE
    while not (outcome := condition()):
        assert monotonic() < end, "it did not happen"
        threading.Event().wait(0.01)
    return outcome


def workers_of(process: Any) -> set[int]:
    return {child.pid for child in psutil.Process(process.pid).children()}


def some(process: Any, count: int, *, but: set[int] = frozenset()) -> set[int]:  # type: ignore[assignment]
    """As many workers, none of those."""
    return set(
        wait_until(
            lambda: now if len(now := workers_of(process)) == count and not now & but else None
        )
    )


def was_lost(peer: socket.socket) -> bool:
    try:
        return peer.recv(1) == b""
    except ConnectionResetError:
        return True


def serving_workers(process: Any, address: Any, count: int, begun: bytes = b"x") -> set[int]:
    """All of them, once each has a connection: connections are shared out at random."""
    workers = some(process, count)
    peers: list[socket.socket] = []

    def all_serve() -> bool:
        peers.append(socket.create_connection(address, PATIENCE))
        peers[-1].sendall(begun)
        own = {peer.getsockname()[1] for peer in peers}
        return all(
            any(each.raddr and each.raddr.port in own for each in connections_of(pid))
            for pid in workers
        )

    wait_until(all_serve)
    for peer in peers:
        peer.close()
    return workers


def connections_of(pid: int) -> Any:
    return psutil.Process(pid).net_connections("tcp")


def is_served(peer: socket.socket) -> bool:
    try:
        peer.sendall(b"x")
        return peer.recv(1) == b"x"
    except ConnectionError:
        return False


def refuses(address: Any) -> bool:
    """Whether nobody is there who would take a connection and serve it."""
    with socket.socket() as peer:
        peer.settimeout(0.2)
        try:
            peer.connect(address)
            peer.sendall(b"x")
            return not peer.recv(1)
        except OSError:
            return True
