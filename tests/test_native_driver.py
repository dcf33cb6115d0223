"""The engine driven by a program in C, under the address and undefined-behaviour sanitizers.

It checks each record and each byte (see native/driver.h) and ends with all
memory given back. Seeds are fixed; more of them are a matter of running the
driver by hand.
"""

from __future__ import annotations

import subprocess

import pytest

from tests.backends import BACKENDS
from tests.native.build import driver


def drive(*arguments: object) -> str:
    command = [str(driver()), *map(str, arguments)]
    result = subprocess.run(command, capture_output=True, text=True, check=False)
    assert result.returncode == 0, f"{' '.join(command)}\n{result.stderr}"
    return result.stdout


@pytest.mark.parametrize("poller", BACKENDS)
class TestDriver:
    def test_single_cases(self, poller: str) -> None:
        drive(poller, "scenarios")

    @pytest.mark.parametrize("seed", range(1, 4))
    def test_random_operations(self, poller: str, seed: int) -> None:
        drive(poller, "mixed", seed, 20_000)

    @pytest.mark.parametrize("seed", range(1, 4))
    def test_random_operations_on_a_kernel_that_stutters(self, poller: str, seed: int) -> None:
        drive(poller, "stutter", seed, 20_000)

    def test_a_hundred_thousand_connections_reuse_their_numbers(self, poller: str) -> None:
        drive(poller, "churn", 8, 100_000)

    @pytest.mark.parametrize("seed", range(1, 4))
    def test_random_datagrams_and_descriptors(self, poller: str, seed: int) -> None:
        drive(poller, "datagrams", seed, 20_000)

    def test_every_allocation_for_datagrams_fails_once(self, poller: str) -> None:
        assert int(drive(poller, "scarce", 1, 400).split()[0]) > 50

    @pytest.mark.parametrize("seed", range(1, 4))
    def test_every_allocation_fails_once(self, poller: str, seed: int) -> None:
        assert int(drive(poller, "allocations", seed, 1_500).split()[0]) > 20
