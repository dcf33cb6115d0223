"""Send the seconds since 1900, for machines (RFC 868)."""

from __future__ import annotations

import argparse
from typing import Any

from reactorlib.app.commands.listening import add_listening_flags, listen
from reactorlib.protocol import Factory
from reactorlib.protocols.wire import Time


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_listening_flags(parser, 8037)


def start(reactor: Any, options: argparse.Namespace) -> None:
    listen(reactor, options, Factory.forProtocol(Time))
