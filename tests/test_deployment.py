"""What examples/deployment/ tells programs not written here, and nodes behind HAProxy.

These need root, for namespaces. Where they are refused they fail, and say so.
"""

from __future__ import annotations

import json
import os
import re
import shlex
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import psutil
import pytest

from tests.checkout import ROOT, run

sys.path.insert(0, str(ROOT / "tools"))

from trial import network

from reactorlib.app.workers.supervisor import TO_BE_KILLED

TOOL = ROOT / "tools" / "deployment.py"
EXAMPLES = ROOT / "examples" / "deployment"
COMMAND = f"{sys.executable} -m reactorlib"
INSTALLED = "/opt/reactorlib/bin/reactorlib"
ROOM = TO_BE_KILLED


def text_of(name: str) -> str:
    return (EXAMPLES / name).read_text()


def begun(*arguments: str | Path) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, TOOL, *arguments],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.fixture(scope="module")
def trials(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """What came of it with the configuration as it is, and with one that tries nothing again.

    Both at once, for they wait most of the time.
    """
    helpless = tmp_path_factory.mktemp("helpless") / "haproxy.cfg"
    helpless.write_text(
        re.sub(r"^ *(retry-on|option redispatch).*\n", "", text_of("haproxy.cfg"), flags=re.M)
    )
    short = ("--json", "--seconds", "1")
    both = [begun(*short), begun(*short, "--configuration", helpless)]
    answers = [each.communicate(timeout=150) for each in both]
    for printed, errors in answers:
        assert printed, f"the trial could not be made: {errors}"
    found = [json.loads(printed) for printed, _ in answers]
    assert [each.returncode for each in both] == [int(not each["went_well"]) for each in found]
    return found


class TestBehindHAProxy:
    def test_no_request_fails(self, trials: list[dict[str, Any]]) -> None:
        found, _ = trials
        assert found["went_well"], found
        assert found["failed"] == found["exit_code"] == 0
        assert found["redispatches"] > 0
        answered = {stage["name"]: set(stage["nodes"]) for stage in found["stages"]}
        assert answered["three nodes serve"] == {"one", "two", "three"}
        assert answered["two is dead"] == {"one", "three"}
        assert answered["two is back"] == {"one", "two", "three"}
        assert answered["three has left"] == {"one", "two"}

    def test_without_its_help_some_do(self, trials: list[dict[str, Any]]) -> None:
        """So the faults were there to be seen."""
        _, found = trials
        assert not found["went_well"]
        assert found["failed"] > 0
        assert found["redispatches"] == 0

    def test_what_ends_it_ends_all(self) -> None:
        with begun() as running:
            process = psutil.Process(running.pid)
            while not any("haproxy" in each.name() for each in process.children(recursive=True)):
                assert running.poll() is None, running.communicate()[1]
                time.sleep(0.05)
            all_of_it = process.children(recursive=True)
            running.kill()
            running.communicate()
        _, alive = psutil.wait_procs(all_of_it, timeout=20)
        assert alive == []

    def test_a_machine_that_refuses_says_so(self, tmp_path: Path) -> None:
        refusing = tmp_path / "unshare"
        refusing.write_text("#!/bin/sh\necho not permitted >&2\nexit 1\n")
        refusing.chmod(0o755)
        env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}"}
        done = run(sys.executable, TOOL, cwd=tmp_path, env=env, code=2)
        assert "refuses namespaces: not permitted; try as root" in done.stderr
        done = run(sys.executable, TOOL, cwd=tmp_path, env={**env, "PATH": "/nowhere"}, code=2)
        assert "unshare (of util-linux) is needed" in done.stderr


class TestProxies:
    def test_haproxy_takes_its_file(self) -> None:
        run("haproxy", "-c", "-f", EXAMPLES / "haproxy.cfg", cwd=ROOT)

    def test_nginx_takes_its_file(self, tmp_path: Path) -> None:
        whole = tmp_path / "nginx.conf"
        include = f"include {EXAMPLES / 'nginx.conf'};"
        whole.write_text(f"pid {tmp_path}/pid; events {{}} http {{ access_log off; {include} }}")
        run(*network.apart(["nginx", "-t", "-c", str(whole)]), cwd=tmp_path)


class TestSystemd:
    def unit(self, folder: Path) -> Path:
        """The service for what is installed here, beside its socket."""
        for name in ("reactorlib.service", "reactorlib.socket"):
            (folder / name).write_text(text_of(name).replace(INSTALLED, COMMAND))
        return folder / "reactorlib.service"

    def test_the_units_are_right(self, tmp_path: Path) -> None:
        service = self.unit(tmp_path)
        done = run("systemd-analyze", "verify", service, tmp_path / "reactorlib.socket", cwd=ROOT)
        assert done.stdout + done.stderr == ""

    def test_the_service_is_shut_in(self, tmp_path: Path) -> None:
        """From 0 to 100, less is better; a service that says nothing has more than 90."""
        options = ("--offline=true", "--threshold=20")
        run("systemd-analyze", "security", *options, self.unit(tmp_path), cwd=ROOT)

    def test_its_command_serves_the_socket(self, tmp_path: Path) -> None:
        (tmp_path / "index.html").write_text("here it is")
        (line,) = re.findall(r"^ExecStart=(.*)$", text_of("reactorlib.service"), re.MULTILINE)
        line = line.replace(INSTALLED, COMMAND).replace("/srv/www", str(tmp_path))
        line = re.sub(r"--status \S+", "--status 127.0.0.1:0", line)
        with socket.create_server(("127.0.0.1", 0)) as free:
            port = free.getsockname()[1]
        activate = ("systemd-socket-activate", "--listen", f"127.0.0.1:{port}", "--fdname=web")
        with subprocess.Popen([*activate, *shlex.split(line)], stderr=subprocess.PIPE) as process:
            assert process.stderr is not None
            assert b"Listening on" in process.stderr.readline()
            with socket.create_connection(("127.0.0.1", port), timeout=20) as client:
                client.sendall(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n")
                with client.makefile("rb") as answer:
                    assert b"here it is" in answer.read()
            process.terminate()
            _, errors = process.communicate(timeout=20)
        assert process.returncode == 0, errors

    def test_it_is_given_the_time_to_leave(self) -> None:
        service = text_of("reactorlib.service")
        assert number_after("TimeoutStopSec=", service) > grace_of(service) + ROOM


class TestContainers:
    def test_the_program_takes_its_arguments(self, tmp_path: Path) -> None:
        (line,) = re.findall(r"^CMD (.*)$", text_of("Dockerfile"), re.MULTILINE)
        arguments = [each.replace("/srv/www", str(tmp_path)) for each in json.loads(line)]
        run(*COMMAND.split(), *arguments, "--check-config", cwd=tmp_path)

    def test_only_sources_go_into_it(self) -> None:
        """What was built here may not run there."""
        ignored = text_of("Dockerfile.dockerignore").splitlines()
        made = (ROOT / ".gitignore").read_text().splitlines()
        assert {f"**/{each.rstrip('/')}" for each in made} <= {*ignored}

    def test_it_is_given_the_time_to_leave(self) -> None:
        grace = number_after('"--graceful-timeout", "', text_of("Dockerfile"))
        assert number_after("stop_grace_period: ", text_of("compose.yaml")) > grace + ROOM

    @pytest.mark.parametrize("workers", [[], ["--workers", "2"]])
    def test_as_process_1_it_obeys(self, workers: list[str]) -> None:
        """To that one no signal comes that it does not handle."""
        command = [*COMMAND.split(), "echo", "--port", "0", *workers]
        unshare = network.apart(command)
        with subprocess.Popen(unshare, stdout=subprocess.PIPE, text=True) as running:
            assert running.stdout is not None
            assert running.stdout.readline().startswith("echo on ")
            (first,) = psutil.Process(running.pid).children()
            first.send_signal(signal.SIGTERM)
            assert running.wait(30) == 0


def test_the_kernel_has_the_settings() -> None:
    settings = re.findall(r"^([a-z_.0-9]+) = ", text_of("90-reactorlib.conf"), re.MULTILINE)
    assert len(settings) > 3
    for name in settings:
        assert Path("/proc/sys", *name.split(".")).exists(), name


def number_after(beginning: str, text: str) -> int:
    found = re.search(re.escape(beginning) + r"(\d+)", text)
    assert found
    return int(found[1])


def grace_of(text: str) -> int:
    return number_after("--graceful-timeout ", text)
