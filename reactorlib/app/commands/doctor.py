"""Tell how many connections this machine holds, and what to do for more."""

from __future__ import annotations

import argparse
import importlib
import json
from dataclasses import replace

from reactorlib.app.commands.listening import count_of_workers
from reactorlib.app.doctor import facts, memory
from reactorlib.app.doctor.machine import question
from reactorlib.app.doctor.text import text
from reactorlib.app.doctor.verdict import conclude
from reactorlib.app.flags import add_flag, add_switch, positive


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_flag(
        parser,
        "--connections",
        type=positive,
        metavar="N",
        help="whether so many fit: the exit code is 1 if they do not",
    )
    add_flag(
        parser,
        "--workers",
        type=count_of_workers,
        metavar="N",
        help="with so many processes; auto: one for each processor; default: as many as it takes",
    )
    add_switch(parser, "--json", help="write all that was found as JSON")


def answer(options: argparse.Namespace) -> int:
    """0 if what was asked for fits, or nothing was asked for; 1 if it does not."""
    reactor = importlib.import_module("reactorlib").reactor
    machine = facts.read(reactor.name)
    machine = replace(machine, connection=memory.measure(reactor))
    verdict = conclude(machine, question(machine, options.connections, options.workers))
    print(json.dumps(verdict.as_dict(), indent=2) if options.json else text(verdict))
    return 0 if verdict.fits else 1
