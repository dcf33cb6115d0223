"""Serve a page over HTTP/1.1 that says that it works, and what to do next."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from reactorlib.app.commands.listening import add_listening_flags, listen
from reactorlib.app.welcome import Welcome
from reactorlib.protocols.http.factory import HTTPFactory


def add_arguments(parser: argparse.ArgumentParser) -> None:
    add_listening_flags(parser, 8080)


def start(reactor: Any, options: argparse.Namespace) -> None:
    # How many connections there may be is for --max-connections to say.
    listen(reactor, options, HTTPFactory(Welcome.on(reactor.name), maxRequests=sys.maxsize))
