"""Tries a deployment: three nodes behind HAProxy; one is killed and one leaves, under load.

    python3 tools/deployment.py
    python3 tools/deployment.py --configuration haproxy.cfg --seconds 5

The machines are network namespaces on this one, and gone afterwards; it takes root. HAProxy
(2.6 or later) gets examples/deployment/haproxy.cfg as it stands, or another file for the
same addresses. Clients keep their connections and never ask twice: what fails, a user would
have seen. The exit code is 0 when no request failed, each node left as it should, and
HAProxy had something to save; 1 when not, 2 when the trial could not be made.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NoReturn

sys.path.insert(0, str(Path(__file__).resolve().parent))

from trial.clients import Clients, Tally
from trial.fleet import Balancer, Node
from trial.network import Refused, apart, build

CONFIGURATION = Path(__file__).resolve().parent.parent / "examples/deployment/haproxy.cfg"
PROXY, OWN = "10.0.0.2", "10.0.0.100"
NODES = {"one": "10.0.0.11", "two": "10.0.0.12", "three": "10.0.0.13"}
PATHS = ["/"] * 8 + ["/slow"] * 4
INSIDE = "TRIAL_INSIDE"


def main(arguments: Sequence[str] | None = None) -> int:
    """Make the trial and report it."""
    options = _parser().parse_args(arguments)
    try:
        if INSIDE not in os.environ:
            _begin_again(sys.argv[1:] if arguments is None else arguments)
        found = trial(options.configuration, options.seconds)
    except (Refused, TimeoutError) as problem:
        print(f"deployment: {problem}", file=sys.stderr)
        return 2
    print(json.dumps(found) if options.json else text(found))
    return 0 if found["went_well"] else 1


def _begin_again(arguments: Sequence[str]) -> NoReturn:
    """Become this program with a network of its own: what ends it ends all. Raises Refused."""
    command = apart([sys.executable, str(Path(__file__).resolve()), *arguments])
    os.execvpe(command[0], command, {**os.environ, INSIDE: "1"})


def trial(configuration: Path, seconds: float) -> dict[str, Any]:
    """What came of it. Raises Refused, or TimeoutError if a machine does not begin."""
    build(OWN, {"proxy": PROXY, **NODES})
    with tempfile.TemporaryDirectory() as folder:
        nodes = {name: Node(name, Path(folder)) for name in NODES}
        balancer = Balancer("proxy", configuration, Path(folder))
        for each in (*nodes.values(), balancer):
            each.start()
        balancer.wait_until_up({*NODES})
        with Clients(PROXY, OWN, PATHS, "three nodes serve") as clients:
            exit_code = _faults(nodes, balancer, clients, seconds)
        saved = {
            name: sum(int(row[name]) for row in balancer.nodes().values())
            for name in ("wretr", "wredis")
        }
        tracebacks = [name for name, node in nodes.items() if "Traceback" in node.log()]
    return judged(clients.tallies, exit_code, saved, tracebacks)


def _faults(nodes: dict[str, Node], balancer: Balancer, clients: Clients, seconds: float) -> int:
    """All that is done to the nodes; the exit code of the one that left."""
    time.sleep(seconds)
    clients.note("two is killed")
    nodes["two"].end(signal.SIGKILL)
    balancer.wait_until_up({"one", "three"})
    clients.note("two is dead")
    time.sleep(seconds)
    clients.note("two begins again")
    nodes["two"].start()
    balancer.wait_until_up({*NODES})
    clients.note("two is back")
    time.sleep(seconds)
    clients.note("three leaves")
    exit_code = nodes["three"].end(signal.SIGTERM)
    balancer.wait_until_up({"one", "two"})
    clients.note("three has left")
    time.sleep(seconds)
    return exit_code


def judged(
    tallies: list[Tally], exit_code: int, saved: dict[str, int], tracebacks: list[str]
) -> dict[str, Any]:
    """What is found, and whether it is as it should be."""
    failed = sum(tally.failures.total() for tally in tallies)
    return {
        "stages": [
            {
                "name": tally.name,
                "requests": tally.requests,
                "nodes": dict(sorted(tally.nodes.items())),
                "failures": dict(tally.failures),
                "slowest": tally.slowest,
            }
            for tally in tallies
        ],
        "failed": failed,
        "retries": saved["wretr"],
        "redispatches": saved["wredis"],
        "exit_code": exit_code,
        "tracebacks": tracebacks,
        "went_well": failed == exit_code == 0 and saved["wredis"] > 0 and not tracebacks,
    }


def text(found: dict[str, Any]) -> str:
    """The report, some lines."""
    lines = [f"{'':<24}requests  failed  slowest  answered by"]
    for stage in found["stages"]:
        nodes = ", ".join(f"{name} {count:,}" for name, count in stage["nodes"].items())
        failed = sum(stage["failures"].values())
        lines.append(
            f"{stage['name']:<24}{stage['requests']:>8,}{failed:>8,}{stage['slowest']:>7.2f} s  "
            f"{nodes}"
        )
        lines += [f"! {count} times {what}" for what, count in stage["failures"].items()]
    lines.append(
        f"HAProxy counts {found['retries']:,} retries and {found['redispatches']:,} requests "
        f"given to another node; the node that left ended with {found['exit_code']}"
    )
    lines += [f"! node {name} logged a traceback" for name in found["tracebacks"]]
    return "\n".join(lines)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--configuration", type=Path, default=CONFIGURATION, metavar="FILE", help="of HAProxy")
    add("--seconds", type=float, default=3, metavar="S", help="of each stage, default 3")
    add("--json", action="store_true", help="print all that was found")
    return parser


if __name__ == "__main__":
    sys.exit(main())
