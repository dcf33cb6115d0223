r"""Endpoints as strings: `tcp:8080:interface=127.0.0.1`.

A string is fields between colons. The first names the kind; of the others, those
with a name (`interface=`) may stand anywhere. A backslash takes away the meaning
of the character behind it: `\:`, `\=`, `\\`. Which fields there are is said by
the signature of the kind's parser.

Other packages add kinds through the entry-point group `reactorlib.endpoints`: an
entry's name is the kind, its value an IStreamServerEndpointStringParser, an
IStreamClientEndpointStringParserWithReactor, or both.
"""

from __future__ import annotations

import importlib
import inspect
from collections.abc import Callable
from typing import Any

from reactorlib.error import CertificateError

ENTRY_POINTS = "reactorlib.endpoints"

# Loaded when one is asked for: most programs use one kind, and TLS takes long to import.
_PARSERS = {
    "tcp": "reactorlib.endpoints.tcp:TCPParser",
    "tcp6": "reactorlib.endpoints.tcp:TCP6Parser",
    "unix": "reactorlib.endpoints.unix:UNIXParser",
    "ssl": "reactorlib.endpoints.tlsstrings:TLSParser",
    "tls": "reactorlib.endpoints.tlsstrings:TLSParser",
    "fd": "reactorlib.endpoints.adopted:DescriptorParser",
    "systemd": "reactorlib.endpoints.adopted:SystemdParser",
    "stdio": "reactorlib.endpoints.stdio:StandardIOParser",
    "process": "reactorlib.endpoints.process:ProcessParser",
    "haproxy": "reactorlib.protocols.haproxy:HAProxyParser",
}

_SERVER, _CLIENT = "parseStreamServer", "parseStreamClient"
_ABILITIES = {_SERVER: "listened at", _CLIENT: "connected to"}


class InvalidEndpoint(ValueError):
    """A string is not that of an endpoint; the text says why, and what there is."""

    def __init__(self, description: str, reason: str) -> None:
        super().__init__(description, reason)
        self.description = description
        self.reason = reason

    def __str__(self) -> str:
        return f"{self.description!r} is not an endpoint to use here: {self.reason}"


def serverFromString(reactor: Any, description: str) -> Any:
    """The IStreamServerEndpoint of a string.

    Kinds: tcp, tcp6, unix, tls (or ssl), fd, systemd, stdio, the wrapper haproxy, and
    those of plugins. Raises InvalidEndpoint, a ValueError.
    """
    return _from_string(reactor, description, _SERVER)


def clientFromString(reactor: Any, description: str) -> Any:
    """The IStreamClientEndpoint of a string.

    Kinds: tcp, tcp6, unix, tls (or ssl), process, the wrapper haproxy, and those of
    plugins. Raises InvalidEndpoint, a ValueError.
    """
    return _from_string(reactor, description, _CLIENT)


def quoteStringArgument(argument: str) -> str:
    """Any text as it stands in a field of an endpoint's string."""
    for special in "\\:=":
        argument = argument.replace(special, "\\" + special)
    return argument


def isKind(name: str) -> bool:
    """Whether there are endpoints of that kind."""
    return _find(name) is not None


def unparse(args: tuple[str, ...], kwargs: dict[str, str]) -> str:
    """The string that has these fields."""
    named = (f"{quoteStringArgument(name)}={quoteStringArgument(kwargs[name])}" for name in kwargs)
    return ":".join([*map(quoteStringArgument, args), *named])


def split(description: str) -> tuple[list[str], dict[str, str]]:
    """The fields without and with a name. Raises ValueError."""
    args: list[str] = []
    kwargs: dict[str, str] = {}
    for name, value in _fields(description):
        if name is None:
            args.append(value)
        elif name in kwargs:
            raise ValueError(f"{name} is given twice")
        else:
            kwargs[name] = value
    return args, kwargs


def _fields(description: str) -> list[tuple[str | None, str]]:
    fields: list[tuple[str | None, str]] = []
    name: str | None = None
    text = ""
    characters = iter(description)
    for character in characters:
        if character == "\\":
            escaped = next(characters, None)
            if escaped is None:
                raise ValueError("a backslash stands at its end")
            text += escaped
        elif character == ":":
            fields.append((name, text))
            name, text = None, ""
        elif character == "=" and name is None:
            name, text = text, ""
        else:
            text += character
    return [*fields, (name, text)]


def _from_string(reactor: Any, description: str, ability: str) -> Any:
    try:
        args, kwargs = split(description)
        if not args:
            raise ValueError(f"it begins with no kind. {_known(ability)}")
        kind, *rest = args
        parse = _parse_method(kind, ability)
        _check_fields(kind, parse, reactor, rest, kwargs)
        return parse(reactor, *rest, **kwargs)
    except InvalidEndpoint:
        raise
    except (ValueError, OSError, CertificateError) as cause:
        raise InvalidEndpoint(description, str(cause)) from cause


def _parse_method(kind: str, ability: str) -> Callable[..., Any]:
    parser = _find(kind)
    if parser is None:
        raise ValueError(f"there is no kind {kind!r}. {_known(ability)}")
    method: Callable[..., Any] | None = getattr(parser, ability, None)
    if method is None:
        raise ValueError(f"{kind} cannot be {_ABILITIES[ability]}. {_known(ability)}")
    return method


def _find(kind: str) -> Any:
    place = _PARSERS.get(kind)
    if place is not None:
        module, name = place.split(":")
        return getattr(importlib.import_module(module), name)()
    return _plugin(kind)


def _plugin(kind: str) -> Any:
    entry = _entries().get(kind)
    if entry is None:
        return None
    try:
        return entry.load()
    except Exception as cause:
        raise ValueError(f"the plugin {entry.value} cannot be loaded: {cause}") from cause


def _entries() -> dict[str, Any]:
    from importlib.metadata import entry_points  # slow, and seldom needed

    return {entry.name: entry for entry in entry_points(group=ENTRY_POINTS)}


def _known(ability: str) -> str:
    kinds = [kind for kind in _PARSERS if hasattr(_find(kind), ability)]
    kinds += [kind for kind in _entries() if _can(kind, ability)]
    return f"There are: {', '.join(kinds)}."


def _can(kind: str, ability: str) -> bool:
    try:
        return hasattr(_plugin(kind), ability)
    except ValueError:
        return False  # a broken one is told of when it is asked for


def _check_fields(
    kind: str, parse: Callable[..., Any], reactor: Any, args: list[str], kwargs: dict[str, str]
) -> None:
    signature = inspect.signature(parse)
    try:
        signature.bind(reactor, *args, **kwargs)
    except TypeError as cause:
        fields = [_field(each) for each in list(signature.parameters.values())[1:]]
        raise ValueError(f"{cause}. The fields of {kind} are: {', '.join(fields)}.") from cause


def _field(parameter: inspect.Parameter) -> str:
    """An optional one in brackets."""
    return parameter.name if parameter.default is parameter.empty else f"[{parameter.name}]"
