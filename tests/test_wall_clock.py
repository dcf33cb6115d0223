"""The wall clock is moved by an hour, under a whole process: no timer and no linger follows it.

A library that is loaded before all others shifts what the C library tells of
the time of day, so Python and the engine see the same new time at once.
"""

from __future__ import annotations

import ctypes
import os
import socket
import subprocess
import sys
import time

import pytest

from reactorlib.posixbase import Reactor
from reactorlib.protocol import Factory, Protocol
from tests.backends import BACKENDS
from tests.native.build import ROOT, shifted_clock

HOUR = 3600
STEP, TIMERS = 0.02, 15
LATE = 0.02

PROGRAM = """
import sys
sys.path.append(sys.argv[1])
from tests.test_wall_clock import observe
observe(sys.argv[2])
"""


def observe(backend: str) -> None:
    """The program of a child: timers and a linger while the clock is moved to and fro."""
    shift = ctypes.c_long.in_dll(ctypes.CDLL(None), "wall_clock_shift")
    reactor = Reactor(BACKENDS[backend]())
    begun, wall = time.monotonic(), time.time()
    ours, theirs = socket.socketpair()
    reactor.adoptStreamConnection(
        ours.fileno(), socket.AF_UNIX, Factory.forProtocol(Protocol)
    ).transport.loseConnection()
    late: list[float] = []
    seen: list[float] = []

    def note(due: float) -> None:
        late.append(time.monotonic() - due)
        seen.append(time.time() - wall - (time.monotonic() - begun))
        shift.value = (HOUR, 0, -HOUR)[len(late) % 3]

    for number in range(1, TIMERS + 1):
        delay = number * STEP
        reactor.callLater(delay, note, time.monotonic() + delay)
    reactor.callLater(STEP * TIMERS, reactor.crash)
    shift.value = -HOUR  # the linger begins an hour before the first timer
    reactor.run(installSignalHandlers=False)
    print(*late)
    assert {round(each / HOUR) for each in seen} == {-1, 0, 1}, "the clock was not moved"
    assert reactor.engine.counters()["lingering"] == 1, "the linger was cut short"
    assert min(late) >= 0, "a timer was early"
    assert sorted(late)[TIMERS // 4] < LATE, "timers are late, and not by one stop of the processor"
    ours.close()
    theirs.close()
    reactor.close()


@pytest.mark.parametrize("backend", BACKENDS)
def test_timers_and_lingers_do_not_follow_the_wall_clock(backend: str) -> None:
    environment = {**os.environ, "LD_PRELOAD": str(shifted_clock())}
    child = subprocess.run(
        [sys.executable, "-c", PROGRAM, str(ROOT), backend],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert child.returncode == 0, child.stdout + child.stderr
