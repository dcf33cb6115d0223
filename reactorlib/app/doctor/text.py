"""A verdict for people: what was found, then the conclusion, then what to do."""

from __future__ import annotations

import textwrap
from collections.abc import Iterator

from reactorlib.app.doctor.machine import Finding
from reactorlib.app.doctor.verdict import Verdict
from reactorlib.app.doctor.words import count, plural

WIDTH = 96
MARGIN = " " * 34


def text(verdict: Verdict) -> str:
    """Some lines, without an end of line behind the last."""
    return "\n".join(_lines(verdict))


def _lines(verdict: Verdict) -> Iterator[str]:
    machine, asked = verdict.machine, verdict.asked
    yield (
        f"{machine.system}, {plural(machine.processors, 'processor')}, "
        f"{plural(asked.workers, 'worker')} on {machine.backend}"
    )
    yield ""
    yield "How many connections each limit allows"
    for finding in verdict.limits:
        yield from _finding(finding)
    yield from _wrapped(_measured(verdict), "  ")
    yield ""
    if verdict.notes:
        yield "To know"
        for finding in verdict.notes:
            yield from _finding(finding)
        yield ""
    yield from _conclusion(verdict)


def _finding(finding: Finding) -> Iterator[str]:
    mark = "!" if finding.too_little else " "
    holds = "" if finding.holds is None else count(finding.holds)
    head = f"{mark} {finding.name:22}{holds:>9} "
    yield from _wrapped(f"{finding.state} [{finding.source}]", head)


def _measured(verdict: Verdict) -> str:
    each = verdict.machine.connection
    here = f"measured on {count(each.sample)} connections" if each.sample else "assumed"
    kernel = "by the sizes of its objects" if each.kernel_known else "assumed"
    return (
        f"Memory of an idle connection to an echo server: {here}; the kernel's part {kernel}. "
        "What an application keeps for each comes on top, and clients on this machine count too."
    )


def _conclusion(verdict: Verdict) -> Iterator[str]:
    yield from _wrapped(f"{verdict.sentence()}.", "")
    asked = verdict.asked.connections
    if asked is not None:
        fits = "fit" if verdict.fits else "do not fit"
        yield from _wrapped(f"{count(asked)} connections {fits}.", "")
    for finding in _to_lift(verdict):
        yield from _wrapped(f"{finding.name}: {finding.advice}.", "- ")


def _to_lift(verdict: Verdict) -> list[Finding]:
    """What is too little; or, where nothing was asked for, the first limit."""
    every = [*verdict.limits, *verdict.notes]
    too_little = [each for each in every if each.too_little]
    if verdict.asked.connections is None:
        too_little.insert(0, verdict.first)
    return too_little


def _wrapped(words: str, head: str) -> list[str]:
    margin = MARGIN if len(head) > 4 else " " * len(head)
    return textwrap.wrap(
        words,
        WIDTH,
        initial_indent=head,
        subsequent_indent=margin,
        break_long_words=False,
        break_on_hyphens=False,
    )
