"""All the contracts of child processes in one."""

from __future__ import annotations

from reactorlib.testing.contract.process_life import LifeContract
from reactorlib.testing.contract.process_pipes import PipesContract
from reactorlib.testing.contract.process_start import StartContract


class ProcessContract(LifeContract, PipesContract, StartContract):
    """What a reactor that starts programs must do."""
