"""What a crowd of connections is to do, and what is to be said of what it did.

A crowd is asked for as a Crowd; `arguments` are those of the program in crowd/. What it
prints is judged here: in words, and whether the load itself was what failed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import ip_address
from typing import Any

OWN_DESCRIPTORS = 32  # of each process: its output, its poller, and room
MOST_SOURCES = 1000
NO_TIME = 0.9  # of a stage, on a core or waiting for one
LATE_NS = 50_000_000
RESENT_NS = 950_000_000  # TCP sends its SYN again after a second


@dataclass(frozen=True)
class Crowd:
    """Numbers of connections, processes and source addresses; times in seconds."""

    host: str
    port: str
    connections: int
    processes: int
    sources: int
    rate: float
    rounds: int
    share: float
    hold: float
    seconds: float

    def arguments(self) -> list[str]:
        """For the program that is the crowd."""
        numbers = (self.connections, self.processes, self.sources, self.rate, self.rounds)
        return [self.host, self.port, *map(str, (*numbers, self.share, self.hold, self.seconds))]


def target(text: str) -> tuple[str, str]:
    """HOST:PORT, [IPV6]:PORT or a path; ValueError for what is not on this machine."""
    if "/" in text:
        return text.removeprefix("unix:"), ""
    host, _, port = text.rpartition(":")
    host = host.strip("[]")
    if not (port.isascii() and port.isdigit() and 0 < int(port) < 65536):
        raise ValueError(f"write HOST:PORT, [::1]:PORT or a path, not {text!r}")
    try:
        loopback = ip_address(host).is_loopback
    except ValueError:
        raise ValueError(f"an address in figures is needed, not {host!r}") from None
    if not loopback:
        raise ValueError(f"{host} is not this machine: only loopback addresses are called")
    return host, port


def processes_for(connections: int, descriptors: int) -> int:
    """How many processes hold them, if each may have so many descriptors."""
    return -(-connections // max(descriptors - OWN_DESCRIPTORS, 1))


def sources_for(connections: int, ports: int) -> int:
    """How many source addresses: each for less than half of its ports.

    Linux gives connect() the even ones first, and searches long for the odd ones: with
    19,000 from one address the last connects took a hundred times as long.
    """
    return min(-(-connections // max(ports * 9 // 20, 1)), MOST_SOURCES)


def went_well(crowd: Crowd, told: Mapping[str, Any]) -> bool:
    """Whether every connection was opened and kept, and every ping answered."""
    return (
        told["opened"] == crowd.connections
        and told["lost"] == told["unanswered"] == told["wrong"] == 0
    )


def bottlenecks(crowd: Crowd, told: Mapping[str, Any]) -> list[str]:
    """Where it is the load that failed, or was too slow, and not the server."""
    return list(_bottlenecks(crowd, told))


def _bottlenecks(crowd: Crowd, told: Mapping[str, Any]) -> Iterator[str]:
    failures = {int(number): count for number, count in told["failures"].items()}
    if errno.EADDRNOTAVAIL in failures:
        yield (
            f"out of ports: {failures[errno.EADDRNOTAVAIL]:,} connects found none free; use more "
            f"than --sources {crowd.sources}, or widen net.ipv4.ip_local_port_range"
        )
    if errno.EMFILE in failures:
        yield (
            "out of descriptors: use more than "
            f"--processes {crowd.processes}, or raise the limit of open files"
        )
    if errno.ENFILE in failures:
        yield "out of descriptors in the whole system: raise fs.file-max"
    for stage in ("opening", "holding"):
        busy, queued = told[f"busy_{stage}"], told[f"queued_{stage}"]
        if busy + queued > NO_TIME:
            yield (
                f"while {stage}, the busiest process of the load ran {busy:.0%} of the time and "
                f"waited for a core {queued:.0%}: its times are not the server's alone"
            )
    if told["latest_ns"] > LATE_NS:
        yield (
            f"a ping was sent {_time(told['latest_ns'])} behind its time: "
            "the load, or its machine, is too slow for so many"
        )


def text(crowd: Crowd, told: Mapping[str, Any]) -> str:
    """The report, some lines."""
    return "\n".join(_lines(crowd, told))


def _lines(crowd: Crowd, told: Mapping[str, Any]) -> Iterator[str]:
    seconds = max(told["seconds_to_open"], 0.001)
    rate = told["opened"] / seconds
    yield (
        f"opened    {told['opened']:,} of {crowd.connections:,} in {seconds:.2f} s, "
        f"{rate:,.0f} a second; each {_times(told['to_open'])}"
    )
    yield f"failed    {told['failed']:,}{_reasons(told['failures'])}"
    yield f"lost      {told['lost']:,}{_reasons(told['losses'])}"
    yield (
        f"answered  {told['answered']:,} connections; {told['pings']:,} pings, "
        f"{told['unanswered']:,} unanswered, {told['wrong']:,} wrong; {_times(told['to_answer'])}"
    )
    yield (
        f"load      {crowd.processes} processes from {crowd.sources} addresses; the busiest ran "
        f"{told['busy_opening']:.0%} of the opening and {told['busy_holding']:.0%} of the holding"
    )
    if told["to_open"]["max_ns"] > RESENT_NS:
        yield (
            "          some connects took a second or more: the queue of the listening socket was "
            "full, and TCP tried again"
        )
    for problem in bottlenecks(crowd, told):
        yield f"! {problem}"


def _reasons(counts: Mapping[str, int]) -> str:
    reasons = [f"{count:,} {_errno(int(number))}" for number, count in counts.items()]
    return f": {', '.join(reasons)}" if reasons else ""


def _errno(number: int) -> str:
    if number == 0:
        return "closed by the server"
    return f"{errno.errorcode.get(number, number)} ({os.strerror(number)})"


def _times(histogram: Mapping[str, int]) -> str:
    if not histogram["count"]:
        return "no times"
    p50, p99, most = (_time(histogram[name]) for name in ("p50_ns", "p99_ns", "max_ns"))
    return f"p50 {p50}, p99 {p99}, at most {most}"


def _time(nanoseconds: float) -> str:
    milliseconds = nanoseconds / 1e6
    return f"{milliseconds:.2f} ms" if milliseconds < 100 else f"{milliseconds / 1000:.2f} s"
