"""Tell to which user a TCP connection belongs (RFC 1413); Linux only."""

from __future__ import annotations

import argparse
from typing import Any

from reactorlib.app.commands.listening import add_listening_flags, listen
from reactorlib.protocol import Factory
from reactorlib.protocols.ident import IdentServer, ProcServerMixin


class SystemIdentServer(ProcServerMixin, IdentServer):
    """Knows the connections of this system."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_listening_flags(parser, 8113)


def start(reactor: Any, options: argparse.Namespace) -> None:
    listen(reactor, options, Factory.forProtocol(SystemIdentServer))
