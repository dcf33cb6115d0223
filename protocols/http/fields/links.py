"""Link (RFC 8288), and fields whose elements are a token with parameters."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from reactorlib.protocols.http.fields.grammar import (
    Parameters,
    Reader,
    as_parameters,
    as_token,
    elements,
)

_TARGET = re.compile(rb"<[!-;=?-~]*>")

Item = tuple[bytes, Parameters]


@dataclass(frozen=True)
class Link:
    """A reference to `target`, a URI; what it is for is said by params[b"rel"]."""

    target: bytes
    params: Parameters = field(default_factory=dict)


def parseLinks(value: bytes) -> tuple[Link, ...]:
    """Link."""
    return elements(value, _read)


def _read(reader: Reader) -> Link:
    return Link(reader.matched(_TARGET)[1:-1], reader.parameters())


def generateLinks(links: Iterable[Link]) -> bytes:
    """Link."""
    return b", ".join([_target(link.target) + as_parameters(link.params) for link in links])


def _target(uri: bytes) -> bytes:
    target = b"<%b>" % uri
    if _TARGET.fullmatch(target) is None:
        raise ValueError("the target of a link is a URI")
    return target


def parseItems(value: bytes) -> tuple[Item, ...]:
    """Server-Timing: pairs of a token and its parameters."""
    return elements(value, lambda reader: (reader.token(), reader.parameters()))


def generateItems(items: Iterable[Item]) -> bytes:
    """Server-Timing."""
    return b", ".join([as_token(name) + as_parameters(params) for name, params in items])
