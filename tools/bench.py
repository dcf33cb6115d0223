"""Compares servers of this project with their peers in one interleaved run.

    python3 tools/bench.py
    python3 tools/bench.py --scenario echo --servers c,uvloop,reactorlib --rounds 9

Linux only. Server and load run on different cores, every server anew in every
round. On a machine that others use, `nice -n -15` before it keeps them away.
Figures are medians over the rounds; `÷ NAME` is the median of the ratios
to that program within each round. Processor time is the scheduler's. Progress
goes to stderr, the tables to stdout. Whatever this starts, it ends.
"""

from __future__ import annotations

import argparse
import signal
import sys
from collections.abc import Sequence
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench import kernel, machine, report, rounds
from bench.measures import Bench
from bench.processes import BenchError
from bench.programs import PROGRAMS
from bench.scenarios import SCENARIOS, matching
from bench.workshop import CHECKOUT, Workshop


def main(arguments: Sequence[str] | None = None) -> int:
    """Run what the command line asks for; 0 when every scenario has a result."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    try:
        outcomes, described = _measure(options)
    except KeyboardInterrupt:
        return 130
    except BenchError as problem:
        print(f"bench: {problem}", file=sys.stderr)
        return 1
    print(options.render(described, outcomes, options.reference))
    return 0 if all(any(map(any, one.samples.values())) for one in outcomes) else 1


def _measure(options: argparse.Namespace) -> tuple[list[rounds.Outcome], dict[str, str]]:
    server_core, load_core = machine.cores()
    workshop = Workshop(CHECKOUT / "build" / "bench")
    bench = Bench(workshop, server_core, load_core, options.seconds)
    plan = [(one, one.programs(options.servers)) for one in options.scenario or SCENARIOS]
    kernel.raise_descriptor_limit()
    outcomes = [
        rounds.run(bench, scenario, programs, options.rounds)
        for scenario, programs in plan
        if programs
    ]
    if not outcomes:
        raise BenchError("none of these servers takes part in these scenarios")
    python = any(one.source.endswith(".py") for _, programs in plan for one in programs)
    described = machine.describe(workshop, with_peers=python)
    described["run"] = f"{options.rounds} rounds of {options.seconds:g} s"
    if server_core == load_core:
        described["warning"] = "server and load shared the only core"
    return outcomes, described


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument(
        "--scenario",
        type=_scenarios,
        default=[],
        metavar="A,B",
        help="beginnings of names, of " + ", ".join(one.name for one in SCENARIOS),
    )
    names = dict.fromkeys(one.name for one in PROGRAMS)
    parser.add_argument(
        "--servers", type=_names, default=(), metavar="A,B", help="of " + ", ".join(names)
    )
    parser.add_argument(
        "--reference", type=_names, default=(), metavar="A,B", help="servers that ratios are to"
    )
    parser.add_argument("--seconds", type=_above_zero, default=1.0, help="of each measurement")
    parser.add_argument("--rounds", type=int, default=7, choices=range(1, 1000), metavar="N")
    form = parser.add_mutually_exclusive_group()
    for flag, render in (("--markdown", report.markdown), ("--json", report.as_json)):
        form.add_argument(flag, dest="render", action="store_const", const=render)
    parser.set_defaults(render=report.plain)
    return parser


def _names(text: str) -> tuple[str, ...]:
    names = tuple(text.split(","))
    unknown = set(names).difference(one.name for one in PROGRAMS)
    if unknown:
        raise argparse.ArgumentTypeError(f"unknown: {', '.join(sorted(unknown))}")
    return names


def _scenarios(text: str) -> object:
    found = matching(tuple(text.split(",")))
    if not found:
        raise argparse.ArgumentTypeError(f"no scenario begins with {text}")
    return found


def _above_zero(text: str) -> float:
    number = float(text)
    if not number > 0:
        raise argparse.ArgumentTypeError("must be above zero")
    return number


if __name__ == "__main__":
    sys.exit(main())
