"""For resources that stand before others: find what is below, and have it answer.

A resource that decides later who answers is a leaf and streams: it is rendered before
anything of the body has come. `handOn` then does for the chosen one what the site
would have done.
"""

from __future__ import annotations

from collections.abc import AsyncIterable
from typing import Any

from reactorlib.protocols.http.body import Gathered
from reactorlib.protocols.http.resource import getChildForRequest
from reactorlib.protocols.http.server import NOT_DONE_YET


async def gather(pieces: AsyncIterable[bytes]) -> Gathered:
    """All of a body. What its iterator raises is raised, and nothing is left behind."""
    gathered = Gathered()
    try:
        async for piece in pieces:
            gathered.add(piece)
    except BaseException:
        gathered.close()
        raise
    gathered.end()
    return gathered


async def handOn(request: Any, resource: Any) -> int:
    """Have what is found from this resource on answer, with the body that it wants."""
    found = getChildForRequest(resource, request)
    if request.hasBody and not found.streaming:
        request.replaceBody(await gather(request.body()))
    return answerBy(request, found)


def answerBy(request: Any, resource: Any) -> int:
    """Have exactly this resource answer."""
    request.resource = resource
    request.render(resource)
    return NOT_DONE_YET
