"""The nodes and the HAProxy before them, each on its machine, as processes.

What they log is kept in a folder. They end with the process that began them, for that
has processes of its own (see network).
"""

from __future__ import annotations

import csv
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

from trial import network, pages

PAGES = Path(pages.__file__)
CONTROL = "/run/haproxy/admin.sock"
GRACE = 10  # seconds
SERVE = (
    *("web", "--resource", f"{PAGES}:root", "--no-access-log"),
    *("--listen", "haproxy:tcp:8080:trusted=10.0.0.0/24", "--status", "0.0.0.0:9090"),
    *("--graceful-timeout", str(GRACE)),
)


class Node:
    """A server of ours."""

    def __init__(self, name: str, folder: Path) -> None:
        self.name = name
        self._log = folder / f"{name}.log"
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        command = [sys.executable, "-m", "reactorlib", *SERVE]
        with self._log.open("ab") as log:
            self._process = subprocess.Popen(
                network.inside(self.name, command),
                env={**os.environ, pages.NAME: self.name, "PYTHONSAFEPATH": "1"},
                stdout=log,
                stderr=log,
                cwd="/",
            )

    def end(self, number: signal.Signals) -> int:
        """Send it a signal, wait for its end, and give its exit code."""
        assert self._process is not None
        self._process.send_signal(number)
        return self._process.wait(GRACE + 10)

    def log(self) -> str:
        return self._log.read_text() if self._log.exists() else ""


class Balancer:
    """An HAProxy with its configuration."""

    def __init__(self, machine: str, configuration: Path, folder: Path) -> None:
        self._machine = machine
        self._configuration = configuration
        self._log = folder / "haproxy.log"

    def start(self) -> None:
        Path(CONTROL).parent.mkdir()
        command = ["haproxy", "-db", "-f", str(self._configuration)]
        with self._log.open("wb") as log:
            subprocess.Popen(network.inside(self._machine, command), stdout=log, stderr=log)

    def log(self) -> str:
        return self._log.read_text()

    def nodes(self) -> dict[str, dict[str, str]]:
        """Its statistics of each node, by name; nothing until it listens."""
        try:
            text = self._ask("show stat")
        except OSError:
            return {}
        rows = csv.DictReader(text.removeprefix("# ").splitlines())
        return {row["svname"]: row for row in rows if row["type"] == "2"}

    def wait_until_up(self, names: set[str], patience: float = 30) -> None:
        """Until it takes exactly those nodes to serve; raises TimeoutError with its log."""
        end = time.monotonic() + patience
        while not self._are_up(names):
            if time.monotonic() > end:
                raise TimeoutError(f"HAProxy does not see {sorted(names)} alone up:\n{self.log()}")
            time.sleep(0.1)

    def _are_up(self, names: set[str]) -> bool:
        """A node is up until enough checks have failed ("UP 1/2"), and before the first one."""
        nodes = self.nodes()
        up = {name for name, row in nodes.items() if row["status"].startswith("UP")}
        return up == names and all(nodes[name]["check_status"] == "L7OK" for name in names)

    def _ask(self, command: str) -> str:
        with socket.socket(socket.AF_UNIX) as sock:
            sock.connect(CONTROL)
            sock.sendall(command.encode() + b"\n")
            with sock.makefile() as answer:
                return answer.read()
