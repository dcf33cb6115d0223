"""Send the names of those who are logged in (RFC 866)."""

from __future__ import annotations

import argparse
from typing import Any

import psutil

from reactorlib.app.commands.listening import add_listening_flags, listen
from reactorlib.protocol import Factory
from reactorlib.protocols.wire import Who


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_listening_flags(parser, 8011)


def start(reactor: Any, options: argparse.Namespace) -> None:
    listen(reactor, options, Factory.forProtocol(LoggedIn))


class LoggedIn(Who):
    """Knows the users of this system; each is told once."""

    def getUsers(self) -> bytes:
        names = sorted({user.name for user in psutil.users()})
        return "".join(f"{name}\r\n" for name in names).encode("ascii", "replace")
