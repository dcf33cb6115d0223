"""What WSGI and ASGI have in common: a client that has gone is nobody's fault."""

from __future__ import annotations


class ClientDisconnected(OSError):
    """What an application's reading and writing raise once its client has gone."""


def isDisconnection(error: BaseException | None) -> bool:
    """Whether an error is that, or came of it."""
    while error is not None:
        if isinstance(error, ClientDisconnected):
            return True
        error = error.__cause__ or error.__context__
    return False
