"""The conformance suites of UNIX sockets on every backend."""

from __future__ import annotations

from reactorlib.testing.contract.unix import UNIXContract, UNIXTransportContract
from tests.on_backends import on_every_backend

globals().update(on_every_backend(UNIXContract, UNIXTransportContract))
