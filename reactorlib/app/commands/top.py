"""Show what a running server does, once a second."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Sequence

from reactorlib.app.flags import add_flag, add_switch, some_seconds
from reactorlib.app.mistakes import UserMistake
from reactorlib.app.status.look import Look, as_json
from reactorlib.app.top.remote import Ended, Remote, Running, chosen
from reactorlib.app.top.screen import UNLIMITED, screen
from reactorlib.app.top.terminal import Plain, Terminal, terminal

PATIENCE = 3.0  # seconds: of its workers a supervisor leaves out those that take one


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "server",
        metavar="PID|NAME",
        nargs="?",
        help="its process, or its command if only one such runs; by default the only one there is",
    )
    add_flag(
        parser,
        "--interval",
        type=some_seconds,
        default=1.0,
        metavar="SECONDS",
        help="between two looks, default 1",
    )
    add_switch(parser, "--once", help="show what happens in one interval, and end")
    add_switch(parser, "--json", help="a line of JSON for each look, with all figures")


def answer(options: argparse.Namespace) -> int:
    """0 after a good end, which the server's is too; 1 if there is nothing to look at."""
    server = chosen(options.server)
    try:
        remote = Remote(server.path)
    except OSError as problem:
        raise UserMistake(f"{server} cannot be looked at: {problem}") from problem
    try:
        return _Watch(server, remote, options).run()
    except KeyboardInterrupt:
        return 0
    except BrokenPipeError:  # whoever read it has seen enough
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    finally:
        remote.close()


class _Watch:
    """One server, looked at until somebody has enough of it."""

    def __init__(self, server: Running, remote: Remote, options: argparse.Namespace) -> None:
        self._server = server
        self._remote = remote
        self._options = options
        self._before: Sequence[Look] = []

    def run(self) -> int:
        try:
            if self._options.json:
                return self._until_end(Plain())
            with terminal() as place:
                return self._until_end(place)
        except Ended:
            print(f"reactorlib: {self._server} has ended", file=sys.stderr)
            return 1 if self._options.once else 0

    def _until_end(self, place: Plain | Terminal) -> int:
        looks = self._remote.looks(PATIENCE)
        while True:
            self._before = looks or self._before
            if place.wait(self._options.interval):
                return 0
            looks = self._remote.looks(PATIENCE)
            self._show(place, looks)
            if self._options.once:
                return 0 if looks is not None else 1

    def _show(self, place: Plain | Terminal, looks: Sequence[Look] | None) -> None:
        if self._options.json:
            print(as_json(looks or []).decode(), flush=True)
            return
        width, height = place.size() or (80, UNLIMITED)
        if looks is None:
            place.show([f"process {self._server.process} does not answer"])
        else:
            place.show(screen(str(self._server), looks, self._before, width, height))
