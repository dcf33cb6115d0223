"""ASGI applications: every message, every fault, every end; on a connection in memory."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from asgiref.typing import HTTPScope

from reactorlib import error
from reactorlib.address import IPv4Address, UNIXAddress
from reactorlib.protocols.http.asgi import ASGIResource, LifespanFailed
from reactorlib.protocols.http.gateway import ClientDisconnected
from reactorlib.protocols.http.resource import Resource
from reactorlib.protocols.http.server import Site
from reactorlib.testing import MemoryReactorClock, StringTransport
from tests.served import served
from tests.webserver import Visitor, errors

GET = b"GET %b HTTP/1.1\r\nHost: x\r\n%b\r\n"
START = "http.response.start"
TEXT = [(b"content-type", b"text/plain")]


async def start(send: Any, status: int = 200, headers: Any = TEXT) -> None:
    await send({"type": "http.response.start", "status": status, "headers": headers})


async def body(send: Any, data: bytes = b"", more: bool = False) -> None:
    await send({"type": "http.response.body", "body": data, "more_body": more})


async def read(receive: Any) -> bytes:
    data, more = b"", True
    while more:
        message = await receive()
        assert message["type"] == "http.request"
        data += message["body"]
        more = message["more_body"]
    return data


class Client(Visitor):
    """A connection to an application."""

    def __init__(self, application: Any, place: bytes = b"", **settings: Any) -> None:
        self.reactor = MemoryReactorClock()
        self.resource = ASGIResource(self.reactor, application, **settings)
        root: Any = self.resource
        if place:
            root = Resource()
            root.putChild(place, self.resource)
        self.site = Site(root)
        self.transport: Any = StringTransport()
        self.transport.hostAddr = IPv4Address("TCP", "10.0.0.1", 80)
        self.transport.peerAddr = IPv4Address("TCP", "10.0.0.2", 4000)
        self.channel = self.site.buildProtocol(None)

    def connect(self) -> Client:
        self.channel.makeConnection(self.transport)
        return self

    def send(self, data: bytes) -> Client:
        if self.transport.protocol is None and not hasattr(self.channel, "requests"):
            self.connect()
        self.channel.dataReceived(data)
        return self.turn()

    def turn(self) -> Client:
        for _ in range(6):
            self.reactor.advance(0)
        return self

    def get(self, path: bytes = b"/", fields: bytes = b"") -> Client:
        return self.send(GET % (path, fields))

    def leave(self) -> None:
        self.lose(error.ConnectionLost())
        self.turn()


def test_a_whole_answer_has_its_length() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert await read(receive) == b""
        await start(send)
        await body(send, b"hello")

    ((status, fields, data),) = Client(application).get().answers()
    assert (status, data) == (200, b"hello")
    assert (fields[b"content-length"], fields[b"content-type"]) == (b"5", b"text/plain")


def test_the_scope() -> None:
    scopes: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await start(send, 204, [])
        await body(send)

    client = Client(application, b"app", rootPath="/outer/")
    client.get(b"/app/a%20%C3%A4?x=%20", b"X-One: 1\r\nx-one: 2\r\n")
    (scope,) = scopes
    assert scope.keys() <= HTTPScope.__annotations__.keys() | {"state"}
    assert scope["type"] == "http"
    assert scope["asgi"]["version"] == "3.0"
    assert (scope["http_version"], scope["method"], scope["scheme"]) == ("1.1", "GET", "http")
    assert scope["path"] == "/outer/app/a ä"
    assert scope["root_path"] == "/outer/app"
    assert scope["raw_path"] == b"/app/a%20%C3%A4"
    assert scope["query_string"] == b"x=%20"
    assert scope["headers"] == [(b"host", b"x"), (b"x-one", b"1"), (b"x-one", b"2")]
    assert scope["server"] == ("10.0.0.1", 80)
    assert scope["client"] == ("10.0.0.2", 4000)
    assert "state" not in scope
    assert client.answers()[0][0] == 204


def test_over_a_unix_socket() -> None:
    scopes: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        scopes.append(scope)
        await start(send)
        await body(send)

    client = Client(application)
    client.transport.hostAddr = UNIXAddress("/run/x")
    client.transport.peerAddr = UNIXAddress(None)
    client.send(b"BREW / HTTP/1.0\r\n\r\n")
    assert scopes[0]["server"] == ("/run/x", None)
    assert scopes[0]["client"] is None
    assert (scopes[0]["method"], scopes[0]["http_version"]) == ("BREW", "1.0")


def test_a_streamed_answer() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await start(send)
        for piece in (b"one", b"", b"two"):
            await body(send, piece, more=True)
            await asyncio.sleep(0)
        await body(send, b"three")

    client = Client(application).get().turn()
    ((_, fields, data),) = client.answers()
    assert fields[b"transfer-encoding"] == b"chunked"
    assert data == b"onetwothree"


def test_an_answer_with_a_length_that_is_streamed() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await start(send, 200, [(b"Content-Length", b"6"), (b"Transfer-Encoding", b"chunked")])
        await body(send, b"one", more=True)
        await body(send, b"two")

    ((_, fields, data),) = Client(application).get().answers()
    assert fields[b"content-length"] == b"6"
    assert b"transfer-encoding" not in fields
    assert data == b"onetwo"


def test_the_body_comes_as_it_is_received() -> None:
    got: list[Any] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        while True:
            got.append(await receive())
            if not got[-1].get("more_body"):
                break
        await start(send)
        await body(send)

    client = Client(application)
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\n\r\nab")
    client.send(b"cd").send(b"ef")
    assert [(message["body"], message["more_body"]) for message in got] == [
        (b"ab", True),
        (b"cd", True),
        (b"ef", False),
    ]


def test_a_body_that_nobody_receives_waits_at_its_client() -> None:
    gate = asyncio.Event()
    sizes: list[int] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()
        sizes.append(len(await read(receive)))
        await start(send)
        await body(send)

    client = Client(application)
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 200000\r\n\r\n" + b"x" * 100_000)
    assert client.transport.producerState == "paused"
    gate.set()
    client.turn()
    assert client.transport.producerState == "producing"
    client.send(b"x" * 100_000)
    assert sizes == [200_000]


def test_a_client_that_waits_is_told_to_go_on_when_the_body_is_received() -> None:
    gate = asyncio.Event()

    async def application(scope: Any, receive: Any, send: Any) -> None:
        await gate.wait()
        await start(send)
        await body(send, await read(receive))

    client = Client(application)
    client.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n")
    assert client.said() == b""
    gate.set()
    client.turn()
    assert client.said().startswith(b"HTTP/1.1 100 ")
    client.send(b"hi")
    assert client.answers()[0][2] == b"hi"


def test_send_waits_for_a_slow_client() -> None:
    sent = 0

    async def application(scope: Any, receive: Any, send: Any) -> None:
        nonlocal sent
        await start(send)
        for _ in range(100):
            await body(send, b"x" * 10_000, more=True)
            sent += 1
        await body(send)

    client = Client(application)
    client.transport.block()
    client.get()
    assert 0 < sent < 10
    client.transport.unblock()
    for _ in range(100):
        client.turn()
    assert sent == 100
    assert client.answers()[0][2] == b"x" * 1_000_000


def test_head_has_the_fields_of_get() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        await start(send, 200, [(b"content-length", b"5")])
        await body(send, b"" if scope["path"] == "/empty" else b"hello")

    for path in (b"/", b"/empty"):
        client = Client(application).send(b"HEAD " + path + b" HTTP/1.1\r\nHost: x\r\n\r\n")
        said = client.said()
        assert b"Content-Length: 5\r\n" in said
        assert said.endswith(b"\r\n\r\n")


def test_early_hints() -> None:
    async def application(scope: Any, receive: Any, send: Any) -> None:
        assert "http.response.early_hint" in scope["extensions"]
        await send({"type": "http.response.early_hint", "links": [b"</a.css>; rel=preload"]})
        await start(send)
        await body(send)

    said = Client(application).get().said()
    assert said.startswith(
        b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\n\r\nHTTP/1.1 200"
    )


class TestFaults:
    """Each costs its own answer, and is logged once."""

    @pytest.mark.parametrize(
        ("messages", "kind"),
        [
            ([], RuntimeError),
            ([{"type": "http.response.body"}], RuntimeError),
            ([{"type": "http.response.start", "status": 200}] * 2, RuntimeError),
            ([{"type": "http.response.start", "status": 200}], RuntimeError),
            ([{"type": "nonsense"}], RuntimeError),
            (
                [{"type": "http.response.start", "status": 200, "headers": [(b"a b", b"")]}],
                ValueError,
            ),
            (
                [{"type": "http.response.start", "status": 200, "headers": [(b"a", b"\n")]}],
                ValueError,
            ),
            (
                [
                    {"type": "http.response.start", "status": 200},
                    {"type": "http.response.body", "body": "text"},
                ],
                TypeError,
            ),
            (
                [
                    {
                        "type": "http.response.start",
                        "status": 200,
                        "headers": [(b"content-length", b"3")],
                    },
                    {"type": "http.response.body", "body": b"four"},
                ],
                ValueError,
            ),
        ],
    )
    def test_before_anything_was_sent(
        self, messages: Any, kind: type, caplog: pytest.LogCaptureFixture
    ) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            for message in messages:
                await send(message)

        client = Client(application).get()
        assert [answer[0] for answer in client.answers()] == [500]
        assert errors(caplog) == [kind]

    def test_in_the_middle(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await start(send)
            await body(send, b"some", more=True)
            raise KeyError

        client = Client(application).get()
        assert b"some" in client.said()
        assert client.transport.disconnected
        assert errors(caplog) == [KeyError]

    def test_after_the_answer(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await start(send)
            await body(send, b"all")
            await asyncio.sleep(0)
            raise KeyError

        client = Client(application).get()
        assert client.answers()[0][2] == b"all"
        assert errors(caplog) == [KeyError]
        assert client.get().answers()[0][2] == b"all"

    def test_too_few_bytes(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await start(send, 200, [(b"content-length", b"9")])
            await body(send, b"four")

        client = Client(application).get()
        assert client.said().endswith(b"\r\n\r\nfour")
        assert client.transport.disconnecting
        assert "short of its Content-Length" in caplog.text

    def test_cancelled(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            raise asyncio.CancelledError

        assert Client(application).get().answers()[0][0] == 500
        assert errors(caplog) == [RuntimeError]

    def test_another_kind_of_scope_is_never_made(self) -> None:
        types: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            types.append(scope["type"])
            await start(send, 426)
            await body(send)

        fields = b"Upgrade: websocket\r\nConnection: Upgrade\r\n"
        assert Client(application).get(b"/", fields).answers()[0][0] == 426
        assert types == ["http"]


class TestDisconnection:
    """The client goes away."""

    def run(self, application: Callable[..., Any], data: bytes = GET % (b"/", b"")) -> Client:
        client = Client(application)
        client.send(data)
        client.leave()
        return client

    def test_while_the_body_is_received(self, caplog: pytest.LogCaptureFixture) -> None:
        got: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            for _ in range(3):
                got.append((await receive())["type"])

        self.run(application, b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 9\r\n\r\nsome")
        assert got == ["http.request", "http.disconnect", "http.disconnect"]
        assert errors(caplog) == []

    def test_while_the_answer_is_made(self, caplog: pytest.LogCaptureFixture) -> None:
        gate = asyncio.Event()
        ended: list[Any] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            await gate.wait()  # it is not cancelled
            try:
                await start(send)
            except OSError as refused:
                ended.append(refused)
                raise ValueError("of the application's") from None

        client = self.run(application)
        gate.set()
        client.turn()
        assert isinstance(ended[0], ClientDisconnected)
        assert errors(caplog) == []

    def test_while_it_does_not_read(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await start(send)
            while True:
                await body(send, b"x" * 10_000, more=True)

        client = Client(application)
        client.transport.block()
        client.get()
        assert len(client.resource._tasks) == 1
        client.leave()
        assert not client.resource._tasks
        assert errors(caplog) == []

    def test_an_application_that_does_not_care(self, caplog: pytest.LogCaptureFixture) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await asyncio.sleep(1)
            if scope["path"] == "/raises":
                raise KeyError
            if scope["path"] == "/cancels":
                raise asyncio.CancelledError

        for path, kinds in ((b"/", []), (b"/cancels", []), (b"/raises", [KeyError])):
            client = self.run(application, GET % (path, b""))
            client.reactor.advance(1)
            client.turn()
            assert not client.resource._tasks
            assert errors(caplog) == kinds

    def test_after_the_answer_there_is_nothing_more_to_receive(self) -> None:
        got: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            watching = asyncio.ensure_future(watch(receive))
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            await start(send)
            await body(send)
            await watching
            with pytest.raises(RuntimeError):
                await body(send)

        async def watch(receive: Any) -> None:
            await read(receive)
            got.append((await receive())["type"])

        Client(application).get().turn()
        assert got == ["http.disconnect"]


def test_the_end_of_the_reactor(caplog: pytest.LogCaptureFixture) -> None:
    ended: list[str] = []

    async def application(scope: Any, receive: Any, send: Any) -> None:
        try:
            await start(send)
            await body(send)
            await asyncio.sleep(0.01 if scope["path"] == "/short" else 1000)
        finally:
            ended.append(scope["path"])

    with served(lambda reactor: ASGIResource(reactor, application)) as server:
        assert server.get("/short")[0] == 200
        server.call(server.site.resource.tasksDone)
        server.call(server.site.resource.tasksDone)
        assert ended == ["/short"]
        assert server.get("/long")[0] == 200
    assert ended == ["/short", "/long"]
    assert errors(caplog) == []


class TestLifespan:
    """Started before the application is served, and ended after."""

    def make(self, application: Any) -> Any:
        self.client = Client(application)
        self.results: list[Any] = []
        return self.client.resource.lifespan

    def wait(self, deferred: Any) -> Any:
        deferred.addBoth(self.results.append)
        self.client.turn()
        (result,) = self.results
        self.results.clear()
        return result

    def test_its_state_is_that_of_each_request(self) -> None:
        phases: list[str] = []

        async def application(scope: Any, receive: Any, send: Any) -> None:
            if scope["type"] == "http":
                await start(send)
                await body(send, scope["state"].pop("name"))
                return
            assert scope["asgi"]["version"] == "3.0"
            while True:
                message = await receive()
                phases.append(message["type"])
                await asyncio.sleep(0)
                scope["state"]["name"] = b"value"
                await send({"type": message["type"] + ".complete"})
                if message["type"] == "lifespan.shutdown":
                    return

        lifespan = self.make(application)
        assert self.wait(lifespan.startup()) is None
        for _ in range(2):
            assert self.client.get().answers()[0][2] == b"value"
        assert self.wait(lifespan.shutdown()) is None
        assert phases == ["lifespan.startup", "lifespan.shutdown"]

    def test_an_application_that_knows_of_none(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            assert scope["type"] == "http"

        lifespan = self.make(application)
        assert self.wait(lifespan.startup()) is None
        assert lifespan.state is None
        assert self.wait(lifespan.shutdown()) is None

    def test_one_that_ends_at_once(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            """Nothing."""

        lifespan = self.make(application)
        assert self.wait(lifespan.startup()) is None
        assert lifespan.state is None

    @pytest.mark.parametrize("phase", ["startup", "shutdown"])
    def test_one_that_fails(self, phase: str) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            while True:
                kind = (await receive())["type"]
                if kind == f"lifespan.{phase}":
                    await send({"type": kind + ".failed", "message": "no disc"})
                    return
                await send({"type": kind + ".complete"})

        lifespan = self.make(application)
        result = self.wait(lifespan.startup())
        if phase == "shutdown":
            assert result is None
            result = self.wait(lifespan.shutdown())
        assert result.check(LifespanFailed)
        assert "no disc" in str(result.value)

    def test_one_that_raises_at_its_end(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            await receive()
            await send({"type": "lifespan.startup.complete"})
            await receive()
            raise KeyError("x")

        lifespan = self.make(application)
        assert self.wait(lifespan.startup()) is None
        assert self.wait(lifespan.shutdown()).check(LifespanFailed)

    def test_a_message_out_of_turn(self) -> None:
        async def application(scope: Any, receive: Any, send: Any) -> None:
            with pytest.raises(RuntimeError):
                await send({"type": "lifespan.shutdown.complete"})
            await send({"type": "lifespan.startup.complete"})
            await receive()
            await receive()

        assert self.wait(self.make(application).startup()) is None
        self.client.resource.lifespan._task.cancel()
        self.client.turn()
