"""The conformance suite of processes on every backend, and with threads that wait."""

from __future__ import annotations

from reactorlib.testing import contract
from tests.on_backends import on_backend, on_every_backend

globals().update(on_every_backend(contract.ProcessContract))
TestProcess_threads = on_backend(contract.ProcessContract, "epoll", waits_by_pidfd=False)
