"""The process may have no more memory: one connection pays, with a MemoryError, and the rest go on.

That no allocation of the C sources can fail without such an end is shown by
the driver in C (test_native_driver.py), which makes each one fail in turn.
"""

from __future__ import annotations

import gc
import resource
from collections.abc import Iterator
from contextlib import contextmanager

import psutil

from reactorlib.testing.contract.base import LoggedErrors
from reactorlib.testing.contract.tcp_peers import Net, Recorder
from tests.on_backends import OnEveryBackend

MORE = 1 << 30  # far more than anything that is freed meanwhile
LEFT = 16 << 20


@contextmanager
def little_memory() -> Iterator[None]:
    """Only so much more address space than there is."""
    gc.collect()
    limits = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (psutil.Process().memory_info().vms + LEFT, limits[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, limits)


class TestScarceMemory(OnEveryBackend):
    def test_a_write_without_memory_costs_its_own_connection(
        self, net: Net, logged_errors: LoggedErrors
    ) -> None:
        much = bytes(MORE)

        def answer(protocol: Recorder, data: bytes) -> None:
            protocol.transport.write(much if data == b"much" else data)

        port = net.listen(lambda: Recorder(data=answer))
        other, other_peer = net.accepted(port, net.dial(port))
        greedy, greedy_peer = net.accepted(port, net.dial(port))
        with little_memory():
            greedy_peer.sendall(b"much")
            net.until_lost(greedy)
            assert net.ask(other_peer, b"served") == b"served"
        assert greedy.reason.check(MemoryError)
        assert len(logged_errors.take(MemoryError)) == 1
        assert other.reason is None
