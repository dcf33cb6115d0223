"""Names to addresses, off the reactor's thread.

What is numeric already never leaves the loop. The order is that of RFC 8305,
section 4: the system's own, with the address families taking turns. The port
is never shown to the resolver: some take one that is too large, and wrap it
around.
"""

from __future__ import annotations

import socket
from functools import partial
from itertools import chain, zip_longest
from typing import Any

from reactorlib import error
from reactorlib.defer import Deferred, succeed
from reactorlib.failure import Failure
from reactorlib.threads import deferToThreadPool

Target = tuple[int, Any]
"""An address family and a socket address of it."""

_USABLE = (socket.AF_INET, socket.AF_INET6)


def _targets(host: str, port: int, flags: int = 0) -> list[Target]:
    found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM, flags=flags)
    targets = ((entry[0], (entry[4][0], port, *entry[4][2:])) for entry in found)
    return [each for each in dict.fromkeys(targets) if each[0] in _USABLE]


def numeric(host: str, port: int) -> Target | None:
    """The target if the host is an IPv4 or IPv6 address already (a scope may follow)."""
    if not host:
        return socket.AF_INET, ("127.0.0.1", port)
    try:
        return _targets(host, port, socket.AI_NUMERICHOST)[0]
    except (OSError, ValueError):
        return None


def interleave(targets: list[Target]) -> list[Target]:
    """Keep the order within each family, and let the families take turns."""
    families: dict[int, list[Target]] = {}
    for target in targets:
        families.setdefault(target[0], []).append(target)
    turns = zip_longest(*families.values())
    return [target for target in chain.from_iterable(turns) if target is not None]


def resolve(reactor: Any, host: str, port: int) -> Deferred[list[Target]]:
    """The targets to try, best first; DNSLookupError if there is none."""
    target = numeric(host, port)
    if target is not None:
        return succeed([target])
    looking = deferToThreadPool(reactor, reactor.getThreadPool(), _targets, host, port)
    return looking.addCallbacks(partial(_ordered, host), partial(_failed, host))


def _ordered(host: str, targets: list[Target]) -> list[Target]:
    if not targets:
        raise error.DNSLookupError(f"{host}: it has neither an IPv4 nor an IPv6 address")
    return interleave(targets)


def _failed(host: str, failure: Failure) -> Failure:
    failure.trap(OSError, ValueError)
    return Failure(error.DNSLookupError(f"{host}: {failure.getErrorMessage()}"))
