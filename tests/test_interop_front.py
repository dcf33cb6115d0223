"""nginx and HAProxy in front of `reactorlib web`, whatever it serves."""

from __future__ import annotations

import hashlib
import http.client
import json
import socket
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import pytest

from tests.cutting import Cutting, cutting
from tests.fronts import FRONTS, HOST, in_front
from tests.test_cli_listen import line_of, place_of, serving

LARGE = bytes(range(256)) * 16_000
DIGEST = hashlib.sha256(LARGE).hexdigest()
CLIENT = "127.0.0.9"  # no proxy that is believed
NEVER = 2**60

# Both tell what came, of whom; at /begun and /gone, that half a body came, and who has gone.
APPLICATIONS = """
import asyncio, hashlib, json, threading

LARGE = bytes(range(256)) * 16_000
events = {"/gone": threading.Event(), "/begun": threading.Event()}


def happened(event):
    seen = event.wait(30)
    event.clear()
    return json.dumps(seen).encode()


def told(digest, size, client, scheme):
    return json.dumps([digest.hexdigest(), size, client, scheme]).encode()


async def asgi(scope, receive, send):
    assert scope["type"] == "http"
    if scope["path"] == "/endless":
        return await endless(send)
    if scope["path"] in events:
        return await answer(send, await asyncio.to_thread(happened, events[scope["path"]]))
    if scope["path"] == "/large":
        return await answer(send, LARGE)
    digest, size, more = hashlib.sha256(), 0, True
    while more:
        message = await receive()
        if message["type"] == "http.disconnect":
            return events["/gone"].set()
        if scope["path"] == "/half":
            events["/begun"].set()
        digest.update(message["body"])
        size += len(message["body"])
        more = message["more_body"]
    await answer(send, told(digest, size, scope["client"][0], scope["scheme"]))


async def answer(send, body):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    await send({"type": "http.response.body", "body": body})


async def endless(send):
    await send({"type": "http.response.start", "status": 200, "headers": []})
    try:
        while True:
            await send({"type": "http.response.body", "body": LARGE, "more_body": True})
    except OSError:
        events["/gone"].set()


def wsgi(environ, start_response):
    path = environ["PATH_INFO"]
    start_response("200 OK", [])
    if path == "/endless":
        return forever()
    if path in events:
        return [happened(events[path])]
    if path == "/large":
        return [LARGE]
    digest, size = hashlib.sha256(), 0
    try:
        while data := environ["wsgi.input"].read(65_536):
            digest.update(data)
            size += len(data)
            if path == "/half":
                events["/begun"].set()
    except OSError:
        events["/gone"].set()
        raise
    return [told(digest, size, environ["REMOTE_ADDR"], environ["wsgi.url_scheme"])]


def forever():
    try:
        while True:
            yield LARGE
    finally:
        events["/gone"].set()
"""
QUIET = ["web", "--proxy-headers", "--no-access-log", "--listen", f"tcp:0:interface={HOST}"]
KINDS = {"asgi": ["--asgi", "apps.py:asgi"], "wsgi": ["--wsgi", "apps.py:wsgi"], "static": ["."]}


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("front")
    (folder / "apps.py").write_text(APPLICATIONS)
    (folder / "large").write_bytes(LARGE)
    return folder


@pytest.fixture(scope="module")
def served(folder: Path) -> Iterator[Callable[[str], tuple[str, int]]]:
    """Where each kind of server is; each is started once, and has to end well."""
    with ExitStack() as running:

        @cache
        def place(kind: str) -> tuple[str, int]:
            return place_of(running.enter_context(serving(*QUIET, *KINDS[kind], cwd=folder)))

        yield place


@pytest.fixture(params=FRONTS)
def front(request: pytest.FixtureRequest) -> str:
    return str(request.param)


class Front:
    """A proxy, and the relay behind it that counts its connections to us."""

    def __init__(self, place: str, relay: Cutting) -> None:
        self.place = place
        self.relay = relay
        transport = httpx.HTTPTransport(local_address=CLIENT)
        self.client = httpx.Client(
            transport=transport, base_url=f"http://{place}", trust_env=False, timeout=60
        )


@pytest.fixture
def proxied(front: str, tmp_path: Path, served: Any) -> Iterator[Callable[[str], Front]]:
    with ExitStack() as running:

        def make(kind: str) -> Front:
            relay = running.enter_context(cutting(served(kind), NEVER))
            place = in_front(front, f"{HOST}:{relay.port}", tmp_path)
            made = Front(running.enter_context(place), relay)
            running.enter_context(made.client)
            return made

        yield make


def pieces() -> Iterator[bytes]:
    for start in range(0, len(LARGE), 100_007):
        yield LARGE[start : start + 100_007]


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_an_application(proxied: Callable[[str], Front], kind: str) -> None:
    """Bodies with a length and without, and for whom it answers: not what he says himself."""
    client = proxied(kind).client
    expected = [DIGEST, len(LARGE), CLIENT, "https"]
    forged = {"X-Forwarded-For": "192.0.2.1"}
    assert client.put("/up", content=LARGE, headers=forged).json() == expected
    assert client.post("/up", content=pieces(), headers=forged).json() == expected
    assert client.get("/large").content == LARGE
    assert client.head("/large").status_code == 200


def test_a_directory(proxied: Callable[[str], Front]) -> None:
    client = proxied("static").client
    whole = client.get("/large")
    assert whole.content == LARGE
    part = client.get("/large", headers={"Range": "bytes=1000000-"})
    assert (part.status_code, part.content) == (206, LARGE[1_000_000:])
    tag = {"If-None-Match": whole.headers["etag"]}
    assert client.get("/large", headers=tag).status_code == 304
    assert client.head("/large").headers["content-length"] == str(len(LARGE))
    assert client.put("/large", content=LARGE).status_code == 405


@pytest.mark.parametrize("kind", KINDS)
def test_connections_to_us_are_kept(proxied: Callable[[str], Front], kind: str) -> None:
    made = proxied(kind)
    for _ in range(20):  # each on a connection of its own to the proxy
        client = http.client.HTTPConnection(made.place, timeout=60)
        client.request("HEAD", "/large")
        assert client.getresponse().status == 200
        client.close()
    assert 1 <= made.relay.count <= 4


@pytest.mark.parametrize("kind", ["asgi", "wsgi"])
def test_a_client_that_goes(proxied: Callable[[str], Front], kind: str) -> None:
    """In the answer, and in the body that it sends: the application learns it."""
    made = proxied(kind)
    with made.client.stream("GET", "/endless") as answer:
        assert next(answer.iter_bytes())
    assert made.client.get("/gone").json() is True
    host, _, port = made.place.partition(":")
    with socket.create_connection((host, int(port))) as peer:
        head = f"POST /half HTTP/1.1\r\nHost: x\r\nContent-Length: {len(LARGE)}\r\n\r\n"
        peer.sendall(head.encode() + LARGE[:1_000_000])
        assert made.client.get("/begun").json() is True
    assert made.client.get("/gone").json() is True
    assert made.client.post("/up", content=b"x").json()[1:] == [1, CLIENT, "https"]


def test_a_client_that_leaves_a_file(proxied: Callable[[str], Front]) -> None:
    made = proxied("static")
    with made.client.stream("GET", "/large") as answer:
        assert next(answer.iter_bytes())
    assert made.client.get("/large").content == LARGE


@pytest.mark.parametrize("kind", KINDS)
def test_the_proxy_protocol(kind: str, folder: Path, tmp_path: Path) -> None:
    """HAProxy names the client in a header before the first request."""
    flags = ["--listen", f"haproxy:tcp:0:interface={HOST}"]
    with serving("web", *flags, *KINDS[kind], cwd=folder) as process:
        target = "{}:{}".format(*place_of(process))
        with in_front("haproxy", target, tmp_path, "send-proxy-v2") as place:
            client = http.client.HTTPConnection(place, timeout=60, source_address=(CLIENT, 0))
            client.request("GET", "/large")
            assert client.getresponse().read() == LARGE
            if kind != "static":
                client.request("GET", "/")
                answer = json.loads(client.getresponse().read())
                assert answer == [hashlib.sha256().hexdigest(), 0, CLIENT, "http"]
            client.close()
        assert line_of(process).startswith(f"{CLIENT} - - [")


def test_nginx_and_a_unix_socket(folder: Path, tmp_path: Path) -> None:
    path = str(tmp_path / "socket")
    flags = ["--uds", path, "--proxy-headers", *KINDS["asgi"]]
    with serving("web", *flags, cwd=folder) as process:
        line_of(process)
        with in_front("nginx", f"unix:{path}", tmp_path) as place:
            transport = httpx.HTTPTransport(local_address=CLIENT)
            with httpx.Client(transport=transport) as client:
                answer = client.put(f"http://{place}/up", content=pieces())
        assert answer.json() == [DIGEST, len(LARGE), CLIENT, "https"]
        assert line_of(process).startswith(f"{CLIENT} - - [")
