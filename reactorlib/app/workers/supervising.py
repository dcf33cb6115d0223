"""What the command line does with `--workers`: this process supervises, others serve."""

from __future__ import annotations

import argparse
import os
import signal
from functools import partial
from typing import Any

from reactorlib.app.commands.listening import open_places, open_status
from reactorlib.app.mistakes import UserMistake
from reactorlib.app.status.socket import identity, offered
from reactorlib.app.status.sources import WorkersView
from reactorlib.app.workers.command import Command, interpreter
from reactorlib.app.workers.sockets import Opener
from reactorlib.app.workers.supervisor import TO_BE_KILLED, Supervisor
from reactorlib.app.workers.watching import Watching

# Elsewhere they change the number of workers; by default they would stop this process.
IGNORED = (signal.SIGTTIN, signal.SIGTTOU)
PROGRAM = "from reactorlib.app.main import main; sys.exit(main())"


def run(reactor: Any, options: argparse.Namespace) -> None:
    """Open what the flags name, and keep workers on it until a signal ends this process."""
    if options.max_connections is not None and options.max_connections < options.workers:
        text = f"--max-connections {options.max_connections} is not one for each of --workers"
        raise UserMistake(f"{text} {options.workers}", 2)
    for number in IGNORED:  # not SIG_IGN, which its children would inherit
        signal.signal(number, lambda *_: None)
    opener = Opener(reactor, options.workers)
    try:
        open_places(opener, options)
        command = [*interpreter(PROGRAM), *options.arguments]
        supervisor = Supervisor(
            reactor,
            Command(command, opener.opened, os.environ),
            options.workers,
            options.graceful_timeout + TO_BE_KILLED,
            opener.is_served,
        )
        if getattr(options, "reload", False):
            watching = Watching(reactor, os.getcwd(), supervisor.reload)
            reactor.callWhenRunning(watching.start)
        view = partial(WorkersView, reactor, supervisor.processes)
        open_status(reactor, options, view, supervisor)
        who = partial(identity, options.command, supervisor.processes)
        with offered(reactor, who, view):
            supervisor.run()
    finally:
        opener.close()
    if supervisor.failed is not None:
        raise UserMistake("no worker could begin; the reason is above", supervisor.failed)
