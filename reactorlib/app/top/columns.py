"""The table: a column has a title, a width, and takes its text from a row."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from reactorlib.app.top.rates import Row


def short(number: float | None, base: int = 1000) -> str:
    """A number in at most five characters; bytes have the base 1024."""
    if number is None:
        return "-"
    for unit in ("", "k", "M", "G", "T"):
        if number < 999.5 or unit == "T":
            break
        number /= base
    digits = 1 if number < 9.95 and (unit or number % 1) else 0
    return f"{number:.{digits}f}{unit}"


def _bytes(number: float | None) -> str:
    return short(number, 1024)


def _percent(share: float | None) -> str:
    return "-" if share is None else f"{share * 100:.0f}%"


class Column(NamedTuple):
    """`width` is without the space before it."""

    title: str
    width: int
    text: Callable[[Row], str]


LABEL = Column("worker", 10, lambda row: row.label)

COLUMNS = (
    Column("open", 7, lambda row: str(row.connections.get("open", 0))),
    Column("paused", 7, lambda row: str(row.connections.get("paused", 0))),
    Column("closing", 7, lambda row: str(row.connections.get("closing", 0))),
    Column("linger", 7, lambda row: str(row.connections.get("lingering", 0))),
    Column("accept/s", 8, lambda row: short(row.accepted)),
    Column("queue", 6, lambda row: "-" if row.waiting is None else str(row.waiting)),
    Column("files/limit", 15, lambda row: f"{row.descriptors}/{row.descriptor_limit}"),
    Column("in/s", 7, lambda row: _bytes(row.received)),
    Column("out/s", 7, lambda row: _bytes(row.sent)),
    Column("buffered", 8, lambda row: _bytes(row.buffered)),
    Column("events/turn", 11, lambda row: short(row.events_in_a_turn)),
    Column("lag ms", 7, lambda row: f"{row.lag * 1000:.0f}"),
    Column("memory", 7, lambda row: _bytes(row.memory)),
    Column("CPU", 6, lambda row: _percent(row.processor)),
)


def tables(width: int) -> Iterator[list[Column]]:
    """The columns, in as many tables side by side as a width needs."""
    room = width - LABEL.width
    table: list[Column] = []
    for column in COLUMNS:
        if table and room < column.width + 1:
            yield table
            table, room = [], width - LABEL.width
        table.append(column)
        room -= column.width + 1
    yield table


def lines(table: Sequence[Column], rows: Sequence[Row]) -> Iterator[str]:
    """Its head, and a line for each row."""
    yield LABEL.title.ljust(LABEL.width) + "".join(
        f" {column.title:>{column.width}}" for column in table
    )
    for row in rows:
        yield LABEL.text(row).ljust(LABEL.width) + "".join(
            f" {column.text(row):>{column.width}}" for column in table
        )
