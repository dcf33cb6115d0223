"""Tables of what was measured: plain, Markdown, JSON; and the warnings to them."""

from __future__ import annotations

import json
from collections.abc import Sequence

from bench import figures
from bench.measures import Sample
from bench.rounds import Outcome

_BUSY = 95
_SATURATED = 90
_DISTURBED = 10
_ALIKE_BYTES = 50


def header(outcome: Outcome, references: Sequence[str]) -> list[str]:
    """The headings of an outcome's table."""
    columns = [column.title for column in outcome.scenario.columns]
    return ["server", columns[0], "± %", *columns[1:], *(f"÷ {name}" for name in references)]


def rows(outcome: Outcome, references: Sequence[str]) -> list[list[str]]:
    """A row of text for each program that was measured, in the order of the run."""
    return [
        _row(outcome, name, references) for name, samples in outcome.samples.items() if any(samples)
    ]


def usable_references(outcome: Outcome, wanted: Sequence[str]) -> list[str]:
    """Those of the wanted programs, or else of the scenario's, that were measured."""
    return [name for name in wanted or outcome.scenario.references if name in outcome.samples]


def warnings(outcome: Outcome) -> list[str]:
    """What a reader must know before he believes a figure."""
    found = [f"{name} failed: {reason}" for name, reason in outcome.failures.items()]
    middles = {name: figures.medians(samples) for name, samples in outcome.samples.items()}
    loaded = {name: middle for name, middle in middles.items() if "load_percent" in middle}
    found += _disturbances(loaded)
    if outcome.scenario.saturates:
        found += _unsaturated(loaded)
    return found


def caption(outcome: Outcome) -> list[str]:
    """The bytes of each program's answer, in a line, if they are not of about the same number."""
    sizes = {
        name: figures.medians(samples)["answer_bytes"]
        for name, samples in outcome.samples.items()
        if "answer_bytes" in figures.medians(samples)
    }
    if not sizes or max(sizes.values()) - min(sizes.values()) <= _ALIKE_BYTES:
        return []
    told = ", ".join(f"{name} {size:,.0f}" for name, size in sizes.items())
    return [f"Bytes of an answer: {told}."]


def plain(machine: dict[str, str], outcomes: Sequence[Outcome], wanted: Sequence[str]) -> str:
    """Everything for a terminal."""
    parts = ["\n".join(f"{name}: {text}" for name, text in machine.items())]
    for outcome in outcomes:
        references = usable_references(outcome, wanted)
        table = [header(outcome, references), *rows(outcome, references)]
        notes = [f"warning: {text}" for text in warnings(outcome)]
        title = f"{outcome.scenario.name}: {outcome.scenario.title}"
        parts.append("\n".join([title, *caption(outcome), *_aligned(table), *notes]))
    return "\n\n".join(parts)


def markdown(machine: dict[str, str], outcomes: Sequence[Outcome], wanted: Sequence[str]) -> str:
    """Everything for a page of documentation."""
    parts = ["\n".join(f"- {name}: {text}" for name, text in machine.items())]
    for outcome in outcomes:
        references = usable_references(outcome, wanted)
        heads = header(outcome, references)
        rules = ["---", *("---:" for _ in heads[1:])]
        table = [heads, rules, *rows(outcome, references)]
        lines = [f"| {' | '.join(cells)} |" for cells in table]
        parts.append(f"### {outcome.scenario.name}: {outcome.scenario.title}")
        parts += caption(outcome)
        parts.append("\n".join(lines))
        parts += [f"Warning: {text}" for text in warnings(outcome)]
    return "\n\n".join(parts)


def as_json(machine: dict[str, str], outcomes: Sequence[Outcome], wanted: Sequence[str]) -> str:
    """Everything for a program, each round's sample included."""
    scenarios = {
        outcome.scenario.name: {
            "title": outcome.scenario.title,
            "cost": outcome.scenario.cost,
            "warnings": warnings(outcome),
            "programs": {
                name: {
                    "medians": figures.medians(samples),
                    "ratios": _ratios(outcome, name, usable_references(outcome, wanted)),
                    "samples": samples,
                }
                for name, samples in outcome.samples.items()
            },
        }
        for outcome in outcomes
    }
    return json.dumps({"machine": machine, "scenarios": scenarios}, indent=2)


def _ratios(outcome: Outcome, name: str, references: Sequence[str]) -> dict[str, float | None]:
    samples, cost = outcome.samples, outcome.scenario.cost
    return {other: figures.ratio(samples[name], samples[other], cost) for other in references}


def _row(outcome: Outcome, name: str, references: Sequence[str]) -> list[str]:
    scenario = outcome.scenario
    middle = figures.medians(outcome.samples[name])
    cells = [f"{middle[column.key]:,.{column.decimals}f}" for column in scenario.columns]
    spread = f"{figures.spread_percent(outcome.samples[name], scenario.cost):.1f}"
    ratios = _ratios(outcome, name, references).values()
    shown = ["-" if ratio is None else f"{ratio:.2f}" for ratio in ratios]
    return [name, cells[0], spread, *cells[1:], *shown]


def _disturbances(loaded: dict[str, Sample]) -> list[str]:
    shares = [
        f"{name} {middle['queued_percent']:.0f} %"
        for name, middle in loaded.items()
        if middle["queued_percent"] > _DISTURBED
    ]
    if not shares:
        return []
    return [
        f"others, or more threads of its own, had the server's core at times: {', '.join(shares)}"
    ]


def _unsaturated(loaded: dict[str, Sample]) -> list[str]:
    """Doubts about servers that neither used nor waited for their core all the time."""
    doubts = []
    for name, middle in loaded.items():
        server, load = middle["server_percent"], middle["load_percent"]
        if server + middle["queued_percent"] >= _SATURATED:
            continue
        if load >= _BUSY:
            doubts.append(f"the load generator was the bottleneck of {name} ({server:.0f} %)")
        else:
            doubts.append(f"neither {name} ({server:.0f} %) nor its load ({load:.0f} %) was busy")
    return doubts


def _aligned(table: Sequence[Sequence[str]]) -> list[str]:
    widths = [max(map(len, column)) for column in zip(*table, strict=True)]
    return [
        "  ".join(
            cell.ljust(width) if first else cell.rjust(width)
            for first, cell, width in zip(
                [True, *[False] * len(cells)], cells, widths, strict=False
            )
        )
        for cells in table
    ]
