"""Measuring one program once.

Each function takes a bench and a program, and returns a sample: named figures,
in the unit that ends the name (`us` microseconds, `mib` MiB, `bytes`,
`percent`; `growth` is a ratio). It leaves no process behind. What goes wrong
raises BenchError.
"""

from __future__ import annotations

import json
import statistics
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from time import perf_counter_ns

from bench import kernel, requests
from bench.processes import BenchError, Process, output_of, started
from bench.programs import Program
from bench.workshop import Workshop

Sample = dict[str, float]

_MIB = 1 << 20
_STARTS = 5


@dataclass(frozen=True)
class Bench:
    """Where and how long to measure: `seconds` is the window of one measurement."""

    workshop: Workshop
    server_core: int
    load_core: int
    seconds: float


@dataclass(frozen=True)
class Server:
    """A server that has said its port, and the load generator that speaks its language.

    `pid` is that of the process that serves.
    """

    pid: int
    port: str
    load: str


def exchange(
    bench: Bench, program: Program, mode: str, connections: int, size: int, unit: str = ""
) -> Sample:
    """Echoes of `size` bytes over so many connections, each waiting for its answer.

    Mode "pingpong" keeps the connections, "connect" makes a new one for each
    echo. "paced" pauses after each echo: without it a slow server never sleeps
    and so answers sooner than a fast one, which has to be woken. `unit`, if
    given, is repeated to make up the message.
    """
    with _serving(bench, program) as server:
        sample = _load(bench, server, mode, connections, size, *[unit] * bool(unit))
        return sample | {"peak_mib": kernel.peak_resident(server.pid) / _MIB}


def http_get(
    bench: Bench, program: Program, connections: int, request: str, mode: str, pipelined: int = 1
) -> Sample:
    """Answers to `request`, so many of which are sent at once; latency is that of all of them.

    Mode "http" keeps the connections, "http-connect" makes a new one each time.
    """
    with _serving(bench, program) as server:
        sample = _load(bench, server, mode, connections, pipelined, request, requests.HELLO)
        return sample | {"peak_mib": kernel.peak_resident(server.pid) / _MIB}


def http_post(bench: Bench, program: Program, connections: int, size: int) -> Sample:
    """Bodies of `size` bytes, each echoed; the client reads while it sends."""
    with _serving(bench, program) as server:
        sample = _load(bench, server, "http-post", connections, size, requests.posting(size))
        return sample | {"peak_mib": kernel.peak_resident(server.pid) / _MIB}


def http_file(bench: Bench, program: Program, connections: int, size: int) -> Sample:
    """A file of `size` bytes, again and again."""
    with _serving(bench, program) as server:
        sample = _load(bench, server, "http-file", connections, size, requests.FILE)
        return sample | {"peak_mib": kernel.peak_resident(server.pid) / _MIB}


def idle_memory(bench: Bench, program: Program, idle: int) -> Sample:
    """What `idle` connections that never said anything add to the server's memory."""
    with _serving(bench, program) as server:
        _load(bench, server, "pingpong", connections=10, size=100)
        before = kernel.memory(server.pid)
        with _holding(bench, server, idle):
            after = kernel.memory(server.pid)
    return {
        "resident_bytes": (after.resident - before.resident) / idle,
        "private_bytes": (after.private - before.private) / idle,
        "before_mib": before.resident / _MIB,
        "after_mib": after.resident / _MIB,
    }


def idle_busy(bench: Bench, program: Program, busy: int, idle: int) -> Sample:
    """Echoes of 100 bytes over `busy` connections, alone and then beside `idle` ones."""
    idle = min(idle, program.most_connections - busy)
    with _serving(bench, program) as server:
        alone = _load(bench, server, "pingpong", busy, size=100)
        with _holding(bench, server, idle):
            beside = _load(bench, server, "pingpong", busy, size=100)
    growth = beside["cost_us"] / alone["cost_us"]
    return beside | {"alone_us": alone["cost_us"], "growth": growth, "idle": idle}


def micro(bench: Bench, program: Program) -> Sample:
    """A script that measures itself and prints `operations` and their `nanoseconds`."""
    printed = output_of(bench.workshop.command(program), bench.server_core, timeout=120)
    result = json.loads(printed)
    return {"cost_us": result["nanoseconds"] / result["operations"] / 1e3}


def spawning(bench: Bench, program: Program) -> Sample:
    """A script like those of `micro` that prints its `wall` time in nanoseconds, too."""
    printed = output_of(bench.workshop.command(program), bench.server_core, timeout=120)
    result = json.loads(printed)
    return {
        "wall_us": result["wall"] / result["operations"] / 1e3,
        "cost_us": result["nanoseconds"] / result["operations"] / 1e3,
    }


def start_up(bench: Bench, program: Program) -> Sample:
    """What a program's start costs beyond that of the same script without arguments."""
    whole = bench.workshop.command(program)
    bare = bench.workshop.command(replace(program, arguments=()))
    pairs = [(_start(bench, whole), _start(bench, bare)) for _ in range(_STARTS)]
    return {
        name: statistics.median(one[name] - other[name] for one, other in pairs)
        for name in pairs[0][0]
    }


def exchange_sample(result: dict[str, float]) -> Sample:
    """The figures of one line that the load generator printed."""
    if not result["operations"]:
        raise BenchError(f"nothing was answered within {result['seconds']:.1f} s")
    window_ns = result["seconds"] * 1e9
    return {
        "cost_us": result["server_ns"] / result["operations"] / 1e3,
        "rate": result["operations"] / result["seconds"],
        "answer_bytes": result["received"] / result["operations"],
        "p50_us": result["p50_ns"] / 1e3,
        "p99_us": result["p99_ns"] / 1e3,
        "server_percent": 100 * result["server_ns"] / window_ns,
        "load_percent": 100 * result["load_busy"],
        "queued_percent": 100 * result["queued_ns"] / window_ns,
    }


def _start(bench: Bench, command: list[str]) -> Sample:
    begun = perf_counter_ns()
    with started(command, bench.server_core) as process:
        process.wait_unreaped()
        wall = perf_counter_ns() - begun
        spent = kernel.processor_ns(process.pid)
        peak = int(process.output(timeout=1))
    return {"cost_ms": spent / 1e6, "wall_ms": wall / 1e6, "peak_mib": peak / _MIB}


def _load(
    bench: Bench, server: Server, mode: str, connections: int, size: int, *texts: str
) -> Sample:
    plan = [mode, "127.0.0.1", server.port, connections, size, bench.seconds, server.pid]
    command = [server.load, *map(str, plan), *texts]
    printed = output_of(command, bench.load_core, timeout=bench.seconds * 2 + 90)
    return exchange_sample(json.loads(printed))


@contextmanager
def _serving(bench: Bench, program: Program) -> Iterator[Server]:
    with started(bench.workshop.command(program), bench.server_core) as process:
        load = bench.workshop.load_for(program)
        port, *own = process.first_line(timeout=60).split()
        server = Server(int(own[0]) if own else process.pid, port, load)
        try:
            yield server
        except BenchError as problem:
            words = process.last_words()
            raise BenchError(f"{problem}; the server: {words}" if words else str(problem)) from None


@contextmanager
def _holding(bench: Bench, server: Server, connections: int) -> Iterator[Process]:
    command = [server.load, "hold", "127.0.0.1", server.port, str(connections)]
    with started(command, bench.load_core) as process:
        process.first_line(timeout=60)
        yield process
        process.close_input(timeout=10)
