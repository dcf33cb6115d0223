"""Looks for bytes that break a parser's invariant: seeded mutations, as many as the time allows.

    python3 tools/fuzz/run.py --seconds 60
    python3 tools/fuzz/run.py --seconds 600 --seed 7 lines netstrings
    python3 tools/fuzz/run.py --list

Runs in `.venv`, which `python3 tools/dev.py test --version` makes.

A target is a module in tools/fuzz/targets: its docstring is the invariant,
`SEEDS` are good inputs, `TOKENS` are bytes that mean something, and
`check(data, random)` raises when the invariant does not hold. Targets share
the time. The same seed gives the same inputs, so a failure comes again; it is
printed with its seed, its traceback and the smallest input found. Exit code 1 then.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import random
import sys
import traceback
from collections.abc import Sequence
from pathlib import Path
from time import monotonic
from types import ModuleType

sys.path.insert(0, str(Path(__file__).resolve().parent))

from mutations import mutated, smallest

HERE = Path(__file__).resolve().parent
VENV = HERE.parent.parent / ".venv"


def main(arguments: Sequence[str] | None = None) -> int:
    options = _parser().parse_args(arguments)
    if options.list:
        print("\n".join(targets()))
        return 0
    if importlib.util.find_spec("reactorlib") is None:
        become_installed(sys.argv)
    names = options.target or targets()
    print(f"seed {options.seed}", flush=True)
    return max(fuzz(name, options.seed, options.seconds / len(names)) for name in names)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("target", nargs="*", type=_target, help="by default all of them")
    parser.add_argument("--seconds", type=float, default=60.0, help="in all, default 60")
    parser.add_argument("--seed", type=int, default=random.getrandbits(32), help="default random")
    parser.add_argument("--list", action="store_true", help="name the targets and end")
    return parser


def become_installed(command: Sequence[str]) -> None:
    """Run again with the Python that has reactorlib installed."""
    python = VENV / "bin" / "python"
    if Path(sys.prefix) == VENV or not python.exists():
        sys.exit("fuzz: reactorlib is not installed: `python3 tools/dev.py test --version` does it")
    os.execv(python, [str(python), *command])


def targets() -> list[str]:
    return sorted(file.stem for file in (HERE / "targets").glob("*.py"))


def _target(name: str) -> str:
    if name not in targets():
        raise argparse.ArgumentTypeError(f"no target {name!r}; there are {', '.join(targets())}")
    return name


def load(name: str) -> ModuleType:
    spec = importlib.util.spec_from_file_location(name, HERE / "targets" / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    target = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(target)
    return target


def fuzz(name: str, seed: int, seconds: float) -> int:
    """Try one target until the time is over or an input breaks it; the exit code."""
    target = load(name)
    numbers = random.Random(seed)
    until, count = monotonic() + seconds, 0
    while monotonic() < until:
        data = mutated(numbers, target.SEEDS, target.TOKENS)
        division = numbers.getrandbits(32)
        count += 1
        if not holds(target, data, division):
            report(target, name, data, division)
            return 1
    print(f"{name}: {count} inputs", flush=True)
    return 0


def holds(target: ModuleType, data: bytes, division: int) -> bool:
    try:
        target.check(data, random.Random(division))
    except Exception:
        return False
    return True


def report(target: ModuleType, name: str, data: bytes, division: int) -> None:
    data = smallest(data, lambda part: not holds(target, part, division))
    invariant = (target.__doc__ or "").partition("\n\n")[0]
    print(f"{name}: {invariant}\nis not so for check({data!r}, Random({division})):", flush=True)
    try:
        target.check(data, random.Random(division))
    except Exception:
        traceback.print_exc()


if __name__ == "__main__":
    logging.getLogger("reactorlib").setLevel(logging.ERROR)  # bad peers are told of, line by line
    sys.exit(main())
