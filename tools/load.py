"""Opens any number of connections to a server on this machine, holds and pings them.

    python3 tools/load.py 127.0.0.1:8007 --connections 60000
    python3 tools/load.py /run/echo.sock --connections 5000 --rate 1000 --hold 30 --json

Connections come from several loopback addresses, for one has but 28,000 ports, and from
several processes, for each holds no more than its limit of open files. A ping is 8 bytes,
and its answer the same 8. Linux only; needs a C compiler once. Progress goes to stderr, the
report to stdout. The exit code is 1 if a connection was not opened, was lost, or did not
answer, and 2 for wrong usage. Whatever this starts, it ends, after --seconds at the latest.
"""

from __future__ import annotations

import argparse
import json
import resource
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench import crowds, kernel
from bench.processes import BenchError
from bench.workshop import CHECKOUT, Workshop

PORT_RANGE = Path("/proc/sys/net/ipv4/ip_local_port_range")


def main(arguments: Sequence[str] | None = None) -> int:
    """Load the server that the command line names; see the module for the exit code."""
    options = _parser().parse_args(arguments)
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(128 + number))
    crowd = _crowd(options)
    try:
        told = run(crowd)
    except KeyboardInterrupt:
        return 130
    except BenchError as problem:
        print(f"load: {problem}", file=sys.stderr)
        return 1
    well = crowds.went_well(crowd, told)
    if options.json:
        told |= {"went_well": well, "bottlenecks": crowds.bottlenecks(crowd, told)}
        print(json.dumps(told))
    else:
        print(crowds.text(crowd, told))
    return 0 if well else 1


def run(crowd: crowds.Crowd) -> dict[str, Any]:
    """What the crowd tells; BenchError if it cannot be made."""
    kernel.raise_descriptor_limit()
    command = [Workshop(CHECKOUT / "build" / "bench").crowd, *crowd.arguments()]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            output, _ = process.communicate()
        finally:
            process.kill()
    if process.returncode != 0:
        raise BenchError(f"the crowd ended with status {process.returncode}")
    told: dict[str, Any] = json.loads(output)
    return told


def _crowd(options: argparse.Namespace) -> crowds.Crowd:
    host, port = options.target
    _, descriptors = resource.getrlimit(resource.RLIMIT_NOFILE)
    low, high = map(int, PORT_RANGE.read_text().split())
    connections = options.connections
    processes = options.processes or crowds.processes_for(connections, descriptors)
    sources = options.sources or crowds.sources_for(connections, high - low + 1)
    return crowds.Crowd(
        host,
        port,
        connections,
        min(processes, connections),
        sources if "." in host and port else 1,
        options.rate,
        options.rounds,
        options.share,
        options.hold,
        options.seconds,
    )


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("target", type=_target, metavar="HOST:PORT|PATH", help="on this machine, in figures")
    add("--connections", type=_positive, default=1000, metavar="N", help="default 1000")
    add("--processes", type=_positive, metavar="N", help="default: as few as can hold them")
    add("--sources", type=_positive, metavar="N", help="addresses; default: as many as it takes")
    add("--rate", type=_number, default=0, metavar="R", help="connects a second; 0, no bound")
    add("--hold", type=_number, default=5, metavar="S", help="seconds, default 5")
    add("--rounds", type=int, default=1, metavar="N", help="of pings while holding, default 1")
    add("--share", type=_number, default=1, metavar="F", help="that is pinged, 0 to 1; default 1")
    add("--seconds", type=_number, default=120, metavar="S", help="in all, default 120")
    add("--json", action="store_true", help="print all that was found")
    return parser


def _target(text: str) -> tuple[str, str]:
    try:
        return crowds.target(text)
    except ValueError as mistake:
        raise argparse.ArgumentTypeError(str(mistake)) from None


def _positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"1 or more, not {text}")
    return number


def _number(text: str) -> float:
    number = float(text)
    if not 0 <= number < 1e9:
        raise argparse.ArgumentTypeError(f"0 or more, not {text}")
    return number


if __name__ == "__main__":
    sys.exit(main())
