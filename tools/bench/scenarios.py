"""What is measured: one entry for each scenario.

`cost` names the figure that ratios compare, `references` the programs that
they are taken to. `saturates` says that the server is meant to use all of its
core; a warning tells when it did not.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

from bench import requests
from bench.measures import (
    Bench,
    Sample,
    exchange,
    http_file,
    http_get,
    http_post,
    idle_busy,
    idle_memory,
    micro,
    spawning,
    start_up,
)
from bench.programs import PROGRAMS, Program


@dataclass(frozen=True)
class Column:
    """A figure of the samples, its heading, and how many decimals are shown."""

    key: str
    title: str
    decimals: int = 0


@dataclass(frozen=True)
class Scenario:
    """A comparison between programs that offer the same service."""

    name: str
    title: str
    service: str
    measure: Callable[[Bench, Program], Sample]
    columns: tuple[Column, ...]
    servers: tuple[str, ...]
    references: tuple[str, ...]
    cost: str = "cost_us"
    saturates: bool = False

    def programs(self, chosen: tuple[str, ...]) -> list[Program]:
        """Those of the chosen names that offer the service; the usual ones for no choice."""
        names = chosen or self.servers
        return [
            program
            for program in PROGRAMS
            if program.service == self.service and program.name in names
        ]


_ECHO_SERVERS = ("c", "uvloop", "asyncio", "gevent", "twisted", "reactorlib")
_OUR_SERVERS = ("reactorlib", "reactorlib-poll", "reactorlib-select", "reactorlib-standin")
_HTTP_SERVERS = (
    *("nginx", "uvicorn", "granian", "aiohttp", "socketify", "twisted"),
    *("reactorlib", "reactorlib-site"),
)
_PAIR = ("twisted", "reactorlib")

_COST = Column("cost_us", "µs/op", 2)
_LATENCY = (Column("p50_us", "p50 µs", 1), Column("p99_us", "p99 µs", 1))
_SHARES = (Column("server_percent", "server %"), Column("load_percent", "load %"))
_PEAK = Column("peak_mib", "peak MiB", 1)
_EXCHANGE = (_COST, Column("rate", "op/s"), *_LATENCY, *_SHARES, _PEAK)


_FRAMES = 64


def _over_tls(name: str, title: str, connections: int, size: int) -> Scenario:
    return Scenario(
        name,
        title,
        "tls-echo",
        partial(exchange, mode="pingpong", connections=connections, size=size),
        _EXCHANGE,
        ("uvloop", "asyncio", "twisted", "reactorlib"),
        ("uvloop", "twisted"),
        saturates=True,
    )


def _saturated(name: str, title: str, mode: str, connections: int, size: int) -> Scenario:
    return Scenario(
        name,
        title,
        "echo",
        partial(exchange, mode=mode, connections=connections, size=size),
        _EXCHANGE,
        _ECHO_SERVERS,
        ("c", "uvloop", "twisted"),
        saturates=True,
    )


def _framed(name: str, title: str, service: str, unit: str) -> Scenario:
    return Scenario(
        name,
        title,
        service,
        partial(exchange, mode="pingpong", connections=20, size=_FRAMES * len(unit), unit=unit),
        _EXCHANGE,
        ("uvloop", "uvloop-joined", "twisted", "reactorlib"),
        ("uvloop", "uvloop-joined", "twisted"),
        saturates=True,
    )


def _http(
    name: str, title: str, request: str, connections: int, mode: str = "http", pipelined: int = 1
) -> Scenario:
    return Scenario(
        name,
        title,
        "http",
        partial(http_get, connections=connections, request=request, mode=mode, pipelined=pipelined),
        _EXCHANGE,
        _HTTP_SERVERS,
        ("nginx", "uvicorn", "twisted"),
        saturates=True,
    )


def _file(name: str, size: int, connections: int) -> Scenario:
    return Scenario(
        f"http-file-{name}",
        f"a file of {size:,} bytes, {connections} connections",
        f"http-file-{name}",
        partial(http_file, connections=connections, size=size),
        _EXCHANGE,
        ("nginx", "nginx-cached", "reactorlib"),
        ("nginx", "nginx-cached"),
        saturates=True,
    )


def _gateway(service: str, title: str, *peers: str) -> Scenario:
    return Scenario(
        f"http-{service}",
        title,
        service,
        partial(http_get, connections=100, request=requests.SMALL, mode="http"),
        _EXCHANGE,
        (*peers, "reactorlib"),
        peers,
        saturates=True,
    )


SCENARIOS: tuple[Scenario, ...] = (
    _saturated("echo-100", "100 connections, 100 bytes", "pingpong", 100, 100),
    _saturated("echo-1k", "1,000 connections, 1 KiB", "pingpong", 1000, 1024),
    _saturated("echo-64k", "20 connections, 64 KiB", "pingpong", 20, 65536),
    _over_tls("tls-echo", "100 connections over TLS, 100 bytes", 100, 100),
    _over_tls("tls-64k", "20 connections over TLS, 64 KiB", 20, 65536),
    Scenario(
        "udp-echo",
        "datagrams of 100 bytes from 100 ports, each waiting for its answer",
        "udp-echo",
        partial(exchange, mode="pingpong", connections=100, size=100),
        _EXCHANGE,
        ("c", "uvloop", "asyncio", "twisted", "reactorlib"),
        ("c", "uvloop", "asyncio", "twisted"),
        saturates=True,
    ),
    Scenario(
        "latency",
        "one connection, 100 bytes, a sleeping server; ratios of p50",
        "echo",
        partial(exchange, mode="paced", connections=1, size=100),
        _EXCHANGE,
        _ECHO_SERVERS,
        ("c", "uvloop", "twisted"),
        cost="p50_us",
    ),
    Scenario(
        "idle-memory",
        "resident memory of each of 10,000 idle connections",
        "echo",
        partial(idle_memory, idle=10_000),
        (
            Column("resident_bytes", "bytes resident"),
            Column("private_bytes", "bytes private"),
            Column("before_mib", "MiB before", 1),
            Column("after_mib", "MiB after", 1),
        ),
        _ECHO_SERVERS,
        ("c", "uvloop", "twisted"),
        cost="resident_bytes",
    ),
    Scenario(
        "idle-busy",
        "100 busy connections, 100 bytes, alone and beside idle ones",
        "echo",
        partial(idle_busy, busy=100, idle=10_000),
        (
            Column("idle", "idle"),
            Column("alone_us", "µs/op alone", 2),
            Column("cost_us", "µs/op beside", 2),
            Column("growth", "growth", 2),
            *_LATENCY,
            *_SHARES,
        ),
        _OUR_SERVERS,
        ("reactorlib",),
        saturates=True,
    ),
    _framed("lines", "64 lines of 30 bytes in a segment, echoed", "lines", "l" * 28 + "\r\n"),
    _framed("netstrings", "64 netstrings of 30 bytes, echoed", "netstrings", f"30:{'n' * 30},"),
    _http("http-hello", "hello world, 100 connections kept alive", requests.SMALL, 100),
    _http("http-browser", "hello world for a browser's 700 bytes", requests.BROWSER, 100),
    _http(
        "http-pipelined",
        "16 requests in a segment, 100 connections; latency of the 16",
        requests.SMALL,
        100,
        pipelined=16,
    ),
    _gateway("asgi", "hello world by an ASGI application, 100 connections", "uvicorn", "granian"),
    _gateway("wsgi", "hello world by a WSGI application, 100 connections", "gunicorn", "waitress"),
    Scenario(
        "http-post",
        "1 MB posted and echoed, 4 connections",
        "http-post",
        partial(http_post, connections=4, size=1_000_000),
        _EXCHANGE,
        _HTTP_SERVERS,
        ("uvicorn", "twisted"),
        saturates=True,
    ),
    _file("1k", 1_000, 100),
    _file("100k", 100_000, 20),
    _file("10m", 10_000_000, 4),
    Scenario(
        "micro-timers",
        "callLater and cancel, 100,000 pending",
        "timers",
        micro,
        (_COST,),
        _PAIR,
        ("twisted",),
    ),
    Scenario(
        "micro-callbacks",
        "a Deferred with ten callbacks",
        "callbacks",
        micro,
        (_COST,),
        _PAIR,
        ("twisted",),
    ),
    Scenario(
        "micro-await",
        "awaiting a Deferred",
        "awaiting",
        micro,
        (_COST,),
        _PAIR,
        ("twisted",),
    ),
    Scenario(
        "import",
        "importing the reactor, beyond a bare start of Python",
        "import",
        start_up,
        (
            Column("cost_ms", "processor ms", 1),
            Column("wall_ms", "wall ms", 1),
            Column("peak_mib", "MiB", 1),
        ),
        _PAIR,
        ("twisted",),
        cost="cost_ms",
    ),
    Scenario(
        "processes",
        "1,000 short processes, 20 at a time; ratios of wall time, on one core with them",
        "spawning",
        spawning,
        (Column("wall_us", "wall µs", 1), Column("cost_us", "µs of the parent", 1)),
        ("asyncio", "uvloop", "twisted", "reactorlib"),
        ("asyncio", "twisted"),
        cost="wall_us",
    ),
    _saturated("connect", "connect, echo 100 bytes, close; 50 at a time", "connect", 50, 100),
    _http(
        "http-connect",
        "a new connection for each request, 50 at a time",
        requests.ONCE,
        50,
        mode="http-connect",
    ),
)


def matching(prefixes: tuple[str, ...]) -> list[Scenario]:
    """The scenarios whose names begin with one of these; all of them for none."""
    return [one for one in SCENARIOS if one.name.startswith(prefixes or "")]
