"""What the status tells over HTTP: the page, the metrics, the health checks; in memory."""

from __future__ import annotations

import json
import math
from dataclasses import replace
from types import SimpleNamespace
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reactorlib.app.draining import DRAINING, READY, STARTING
from reactorlib.app.status import metrics, tables
from reactorlib.app.status.look import Busy, Look, Queue, SlowCall
from reactorlib.app.status.page import FILES, site
from reactorlib.defer import Deferred, succeed
from reactorlib.testing import Clock, StringTransport
from tests.test_cli_web import Page
from tests.webserver import answers

LOOK = Look(
    process=123,
    worker=0,
    name="web",
    backend="epoll",
    draining=False,
    clock=1000.0,
    uptime=20.0,
    connections={"open": 1200, "paused": 3, "closing": 0, "lingering": 1},
    accepted=2000,
    received=40_960,
    sent=41_943_040,
    turns=10,
    events=25,
    lag=0.014,
    buffered=512,
    descriptors=1234,
    descriptor_limit=20_000,
    memory=3 << 20,
    processor=5.0,
    queues=[Queue("127.0.0.1:80", 2, 128), Queue("[::1]:80", 1, 128)],
    slowest=[SlowCall("slow", 0.5), SlowCall("slower", 1.5)],
    busiest=[Busy("192.0.2.1:9", "Echo", 1, 2, 3)],
)
OTHER = replace(LOOK, process=124, worker=1, lag=0.5, turns=30, events=55, queues=[])
ALONE = replace(LOOK, worker=None)
PLACES = ["/", "/figures", "/metrics", "/livez", "/readyz", *(f"/{name}" for name in FILES)]


class View:
    """Tells what it is given, and counts how often."""

    def __init__(self, looks: list[Look]) -> None:
        self.told = looks
        self.count = 0

    def looks(self) -> Deferred[list[Look]]:
        self.count += 1
        return succeed(self.told)

    def close(self) -> None:
        """Nothing."""


class Status:
    """A site, and what it answers."""

    def __init__(self, *looks: Look, name: str = "web") -> None:
        self.views: list[View] = []
        self.state = READY
        reactor = SimpleNamespace(name="epoll", callLater=Clock().callLater)
        self.site = site(name, reactor, lambda: self.view(looks), lambda: self.state)

    def view(self, looks: tuple[Look, ...]) -> Any:
        self.views.append(View(list(looks)))
        return self.views[-1]

    def ask(self, target: str, method: str = "GET") -> tuple[int, dict[bytes, bytes], bytes]:
        transport: Any = StringTransport()
        channel: Any = self.site.buildProtocol(None)
        channel.makeConnection(transport)
        channel.dataReceived(f"{method} {target} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
        said = transport.value()
        if method == "HEAD":
            length = int(said.partition(b"Content-Length: ")[2].partition(b"\r\n")[0])
            said += bytes(length)
        (answer,) = answers(said)
        return answer

    def text(self, target: str) -> str:
        status, _, body = self.ask(target)
        assert status == 200
        return body.decode()


class TestEveryPlace:
    @pytest.mark.parametrize("place", PLACES)
    def test_it_is_to_be_read(self, place: str) -> None:
        status, fields, body = Status(LOOK).ask(place)
        assert status == 200
        assert body
        head, without, _ = Status(LOOK).ask(place, "HEAD")
        assert head == 200
        assert without[b"content-length"] == fields[b"content-length"] == b"%d" % len(body)

    @pytest.mark.parametrize("method", ["POST", "PUT", "DELETE", "OPTIONS", "PATCH"])
    @pytest.mark.parametrize("place", PLACES)
    def test_and_nothing_else(self, place: str, method: str) -> None:
        status, fields, _ = Status(LOOK).ask(place, method)
        assert status == 405
        assert fields[b"allow"] == b"GET, HEAD"

    @pytest.mark.parametrize(
        "place", ["/other", "/page.py", "/livez/", "/livez/x", "/..%2fpage.py"]
    )
    def test_there_is_nothing_else(self, place: str) -> None:
        assert Status(LOOK).ask(place)[0] == 404

    @pytest.mark.parametrize("place", [*PLACES, "/nowhere"])
    @pytest.mark.parametrize("method", ["GET", "POST"])
    def test_browsers_are_told_to_be_careful(self, place: str, method: str) -> None:
        _, fields, _ = Status(LOOK).ask(place, method)
        policy = dict(
            part.strip().split(b" ", 1) for part in fields[b"content-security-policy"].split(b";")
        )
        assert policy[b"default-src"] == b"'none'"
        assert policy[b"script-src"] == policy[b"style-src"] == policy[b"connect-src"] == b"'self'"
        assert b"unsafe" not in fields[b"content-security-policy"]
        assert fields[b"x-content-type-options"] == b"nosniff"
        assert fields[b"cache-control"] == b"no-store"


class TestThePage:
    def test_it_is_well_formed(self) -> None:
        tags = Page(
            Status(LOOK, OTHER).text("/").replace("<noscript>", "").replace("</noscript>", "")
        ).seen
        assert [tags.count(tag) for tag in ("html", "head", "title", "body", "h1", "main")] == [
            1
        ] * 6
        assert tags.count("table") == tags.count("caption") == 4

    def test_what_peers_and_programs_say_is_escaped(self) -> None:
        bad = "<script>alert(1)</script>&\"'"
        look = replace(
            LOOK,
            busiest=[Busy(bad, bad, 1, 2, 3)],
            slowest=[SlowCall(bad, 1.0)],
            queues=[Queue(bad, 1, 2)],
        )
        text = Status(look, name=bad).text("/")
        assert "<script>alert" not in text
        assert text.count("&lt;script&gt;alert(1)&lt;/script&gt;&amp;") == 6

    def test_each_process_has_a_row_and_all_have_one(self) -> None:
        rows = tables.processes([LOOK, OTHER]).split("<tr>")[2:]
        assert [row.partition("</th>")[0] for row in rows] == [
            f'<th scope="row">{name}' for name in ("worker 0", "worker 1", "all")
        ]
        assert [cell(row, "Connections") for row in rows] == ["1,204", "1,204", "2,408"]
        assert [cell(row, "Accepts/s") for row in rows] == ["100", "100", "200"]
        assert [cell(row, "In/s") for row in rows] == ["2.0 KiB", "2.0 KiB", "4.0 KiB"]
        assert [cell(row, "Events/turn") for row in rows] == ["2.5", "1.8", "2"]
        assert [cell(row, "Lag") for row in rows] == ["14 ms", "500 ms", "500 ms"]
        assert [cell(row, "Limit") for row in rows] == ["20,000", "20,000", "40,000"]
        assert [cell(row, "Processor") for row in rows] == ["25 %", "25 %", "50 %"]
        assert [cell(row, "Waiting") for row in rows] == ["3", "0", "3"]

    def test_one_alone_is_all(self) -> None:
        assert '<th scope="row">all' not in tables.processes([ALONE])

    def test_without_a_process_too(self) -> None:
        assert cell(tables.processes([]), "Connections") == "0"
        assert '<th scope="row">all' in Status().text("/")

    def test_a_process_that_leaves_is_told(self) -> None:
        assert "worker 1 (leaves)" in tables.processes([replace(OTHER, draining=True)])
        assert "process 123<" in tables.slowest([ALONE])

    @pytest.mark.parametrize(
        ("figure", "unit", "text"),
        [
            (0, "number", "0"),
            (9.96, "number", "10"),
            (12345.6, "number", "12,346"),
            (0, "seconds", "0 µs"),
            (0.00002, "seconds", "20 µs"),
            (1.5, "seconds", "1.5 s"),
            (90, "seconds", "1.5 min"),
            (7200, "seconds", "2 h"),
            (864_000, "seconds", "10 d"),
            (0.005, "share", "0.5 %"),
            (2048, "bytes", "2.0 KiB"),
        ],
    )
    def test_figures_for_people(self, figure: float, unit: str, text: str) -> None:
        assert tables.shown(figure, unit) == text


def cell(row: str, title: str) -> str:
    """What stands in the last of these rows below a title."""
    titles = [column.title for column in tables.PROCESSES]
    cells = row.split("<td ")[-len(titles) :]
    return cells[titles.index(title)].partition(">")[2].partition("<")[0]


class TestFigures:
    def test_all_that_was_looked_at_and_the_state(self) -> None:
        status = Status(LOOK)
        told = json.loads(status.text("/figures"))
        assert told["state"] == READY
        (look,) = told["looks"]
        assert look["busiest"] == [
            {"peer": "192.0.2.1:9", "protocol": "Echo", "received": 1, "sent": 2, "buffered": 3}
        ]
        status.state = DRAINING
        assert json.loads(status.text("/figures"))["state"] == DRAINING

    def test_prometheus_has_a_view_of_its_own(self) -> None:
        status = Status(LOOK)
        status.text("/livez")
        assert status.views == []
        status.text("/figures")
        status.text("/")
        assert [view.count for view in status.views] == [2]
        status.text("/metrics")
        assert [view.count for view in status.views] == [2, 1]


class TestHealth:
    @pytest.mark.parametrize(("state", "code"), [(STARTING, 503), (READY, 200), (DRAINING, 503)])
    def test_ready(self, state: str, code: int) -> None:
        status = Status(LOOK)
        status.state = state
        answered, fields, body = status.ask("/readyz")
        assert (answered, body) == (code, f"{state}\n".encode())
        assert fields[b"content-type"] == b"text/plain; charset=utf-8"
        assert status.ask("/livez")[0] == 200


def samples(*looks: Look) -> dict[str, list[Any]]:
    """What Prometheus's own parser finds."""
    text = metrics.as_text(looks).decode()
    families = list(text_string_to_metric_families(text))
    assert all(family.documentation for family in families)
    assert all(family.samples for family in families)
    found: dict[str, list[Any]] = {}
    for family in families:
        for sample in family.samples:
            assert (family.type == "counter") == sample.name.endswith("_total")
            found.setdefault(sample.name.removeprefix("reactorlib_"), []).append(sample)
    return found


class TestMetrics:
    def test_the_format(self) -> None:
        _, fields, body = Status(LOOK).ask("/metrics")
        assert fields[b"content-type"] == b"text/plain; version=0.0.4; charset=utf-8"
        assert body.endswith(b"\n")
        for line in body.splitlines():
            assert line.startswith((b"reactorlib_", b"# HELP reactorlib_", b"# TYPE reactorlib_"))

    def test_every_figure_in_its_base_unit(self) -> None:
        found = samples(LOOK)
        values = {name: each[0].value for name, each in found.items() if len(each) == 1}
        assert values == {
            "info": 1,
            "uptime_seconds": 20,
            "draining": 0,
            "accepted_connections_total": 2000,
            "received_bytes_total": 40_960,
            "sent_bytes_total": 41_943_040,
            "turns_total": 10,
            "events_total": 25,
            "lag_seconds": 0.014,
            "slowest_callback_seconds": 1.5,
            "buffered_bytes": 512,
            "descriptors": 1234,
            "descriptor_limit": 20_000,
            "resident_memory_bytes": 3 << 20,
            "processor_seconds_total": 5,
        }
        states = {each.labels["state"]: each.value for each in found["connections"]}
        assert states == LOOK.connections
        queues = {each.labels["address"]: each.value for each in found["accept_queue_connections"]}
        assert queues == {"127.0.0.1:80": 2, "[::1]:80": 1}
        assert found["info"][0].labels["backend"] == "epoll"

    def test_each_sample_tells_its_process(self) -> None:
        for each in samples(LOOK, OTHER).values():
            told = {(one.labels["worker"], one.labels["process"]) for one in each}
            assert told <= {("0", "123"), ("1", "124")}
        assert samples(ALONE)["info"][0].labels["worker"] == ""

    def test_no_two_samples_have_the_same_labels(self) -> None:
        leaving = replace(LOOK, process=99, draining=True)
        twice = replace(LOOK, queues=[Queue("127.0.0.1:80", 2, 128), Queue("127.0.0.1:80", 3, 128)])
        found = samples(twice, leaving, OTHER)
        for each in found.values():
            labels = [tuple(sorted(one.labels.items())) for one in each]
            assert len(set(labels)) == len(labels)
        assert found["accept_queue_connections"][0].value == 5
        assert found["accept_queue_limit"][0].value == 256

    def test_text_in_a_label(self) -> None:
        hostile = 'a"b\\n\\\n{}c,d="e"'
        look = replace(LOOK, name=hostile, queues=[Queue(hostile, 1, 2)])
        found = samples(look)
        assert found["info"][0].labels["name"] == hostile
        assert found["accept_queue_limit"][0].labels["address"] == hostile

    def test_large_and_odd_numbers(self) -> None:
        look = replace(LOOK, received=10**18 + 1, lag=1e-9)
        found = samples(look)
        assert math.isclose(found["received_bytes_total"][0].value, 1e18)
        assert found["lag_seconds"][0].value == 1e-9

    def test_of_nobody(self) -> None:
        text = metrics.as_text([]).decode()
        assert all(line.startswith("# ") for line in text.splitlines())
