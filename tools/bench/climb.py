"""What samples of a server tell whose connections grow in number: a table's row, and curves."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from itertools import pairwise
from math import ceil, log10
from typing import Any

from bench.plot import horizontal, picture, vertical
from bench.watched import Sample

HEADS = (
    *("backend", "workers", "connections", "opened in, s", "processor of a connect, µs"),
    *("answer, p50, ms", "p99, ms", "processor of an answer, µs", "lag, opening, ms"),
    *("lag, holding, ms", "bytes, server", "bytes, kernel, both ends"),
)
STEPS = 10  # points of a curve while the number grows tenfold
SHOWN = 0.01  # of the connections: with fewer, what is there once weighs too much

Step = Sequence[Sample]  # samples in a row, after the last one of the step before


def cells(backend: str, workers: int, samples: Sequence[Sample], told: dict[str, Any]) -> list[str]:
    """A row of the table, from samples since before the load and what the load tells."""
    opening, holding = _parts(samples)
    before, full, last = samples[0], holding[0], holding[-1]
    answers = max(told["to_answer"]["count"], 1)
    return [
        backend,
        str(workers),
        f"{full.connections:,}",
        f"{told['seconds_to_open']:.1f}",
        f"{1e6 * (full.processor - before.processor) / full.connections:.0f}",
        *(f"{told['to_answer'][name] / 1e6:.2f}" for name in ("p50_ns", "p99_ns")),
        f"{1e6 * (last.processor - full.processor) / answers:.0f}",
        *(f"{_lag(part):.0f}" for part in (opening, holding)),
        f"{_each(before, last, 'user'):,.0f}",
        f"{_each(before, last, 'kernel'):,.0f}",
    ]


def table(rows: Iterable[Sequence[str]]) -> str:
    """With its head, in Markdown."""
    lines = [HEADS, ["---", *["---:"] * (len(HEADS) - 1)], *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)


def pictures(samples: Sequence[Sample]) -> dict[str, str]:
    """SVGs, by their files' names: how it was while connections were opened."""
    before, (opening, _) = samples[0], _parts(samples)
    steps = _steps(opening)

    def memory(of: str) -> Callable[[Step], float]:
        return lambda step: _each(before, step[-1], of)

    ends = {"server": memory("user"), "kernel": memory("kernel")}
    return {
        "scale-memory.svg": _drawn(
            "Memory of a connection, both ends in the kernel", "B", ends, steps
        ),
        "scale-accepts.svg": _drawn("Connections opened in a second", "1/s", {"": _rate}, steps),
        "scale-lag.svg": _drawn("How late a timer was at worst", "ms", {"": _lag}, steps),
    }


def _parts(samples: Sequence[Sample]) -> tuple[Step, Step]:
    """Until all are open, the first sample with all of them included; and from that one on."""
    most = max(sample.connections for sample in samples)
    whole = [number for number, sample in enumerate(samples) if sample.connections == most]
    return samples[: whole[0] + 1], samples[whole[0] : whole[-1] + 1]


def _steps(opening: Step) -> list[Step]:
    most = opening[-1].connections
    steps: dict[int, list[Sample]] = {}
    for before, sample in pairwise(opening):
        if sample.connections >= SHOWN * most:
            number = ceil(STEPS * log10(sample.connections / most) - 1e-9)
            steps.setdefault(number, [before]).append(sample)
    return list(steps.values())


def _each(before: Sample, now: Sample, of: str) -> float:
    """Bytes of a connection."""
    grown: int = getattr(now, of) - getattr(before, of)
    return grown / now.connections


def _rate(step: Step) -> float:
    first, last = step[0], step[-1]
    return (last.connections - first.connections) / (last.seconds - first.seconds)


def _lag(step: Step) -> float:
    """In milliseconds, since the first of the samples."""
    return 1000 * max(sample.lag for sample in (step[1:] or step))


def _drawn(
    title: str, unit: str, values: Mapping[str, Callable[[Step], float]], steps: Sequence[Step]
) -> str:
    curves = {
        name: [(step[-1].connections, max(value(step), 1)) for step in steps]
        for name, value in values.items()
    }
    least, most = steps[0][-1].connections, steps[-1][-1].connections
    return picture(
        title,
        curves,
        horizontal("connections", _ticks(least, most), _whole),
        vertical(unit, [up for curve in curves.values() for _, up in curve], _whole),
    )


def _ticks(least: int, most: int) -> list[float]:
    """Both, and what is nearly evenly between them."""
    between = [mark * 10**power for power in range(10) for mark in (1, 2, 5)]
    return [least, *(each for each in between if least * 1.5 < each < most / 1.5), most]


def _whole(value: float) -> str:
    return f"{value:,.0f}"
