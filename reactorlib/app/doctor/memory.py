"""Measures what an idle connection takes, on a few hundred real ones over loopback.

The server's part is the growth of this process's own memory. The kernel's part is what
its objects for one socket take in its slabs, which only root may read, and the pages in
buffers. What cannot be measured is assumed, and the result says so.
"""

from __future__ import annotations

import select
import subprocess
import sys
from pathlib import Path
from time import monotonic
from typing import IO, Any

import psutil

from reactorlib import rlimit
from reactorlib.app.doctor import clients
from reactorlib.app.doctor.machine import ASSUMED_KERNEL, PerConnection
from reactorlib.protocol import Factory
from reactorlib.protocols.wire import Echo

WARM_UP = 100  # what is made once is made for these
SAMPLE = 400
PATIENCE = 20.0  # seconds
_OTHER_DESCRIPTORS = 64
_PAGE = 4096

# One of each for a connection that is accepted and watched by epoll.
_OBJECTS = (
    "TCP",
    "sock_inode_cache",
    "dentry",
    "filp",
    "eventpoll_epi",
    "eventpoll_pwq",
    "lsm_inode_cache",
    "lsm_file_cache",
)


def measure(
    reactor: Any, sample: int = SAMPLE, slabs: Path = Path("/proc/slabinfo")
) -> PerConnection:
    """A PerConnection. The reactor must not be running."""
    wanted = sample + WARM_UP + _OTHER_DESCRIPTORS
    sample -= max(wanted - rlimit.raise_nofile(wanted).after.soft, 0)
    worker, user = _measured_user(reactor, sample) if sample > 0 else (PerConnection.worker, None)
    kernel = slab_bytes(slabs)
    return PerConnection(
        user=max(user, 1) if user is not None else PerConnection.user,
        kernel=kernel or ASSUMED_KERNEL,
        sample=sample if user is not None else 0,
        kernel_known=kernel is not None,
        worker=worker,
    )


def slab_bytes(slabs: Path) -> int | None:
    """Bytes of a connection's objects, unused room between them included; None if not told."""
    try:
        lines = slabs.read_text(encoding="ascii").splitlines()
    except OSError:
        return None
    taken = {}
    for words in (line.split() for line in lines[2:]):
        objects, pages = int(words[4]), int(words[5])
        taken[words[0]] = pages * _PAGE // max(objects, 1)
    return sum(taken.get(name, 0) for name in _OBJECTS) if "TCP" in taken else None


def _measured_user(reactor: Any, sample: int) -> tuple[int, int | None]:
    """Bytes of this process without connections, and of each one; None if they did not come."""
    process, before = psutil.Process(), len(reactor.sinks)
    port = reactor.listenTCP(0, Factory.forProtocol(Echo), interface="127.0.0.1")
    command = [sys.executable, "-I", clients.__file__, str(port.port), str(WARM_UP), str(sample)]
    try:
        with subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
        ) as peer:
            try:
                return _growth(reactor, process, peer, sample)
            finally:
                _turn_until(reactor, lambda: peer.poll() is not None)
                peer.kill()
    finally:
        port.stopListening()
        _turn_until(reactor, lambda: len(reactor.sinks) <= before)


def _growth(
    reactor: Any, process: psutil.Process, peer: subprocess.Popen[bytes], sample: int
) -> tuple[int, int | None]:
    assert peer.stdin is not None
    assert peer.stdout is not None
    worker = process.memory_full_info().uss
    figures = []
    for _ in range(2):
        if not _said(reactor, peer.stdout):
            peer.kill()
            return worker, None
        figures.append(process.memory_full_info().uss)
        peer.stdin.write(b"\n")
        peer.stdin.flush()
    return worker, (figures[1] - figures[0]) // sample


def _said(reactor: Any, output: IO[bytes]) -> bool:
    """Whether the clients have written a line: they are served until then."""
    _turn_until(reactor, lambda: bool(select.select([output], [], [], 0)[0]))
    return bool(select.select([output], [], [], 0)[0]) and bool(output.readline())


def _turn_until(reactor: Any, done: Any) -> None:
    deadline = monotonic() + PATIENCE
    while not done() and monotonic() < deadline:
        reactor.iterate(0.01)
