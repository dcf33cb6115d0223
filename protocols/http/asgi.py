"""ASGI 3: asynchronous applications as resources.

Facts, then decision:

- An application may await anything of asyncio's, so it needs a running loop and a
  task of its own. A loop in another thread costs two switches of threads for each
  request, more than all the rest. So the loop is the reactor's (`asyncioloop`), and
  the application begins in the call that brings its request.
- Most answers are two messages, the second of which is the whole body. They leave as
  one answer with its length; only what comes in pieces is framed as a stream.

It holds that an application is never sent more than it asks for, waits in `send` while
its client does not read, is told once that its client has gone (http.disconnect, and
OSError from `send`) and is never cancelled for that; that what it raises is logged once
and costs its own answer only.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, MutableMapping
from typing import Any
from urllib.parse import unquote_to_bytes

from zope.interface import implementer

from reactorlib.asyncioloop import ReactorEventLoop, eventLoopOf
from reactorlib.defer import Deferred, fail
from reactorlib.failure import Failure
from reactorlib.interfaces import IPushProducer
from reactorlib.protocols.http.body import AHEAD
from reactorlib.protocols.http.gateway import ClientDisconnected, isDisconnection
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.interfaces import IBody
from reactorlib.protocols.http.resource import Resource
from reactorlib.protocols.http.server import NOT_DONE_YET

__all__ = ["ASGIResource", "ClientDisconnected", "Lifespan", "LifespanFailed"]

Message = MutableMapping[str, Any]
Application = Callable[..., Awaitable[None]]

SPECIFICATION = "2.4"
FAREWELL = 1.0  # seconds
METHODS = {
    name.encode(): name for name in ("GET", "HEAD", "POST", "PUT", "DELETE", "OPTIONS", "PATCH")
}
VERSIONS = {(1, 0): "1.0", (1, 1): "1.1"}


class ASGIResource(Resource):
    """Answers for all places below it by an ASGI application.

    `rootPath` is where the site stands for the outside, if that is another place than
    for this server; the place of the resource in its site is added to it.

    `lifespan` is to be started before the application is served, and ended after:
    `await resource.lifespan.startup()`, `await resource.lifespan.shutdown()`. What is
    still at work when the reactor stops, after what holds that up (its triggers `before`
    shutdown), is cancelled, and has a second to clean up.
    """

    isLeaf = True
    streaming = True

    def __init__(self, reactor: Any, application: Application, rootPath: str = "") -> None:
        super().__init__()
        self.loop = eventLoopOf(reactor)
        self.application = application
        self.lifespan = Lifespan(self.loop, application)
        self._root = rootPath.rstrip("/")
        self._tasks: set[asyncio.Task[None]] = set()
        reactor.addSystemEventTrigger("during", "shutdown", self._end)

    def render(self, request: Any) -> int:
        """See IResource."""
        exchange = Exchange(request)
        request.deliverBody(exchange)
        task = self.loop.start(exchange.run(self.application, self.scope(request)))
        if not task.done():
            self._tasks.add(task)  # asyncio does not keep it
            task.add_done_callback(self._tasks.discard)
        return NOT_DONE_YET

    def tasksDone(self) -> Deferred[Any]:
        """Fires when the application is at work on no request, be it answered or not."""
        return Deferred.fromFuture(self.loop.start(self._wait(None)))

    async def _wait(self, seconds: float | None) -> None:
        if self._tasks:
            await asyncio.wait(self._tasks, timeout=seconds)

    def _end(self) -> Deferred[Any] | None:
        if not self._tasks:
            return None
        for task in self._tasks:
            task.cancel()
        return Deferred.fromFuture(self.loop.start(self._wait(FAREWELL)))

    def scope(self, request: Any) -> dict[str, Any]:
        """What the application is told of a request."""
        carrier = request.chanRequest
        server, client, secure = carrier.getAddresses()
        path = request.path
        root = self._root
        if request.prepath:
            root += "/" + b"/".join(request.prepath).decode("utf-8", "replace")
        unquoted = unquote_to_bytes(path) if b"%" in path else path
        scope = {
            "type": "http",
            "asgi": {"version": "3.0", "spec_version": SPECIFICATION},
            "http_version": VERSIONS[request.clientproto],
            "method": METHODS.get(request.method) or request.method.decode("ascii"),
            "scheme": "https" if secure else "http",
            "path": self._root + unquoted.decode("utf-8", "replace"),
            "raw_path": path,
            "query_string": request.uri.partition(b"?")[2],
            "root_path": root,
            "headers": [(name.lower(), value) for name, value in carrier.getFields()],
            "client": client if client[0] else None,
            "server": server if server[0] else None,
            "extensions": {"http.response.early_hint": {}},
        }
        if self.lifespan.state is not None:
            scope["state"] = self.lifespan.state.copy()
        return scope


@implementer(IBody, IPushProducer)
class Exchange:
    """One request and its answer, as messages."""

    __slots__ = (
        "_ahead",
        "_carrier",
        "_ended",
        "_gone",
        "_length",
        "_pieces",
        "_request",
        "_room",
        "_status",
        "_stirred",
        "_streaming",
        "_told",
    )

    def __init__(self, request: Any) -> None:
        self._request = request  # None after its end: it refers to this
        self._carrier = request.chanRequest
        self._pieces: list[bytes] = []
        self._ahead = 0
        self._ended = False
        self._told = False  # that the body has ended
        self._gone = False
        self._stirred: asyncio.Event | None = None  # set when there is news to receive
        self._room: asyncio.Event | None = None  # set while the client reads
        self._status = 0
        self._length = -1
        self._streaming = False

    async def run(self, application: Application, scope: dict[str, Any]) -> None:
        """Have the application answer. Raises nothing."""
        try:
            await application(scope, self.receive, self.send)
            if self._request is not None:
                raise RuntimeError("the application returned before its answer was complete")
        except Exception as error:
            if not (self._gone and isDisconnection(error)):
                self._carrier.follow(fail(Failure(error)))
        except asyncio.CancelledError:
            if self._request is not None:
                self._carrier.follow(fail(Failure(RuntimeError("it was cancelled"))))

    # What the application calls

    async def receive(self) -> Message:
        """The next message of the request; at its end, waits for that of the connection."""
        while self._request is not None:
            self._ended = self._ended or not self._carrier.hasBody
            if self._pieces or (self._ended and not self._told):
                return self._next()
            if not self._ended:
                self._request.acceptData()
            if self._stirred is None:
                self._stirred = asyncio.Event()
            self._stirred.clear()
            await self._stirred.wait()
        return {"type": "http.disconnect"}

    def _next(self) -> Message:
        body = self._pieces[0] if len(self._pieces) == 1 else b"".join(self._pieces)
        self._pieces.clear()
        self._told = self._ended
        ahead, self._ahead = self._ahead, 0
        if ahead > AHEAD:
            self._request.resumeProducing()
        return {"type": "http.request", "body": body, "more_body": not self._told}

    async def send(self, message: Message) -> None:
        """Take a message of the answer; waits while the client does not read.

        Raises ClientDisconnected when it has gone, RuntimeError for a message out of
        turn, ValueError for one that cannot be sent.
        """
        kind = message["type"]
        request = self._request
        if self._gone:
            raise ClientDisconnected("the client has gone")
        if kind == "http.response.start" and not self._status:
            self._take_head(message)
        elif kind == "http.response.body" and self._status and request is not None:
            body = message.get("body", b"")
            if message.get("more_body", False):
                await self._send_some(request, body)
            elif self._streaming:
                self._send_last(request, body)
            else:
                self._send_whole(request, body)
        elif kind == "http.response.early_hint" and not self._status:
            links = Headers(rawHeaders={b"Link": message["links"]})
            self._carrier.writeIntermediateResponse(103, links)
        else:
            raise RuntimeError(f"this is not the time for {kind}")

    # The answer

    def _take_head(self, message: Message) -> None:
        """Nothing leaves before some of the body does."""
        out = self._request.out_headers
        for name, value in message.get("headers", ()):
            key = name.lower()
            if key == b"content-length":
                self._length = int(value)
            elif key != b"transfer-encoding":
                out.addRawHeader(name, value)
        self._status = message["status"]

    def _send_whole(self, request: Any, body: bytes) -> None:
        """The whole body is in one message."""
        request.code = self._status
        if self._length not in (-1, len(body)):
            if len(body) > self._length:
                raise ValueError(f"the body is longer than its Content-Length of {self._length}")
            request.setResponseHeader(b"Content-Length", b"%d" % self._length)
        request.finishWith(body)

    async def _send_some(self, request: Any, body: bytes) -> None:
        if not self._streaming:
            self._streaming = True
            request.code = self._status
            if self._length >= 0:
                request.setResponseHeader(b"Content-Length", b"%d" % self._length)
            request.registerProducer(self, True)
        request.write(body)
        if self._room is not None:
            await self._room.wait()
            if self._gone:
                raise ClientDisconnected("the client has gone")

    def _send_last(self, request: Any, body: bytes) -> None:
        if body:
            request.write(body)
        request.unregisterProducer()
        request.finish()

    def pauseProducing(self) -> None:
        if self._room is None:
            self._room = asyncio.Event()

    def resumeProducing(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.set()

    def stopProducing(self) -> None:
        """The connection tells `lose`."""

    # The body of the request

    def add(self, data: bytes) -> None:
        self._pieces.append(data)
        self._ahead += len(data)
        if self._ahead > AHEAD:
            self._request.pauseProducing()
        self._stir()

    def end(self) -> None:
        self._ended = True
        self._stir()

    def lose(self, reason: Failure) -> None:
        self._gone = True
        self.close()
        self.resumeProducing()

    def close(self) -> None:
        self._request = None
        self._pieces.clear()
        self._stir()

    def _stir(self) -> None:
        if self._stirred is not None:
            self._stirred.set()


class LifespanFailed(Exception):
    """The application says that it cannot start, or failed to end; the text is its own."""


class Lifespan:
    """The life of an application, around that of the server.

    `state` is what it has put there at its start, and what every request is given a
    copy of; None if the application knows nothing of lifespans.
    """

    def __init__(self, loop: ReactorEventLoop, application: Application) -> None:
        self._loop = loop
        self._application = application
        self._phase = ""
        self._task: asyncio.Task[None] | None = None
        self._outcome: Deferred[None] = Deferred()
        self._messages: asyncio.Queue[Message] = asyncio.Queue()
        self._answered = False
        self.state: dict[str, Any] | None = None

    def startup(self) -> Deferred[None]:
        """Have the application start; fires when it is ready.

        Fails with LifespanFailed. An application that does not support this is ready.
        """
        self.state = {}
        started = self._ask("startup")
        scope = {
            "type": "lifespan",
            "asgi": {"version": "3.0", "spec_version": "2.0"},
            "state": self.state,
        }
        self._task = self._loop.start(self._run(scope))
        return started

    def shutdown(self) -> Deferred[None]:
        """Have it end; fires when it has. Fails with LifespanFailed.

        One that is not ready yet is cancelled, and its start is not heard of any more.
        """
        is_starting = self._phase == "startup" and not self._answered
        ended = self._ask("shutdown")
        if self._task is None or self._task.done():
            self._answer(None)
        elif is_starting:
            self._task.cancel()
        return ended

    def _ask(self, phase: str) -> Deferred[None]:
        self._phase = phase
        self._outcome = Deferred()
        self._answered = False
        self._messages.put_nowait({"type": f"lifespan.{phase}"})
        return self._outcome

    def _answer(self, result: Any) -> None:
        if not self._answered:
            self._answered = True
            self._outcome.callback(result)

    async def _run(self, scope: dict[str, Any]) -> None:
        try:
            await self._application(scope, self._messages.get, self._send)
        except Exception as error:
            if self._phase == "startup":
                self.state = None
            else:
                self._answer(Failure(LifespanFailed(repr(error))))
        except asyncio.CancelledError:
            """The process is ending, and did not wait for it any longer."""
        else:
            if self._phase == "startup":
                self.state = None
        self._answer(None)

    async def _send(self, message: Message) -> None:
        kind = message["type"]
        if kind == f"lifespan.{self._phase}.complete":
            self._answer(None)
        elif kind == f"lifespan.{self._phase}.failed":
            self._answer(Failure(LifespanFailed(message.get("message", ""))))
        else:
            raise RuntimeError(f"this is not the time for {kind}")
