"""Interleaved rounds: A B C A B C, so that what disturbs the machine disturbs all.

A program that fails in its first round is left out of the others. Failing
never ends the run; what failed is kept with its reason.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence
from dataclasses import dataclass, field

from bench.measures import Bench, Sample
from bench.processes import BenchError
from bench.programs import Program
from bench.scenarios import Scenario


@dataclass
class Outcome:
    """The samples of each program, one for each round; None where it failed."""

    scenario: Scenario
    samples: dict[str, list[Sample | None]] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)


def run(bench: Bench, scenario: Scenario, programs: Sequence[Program], rounds: int) -> Outcome:
    """Measure each program once in each round."""
    outcome = Outcome(scenario)
    remaining = list(programs)
    for number in range(1, rounds + 1):
        for program in remaining:
            sample = _measured(bench, outcome, program)
            outcome.samples.setdefault(program.name, []).append(sample)
            _say_progress(scenario, program, f"{number}/{rounds}", sample)
        remaining = [program for program in remaining if any(outcome.samples[program.name])]
    return outcome


def _measured(bench: Bench, outcome: Outcome, program: Program) -> Sample | None:
    try:
        return outcome.scenario.measure(bench, program)
    except BenchError as problem:
        outcome.failures[program.name] = str(problem)
        return None


def _say_progress(scenario: Scenario, program: Program, number: str, sample: Sample | None) -> None:
    shown = "failed" if sample is None else f"{sample[scenario.cost]:.2f}"
    line = f"{scenario.name} {number} {program.name}: {shown}"
    print(line, file=sys.stderr, flush=True)
