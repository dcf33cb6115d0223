"""Send characters for as long as they are read (RFC 864)."""

from __future__ import annotations

import argparse
from typing import Any

from reactorlib.app.commands.listening import add_listening_flags, listen
from reactorlib.protocol import Factory
from reactorlib.protocols.wire import Chargen


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_listening_flags(parser, 8019)


def start(reactor: Any, options: argparse.Namespace) -> None:
    listen(reactor, options, Factory.forProtocol(Chargen))
