"""The engine's conformance suite on every backend."""

from __future__ import annotations

from reactorlib.testing.contract import EngineContract
from tests.on_backends import on_every_backend

globals().update(on_every_backend(EngineContract))
