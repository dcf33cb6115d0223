"""What commands share that listen on one port."""

from __future__ import annotations

import argparse
from functools import partial
from typing import Any

from reactorlib.app.flags import add_flag, port_number


def add_listening_flags(parser: argparse.ArgumentParser, port: int) -> None:
    """`--port` and `--host`."""
    add_flag(
        parser, "--port", type=port_number, default=port, metavar="PORT", help=f"default {port}"
    )
    add_flag(
        parser,
        "--host",
        default="",
        metavar="ADDRESS",
        help="the interface, default every IPv4 one",
    )


def listen(reactor: Any, options: argparse.Namespace, factory: Any) -> Any:
    """Listen as the flags say, and print where."""
    port = reactor.listenTCP(options.port, factory, interface=options.host)
    announce(reactor, options.command, port)
    return port


def announce(reactor: Any, name: str, port: Any) -> None:
    """Tell on standard output that a port answers, once signals are handled too.

    One line, for scripts to read.
    """
    host = port.getHost()
    place = f"[{host.host}]:{host.port}" if ":" in host.host else f"{host.host}:{host.port}"
    line = f"{name} on {place} ({reactor.name})"
    reactor.callWhenRunning(partial(print, line, flush=True))
