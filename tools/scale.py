"""Takes an echo server of ours to very many connections, and tells what each of them costs.

    python3 tools/scale.py --connections 60000 --workers 4
    python3 tools/scale.py --connections 19900 --reactor kqueue
    python3 tools/scale.py --connections 1000000 --workers 54 --pictures docs

tools/load.py opens them, on this machine, and pings each once. Prints rows of a table in
Markdown; with --pictures draws memory, accepts and lag over the number of connections.
kqueue is the tests' stand-in, in one process. The exit code is 0 when all were opened and
all answered. Linux only; needs root, who alone may see what the kernel's objects take.

All of it is in a network of its own, whose table of connections is large: in the machine's,
sized for its memory, two million sockets would be eight deep, for all programs on it.
Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench import climb
from bench.processes import BenchError
from bench.watched import Sample, Watched, command
from trial.network import Refused, apart

LOAD = Path(__file__).resolve().parent / "load.py"
DEPTH = "SCALE_DEPTH"  # how many networks this one is in
TABLE = Path("/proc/sys/net/ipv4/tcp_child_ehash_entries")
BUCKETS = 2**22
FIRST = -20  # of all, or the samples are late; of this thread alone
PERIOD = 0.5  # seconds between samples


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, draw and print; the exit code."""
    options = _parser().parse_args(arguments)
    try:
        _enter_network(sys.argv[1:] if arguments is None else arguments)
        samples, told = measured(options)
    except (BenchError, PermissionError, Refused) as problem:
        print(f"scale: {problem}", file=sys.stderr)
        return 1
    print(climb.table([climb.cells(options.reactor, options.workers, samples, told)]))
    for bottleneck in told["bottlenecks"]:
        print(f"! {bottleneck}")
    if options.pictures:
        for name, drawn in climb.pictures(samples).items():
            (options.pictures / name).write_text(drawn)
    return 0 if told["went_well"] else 1


def _enter_network(arguments: Sequence[str]) -> None:
    """Come back in a network of its own, in one that says how large its table is. Or Refused."""
    depth = int(os.environ.get(DEPTH, "0"))
    again = [sys.executable, str(Path(__file__).resolve()), *arguments]
    if depth == 0:
        again = apart(again)
    elif depth == 1:
        if TABLE.exists():  # since Linux 6.1
            TABLE.write_text(str(BUCKETS))
        again = ["unshare", "--net", *again]
    else:
        subprocess.run(["ip", "link", "set", "lo", "up"], check=True)
        return
    os.execvpe(again[0], again, {**os.environ, DEPTH: str(depth + 1)})


def measured(options: argparse.Namespace) -> tuple[list[Sample], dict[str, Any]]:
    """Samples from before the load to its end, and what the load tells."""
    workers = options.workers
    with Watched(command(options.reactor, workers), workers) as server:
        samples = [server.sample()]
        ended = threading.Event()

        def look() -> None:
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), FIRST)
            while not ended.wait(PERIOD):
                samples.append(server.sample())

        looking = threading.Thread(target=look)
        looking.start()
        try:
            told = _load(server.port, options)
        finally:
            ended.set()
            looking.join()
    return samples, told


def _load(port: int, options: argparse.Namespace) -> dict[str, Any]:
    numbers = {
        "--connections": options.connections,
        "--hold": options.hold,
        "--rate": options.rate,
        "--seconds": options.seconds,
    }
    flags = [word for name, value in numbers.items() for word in (name, str(value))]
    load = [sys.executable, str(LOAD), f"127.0.0.1:{port}", *flags, "--json"]
    done = subprocess.run(load, stdout=subprocess.PIPE, text=True)
    if not done.stdout:
        raise BenchError(f"the load ended with status {done.returncode}")
    told: dict[str, Any] = json.loads(done.stdout)
    return told


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    add = parser.add_argument
    add("--connections", type=int, default=10_000, metavar="N", help="default 10000")
    add("--workers", type=int, default=1, metavar="N", help="processes of the server, default 1")
    add("--reactor", default="epoll", metavar="NAME", help="its backend, default epoll")
    add("--hold", type=float, default=10, metavar="S", help="ping each in this time, default 10")
    add("--rate", type=float, default=0, metavar="R", help="connects a second; 0, no bound")
    add("--seconds", type=float, default=300, metavar="S", help="in all, default 300")
    add("--pictures", type=Path, metavar="FOLDER", help="draw them there")
    return parser


if __name__ == "__main__":
    sys.exit(main())
