"""Send the quote of the day (RFC 865)."""

from __future__ import annotations

import argparse
from datetime import date
from typing import Any

from reactorlib.app.commands.listening import add_listening_flags, listen
from reactorlib.app.mistakes import UserMistake
from reactorlib.protocol import Factory
from reactorlib.protocols.wire import QOTD

# RFC 865: a quote should be shorter.
LONGEST = 512


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "quotes",
        metavar="FILE",
        nargs="?",
        help="quotes, with a line of `%%` between each two, as fortune has them",
    )
    add_listening_flags(parser, 8017)


def start(reactor: Any, options: argparse.Namespace) -> None:
    factory = Factory.forProtocol(QOTD)
    if options.quotes is not None:
        factory = Factory.forProtocol(DailyQuote)
        factory.quotes = read(options.quotes)  # type: ignore[attr-defined]
    listen(reactor, options, factory)


class DailyQuote(QOTD):
    """Another one of the factory's `quotes` each day."""

    def getQuote(self) -> bytes:
        quotes: list[bytes] = self.factory.quotes
        return quotes[date.today().toordinal() % len(quotes)]


def read(path: str) -> list[bytes]:
    """The quotes in a file, their lines as the network has them."""
    try:
        with open(path, "rb") as file:
            text = file.read().replace(b"\r\n", b"\n")
    except OSError as cause:
        raise UserMistake(f"cannot read the quotes in {path}: {cause.strerror}") from cause
    quotes = [quote.strip(b"\n") for quote in text.split(b"\n%\n")]
    lines = [quote.replace(b"\n", b"\r\n")[: LONGEST - 2] + b"\r\n" for quote in quotes if quote]
    if not lines:
        raise UserMistake(f"there are no quotes in {path}")
    return lines
