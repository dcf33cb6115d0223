"""Small resources that Twisted's programmers look for here: redirections, and later ones."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Any

from reactorlib.protocols.http.delegate import handOn
from reactorlib.protocols.http.resource import Redirect, Resource, redirectTo

__all__ = ["DeferredResource", "ParentRedirect", "Redirect", "redirectTo"]


class ParentRedirect(Resource):
    """Sends every request to the place above this one, with a slash at its end."""

    isLeaf = True
    streaming = True

    def render(self, request: Any) -> bytes:
        above = request.prepath[:-1]
        request.prepath = [*above, b""]
        return redirectTo(request.prePathURL(), request)


class DeferredResource(Resource):
    """Hands requests on to a resource that will be there later.

    `d` gives it: a Deferred, for one request, or any other awaitable.
    """

    isLeaf = True
    streaming = True

    def __init__(self, d: Awaitable[Any]) -> None:
        super().__init__()
        self._found = d

    def render(self, request: Any) -> Any:
        return self._hand_on(request)

    async def _hand_on(self, request: Any) -> int:
        return await handOn(request, await self._found)
