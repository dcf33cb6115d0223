"""`--status` of real processes: alone and with workers, from the first to the last moment."""

from __future__ import annotations

import json
import os
import re
import signal
import socket
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from http.client import HTTPConnection
from pathlib import Path
from typing import Any

import pytest
from prometheus_client.parser import text_string_to_metric_families

from reactorlib.app.commands.listening import status_place
from reactorlib.app.flags import variable
from tests.test_cli import COMMAND, read_all, run
from tests.test_cli_listen import line_of, serving
from tests.test_workers import PATIENCE, slow_page, wait_until

PLACE = ["--listen", "tcp:0:interface=127.0.0.1"]
STATUS = ["--status", "0"]
WORKERS = pytest.mark.parametrize("workers", [[], ["--workers", "2"]], ids=["alone", "workers"])


def places(process: Any, count: int = 2) -> dict[str, Any]:
    """What listens, and where, as it was told."""
    lines = [line_of(process) for _ in range(count)]
    found = {}
    for line in lines:
        match = re.fullmatch(r"([\w-]+) on (?:unix:)?(.+) \(\w+\)\n", line)
        assert match, lines
        host, _, port = match[2].partition(":")
        found[match[1]] = (host, int(port)) if port else host
    return found


class Connection(HTTPConnection):
    """Over TCP or a UNIX socket."""

    def __init__(self, place: Any) -> None:
        super().__init__("status", timeout=PATIENCE)
        self._place = place

    def connect(self) -> None:
        self.sock = socket.socket(
            socket.AF_UNIX if isinstance(self._place, str) else socket.AF_INET
        )
        self.sock.settimeout(PATIENCE)
        self.sock.connect(self._place)


def ask(place: Any, target: str) -> tuple[int, bytes]:
    connection = Connection(place)
    try:
        connection.request("GET", target)
        answer = connection.getresponse()
        return answer.status, answer.read()
    finally:
        connection.close()


def is_ready(place: Any) -> bool:
    return ask(place, "/readyz") == (200, b"ready\n")


def metrics(place: Any) -> dict[tuple[str, str], float]:
    """By name and number of the worker; the states of connections together."""
    found: dict[tuple[str, str], float] = {}
    for family in text_string_to_metric_families(ask(place, "/metrics")[1].decode()):
        for sample in family.samples:
            key = sample.name.removeprefix("reactorlib_"), sample.labels["worker"]
            found[key] = found.get(key, 0) + sample.value
    return found


@contextmanager
def connected(place: Any, count: int) -> Iterator[list[socket.socket]]:
    with ExitStack() as stack:
        peers = [
            stack.enter_context(socket.create_connection(place, PATIENCE)) for _ in range(count)
        ]
        for peer in peers:
            peer.sendall(b"x" * 100)
            assert peer.recv(100)
        yield peers


def test_one_process() -> None:
    with serving("echo", *PLACE, *STATUS) as process:
        found = places(process)
        assert ask(found["status"], "/livez") == (200, b"alive\n")
        assert is_ready(found["status"])
        metrics(found["status"])
        with connected(found["echo"], 3):
            told = metrics(found["status"])
            assert told["connections", ""] >= 3
            assert told["accepted_connections_total", ""] >= 3
            assert told["received_bytes_total", ""] >= 300
        (look,) = json.loads(ask(found["status"], "/figures")[1])["looks"]
        assert (look["process"], look["name"], look["worker"]) == (process.pid, "echo", None)


def test_workers_are_told_of_one_by_one() -> None:
    with serving("echo", *PLACE, *STATUS, "--workers", "2") as process:
        found = places(process)
        wait_until(
            lambda: {("turns_total", "0"), ("turns_total", "1")} <= set(metrics(found["status"]))
        )
        assert is_ready(found["status"])
        with connected(found["echo"], 6):
            told = metrics(found["status"])
            assert told["connections", "0"] + told["connections", "1"] == 6
        looks = json.loads(ask(found["status"], "/figures")[1])["looks"]
        assert [look["worker"] for look in looks] == [0, 1]
        assert process.pid not in [look["process"] for look in looks]
        os.kill(looks[0]["process"], signal.SIGKILL)
        wait_until(
            lambda: (
                looks[0]["process"]
                not in [
                    look["process"]
                    for look in json.loads(ask(found["status"], "/figures")[1])["looks"]
                ]
            )
        )
        assert is_ready(found["status"])


@WORKERS
def test_a_drain_is_seen_to_its_end(tmp_path: Path, workers: list[str]) -> None:
    program = f"{slow_page(tmp_path)}:factory"
    process = subprocess.Popen(
        [*COMMAND, "run", program, *PLACE, *STATUS, *workers, "--graceful-timeout", "30"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        found = places(process)
        wait_until(lambda: is_ready(found["status"]))
        with socket.create_connection(found["run"], PATIENCE) as peer:
            peer.sendall(b"GET / HTTP/1.1\r\nHost: x\r\n\r\n")
            assert line_of(process) == "asked\n"
            process.send_signal(signal.SIGTERM)
            wait_until(lambda: ask(found["status"], "/readyz") == (503, b"draining\n"))
            assert ask(found["status"], "/livez")[0] == 200
            assert json.loads(ask(found["status"], "/figures")[1])["state"] == "draining"
            assert b"at last" in read_all(peer)
        process.communicate(timeout=PATIENCE)
        assert process.returncode == 0
        with pytest.raises(ConnectionRefusedError):
            ask(found["status"], "/livez")
    finally:
        process.kill()
        process.communicate()


def test_who_asks_holds_up_no_end() -> None:
    with serving("echo", *PLACE, *STATUS) as process:
        found = places(process)
        idle = Connection(found["status"])
        idle.request("GET", "/livez")
        idle.getresponse().read()
        process.terminate()
        assert process.wait(PATIENCE) == 0
        idle.close()


SLOW_TO_START = """
import asyncio, os

async def app(scope, receive, send):
    if scope["type"] == "lifespan":
        await receive()
        while not os.path.exists(os.environ["GO"]):
            await asyncio.sleep(0.02)
        await send({"type": "lifespan.startup.complete"})
        await receive()
        await send({"type": "lifespan.shutdown.complete"})
"""


@WORKERS
def test_it_is_not_ready_before_the_program(tmp_path: Path, workers: list[str]) -> None:
    (tmp_path / "slow.py").write_text(SLOW_TO_START)
    go = tmp_path / "go"
    web = ["web", "--asgi", "slow:app", *PLACE, *STATUS, "--no-access-log", *workers]
    with serving(*web, cwd=tmp_path, env={**os.environ, "GO": str(go)}) as process:
        status = places(process, 1)["status"]
        assert ask(status, "/readyz") == (503, b"starting\n")
        assert ask(status, "/livez")[0] == 200
        go.touch()
        wait_until(lambda: is_ready(status))


@WORKERS
def test_a_unix_socket(tmp_path: Path, workers: list[str]) -> None:
    path = tmp_path / "status"
    with serving("echo", *PLACE, "--status", f"unix:{path}", *workers) as process:
        assert places(process)["status"] == str(path)
        wait_until(lambda: is_ready(str(path)))
    assert not path.exists()


def test_health_is_told_when_nobody_else_is_let_in() -> None:
    with serving("echo", *PLACE, *STATUS, "--max-connections", "1") as process:
        found = places(process)
        with connected(found["echo"], 1):
            with socket.create_connection(found["echo"], PATIENCE) as refused:
                assert refused.recv(1) == b""
            assert is_ready(found["status"])


def test_a_function_that_is_run(tmp_path: Path) -> None:
    (tmp_path / "program.py").write_text("def start(reactor): pass\n")
    with serving("run", "program.py:start", *STATUS, cwd=tmp_path) as process:
        assert is_ready(places(process, 1)["status"])


def test_the_variable() -> None:
    env = {**os.environ, variable("--status"): "127.0.0.1:0"}
    with serving("echo", *PLACE, env=env) as process:
        assert is_ready(places(process)["status"])


@WORKERS
def test_a_port_that_is_taken(workers: list[str]) -> None:
    with socket.create_server(("127.0.0.1", 0)) as taken:
        done = run("echo", *PLACE, "--status", str(taken.getsockname()[1]), *workers)
    assert done.returncode == 1
    assert re.fullmatch(r"reactorlib: [^\n]*in use[^\n]*\n", done.stderr)


@pytest.mark.parametrize(
    ("address", "told"),
    [
        ("nowhere", "neither HOST:PORT, PORT nor an endpoint"),
        ("70000", "from 0 to 65535"),
        ("nokind:/run/x", "neither HOST:PORT, PORT nor an endpoint"),
        ("::1:80", "brackets"),
        ("unix", "neither HOST:PORT, PORT nor an endpoint"),
        ("unix:", "'unix:' is not an endpoint to use here"),
        ("tcp:80:nofield=1", "nofield"),
        ("process:/bin/cat", "cannot be listened at"),
    ],
)
def test_an_address_that_is_wrong(address: str, told: str) -> None:
    done = run("echo", *PLACE, "--status", address)
    assert done.returncode == 2
    assert re.fullmatch(r"reactorlib: [^\n]+\n", done.stderr)
    assert told in done.stderr


@pytest.mark.parametrize(
    ("address", "endpoint"),
    [
        ("9100", r"tcp:9100:interface=127.0.0.1"),
        ("0.0.0.0:9100", "tcp:9100:interface=0.0.0.0"),
        (":9100", "tcp:9100"),
        ("localhost:9100", "tcp:9100:interface=localhost"),
        ("[::1]:9100", r"tcp:9100:interface=\:\:1"),
        ("tcp:9100", "tcp:9100"),
        ("unix:/run/x.sock", "unix:/run/x.sock"),
    ],
)
def test_what_an_address_means(address: str, endpoint: str) -> None:
    assert status_place(address) == endpoint


def test_it_is_checked_and_printed() -> None:
    shown = run("web", *STATUS, "--print-config")
    assert "--status = tcp:0:interface=127.0.0.1  (--status)\n" in shown.stdout
    checked = run("web", "--check-config", "--status", "tls:1:privateKey=/nowhere")
    assert checked.returncode == 1
    assert "/nowhere" in checked.stderr
    assert run("web", "--check-config", *STATUS).returncode == 0
