"""Send a server what attackers send (HTTP/1.1), and tell what it takes wrongly."""

from __future__ import annotations

import argparse
import json
from collections import Counter
from typing import Any

from reactorlib.app.audit import NOT_CONNECTED, Audit
from reactorlib.app.flags import add_flag, add_switch, address
from reactorlib.app.mistakes import UserMistake
from reactorlib.app.verdicts import KINDS, Finding
from reactorlib.protocols.http.corpus import REQUESTS
from reactorlib.running import run

LONGEST = 100


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "target", metavar="HOST:PORT", type=target, help="the server; no other is ever talked to"
    )
    add_switch(parser, "--json", help="print the findings as JSON")
    add_flag(
        parser,
        "--timeout",
        type=seconds,
        default=5.0,
        metavar="SECONDS",
        help="how long to wait for an answer, default 5",
    )


def target(text: str) -> tuple[str, int]:
    """HOST:PORT, or PORT alone on this machine."""
    host, port = address(text)
    if port == 0:
        raise argparse.ArgumentTypeError("port 0 cannot be connected to")
    return host or "127.0.0.1", port


def seconds(text: str) -> float:
    """A time, more than 0 and at most an hour."""
    try:
        number = float(text)
    except ValueError:
        number = 0.0
    if not 0 < number <= 3600:
        raise argparse.ArgumentTypeError(f"a number of seconds, more than 0, not {text!r}")
    return number


def start(reactor: Any, options: argparse.Namespace) -> None:
    """Runs the reactor itself, to the end of the audit. Raises SystemExit with the exit code."""
    host, port = options.target
    name = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    plain, findings = run(audit, name, options, reactor=reactor)
    findings.sort(key=lambda finding: KINDS.index(finding.found))
    report = as_json if options.json else as_table
    print(report(name, plain, findings))
    raise SystemExit(1 if findings else 0)


async def audit(reactor: Any, name: str, options: argparse.Namespace) -> tuple[int, list[Finding]]:
    """The status of a plain answer, and what is wrong. Raises UserMistake without the former."""
    host, port = options.target
    server = Audit(reactor, host, port, options.timeout)
    try:
        plain = await server.ask()
    except NOT_CONNECTED as cause:
        raise UserMistake(f"cannot connect to {name}: {cause}") from cause
    if not plain.statuses:
        raise UserMistake(f"{name} does not answer a plain request of HTTP/1.1 ({plain})")
    return plain.statuses[0], await server.run()


def as_json(name: str, plain: int, findings: list[Finding]) -> str:
    """One object; each finding with all that was sent, escaped as in Python."""
    return json.dumps(
        {
            "target": name,
            "plain": plain,
            "cases": len(REQUESTS),
            "findings": [
                {
                    "identifier": finding.case.identifier,
                    "attempt": finding.case.attempt,
                    "sent": escaped(finding.case.data),
                    "statuses": finding.seen.statuses,
                    "end": finding.seen.end,
                    "found": finding.found,
                    "meaning": finding.meaning,
                }
                for finding in findings
            ],
        },
        indent=2,
    )


def as_table(name: str, plain: int, findings: list[Finding]) -> str:
    """For people: a row for each finding, and below it what was sent."""
    lines = [f"{name} answers a plain request with {plain}.", ""]
    if findings:
        rows = [("FOUND", "IDENTIFIER", "CAME", "MEANING"), *map(_row, findings)]
        widths = [max(len(row[column]) for row in rows) for column in range(3)]
        sent = ["", *(f"  sent: {shortened(finding.case.data)}" for finding in findings)]
        for row, below in zip(rows, sent, strict=True):
            cells = [cell.ljust(width) for cell, width in zip(row, widths, strict=False)]
            lines += ["  ".join([*cells, row[3]]), *filter(None, [below])]
        lines.append("")
    kinds = Counter(finding.found for finding in findings)
    told = ", ".join(f"{number} {kind}" for kind, number in kinds.items())
    lines.append(f"{len(REQUESTS)} cases: {told or 'nothing found'}.")
    return "\n".join(lines)


def _row(finding: Finding) -> tuple[str, str, str, str]:
    case = finding.case
    meaning = f"{finding.meaning}: {case.attempt}"
    return finding.found, case.identifier, str(finding.seen), meaning


def escaped(data: bytes) -> str:
    return data.decode("latin-1").encode("unicode_escape").decode("ascii")


def shortened(data: bytes) -> str:
    text = escaped(data[:LONGEST])
    return text if len(data) <= LONGEST else f"{text}... ({len(data)} bytes)"
