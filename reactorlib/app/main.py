"""The command line's entry: flags, backend, logging, one command, exit code.

Exit codes: 0 after a good end, 1 after a mistake found while starting (a port
taken, a file not found) or when an audit or doctor found something, 2 for wrong usage.
The backend is installed before a command starts, so that a program run by it finds it
in place.
"""

from __future__ import annotations

import argparse
import importlib
import logging
import sys
from collections.abc import Sequence
from functools import partial
from typing import Any, NoReturn

from reactorlib._version import __version__
from reactorlib.app import environment, logs
from reactorlib.app.background import let_go_of
from reactorlib.app.commands.listening import open_status
from reactorlib.app.doctor.machine import RESERVED_DESCRIPTORS
from reactorlib.app.draining import Drain
from reactorlib.app.flags import add_flag, add_switch, positive
from reactorlib.app.mistakes import UserMistake
from reactorlib.app.status.figures import Subject
from reactorlib.app.status.socket import identity, offered
from reactorlib.app.status.sources import OwnView
from reactorlib.app.workers import supervising, worker
from reactorlib.app.workers.sockets import inherited
from reactorlib.backends import registry
from reactorlib.defer import succeed
from reactorlib.error import BackendUnavailable, CannotListenError, NoSuchReactor

logger = logging.getLogger("reactorlib")

COMMANDS = {
    "echo": "reactorlib.app.commands.echo",
    "discard": "reactorlib.app.commands.discard",
    "chargen": "reactorlib.app.commands.chargen",
    "daytime": "reactorlib.app.commands.daytime",
    "time": "reactorlib.app.commands.time",
    "qotd": "reactorlib.app.commands.qotd",
    "who": "reactorlib.app.commands.who",
    "finger": "reactorlib.app.commands.finger",
    "ident": "reactorlib.app.commands.ident",
    "web": "reactorlib.app.commands.web",
    "http-audit": "reactorlib.app.commands.http_audit",
    "forward": "reactorlib.app.commands.forward",
    "run": "reactorlib.app.commands.run",
    "doctor": "reactorlib.app.commands.doctor",
    "top": "reactorlib.app.commands.top",
}

LEVELS = ("critical", "error", "warning", "info", "debug")


def main(argv: Sequence[str] | None = None) -> int:
    """Run a command line; returns the exit code."""
    try:
        return _run(argv)
    finally:
        try:
            sys.stdout.flush()
        except OSError:
            let_go_of(sys.stdout)


def _run(argv: Sequence[str] | None) -> int:
    try:
        options = _parse(sys.argv[1:] if argv is None else list(argv))
        if options.list_reactors:
            print(list_reactors())
            return 0
        logs.set_up(options)
        _choose_backend(options)
        if options.answer is not None:
            return int(options.answer(options))
        _serve(options)
    except (UserMistake, CannotListenError) as mistake:
        print(f"reactorlib: {mistake}", file=sys.stderr)
        return getattr(mistake, "exit_code", 1)
    except KeyboardInterrupt:
        return 130
    return 0


class _Parser(argparse.ArgumentParser):
    """Its mistakes are told as all others are, in one line."""

    def error(self, message: str) -> NoReturn:
        raise UserMistake(f"{message} (see {self.prog} --help)", 2)


def _parse(argv: list[str]) -> argparse.Namespace:
    _read_environment(argv)
    parser = _Parser(
        prog="reactorlib",
        description="Servers on a reactor whose event loop is chosen by name.",
        epilog="The variable in brackets does what the flag does; the flag is stronger.",
    )
    parser.add_argument("--version", action="version", version=f"reactorlib {__version__}")
    parser.add_argument("--list-reactors", action="store_true", help="show the backends and end")
    _add_common_flags(parser)
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    for name in _named(argv):
        command = importlib.import_module(COMMANDS[name])
        summary = (command.__doc__ or "").splitlines()[0]
        subparser = commands.add_parser(name, help=summary, description=summary)
        command.add_arguments(subparser)
        _add_common_flags(subparser, default=argparse.SUPPRESS)
        subparser.set_defaults(
            start=getattr(command, "start", None), answer=getattr(command, "answer", None)
        )
    options = parser.parse_args(argv)
    options.arguments = argv
    if options.command is None and not options.list_reactors:
        parser.error("a command is needed: " + ", ".join(COMMANDS))
    return options


def _named(argv: list[str]) -> list[str]:
    """The commands to load: what could be meant, or all when none is, or for help."""
    named = [name for name in COMMANDS if name in argv]
    return named if named and not {"-h", "--help"} & set(argv) else list(COMMANDS)


def _read_environment(argv: list[str]) -> None:
    """Set the variables of `--env-file`, before others are looked at."""
    parser = _Parser(prog="reactorlib", add_help=False, allow_abbrev=False)
    add_flag(parser, "--env-file", help="")
    path = parser.parse_known_args(argv)[0].env_file
    if path is not None:
        environment.load(path)


def _add_common_flags(parser: argparse.ArgumentParser, **default: Any) -> None:
    """The flags that may stand before and after the command."""
    common = parser.add_argument_group("for every command")
    add_flag(
        common, "--reactor", help="the backend: see --list-reactors", metavar="NAME", **default
    )
    add_switch(common, "-v", "--verbose", help="log more", **default)
    add_flag(
        common,
        "--log-level",
        choices=LEVELS,
        metavar="LEVEL",
        help="log from here on: " + ", ".join(LEVELS) + "; default info",
        **{"default": "info", **default},
    )
    add_flag(
        common,
        "--env-file",
        metavar="FILE",
        help="set the environment variables that stand there, except those that are set",
        **default,
    )
    add_flag(
        common, "--log-file", help="log to this file, not to stderr", metavar="FILE", **default
    )
    add_flag(
        common,
        "--log-config",
        help="set up logging by this file of logging.config instead: JSON if so named, or INI",
        metavar="FILE",
        **default,
    )
    add_flag(
        common,
        "--max-connections",
        type=positive,
        metavar="N",
        help="hold up to N connections: raises the limit of open files, and turns others away",
        **default,
    )
    add_flag(
        common,
        "--max-write-buffer",
        type=positive,
        metavar="BYTES",
        help="abort a connection for which more waits to be read by its peer",
        **default,
    )


def list_reactors() -> str:
    """A line for each backend: whether it can be used here, which is the default."""
    lines = []
    usable = registry.available()
    for name, backend in registry.known().items():
        state = registry.why_not(backend) or "available"
        if usable and name == usable[0]:
            state += " (default)"
        lines.append(f"{name:10} {state}")
    return "\n".join(lines)


def _choose_backend(options: argparse.Namespace) -> None:
    try:
        if options.reactor is not None:
            registry.install(options.reactor, by_flag=True)
    except (NoSuchReactor, BackendUnavailable) as mistake:
        raise UserMistake(str(mistake), 2) from mistake


def _serve(options: argparse.Namespace) -> None:
    reactor: Any = importlib.import_module("reactorlib").reactor
    if "prepare" in options and not options.prepare(reactor, options):
        return
    told = inherited()
    options.is_worker = told is not None
    connections = options.max_connections
    are_ready: Any = None
    if told is not None:
        control = worker.join(reactor, told)
        are_ready = partial(control.tell_ready, options.graceful_timeout)
        if connections is not None:
            connections = told.share(connections, options.workers)
    elif getattr(options, "workers", None) is not None:
        supervising.run(reactor, options)
        return
    reactor.maxWriteBuffer = options.max_write_buffer
    _apply_limits(reactor, connections)
    view = partial(OwnView, Subject(reactor, options.command))
    if "listen" in options:
        options.drain = Drain(reactor, options.graceful_timeout, options.is_worker)
        are_ready = are_ready or options.drain.opened
        if not options.is_worker:
            open_status(reactor, options, view, options.drain)
    serves = options.start(reactor, options) or succeed(None)
    if are_ready is not None:
        serves.addCallback(lambda _: reactor.callWhenRunning(are_ready))
    with offered(reactor, partial(identity, options.command), view):
        reactor.run()


def _apply_limits(reactor: Any, connections: int | None) -> None:
    if connections is None:
        return
    limits = reactor.limitConnections(connections, RESERVED_DESCRIPTORS)
    logger.info("%s", limits.describe())
    if limits.after.soft < connections + RESERVED_DESCRIPTORS:
        logger.warning(
            "--max-connections %d cannot be held: the limit of open files is %d. "
            "`reactorlib doctor --connections %d` tells how to raise it.",
            connections,
            limits.after.soft,
            connections,
        )
