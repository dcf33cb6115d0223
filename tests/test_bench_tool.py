"""The benchmark tool: its arithmetic, its tables, and one short real measurement."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))

from bench import figures, kernel, machine, measures, report, requests
from bench.measures import Bench
from bench.processes import BenchError, output_of, started
from bench.programs import Program
from bench.rounds import Outcome
from bench.scenarios import SCENARIOS, matching
from bench.workshop import CHECKOUT, Workshop, install_if_possible

BENCH = CHECKOUT / "tools" / "bench.py"
CORE, _ = machine.cores()


def sample(
    cost: float, server: float = 100, load: float = 50, queued: float = 0
) -> dict[str, float]:
    return {
        "cost_us": cost,
        "rate": 1e6 / cost,
        "p50_us": 1.0,
        "p99_us": 2.0,
        "server_percent": server,
        "load_percent": load,
        "queued_percent": queued,
        "peak_mib": 1.5,
    }


def outcome(**samples: list[dict[str, float] | None]) -> Outcome:
    return Outcome(matching(("echo-100",))[0], dict(samples))


class TestFigures:
    def test_ratio_is_the_median_of_ratios_within_rounds(self) -> None:
        mine = [sample(1), sample(20), sample(9)]
        other = [sample(2), sample(10), sample(3)]
        assert figures.ratio(mine, other, "cost_us") == 2

    def test_ratio_leaves_out_rounds_that_failed(self) -> None:
        mine = [None, sample(6), sample(8)]
        other = [sample(1), sample(2), None]
        assert figures.ratio(mine, other, "cost_us") == 3

    def test_ratio_without_a_common_round_is_none(self) -> None:
        assert figures.ratio([None, sample(1)], [sample(1), None], "cost_us") is None

    def test_medians_and_spread(self) -> None:
        samples = [sample(10), None, sample(12), sample(8)]
        assert figures.medians(samples)["cost_us"] == 10
        assert figures.spread_percent(samples, "cost_us") == pytest.approx(20)
        assert figures.medians([None]) == {}

    def test_cost_is_processor_time_over_operations(self) -> None:
        raw = {
            "seconds": 2.0,
            "operations": 1000,
            "received": 150_000,
            "server_ns": 1_000_000_000,
            "queued_ns": 200_000_000,
            "load_busy": 0.25,
            "p50_ns": 1500,
            "p99_ns": 2500,
        }
        figured = measures.exchange_sample(raw)
        assert figured["cost_us"] == 1000
        assert figured["rate"] == 500
        assert (figured["p50_us"], figured["p99_us"]) == (1.5, 2.5)
        assert (figured["server_percent"], figured["load_percent"]) == (50, 25)
        assert figured["queued_percent"] == 10
        assert figured["answer_bytes"] == 150
        with pytest.raises(BenchError, match=r"nothing was answered within 2\.0 s"):
            measures.exchange_sample(raw | {"operations": 0})


class TestReport:
    def test_markdown_has_a_row_for_each_server_and_a_ratio_for_each_reference(self) -> None:
        measured = outcome(c=[sample(5)], uvloop=[sample(7)], gevent=[None])
        text = report.markdown({"cores": "2"}, [measured], ())
        rows = [line for line in text.splitlines() if line.startswith("|")]
        assert rows[0].startswith("| server | µs/op | ± % |")
        assert rows[0].endswith("| ÷ c | ÷ uvloop |")
        assert set(rows[1]) <= set("|-: ")
        assert [row.split(" | ")[0] for row in rows[2:]] == ["| c", "| uvloop"]
        assert rows[3].endswith("| 1.40 | 1.00 |")
        assert len({row.count("|") for row in rows}) == 1

    def test_plain_columns_line_up(self) -> None:
        lines = report.plain(
            {}, [outcome(c=[sample(5)], uvloop=[sample(123)])], ("c",)
        ).splitlines()
        assert len({len(line) for line in lines[-3:]}) == 1

    def test_json_keeps_every_round(self) -> None:
        told = json.loads(report.as_json({}, [outcome(c=[sample(5), None, sample(6)])], ()))
        program = told["scenarios"]["echo-100"]["programs"]["c"]
        assert [one and one["cost_us"] for one in program["samples"]] == [5, None, 6]
        assert program["medians"]["cost_us"] == 5.5
        assert program["ratios"] == {"c": 1}

    def test_warns_when_the_load_generator_was_the_bottleneck(self) -> None:
        measured = outcome(
            slow=[sample(5, server=89, load=99)],
            fast=[sample(5, server=99, load=99)],
            idle=[sample(5, server=40, load=40)],
            disturbed=[sample(5, server=60, queued=30)],
        )
        assert report.warnings(measured) == [
            "others, or more threads of its own, had the server's core at times: disturbed 30 %",
            "the load generator was the bottleneck of slow (89 %)",
            "neither idle (40 %) nor its load (40 %) was busy",
        ]

    def test_the_bytes_of_answers_are_told_when_they_differ(self) -> None:
        small, alike, large = ({**sample(5), "answer_bytes": size} for size in (100, 150, 151))
        assert report.caption(outcome(nginx=[small], uvicorn=[alike, None])) == []
        assert report.caption(outcome(nginx=[None])) == []
        told = report.caption(outcome(nginx=[small], uvicorn=[large], twisted=[None]))
        assert told == ["Bytes of an answer: nginx 100, uvicorn 151."]
        for render in (report.plain, report.markdown):
            assert told[0] in render({}, [outcome(nginx=[small], uvicorn=[large])], ())

    def test_a_failure_is_told_with_its_reason(self) -> None:
        measured = outcome(c=[None])
        measured.failures["c"] = "no compiler"
        assert report.warnings(measured) == ["c failed: no compiler"]
        assert "c failed: no compiler" in report.plain({}, [measured], ())


class TestScenarios:
    def test_every_scenario_has_programs_and_can_show_its_cost(self) -> None:
        for scenario in SCENARIOS:
            assert scenario.programs(()), scenario.name
            assert {one.service for one in scenario.programs(())} == {scenario.service}
            assert scenario.cost in {column.key for column in scenario.columns}

    def test_chosen_servers_replace_the_usual_ones(self) -> None:
        echo = matching(("echo-1k",))[0]
        names = [one.name for one in echo.programs(("reactorlib-poll", "c"))]
        assert names == ["c", "reactorlib-poll"]


class TestRequests:
    def test_a_browser_sends_700_bytes_in_twelve_fields(self) -> None:
        assert len(requests.BROWSER) == 700
        assert requests.BROWSER.count("\r\n") == 1 + 12 + 1

    @pytest.mark.parametrize(
        "head", [requests.SMALL, requests.ONCE, requests.BROWSER, requests.posting(7)]
    )
    def test_a_head_ends_and_names_a_host(self, head: str) -> None:
        assert head.endswith("\r\n\r\n")
        assert head.count("\r\n\r\n") == 1
        assert head.count("\r\nHost: ") == 1


class TestProcesses:
    def test_a_process_that_fails_says_its_last_words(self) -> None:
        with pytest.raises(BenchError, match="status 3: bad luck"):
            output_of(["sh", "-c", "echo bad luck >&2; exit 3"], core=CORE, timeout=10)

    def test_a_process_ends_with_its_block(self) -> None:
        with pytest.raises(KeyError), started(["sleep", "60"], core=CORE) as process:
            raise KeyError
        assert not Path(f"/proc/{process.pid}").exists()


GREETING = """
import socket, sys
with socket.create_server(("127.0.0.1", 0)) as listening:
    print(listening.getsockname()[1], *sys.argv[1:], flush=True)
    connection, _ = listening.accept()
    while data := connection.recv(65536):
        answer = b"HTTP/1.1 200 OK\\r\\nContent-Length: 14\\r\\n\\r\\nHello, World!\\n"
        connection.sendall(answer * data.count(b"\\r\\n\\r\\n"))
sys.stdin.read()  # one that has ended tells nothing of its memory
"""


class Greeting(Workshop):
    """Makes of any program a server in Python that greets its only client."""

    def command(self, program: Program) -> list[str]:
        return [sys.executable, "-c", GREETING, *program.arguments]


class TestMeasures:
    def sample(self, *arguments: str) -> dict[str, float]:
        greeting = Bench(Greeting(CHECKOUT / "build" / "bench"), *machine.cores(), 0.5)
        program = Program("greeting", "http", "", arguments)
        return measures.http_get(greeting, program, 1, requests.SMALL, "http", pipelined=3)

    def test_answers_are_counted_and_their_cost_is_the_servers(self) -> None:
        sample = self.sample()
        assert sample["answer_bytes"] == 53
        assert 0 < sample["cost_us"] < 1000
        assert sample["peak_mib"] > 1

    def test_a_server_may_name_another_process_that_serves(self) -> None:
        with started(["sleep", "60"], core=CORE) as idle:
            sample = self.sample(str(idle.pid))
            assert sample["peak_mib"] == kernel.peak_resident(idle.pid) / (1 << 20)
        assert sample["cost_us"] == 0


class TestWorkshop:
    def test_a_peer_that_cannot_be_installed_is_told(
        self, capsys: pytest.CaptureFixture[str]
    ) -> None:
        install_if_possible("false", "granian")
        assert "granian will be missing" in capsys.readouterr().err


def bench(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(BENCH), *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


class TestCommandLine:
    def test_measures_the_bare_c_server(self) -> None:
        arguments = (
            "--scenario",
            "echo-100",
            "--servers",
            "c",
            "--seconds",
            "1",
            "--rounds",
            "1",
        )
        done = bench(*arguments, "--json")
        assert done.returncode == 0, done.stderr
        (measured,) = json.loads(done.stdout)["scenarios"]["echo-100"]["programs"]["c"]["samples"]
        assert 1 < measured["cost_us"] < 1000
        assert 0 < measured["server_percent"] <= 110
        assert 0 < measured["load_percent"] <= 100
        assert 0 < measured["p50_us"] <= measured["p99_us"]

    def test_prints_a_table(self) -> None:
        arguments = ("--scenario", "latency", "--servers", "c", "--seconds", "0.5", "--rounds", "1")
        done = bench(*arguments, "--markdown")
        assert done.returncode == 0, done.stderr
        assert "\n| server | µs/op |" in done.stdout
        assert "\n| c | " in done.stdout

    @pytest.mark.parametrize(
        ("arguments", "message"),
        [
            (("--scenario", "nonsense"), "no scenario begins with nonsense"),
            (("--servers", "nonsense"), "unknown: nonsense"),
            (("--seconds", "0"), "must be above zero"),
        ],
    )
    def test_a_wrong_argument_is_explained(self, arguments: tuple[str, ...], message: str) -> None:
        done = bench(*arguments)
        assert done.returncode == 2
        assert message in done.stderr
        assert "Traceback" not in done.stderr
