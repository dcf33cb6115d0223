"""Two looks at a server, as lines of text that fit into a terminal.

What peers and programs have a say in (addresses, names, callbacks) is escaped: no
character of theirs is obeyed by the terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from reactorlib.app.status.look import Look
from reactorlib.app.top.columns import lines, short, tables
from reactorlib.app.top.rates import row, total

UNLIMITED = 1_000_000  # lines, of what is no terminal


def printable(text: str) -> str:
    """The same, with what is no visible character written out."""
    return "".join(
        each if each.isprintable() else each.encode("unicode_escape", "surrogatepass").decode()
        for each in text
    )


def screen(
    title: str,
    looks: Sequence[Look],
    before: Sequence[Look],
    width: int = 80,
    height: int = UNLIMITED,
) -> list[str]:
    """At most `height` lines of at most `width` characters."""
    lines = [f"{title}  {_summary(looks)}", ""]
    lines += _figures(looks, before, width, height - len(lines))
    sections = [list(_queues(looks)), list(_slowest(looks)), list(_busiest(looks, before))]
    lines += _fitting([each for each in sections if each], height - len(lines))
    return [printable(line)[:width].rstrip() for line in lines[:height]]


def _summary(looks: Sequence[Look]) -> str:
    if not looks:
        return "no worker answers"
    longest = int(max(look.uptime for look in looks))
    hours, minutes, seconds = longest // 3600, longest // 60 % 60, longest % 60
    return f"{looks[0].backend}  up {hours}:{minutes:02}:{seconds:02}"


def _figures(
    looks: Sequence[Look], before: Sequence[Look], width: int, height: int
) -> Iterator[str]:
    """Tables of all together and of each; where there are too many, of the first ones."""
    earlier = {look.process: look for look in before}
    rows = [row(look, earlier.get(look.process)) for look in looks]
    if len(rows) != 1:
        rows.insert(0, total(rows))
    layout = list(tables(width))
    room = max(1, height // len(layout) - 2)
    for table in layout:
        yield from lines(table, rows[:room])
        if len(rows) > room:
            yield f"… and {len(rows) - room} more"
        yield ""


def _queues(looks: Sequence[Look]) -> Iterator[str]:
    waiting: dict[str, int] = {}
    limit: dict[str, int] = {}
    for queue in (queue for look in looks for queue in look.queues):
        waiting[queue.address] = waiting.get(queue.address, 0) + queue.waiting
        limit[queue.address] = limit.get(queue.address, 0) + queue.limit
    if waiting:
        yield "accept queue"
    for address, count in waiting.items():
        yield f"  {address}: {count} of {limit[address]} places taken"


def _slowest(looks: Sequence[Look]) -> Iterator[str]:
    calls = [(call.seconds, _whose(look), call.what) for look in looks for call in look.slowest]
    if calls:
        yield "slow callbacks"
    for seconds, whose, what in sorted(calls, reverse=True):
        yield f"  {seconds * 1000:7.1f} ms {whose} {what}"


def _busiest(looks: Sequence[Look], before: Sequence[Look]) -> Iterator[str]:
    clocks = {look.process: look.clock for look in before}
    found = []
    for look in looks:
        seconds = look.clock - clocks.get(look.process, look.clock)
        for busy in look.busiest if seconds > 0 else ():
            found.append((busy.received / seconds, busy.sent / seconds, _whose(look), busy))
    if found:
        yield "busiest connections                     in/s    out/s buffered"
    for received, sent, whose, busy in sorted(found, key=lambda each: -each[0] - each[1]):
        figures = (short(received, 1024), short(sent, 1024), short(busy.buffered, 1024))
        peer = printable(busy.peer)
        yield f"  {peer:34} {figures[0]:>7} {figures[1]:>8} {figures[2]:>8} {whose} {busy.protocol}"


def _whose(look: Look) -> str:
    return "" if look.worker is None else f"worker {look.worker}"


def _fitting(sections: Sequence[Sequence[str]], height: int) -> Iterator[str]:
    """Of each section as much as leaves the others their share."""
    for number, section in enumerate(sections):
        share = max(0, height // (len(sections) - number) - 1)
        shown = section[:share]
        yield from shown
        if shown:
            yield ""
        height -= len(shown) + bool(shown)
