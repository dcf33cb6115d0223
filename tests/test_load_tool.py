"""tools/load.py: what it counts, what it says of itself, and what it refuses."""

from __future__ import annotations

import errno
import json
import resource
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil
import pytest

sys.path.insert(0, str(Path(__file__).parent.parent / "tools"))

from bench import crowds
from bench.crowds import Crowd

from tests.alone import run_alone
from tests.checkout import ROOT
from tests.test_cli import serving

CROWD = Crowd("127.0.0.1", "1", 10, 1, 1, 0, 1, 1, 0.1, 20)
TIMES = {"count": 10, "p50_ns": 1_000_000, "p99_ns": 2_000_000, "max_ns": 150_000_000}
WELL: dict[str, Any] = {
    "failures": {},
    "losses": {},
    "to_open": TIMES,
    "to_answer": TIMES,
    "opened": 10,
    "failed": 0,
    "lost": 0,
    "answered": 10,
    "pings": 10,
    "unanswered": 0,
    "wrong": 0,
    "latest_ns": 0,
    "seconds_to_open": 0.5,
    "busy_opening": 0.5,
    "queued_opening": 0.1,
    "busy_holding": 0.1,
    "queued_holding": 0.1,
}


def load(*arguments: str, descriptors: int | None = None) -> subprocess.CompletedProcess[str]:
    def limited() -> None:
        if descriptors is not None:
            resource.setrlimit(resource.RLIMIT_NOFILE, (descriptors, descriptors))

    return subprocess.run(
        [sys.executable, str(ROOT / "tools" / "load.py"), *arguments],
        capture_output=True,
        text=True,
        timeout=60,
        preexec_fn=limited,
    )


def told(*arguments: str, **options: Any) -> dict[str, Any]:
    done = load(*arguments, "--json", **options)
    assert done.stdout, done.stderr
    answer: dict[str, Any] = json.loads(done.stdout)
    assert answer["went_well"] == (done.returncode == 0)
    return answer


@contextmanager
def answering(serve: Callable[[socket.socket], None], connections: int = 1) -> Iterator[str]:
    """Where a server is that does that with each of some connections."""
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.settimeout(20)

        def accept() -> None:
            accepted = [listener.accept()[0] for _ in range(connections)]
            for each in accepted:
                with each, suppress(ConnectionError):
                    serve(each)

        thread = threading.Thread(target=accept)
        thread.start()
        yield f"127.0.0.1:{listener.getsockname()[1]}"
        thread.join()


class TestAgainstServers:
    def test_every_connection_is_opened_and_answers(self) -> None:
        with serving("echo", "--port", "0", "--host", "127.0.0.1") as (_process, port, _line):
            flags = ("--processes", "3", "--sources", "5", "--hold", "0.5", "--rounds", "2")
            result = told(f"127.0.0.1:{port}", "--connections", "200", *flags)
        assert result["went_well"]
        assert result["opened"] == result["answered"] == 200
        assert result["pings"] == result["to_answer"]["count"] == 400
        assert result["to_open"]["count"] == 200
        assert result["failures"] == result["losses"] == {}
        assert result["series"][-1][1:] == [200, 0]

    def test_sources_and_processes_are_as_many_as_asked_for(self) -> None:
        with serving("echo", "--port", "0", "--host", "127.0.0.1") as (process, port, _line):
            command = [sys.executable, str(ROOT / "tools" / "load.py"), f"127.0.0.1:{port}"]
            flags = ["--connections", "40", "--processes", "2", "--sources", "4", "--hold", "60"]
            with subprocess.Popen([*command, *flags], stderr=subprocess.PIPE) as running:
                assert running.stderr is not None
                while b" 40 opened" not in running.stderr.readline():
                    pass
                (crowd,) = psutil.Process(running.pid).children()
                members = crowd.children()
                found = sources(process.pid)
                running.terminate()
            _, alive = psutil.wait_procs([crowd, *members], timeout=10)
        assert len(members) == 2
        assert {source: found.count(source) for source in found} == {
            f"127.0.0.{number}": 10 for number in range(1, 5)
        }
        assert alive == []

    def test_a_share_is_pinged(self) -> None:
        with serving("echo", "--port", "0", "--host", "127.0.0.1") as (_process, port, _line):
            flags = ("--share", "0.25", "--hold", "0.2", "--rate", "1000")
            result = told(f"127.0.0.1:{port}", "--connections", "100", *flags)
        assert result["went_well"]
        assert result["opened"] == 100
        assert result["answered"] == result["pings"] == 25
        assert result["seconds_to_open"] > 0.09

    def test_a_unix_socket(self, tmp_path: Path) -> None:
        path = tmp_path / "echo"
        listening = subprocess.Popen(
            [sys.executable, "-m", "reactorlib", "echo", "--listen", f"unix:{path}"],
            stdout=subprocess.PIPE,
            cwd="/",
        )
        with listening:
            assert listening.stdout is not None
            listening.stdout.readline()
            result = told(str(path), "--connections", "300", "--hold", "0.1")
            listening.terminate()
        assert result["went_well"]
        assert result["answered"] == 300

    def test_ipv6(self) -> None:
        with serving("echo", "--port", "0", "--host", "::1") as (_process, port, _line):
            result = told(f"[::1]:{port}", "--connections", "10", "--hold", "0.1")
        assert result["went_well"]
        assert result["answered"] == 10

    def test_nobody_listens(self) -> None:
        with socket.socket() as bound:
            bound.bind(("127.0.0.1", 0))
            target = f"127.0.0.1:{bound.getsockname()[1]}"
            result = told(target, "--connections", "5", "--hold", "0")
        assert not result["went_well"]
        assert result["failures"] == {str(errno.ECONNREFUSED): 5}

    def test_a_server_that_closes(self) -> None:
        with answering(lambda each: None, 3) as target:
            result = told(target, "--connections", "3", "--hold", "0.3", "--rounds", "0")
        assert result["losses"] == {"0": 3}
        assert result["opened"] == result["lost"] == 3

    def test_an_answer_that_is_no_echo(self) -> None:
        def reverse(each: socket.socket) -> None:
            each.sendall(each.recv(100)[::-1] + b"!")
            each.recv(100)

        with answering(reverse) as target:
            result = told(target, "--connections", "1", "--hold", "0.1", "--seconds", "2")
        assert result["wrong"] == 1
        assert not result["went_well"]

    def test_no_answer_is_waited_for_no_longer_than_the_seconds(self) -> None:
        def swallow(each: socket.socket) -> None:
            while each.recv(100):
                pass

        with answering(swallow) as target:
            result = told(target, "--connections", "1", "--hold", "0.1", "--seconds", "1")
        assert result["unanswered"] == 1
        assert result["series"][-1][0] < 5

    def test_it_runs_out_of_descriptors(self) -> None:
        with serving("echo", "--port", "0", "--host", "127.0.0.1") as (_process, port, _line):
            target = f"127.0.0.1:{port}"
            result = told(
                target, "--connections", "100", "--processes", "1", "--hold", "0", descriptors=64
            )
            assert any("out of descriptors" in each for each in result["bottlenecks"])
            assert result["failures"][str(errno.EMFILE)] == result["failed"] > 30
            result = told(target, "--connections", "100", "--hold", "0", descriptors=64)
            assert result["went_well"], "as many processes as it takes, by itself"


class TestItsOwnLimits:
    def test_it_runs_out_of_ports(self) -> None:
        """Where there are but a hundred, and one address."""
        result = json.loads(run_alone(FEW_PORTS, str(ROOT / "tools" / "load.py")))
        assert result["opened"] == result["failures"][str(errno.EADDRNOTAVAIL)] == 100
        assert not result["went_well"]
        assert any("out of ports: 100 connects" in each for each in result["bottlenecks"])

    def test_it_takes_more_addresses_by_itself(self) -> None:
        result = json.loads(run_alone(FEW_PORTS, str(ROOT / "tools" / "load.py"), "by itself"))
        assert result["went_well"]
        assert result["opened"] == 200
        assert result["failures"] == {}

    def test_it_was_not_given_the_processor(self) -> None:
        with serving("echo", "--port", "0", "--host", "127.0.0.1") as (_process, port, _line):
            command = [sys.executable, str(ROOT / "tools" / "load.py"), f"127.0.0.1:{port}"]
            flags = ["--connections", "10", "--hold", "3", "--rounds", "300", "--json"]
            with subprocess.Popen(
                [*command, *flags], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
            ) as running:
                assert running.stderr is not None
                while " 10 opened" not in running.stderr.readline():
                    pass
                (crowd,) = psutil.Process(running.pid).children()
                (member,) = crowd.children()
                member.suspend()
                time.sleep(0.3)
                member.resume()
                printed, _ = running.communicate(timeout=60)
        result = json.loads(printed)
        assert result["went_well"], "late, and nothing worse"
        assert any("behind its time: the load" in each for each in result["bottlenecks"])


FEW_PORTS = """
load, *by_itself = sys.argv[1:]
with open("/proc/sys/net/ipv4/ip_local_port_range", "w") as ports:
    ports.write("40000 40099")
command = [sys.executable, "-m", "reactorlib", "echo", "--port", "30000", "--host", "127.0.0.1"]
with subprocess.Popen(command, stdout=subprocess.PIPE) as server:
    server.stdout.readline()
    flags = ["127.0.0.1:30000", "--connections", "200", "--hold", "0.5", "--json"]
    sources = [] if by_itself else ["--sources", "1"]
    subprocess.run([sys.executable, load, *flags, *sources])
    server.terminate()
"""


def sources(server: int) -> list[str]:
    """The addresses that a server's connections come from."""
    every = psutil.net_connections("tcp")
    return [each.raddr.ip for each in every if each.pid == server and each.raddr]


class TestUsage:
    @pytest.mark.parametrize(
        ("target", "complaint"),
        [
            ("192.0.2.1:80", "is not this machine"),
            ("0.0.0.0:80", "is not this machine"),
            ("[2001:db8::1]:80", "is not this machine"),
            ("localhost:80", "in figures"),
            ("127.0.0.1", "write HOST:PORT"),
            ("127.0.0.1:0", "write HOST:PORT"),
        ],
    )
    def test_what_is_not_here_is_refused(self, target: str, complaint: str) -> None:
        done = load(target)
        assert done.returncode == 2
        assert complaint in done.stderr

    def test_the_program_refuses_it_by_itself(self) -> None:
        load("127.0.0.1:1", "--connections", "1", "--hold", "0")  # has it compiled
        program = ROOT / "build" / "bench" / "crowd"
        arguments = replace(CROWD, host="192.0.2.1").arguments()
        done = subprocess.run([program, *arguments], capture_output=True, text=True, timeout=20)
        assert done.returncode == 1
        assert "only 127.0.0.0/8" in done.stderr

    @pytest.mark.parametrize("flag", ["--connections", "--processes"])
    def test_nothing_to_do(self, flag: str) -> None:
        done = load("127.0.0.1:80", flag, "0")
        assert done.returncode == 2
        assert "1 or more" in done.stderr

    def test_processes_and_sources_by_the_limits(self) -> None:
        assert crowds.processes_for(60_000, 20_000) == 4
        assert crowds.processes_for(19_968, 20_000) == 1
        assert crowds.sources_for(60_000, 28_232) == 5
        assert crowds.sources_for(12_000, 28_232) == 1


class TestJudgement:
    def test_all_is_well(self) -> None:
        assert crowds.went_well(CROWD, WELL)
        assert crowds.bottlenecks(CROWD, WELL) == []
        report = crowds.text(CROWD, WELL)
        assert "10 of 10 in 0.50 s, 20 a second" in report
        assert "p50 1.00 ms, p99 2.00 ms, at most 0.15 s" in report
        assert "!" not in report

    def test_a_full_queue_is_named(self) -> None:
        changed = WELL | {"to_open": TIMES | {"max_ns": 1_030_000_000}}
        assert "listening socket was full" in crowds.text(CROWD, changed)
        assert crowds.bottlenecks(CROWD, changed) == []

    @pytest.mark.parametrize("name", ["lost", "unanswered", "wrong"])
    def test_one_is_too_many(self, name: str) -> None:
        assert not crowds.went_well(CROWD, WELL | {name: 1})
        assert not crowds.went_well(CROWD, WELL | {"opened": 9})

    @pytest.mark.parametrize(
        ("changed", "complaint"),
        [
            ({"failures": {str(errno.EADDRNOTAVAIL): 3}}, "out of ports: 3 connects"),
            ({"failures": {str(errno.EMFILE): 3}}, "more than --processes 1"),
            ({"failures": {str(errno.ENFILE): 3}}, "fs.file-max"),
            ({"busy_opening": 0.85}, "while opening, the busiest process of the load ran 85%"),
            ({"queued_holding": 0.95}, "waited for a core 95%"),
            ({"latest_ns": 60_000_000}, "60.00 ms behind its time"),
        ],
    )
    def test_the_load_knows_when_it_is_to_blame(
        self, changed: dict[str, Any], complaint: str
    ) -> None:
        (problem,) = crowds.bottlenecks(CROWD, WELL | changed)
        assert complaint in problem
        assert f"! {problem}" in crowds.text(CROWD, WELL | changed)

    def test_reasons_have_names(self) -> None:
        changed = {"failures": {str(errno.ECONNREFUSED): 2}, "losses": {"0": 1}}
        report = crowds.text(CROWD, WELL | changed | {"to_answer": TIMES | {"count": 0}})
        assert "2 ECONNREFUSED (Connection refused)" in report
        assert "1 closed by the server" in report
        assert "no times" in report
