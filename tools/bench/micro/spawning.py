"""Short processes with three pipes each, some at a time. The argument is the reactor's package.

Processor time is that of the parent alone, its threads included.
"""

from __future__ import annotations

import json
import sys
from importlib import import_module
from time import perf_counter_ns, process_time_ns
from typing import Any

COUNT = 1_000
AT_A_TIME = 20

reactor: Any = __import__(sys.argv[1], fromlist=["reactor"]).reactor
protocol: Any = import_module(f"{sys.argv[1]}.protocol")


class Short(protocol.ProcessProtocol):  # type: ignore[misc]
    def processEnded(self, reason: Any) -> None:
        assert reason.value.exitCode == 0
        spawning.ended()


class Spawning:
    """Starts one whenever one has ended."""

    def __init__(self) -> None:
        self.left = COUNT
        self.running = 0

    def begin(self) -> None:
        self.begun = perf_counter_ns(), process_time_ns()
        for _ in range(AT_A_TIME):
            self.start()

    def start(self) -> None:
        self.left -= 1
        self.running += 1
        reactor.spawnProcess(Short(), "/bin/true", ["true"], {})

    def ended(self) -> None:
        self.running -= 1
        if self.left:
            self.start()
        elif not self.running:
            wall, processor = perf_counter_ns() - self.begun[0], process_time_ns() - self.begun[1]
            print(json.dumps({"operations": COUNT, "nanoseconds": processor, "wall": wall}))
            reactor.stop()


spawning = Spawning()
reactor.callWhenRunning(spawning.begin)
reactor.run()
