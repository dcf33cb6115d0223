"""A server that tells of itself while it is loaded, and what the kernel knows of it.

The server is servers/echo_watched.py, with any number of workers. Linux only.
"""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

from bench import kernel
from bench.processes import BenchError

SERVER = Path(__file__).parent / "servers" / "echo_watched.py"
PATIENCE = 120.0  # seconds, for all workers to begin


@dataclass(frozen=True)
class Sample:
    """How it is at one moment.

    `connections` are all of this network, in which nothing else should be.
    `user` is memory of the workers, in bytes, and `kernel` that of the kernel's objects for
    all sockets of the machine, the load's too. `lag` is by how many seconds a timer of a
    worker was late at most since the last sample; `processor` are the seconds that the
    workers have used.
    """

    seconds: float
    connections: int
    user: int
    kernel: int
    lag: float
    processor: float


def command(backend: str, workers: int) -> list[str]:
    """What runs the server."""
    if backend == "kqueue":
        return [sys.executable, str(SERVER)]
    words = ["--reactor", backend, "run", f"{SERVER}:factory", "--port", "0"]
    many = ["--workers", str(workers)] if workers > 1 else []
    return [sys.executable, "-m", "reactorlib", *words, "--host", "127.0.0.1", *many]


class Watched:
    """The server, as long as the `with` block lasts. Raises BenchError if it does not begin."""

    def __init__(self, command: Sequence[str], workers: int) -> None:
        self._command = command
        self._workers = workers
        self._begun = time.monotonic()
        self._lock = threading.Lock()
        self._ready = threading.Event()
        self._processes: set[int] = set()
        self._idle = 0
        self._lag = 0.0
        self.port = 0

    def __enter__(self) -> Watched:
        environment = {**os.environ, "PYTHONSAFEPATH": "1"}
        self._process = subprocess.Popen(
            self._command, stdout=subprocess.PIPE, text=True, env=environment
        )
        self._reader = threading.Thread(target=self._read, daemon=True)
        self._reader.start()
        if not self._ready.wait(PATIENCE) or not self._has_begun():
            self.__exit__(None, None, None)
            raise BenchError("the server does not begin")
        self._idle = kernel.tcp_sockets()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        problem: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self._process.send_signal(signal.SIGTERM)
        try:
            self._process.wait(60)
        finally:
            self._process.kill()
            self._reader.join()

    def sample(self) -> Sample:
        """How it is now."""
        with self._lock:
            lag, self._lag = self._lag, 0.0
        return Sample(
            time.monotonic() - self._begun,
            (kernel.tcp_sockets() - self._idle) // 2,
            sum(kernel.memory(process).private for process in self._processes),
            kernel.socket_memory(),
            lag,
            sum(kernel.processor_ns(process) for process in self._processes) / 1e9,
        )

    def _read(self) -> None:
        assert self._process.stdout is not None
        for line in self._process.stdout:
            place = re.search(r" on 127\.0\.0\.1:(\d+) ", line)
            if place:
                self.port = int(place[1])
            else:
                self._note(json.loads(line))
            if self._has_begun():
                self._ready.set()
        self._ready.set()

    def _has_begun(self) -> bool:
        return self.port > 0 and len(self._processes) == self._workers

    def _note(self, told: dict[str, Any]) -> None:
        with self._lock:
            self._processes.add(told["process"])
            self._lag = max(self._lag, told["lag"])
