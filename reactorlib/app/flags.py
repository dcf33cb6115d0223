"""Flags with environment variables: a flag is stronger than its variable.

The variable of `--log-file` is REACTORLIB_LOG_FILE. It is read as the flag's
value would be, and a wrong one is reported under its own name. An empty one is
as good as none: that is how many files of settings leave one out.
"""

from __future__ import annotations

import argparse
import os
from collections.abc import Callable
from typing import Any, Protocol

from reactorlib.app.mistakes import UserMistake


class Parser(Protocol):
    """What both a parser and a group of its arguments can do."""

    def add_argument(self, *names: str, **options: Any) -> Any: ...


TRUE = ("1", "true", "yes", "on")
FALSE = ("0", "false", "no", "off", "")


def variable(flag: str) -> str:
    """The environment variable of a flag."""
    return "REACTORLIB_" + flag.lstrip("-").replace("-", "_").upper()


def add_flag(
    parser: Parser,
    *names: str,
    help: str,
    type: Callable[[str], Any] = str,
    default: Any = None,
    **options: Any,
) -> None:
    """Add a flag that takes a value. The last of its names is the long one.

    A default of argparse.SUPPRESS is for a flag that is also there before the
    command: only what stands after the command counts here.
    """
    name = variable(names[-1])
    text = os.environ.get(name)
    if text and default != argparse.SUPPRESS:
        default = _read(name, type, text)
    parser.add_argument(*names, type=type, default=default, help=f"{help} [{name}]", **options)


def add_repeated_flag(parser: Parser, name: str, *, help: str, **options: Any) -> None:
    """Add a flag that may be given more than once; its variable has spaces between values."""
    default = os.environ.get(variable(name), "").split()
    parser.add_argument(
        name, action=_Repeated, default=default, help=f"{help} [{variable(name)}]", **options
    )


class _Repeated(argparse.Action):
    """Collects values; the first one replaces the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        setattr(namespace, self.dest, [*([] if before is self.default else before), values])


def add_switch(parser: Parser, *names: str, help: str, default: Any = False) -> None:
    """Add a flag that is on or off; for the default see add_flag."""
    name = variable(names[-1])
    if default != argparse.SUPPRESS:
        default = _read(name, _boolean, os.environ.get(name, ""))
    parser.add_argument(*names, action="store_true", default=default, help=f"{help} [{name}]")


def _read(name: str, type: Callable[[str], Any], text: str) -> Any:
    try:
        return type(text)
    except (ValueError, argparse.ArgumentTypeError) as error:
        mistake = f"the environment variable {name}={text!r} is wrong: {error}"
        raise UserMistake(mistake, 2) from error


def _boolean(text: str) -> bool:
    if text.lower() not in TRUE + FALSE:
        raise ValueError(f"it must be one of {', '.join(TRUE + FALSE[:-1])}")
    return text.lower() in TRUE


def port_number(text: str) -> int:
    """A port: 0 lets the system choose."""
    if not (text.isascii() and text.isdigit()) or not 0 <= int(text) <= 65535:
        raise argparse.ArgumentTypeError(f"a port is a number from 0 to 65535, not {text!r}")
    return int(text)


def positive(text: str) -> int:
    """A whole number, 1 or more."""
    if not (text.isascii() and text.isdigit()) or int(text) < 1:
        raise argparse.ArgumentTypeError(f"a whole number of 1 or more, not {text!r}")
    return int(text)


def seconds(text: str) -> float:
    """A time in seconds, 0 or more."""
    try:
        number = float(text)
    except ValueError:
        number = -1.0
    if not 0 <= number < float("inf"):
        raise argparse.ArgumentTypeError(f"a number of seconds, 0 or more, not {text!r}")
    return number


def address(text: str) -> tuple[str, int]:
    """HOST:PORT, [IPV6]:PORT, or PORT alone for every interface."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise argparse.ArgumentTypeError(f"write an IPv6 address in brackets, not {text!r}")
    return host, port_number(port)
