"""Send the date and the time of day, for people (RFC 867)."""

from __future__ import annotations

import argparse
from typing import Any

from reactorlib.app.commands.listening import add_listening_flags, listen
from reactorlib.protocol import Factory
from reactorlib.protocols.wire import Daytime


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_listening_flags(parser, 8013)


def start(reactor: Any, options: argparse.Namespace) -> None:
    listen(reactor, options, Factory.forProtocol(Daytime))
