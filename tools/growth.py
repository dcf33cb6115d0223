"""Draws what a line without an end costs, over its size, Twisted's LineReceiver and ours.

    python3 tools/growth.py docs/growth.svg
    python3 tools/growth.py --megabytes 4 --seconds 10 growth.svg

The stream comes in pieces of 100 bytes; each program gets it once, one program after
the other. Prints a table, too. A curve ends where its program has used the seconds.
Linux only. Progress goes to stderr.
"""

from __future__ import annotations

import argparse
import json
import sys
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))

from bench import machine
from bench.plot import Point, horizontal, picture, vertical
from bench.processes import BenchError, output_of
from bench.programs import PROGRAMS
from bench.workshop import CHECKOUT, Workshop

MEGABYTE = 2**20
PROGRAMS_SHOWN = [program for program in PROGRAMS if program.service == "endless line"]
TITLE = "A line without an end, in pieces of 100 bytes: processor time over its size"


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, draw and print; 0 when all went well."""
    options = _parser().parse_args(arguments)
    workshop = Workshop(CHECKOUT / "build" / "bench")
    curves = {}
    try:
        for program in PROGRAMS_SHOWN:
            print(f"{program.name}, {options.seconds} s at most", file=sys.stderr, flush=True)
            limits = (str(options.megabytes * MEGABYTE), str(options.seconds))
            limited = replace(program, arguments=(*program.arguments, *limits))
            curves[program.name] = _curve(workshop.command(limited), options.seconds)
    except BenchError as problem:
        print(f"growth: {problem}", file=sys.stderr)
        return 1
    options.picture.write_text(drawn(curves, options.megabytes))
    print(table(curves, options.megabytes))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(description=__doc__.split("\n\n")[0])
    parser.add_argument("picture", type=Path, help="the file to write, an SVG")
    parser.add_argument("--megabytes", type=int, default=16, help="of the stream, default 16")
    parser.add_argument("--seconds", type=int, default=120, help="of a program, default 120")
    return parser


def _curve(command: Sequence[str], seconds: int) -> list[Point]:
    core, _ = machine.cores()
    return points(output_of(command, core, timeout=4 * seconds + 60))


def points(printed: str) -> list[Point]:
    """What endless_line.py has printed."""
    return [(size, used) for size, used in json.loads(printed)]


def sizes(megabytes: int) -> list[int]:
    """Those that are named: the whole, and its halves down to 64 KiB."""
    halves = [megabytes * MEGABYTE]
    while halves[-1] >= 2 * 65_536:
        halves.append(halves[-1] // 2)
    return halves[::-1]


def drawn(curves: dict[str, list[Point]], megabytes: int) -> str:
    """The picture of both curves."""
    ticks = sizes(megabytes)
    shown = {
        name: [point for point in points if ticks[0] <= point[0]] for name, points in curves.items()
    }
    times = [used for points in shown.values() for _, used in points]
    return picture(
        TITLE,
        shown,
        horizontal("size", [*ticks[:-1], max(points[-1][0] for points in shown.values())], _size),
        vertical("seconds", times, lambda seconds: f"{seconds:g}"),
    )


def table(curves: dict[str, list[Point]], megabytes: int) -> str:
    """The seconds that each program had used when so much had come, in Markdown."""
    rows = [["size", *(f"{name}, s" for name in curves)], ["---:"] * (len(curves) + 1)]
    for size in sizes(megabytes):
        rows.append([_size(size), *(_seconds(points, size) for points in curves.values())])
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def _seconds(points: Sequence[Point], size: int) -> str:
    at = bisect_left(points, (size, 0.0))
    return f"{points[at][1]:.3f}" if at < len(points) else "-"


def _size(size: float) -> str:
    kilobytes = round(size / 1024)
    return f"{kilobytes} KB" if kilobytes < 1024 else f"{kilobytes // 1024} MB"


if __name__ == "__main__":
    sys.exit(main())
