"""What `reactorlib top` works out of two looks, and how it is laid out."""

from __future__ import annotations

from typing import Any

import pytest

from reactorlib.app.status.look import Busy, Look, Queue, SlowCall
from reactorlib.app.top.columns import COLUMNS, lines, short, tables
from reactorlib.app.top.rates import row, total
from reactorlib.app.top.screen import printable, screen
from tests.looking import a_look


def two(seconds: float = 2.0, **later: Any) -> tuple[Look, Look]:
    """A look, and one after it in which so much has happened."""
    return a_look(), a_look(clock=100.0 + seconds, **later)


@pytest.mark.parametrize(
    ("number", "base", "text"),
    [
        (None, 1000, "-"),
        (0, 1000, "0"),
        (7, 1000, "7"),
        (7.25, 1000, "7.2"),
        (999, 1000, "999"),
        (999.6, 1000, "1.0k"),
        (12_345, 1000, "12k"),
        (1_500_000, 1000, "1.5M"),
        (1_024, 1_024, "1.0k"),
        (3 * 1_024**3, 1_024, "3.0G"),
        (1e16, 1000, "10000T"),
    ],
)
def test_numbers_are_short(number: float | None, base: int, text: str) -> None:
    assert short(number, base) == text


def test_rates_are_per_second() -> None:
    before, now = two(
        accepted=10, received=2_048, sent=400, turns=20, events=60, processor=0.5, lag=0.01
    )
    found = row(now, before)
    assert (found.seconds, found.accepted, found.received, found.sent) == (2.0, 5.0, 1_024, 200)
    assert (found.events_in_a_turn, found.processor, found.lag) == (3.0, 0.25, 0.01)


def test_without_a_look_before_there_are_no_rates() -> None:
    now = a_look(accepted=5)
    for found in (row(now, None), row(now, now)):
        assert (found.accepted, found.events_in_a_turn, found.waiting) == (None, None, None)


def test_all_together_is_a_sum_and_the_worst_lag() -> None:
    states = {"open": 3, "paused": 1, "closing": 0, "lingering": 2}
    queues = [Queue("a:1", 2, 10), Queue("b:2", 3, 10)]
    before, now = two(accepted=2, lag=0.2, connections=states, queues=queues, turns=2, events=2)
    fresh = a_look(process=11, lag=0.1, buffered=5, connections=states)
    found = total([row(now, before), row(fresh, None)])
    assert found.connections == {"open": 6, "paused": 2, "closing": 0, "lingering": 4}
    assert (found.accepted, found.lag, found.buffered, found.waiting) == (1.0, 0.2, 5, 5)
    assert (found.descriptors, found.descriptor_limit) == (18, 2_048)
    assert found.events_in_a_turn == 1.0
    nothing = total([])
    assert (nothing.accepted, nothing.waiting, nothing.lag) == (None, None, 0.0)


@pytest.mark.parametrize("width", [20, 80, 81, 120, 200])
def test_tables_are_as_wide_as_there_is_room(width: int) -> None:
    layout = list(tables(width))
    assert [column for table in layout for column in table] == list(COLUMNS)
    assert len(layout) <= {20: 14, 80: 2, 81: 2, 120: 2, 200: 1}[width]
    found = row(a_look(), None)
    for table in layout:
        for line in lines(table, [found]):
            assert len(line) <= max(width, 26)


def busy_server(workers: int) -> tuple[list[Look], list[Look]]:
    before, now = [], []
    for number in range(workers):
        common = {"process": 100 + number, "worker": number}
        before.append(a_look(**common))
        now.append(
            a_look(
                **common,
                clock=101.0,
                received=1 << 20,
                queues=[Queue("127.0.0.1:80", number, 128)],
                slowest=[SlowCall(f"callback {number}", number / 10)],
                busiest=[Busy(f"10.0.0.{number}:9", "Echo", 1 << 20, 0, 0)] * 4,
            )
        )
    return before, now


@pytest.mark.parametrize("workers", [0, 1, 2, 7, 64])
@pytest.mark.parametrize("size", [(80, 24), (120, 50), (40, 10), (200, 100), (1, 1)])
def test_it_fits_into_the_terminal(workers: int, size: tuple[int, int]) -> None:
    before, now = busy_server(workers)
    width, height = size
    text = screen("web, process 99", now, before, width, height)
    assert len(text) <= height
    assert all(len(line) <= width for line in text)


def test_in_the_usual_terminal_everything_has_its_place() -> None:
    before, now = busy_server(2)
    text = "\n".join(screen("web, process 99 with 2 workers", now, before, 80, 24))
    for each in (
        "web, process 99 with 2 workers  epoll  up 1:02:05",
        "open",
        "CPU",
        "\nall ",
        "\n0 ",
        "\n1 ",
        "127.0.0.1:80: 1 of 256 places taken",
        "100.0 ms worker 1 callback 1",
        "10.0.0.",
        "1.0M",
    ):
        assert each in text, each


def test_one_process_has_one_row() -> None:
    text = screen("echo", [a_look()], [])
    assert any(line.startswith("10 ") for line in text)
    assert not any(line.startswith("all") for line in text)


def test_one_that_ends_says_so() -> None:
    text = screen("echo", [a_look(draining=True)], [])
    assert any(line.startswith("10 ends") for line in text)


def test_workers_that_have_no_room_are_counted() -> None:
    before, now = busy_server(64)
    text = screen("web", now, before, 80, 24)
    assert any("more" in line for line in text)
    assert any(line.startswith("all") for line in text)


def test_no_worker_answers() -> None:
    assert screen("web", [], [], 80, 24)[0] == "web  no worker answers"


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("plain é", "plain é"),
        ("\x1b[2J\x07", r"\x1b[2J\x07"),
        ("a\nb\r\t", r"a\nb\r\t"),
        ("\x9b31m", r"\x9b31m"),
        ("\u202eabc", r"\u202eabc"),
        ("\udc80", r"\udc80"),
    ],
)
def test_no_character_is_obeyed_by_the_terminal(text: str, shown: str) -> None:
    assert printable(text) == shown


def test_what_peers_and_programs_say_is_escaped() -> None:
    evil = "\x1b]0;x\x07\n"
    before = [a_look()]
    now = [
        a_look(
            clock=101.0,
            name=evil,
            backend=evil,
            queues=[Queue(evil, 1, 2)],
            slowest=[SlowCall(evil, 1.0)],
            busiest=[Busy(evil, evil, 1, 1, 1)],
        )
    ]
    text = screen(evil, now, before)
    assert all(line.isprintable() for line in text)
    assert sum(r"\x1b]0;x\x07\n" in line for line in text) >= 4
