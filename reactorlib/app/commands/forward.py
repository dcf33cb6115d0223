"""Forward connections on one address to another; a slow side pauses the fast one."""

from __future__ import annotations

import argparse
from typing import Any

from reactorlib.app.commands.listening import announce
from reactorlib.app.flags import address
from reactorlib.protocols.portforward import ProxyFactory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("listen", metavar="LISTEN", type=address, help="[HOST:]PORT to listen on")
    parser.add_argument("target", metavar="TARGET", type=address, help="HOST:PORT to forward to")


def start(reactor: Any, options: argparse.Namespace) -> None:
    host, port = options.listen
    target_host, target_port = options.target
    factory = ProxyFactory(target_host or "127.0.0.1", target_port)
    announce(reactor, "forward", reactor.listenTCP(port, factory, interface=host))
