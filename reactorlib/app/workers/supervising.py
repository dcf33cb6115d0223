"""What the command line does with `--workers`: this process supervises, others serve."""

from __future__ import annotations

import argparse
import os
import signal
import sys
from typing import Any

from reactorlib.app.commands.listening import open_places
from reactorlib.app.mistakes import UserMistake
from reactorlib.app.workers.sockets import Opener
from reactorlib.app.workers.supervisor import Supervisor

TO_BE_KILLED = 5.0  # seconds beyond the grace that workers give their connections


def run(reactor: Any, options: argparse.Namespace) -> None:
    """Open what the flags name, and keep workers on it until a signal ends this process."""
    if options.max_connections is not None and options.max_connections < options.workers:
        text = f"--max-connections {options.max_connections} is not one for each of --workers"
        raise UserMistake(f"{text} {options.workers}", 2)
    opener = Opener(reactor, options.workers)
    try:
        open_places(opener, options)
        supervisor = Supervisor(
            reactor,
            [sys.executable, "-m", "reactorlib", *options.arguments],
            opener.opened,
            options.workers,
            os.environ,
            options.graceful_timeout + TO_BE_KILLED,
        )
        reactor.callWhenRunning(supervisor.start)
        reactor.addSystemEventTrigger("before", "shutdown", supervisor.end)
        signal.signal(signal.SIGHUP, lambda *_: reactor.callFromThread(supervisor.reload))
        reactor.run()
        supervisor.kill()
    finally:
        opener.close()
    if supervisor.failed is not None:
        raise UserMistake("no worker could begin; the reason is above", supervisor.failed)
