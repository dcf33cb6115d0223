"""The conformance suite of processes on every backend, and with threads that wait."""

from __future__ import annotations

from typing import Any

from reactorlib.backends import compiled
from reactorlib.testing import contract
from tests.backends import BACKENDS


def applied(name: str, waits_by_pidfd: bool | None) -> type[contract.ProcessContract]:
    """The contract for one backend."""

    def make_engine(self: contract.ContractBase) -> Any:
        return BACKENDS[name]()

    attributes = {
        "__module__": __name__,
        "make_engine": make_engine,
        "descriptor_limit": compiled.load().lib.engine_select_limit() if name == "select" else None,
        "waits_by_pidfd": waits_by_pidfd,
    }
    suffix = "" if waits_by_pidfd is None else "_threads"
    return type(f"TestProcess_{name}{suffix}", (contract.ProcessContract,), attributes)


for _name in BACKENDS:
    globals()[f"TestProcess_{_name}"] = applied(_name, None)
TestProcess_threads = applied("epoll", False)
