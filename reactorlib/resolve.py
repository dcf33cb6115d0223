"""Names to addresses, off the reactor's thread.

What is numeric already never leaves the loop. The order is that of RFC 8305,
section 4: the system's own, with the address families taking turns.
"""

from __future__ import annotations

import socket
from itertools import chain, zip_longest
from typing import Any

from reactorlib import error
from reactorlib.defer import Deferred, succeed
from reactorlib.failure import Failure
from reactorlib.threads import deferToThreadPool

Target = tuple[int, Any]
"""An address family and a socket address of it."""


def numeric(host: str, port: int) -> Target | None:
    """The target if the host is an IPv4 or IPv6 address already (a scope may follow)."""
    if not host:
        return socket.AF_INET, ("127.0.0.1", port)
    try:
        found = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_NUMERICHOST | socket.AI_NUMERICSERV
        )
    except (socket.gaierror, UnicodeError):
        return None
    return found[0][0], found[0][4]


def interleave(targets: list[Target]) -> list[Target]:
    """Keep the order within each family, and let the families take turns."""
    families: dict[int, list[Target]] = {}
    for target in targets:
        families.setdefault(target[0], []).append(target)
    turns = zip_longest(*families.values())
    return [target for target in chain.from_iterable(turns) if target is not None]


def _look_up(host: str, port: int) -> list[Target]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    usable = (socket.AF_INET, socket.AF_INET6)
    return list(dict.fromkeys((entry[0], entry[4]) for entry in found if entry[0] in usable))


def resolve(reactor: Any, host: str, port: int) -> Deferred[list[Target]]:
    """The targets to try, best first; DNSLookupError if there is none."""
    target = numeric(host, port)
    if target is not None:
        return succeed([target])
    looking = deferToThreadPool(reactor, reactor.getThreadPool(), _look_up, host, port)

    def failed(failure: Failure) -> Failure:
        failure.trap(OSError, UnicodeError)
        return Failure(error.DNSLookupError(f"{host}: {failure.getErrorMessage()}"))

    return looking.addCallbacks(interleave, failed)
