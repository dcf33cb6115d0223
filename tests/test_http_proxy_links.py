"""The proxy on a simulated network: whatever comes late, in pieces, or not at all."""

from __future__ import annotations

from collections.abc import AsyncIterator
from random import Random
from typing import Any

import pytest

from reactorlib.defer import Deferred, ensureDeferred, succeed
from reactorlib.protocols.http.clientconnection import Answer, ClientConnection, Question
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.proxy import ReverseProxyResource
from reactorlib.protocols.http.resource import Resource
from reactorlib.protocols.http.server import Site
from reactorlib.testing import Link

POLITE = 100_000  # bytes that a client may send before it reads


class Echo(Resource):
    isLeaf = True
    streaming = True

    async def render_POST(self, request: Any) -> AsyncIterator[bytes]:
        if request.getHeader("x-length") is not None:
            request.setHeader("Content-Length", request.getHeader("x-length"))
        return request.body()  # type: ignore[no-any-return]


class Cable:
    """An endpoint at the end of a link."""

    def __init__(self, link: Link, site: Site) -> None:
        self._link = link
        self._site = site

    def connect(self, factory: Any) -> Deferred[Any]:
        protocol = factory.buildProtocol(None)
        self._link.connect(protocol, self._site.buildProtocol(None))
        return succeed(protocol)


async def ask(connection: ClientConnection, body: bytes, chance: Random) -> tuple[int, bytes]:
    async def pieces() -> AsyncIterator[bytes]:
        rest = body
        while rest:
            size = chance.choice((1, 100, 5_000, 70_000))
            yield rest[:size]
            rest = rest[size:]

    headers = Headers(rawHeaders={b"Host": [b"front"]})
    if chance.random() < 0.5:
        headers.setRawHeaders(b"X-Length", [b"%d" % len(body)])
    length = len(body) if chance.random() < 0.5 else None
    question = Question(b"POST", b"/", headers, pieces(), length)
    answer: Answer = await connection.ask(question)
    return answer.head.status, b"".join([piece async for piece in answer])


@pytest.mark.parametrize("seed", range(12))
def test_what_is_sent_comes_back(seed: int) -> None:
    chance = Random(seed)
    capacity = chance.choice((1_000, 65_536))
    link = Link(seed, delay=(0.0, chance.choice((0.001, 0.1))), capacity=capacity)
    proxy = ReverseProxyResource("back", 80, b"", reactor=link.reactor)
    proxy.endpoint = Cable(link, Site(Echo()))
    connection = ClientConnection()
    connection.idle = lambda connection: None
    link.connect(connection, Site(proxy).buildProtocol(None))
    for _ in range(3):
        body = chance.randbytes(chance.randrange(POLITE))
        found: list[Any] = []
        ensureDeferred(ask(connection, body, chance)).addBoth(found.append)
        link.run()
        assert found == [(200, body)]


@pytest.mark.parametrize("seed", range(12))
def test_a_network_that_breaks(seed: int) -> None:
    """At any moment: then everything ends, and nobody waits for ever."""
    chance = Random(seed)
    link = Link(seed)
    proxy = ReverseProxyResource("back", 80, b"", reactor=link.reactor)
    proxy.endpoint = Cable(link, Site(Echo()))
    connection = ClientConnection()
    link.connect(connection, Site(proxy).buildProtocol(None))
    found: list[Any] = []
    ensureDeferred(ask(connection, chance.randbytes(POLITE), chance)).addBoth(found.append)
    for _ in range(chance.randrange(200)):
        link.turn()
    link.reset()
    link.run()
    assert len(found) == 1
    link.clock.advance(1000)
    assert link.clock.getDelayedCalls() == []
