"""The process's reactor: importing this module makes it, once."""

from __future__ import annotations

from reactorlib.backends.registry import installed_engine
from reactorlib.posixbase import Reactor

reactor = Reactor(installed_engine())
