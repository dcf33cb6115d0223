"""Looks as tables of a web page, which stand there without a script.

A script finds in the heads of the columns what stands below them (`data-name`) and how it
is written (`data-unit`), and brings them up to date. What is counted per second is here the
mean since the process began. Everything is escaped: peers say their names themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from html import escape
from operator import attrgetter
from typing import Any

from reactorlib.app.doctor.words import bytes_text
from reactorlib.app.status.look import Look


@dataclass(frozen=True)
class Column:
    """What stands in it is a figure of whatever its row is for."""

    name: str
    title: str
    unit: str
    figure: Callable[[Any], Any]


def _sum(name: str) -> Callable[[Sequence[Look]], float]:
    return lambda looks: sum(getattr(look, name) for look in looks)


def _mean(name: str) -> Callable[[Sequence[Look]], float]:
    return lambda looks: sum(getattr(look, name) / (look.uptime or 1) for look in looks)


def _connections(looks: Sequence[Look]) -> int:
    return sum(sum(look.connections.values()) for look in looks)


def _in_a_turn(looks: Sequence[Look]) -> float:
    return _sum("events")(looks) / (_sum("turns")(looks) or 1)


def _lag(looks: Sequence[Look]) -> float:
    return max((look.lag for look in looks), default=0.0)


def _waiting(looks: Sequence[Look]) -> int:
    return sum(queue.waiting for look in looks for queue in look.queues)


def _uptime(looks: Sequence[Look]) -> float:
    return max((look.uptime for look in looks), default=0.0)


# Of the looks that a row is for.
PROCESSES = (
    Column("connections", "Connections", "number", _connections),
    Column("accepted", "Accepts/s", "number", _mean("accepted")),
    Column("received", "In/s", "bytes", _mean("received")),
    Column("sent", "Out/s", "bytes", _mean("sent")),
    Column("turn", "Events/turn", "number", _in_a_turn),
    Column("lag", "Lag", "seconds", _lag),
    Column("buffered", "Buffered", "bytes", _sum("buffered")),
    Column("descriptors", "Descriptors", "number", _sum("descriptors")),
    Column("descriptor_limit", "Limit", "number", _sum("descriptor_limit")),
    Column("memory", "Memory", "bytes", _sum("memory")),
    Column("processor", "Processor", "share", _mean("processor")),
    Column("waiting", "Waiting", "number", _waiting),
    Column("uptime", "Up", "seconds", _uptime),
)


def _field(name: str, title: str, unit: str) -> Column:
    return Column(name, title, unit, attrgetter(name))


# Of each entry in a list of a look.
QUEUES = (
    _field("address", "Address", "text"),
    _field("waiting", "Waiting", "number"),
    _field("limit", "Limit", "number"),
)
SLOWEST = (
    _field("what", "Callback", "text"),
    _field("seconds", "Took", "seconds"),
)
BUSIEST = (
    _field("peer", "Peer", "text"),
    _field("protocol", "Protocol", "text"),
    _field("received", "In", "bytes"),
    _field("sent", "Out", "bytes"),
    _field("buffered", "Buffered", "bytes"),
)


def processes(looks: Sequence[Look]) -> str:
    """A row for each, and one for all of them, unless it is one."""
    rows = [_row(_name(look), PROCESSES, [look]) for look in looks]
    foot = "" if len(looks) == 1 else _row("all", PROCESSES, looks)
    return _table("processes", "Processes", PROCESSES, rows, foot)


def queues(looks: Sequence[Look]) -> str:
    """The ports, and who waits there."""
    return _list("queues", "Accept queues", QUEUES, looks)


def slowest(looks: Sequence[Look]) -> str:
    """Callbacks."""
    return _list("slowest", "Slowest callbacks", SLOWEST, looks)


def busiest(looks: Sequence[Look]) -> str:
    """Connections."""
    return _list("busiest", "Busiest connections", BUSIEST, looks)


def _list(name: str, caption: str, columns: Sequence[Column], looks: Sequence[Look]) -> str:
    rows = [_row(_name(look), columns, each) for look in looks for each in getattr(look, name)]
    return _table(name, caption, columns, rows)


def _name(look: Look) -> str:
    name = f"process {look.process}" if look.worker is None else f"worker {look.worker}"
    return f"{name} (leaves)" if look.draining else name


def _table(
    name: str, caption: str, columns: Sequence[Column], rows: Iterable[str], foot: str = ""
) -> str:
    """In a frame that can be scrolled, with the keyboard too."""
    lines = [
        f'<div class="frame" role="region" aria-labelledby="of-{name}" tabindex="0">',
        f'<table id="{name}">',
        f'<caption id="of-{name}">{caption}</caption>',
        f'<thead><tr><th scope="col">Process</th>{"".join(map(_head, columns))}</tr></thead>',
        "<tbody>",
        *rows,
        "</tbody>",
        f"<tfoot>{foot}</tfoot>",
        "</table>",
        "</div>",
    ]
    return "\n".join(lines)


def _head(column: Column) -> str:
    return (
        f'<th scope="col" data-name="{column.name}" data-unit="{column.unit}">{column.title}</th>'
    )


def _row(name: str, columns: Sequence[Column], of: Any) -> str:
    return f'<tr><th scope="row">{name}</th>{"".join(_cells(columns, of))}</tr>'


def _cells(columns: Sequence[Column], of: Any) -> Iterator[str]:
    for column in columns:
        yield f'<td class="{column.unit}">{escape(shown(column.figure(of), column.unit))}</td>'


def shown(figure: Any, unit: str) -> str:
    """A figure in a unit, for people; the script of the page writes it so, too."""
    return UNITS[unit](figure)


def _number(number: float) -> str:
    return f"{number:,.1f}".removesuffix(".0") if number < 10 else f"{number:,.0f}"


def _seconds(seconds: float) -> str:
    for size, unit in ((86_400, "d"), (3600, "h"), (60, "min"), (1, "s"), (1e-3, "ms")):
        if seconds >= size:
            return f"{_number(seconds / size)} {unit}"
    return f"{_number(seconds * 1e6)} µs"


UNITS: dict[str, Callable[[Any], str]] = {
    "text": str,
    "number": _number,
    "bytes": bytes_text,
    "seconds": _seconds,
    "share": lambda share: f"{_number(share * 100)} %",
}
