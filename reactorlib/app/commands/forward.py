"""Forward connections on one address to another; a slow side pauses the fast one."""

from __future__ import annotations

import argparse
from typing import Any

from reactorlib.app.commands.listening import add_endpoint_flags, listen
from reactorlib.app.flags import address
from reactorlib.app.mistakes import UserMistake
from reactorlib.protocols.portforward import ProxyFactory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "place", metavar="LISTEN", type=address, nargs="?", help="[HOST:]PORT to listen on"
    )
    parser.add_argument("target", metavar="TARGET", type=address, help="HOST:PORT to forward to")
    add_endpoint_flags(parser)
    parser.set_defaults(tcp_place=lambda options: options.place or ("", 0))


def start(reactor: Any, options: argparse.Namespace) -> None:
    target_host, target_port = options.target
    factory = ProxyFactory(target_host or "127.0.0.1", target_port)
    if options.listen and options.place is not None:
        raise UserMistake("give LISTEN or --listen, not both", 2)
    if not options.listen and options.place is None:
        raise UserMistake("write forward LISTEN TARGET, or forward TARGET --listen ENDPOINT", 2)
    listen(reactor, options, factory)
