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

    def set_defaults(self, **values: Any) -> None: ...


ORIGIN = "the origin of "  # before the name of an option: where its value comes from


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
    help = f"{help} [{name}]"
    action = parser.add_argument(
        *names, action=_Value, type=type, default=default, help=help, **options
    )
    _note_origin(parser, action, name)


def add_repeated_flag(parser: Parser, name: str, *, help: str, **options: Any) -> None:
    """Add a flag that may be given more than once; its variable has spaces between values."""
    default = os.environ.get(variable(name), "").split()
    action = parser.add_argument(
        name, action=_Repeated, default=default, help=f"{help} [{variable(name)}]", **options
    )
    _note_origin(parser, action, variable(name))


def _note_origin(parser: Parser, action: argparse.Action, name: str) -> None:
    if action.default != argparse.SUPPRESS:
        origin = name if os.environ.get(name) else "default"
        parser.set_defaults(**{ORIGIN + action.dest: origin})


def origins(options: argparse.Namespace) -> dict[str, str]:
    """Where the value of each option comes from: its flag, its variable, or "default"."""
    return {
        name.removeprefix(ORIGIN): origin
        for name, origin in vars(options).items()
        if name.startswith(ORIGIN)
    }


class _Value(argparse.Action):
    """Stores a value, and that it was a flag that gave it."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        setattr(namespace, self.dest, values)
        setattr(namespace, ORIGIN + self.dest, option_string)


class _Switch(_Value):
    """Stores that it is on; `--no-…`, if that is one of its names, that it is off."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        on = not (option_string or "").startswith("--no-")
        super().__call__(parser, namespace, on, option_string)


class _Repeated(_Value):
    """Collects values; the first one replaces the default."""

    def __call__(
        self,
        parser: argparse.ArgumentParser,
        namespace: argparse.Namespace,
        values: Any,
        option_string: str | None = None,
    ) -> None:
        before = getattr(namespace, self.dest)
        collected = [*([] if before is self.default else before), values]
        super().__call__(parser, namespace, collected, option_string)


def add_switch(parser: Parser, *names: str, help: str, default: Any = False) -> None:
    """Add a flag that is on or off; for the default see add_flag.

    One that is on by default needs another name to turn it off: `--no-…`, before its own.
    """
    name = variable(names[-1])
    text = os.environ.get(name)
    if text and default != argparse.SUPPRESS:
        default = _read(name, _boolean, text)
    dest = names[-1].lstrip("-").replace("-", "_")
    help = f"{help} [{name}]"
    action = parser.add_argument(
        *names, action=_Switch, nargs=0, dest=dest, default=default, help=help
    )
    _note_origin(parser, action, name)


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


def some_seconds(text: str) -> float:
    """A time in seconds, more than 0."""
    number = seconds(text)
    if not number:
        raise argparse.ArgumentTypeError("a number of seconds, more than 0")
    return number


def address(text: str) -> tuple[str, int]:
    """HOST:PORT, [IPV6]:PORT, or PORT alone for every interface."""
    host, _, port = text.rpartition(":")
    if host.startswith("[") and host.endswith("]"):
        host = host[1:-1]
    elif ":" in host:
        raise argparse.ArgumentTypeError(f"write an IPv6 address in brackets, not {text!r}")
    return host, port_number(port)
