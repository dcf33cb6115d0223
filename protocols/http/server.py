"""A site: resources at places, and the full request that they are given.

A request is looked up before its body has come, and rendered by its resource at
once, or when the body has been gathered. What `render` gives is sent: bytes, later
bytes, or a stream of them.
"""

from __future__ import annotations

import inspect
import secrets
import traceback
from collections.abc import AsyncIterator, Callable, Mapping
from typing import IO, Any
from urllib.parse import unquote_to_bytes

from reactorlib.defer import Deferred
from reactorlib.failure import Failure
from reactorlib.protocol import connectionDone
from reactorlib.protocols.http.asked import CACHED, AskedRequest
from reactorlib.protocols.http.body import Gathered, Streamed, empty
from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.protocols.http.forms import (
    FormError,
    FormLimits,
    Upload,
    gathering,
    queryFields,
)
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.pump import answer_with
from reactorlib.protocols.http.resource import ErrorPage, UnsupportedMethod
from reactorlib.protocols.http.sessions import Session
from reactorlib.protocols.http.status import (
    INTERNAL_SERVER_ERROR,
    NOT_ALLOWED,
    NOT_IMPLEMENTED,
)

__all__ = ["CACHED", "NOT_DONE_YET", "Request", "Session", "Site"]

NOT_DONE_YET = 1


class Request(AskedRequest):
    """A request of a Site, with everything that applications ask for.

    Attributes:
        site: the Site.
        content: the body, a file; empty for a resource that streams, and for a multipart form.
        formLimits: how large a form may be.
        user: who asks, once that was proved (see `auth`); None before.
    """

    site: Any = None  # set on a class of each Site's own
    resource: Any = None
    formLimits = FormLimits()
    user: Any = None
    _body: Any = None  # an IBody
    _args: dict[bytes, list[bytes]] | None = None
    _notifications: list[Deferred[None]] | None = None
    _session: Any = None

    def process(self) -> None:
        path = self.uri.partition(b"?")[0]
        if not path.startswith(b"/"):
            path = self._path_in(path)
        self.path = path
        self.prepath = []
        self.postpath = []
        if path.startswith(b"/"):
            names = path[1:].split(b"/")
            self.postpath = list(map(unquote_to_bytes, names)) if b"%" in path else names
            resource: Any = self.site.getResourceFor(self)
        else:
            resource = self._without_place()
        self.resource = resource
        if not self.chanRequest.hasBody:
            self.render(resource)
        elif resource.streaming:
            self._body = Streamed(self)
            self.render(resource)
        else:
            self._gather()

    def _gather(self) -> None:
        """Have the body come, and a form in it taken apart meanwhile."""
        try:
            is_form = self.method == b"POST"
            self._body = gathering(self.in_headers, self.formLimits) if is_form else Gathered()
        except FormError as refused:
            self._refuse_form(refused)
        else:
            self.acceptData()

    def _refuse_form(self, refused: FormError) -> None:
        if self.startedWriting:
            self.abortConnection(False)
        else:
            self._first = None
            self.out_headers = Headers()
            self.writePage(refused.status, str(refused))

    def _path_in(self, target: bytes) -> bytes:
        """The place in a target of absolute form (RFC 9112, 3.2.2); of others it is all."""
        if b"://" not in target:
            return target
        return b"/" + target.partition(b"://")[2].partition(b"/")[2]

    def _without_place(self) -> Any:
        """What answers OPTIONS * and CONNECT."""
        if self.method == b"OPTIONS":
            return self.site.resource
        return ErrorPage(NOT_IMPLEMENTED)

    # The body

    def handleContentChunk(self, data: bytes) -> None:
        if self._body is not None:
            try:
                self._body.add(data)
            except FormError as refused:
                self._refuse_form(refused)

    def handleContentComplete(self) -> None:
        body = self._body
        if body is None:
            return
        try:
            body.end()
        except FormError as refused:
            self._refuse_form(refused)
            return
        if isinstance(body, Gathered):
            self.render(self.resource)

    def deliverBody(self, body: Any) -> None:
        """Have an IBody given the body, in the place of body(), and told of the end.

        To be called by a resource that streams, in its render.
        """
        before, self._body = self._body, body
        if isinstance(before, Streamed):
            before.hand_to(body)

    @property
    def hasBody(self) -> bool:
        """Whether a body came with it, or comes."""
        return self._body is not None

    def replaceBody(self, body: Gathered | Streamed) -> None:
        """Somebody has read all of the streamed body: from now on it is this."""
        self._body = body

    @property
    def content(self) -> IO[bytes]:
        """The body as a file; an empty one if there is none, or it is streamed."""
        if isinstance(self._body, Gathered):
            return self._body.file
        return empty()

    def body(self) -> AsyncIterator[bytes]:
        """The body piece by piece, as it comes; only a resource that streams has it so."""
        if self._body is None:
            ended = Streamed(self)
            ended.end()
            return ended
        if not isinstance(self._body, Streamed):
            raise RuntimeError("the body is in `content`; set `streaming` on the resource")
        return self._body

    @property
    def args(self) -> dict[bytes, list[bytes]]:
        """The arguments in the query, and the fields of a form that was posted: name to values.

        Raises FormError if there are too many (let it pass, and it is answered so), and
        MissingLibrary for a multipart form without what reads it.
        """
        if self._args is None:
            query = self.uri.partition(b"?")[2]
            args = queryFields(query, self.formLimits) if query else {}
            if isinstance(self._body, Gathered):
                for name, values in self._body.fields.items():
                    args.setdefault(name, []).extend(values)
            self._args = args
        return self._args

    @property
    def files(self) -> Mapping[bytes, list[Upload]]:
        """The files of a form that was sent: name of the field to Uploads."""
        return self._body.files if isinstance(self._body, Gathered) else {}

    # Rendering

    def render(self, resource: Any) -> None:
        """Have a resource answer this request."""
        try:
            result = resource.render(self)
        except (UnsupportedMethod, FormError) as refused:
            self._refuse(refused)
        else:
            self._deliver(result)

    def _deliver(self, result: Any) -> None:
        """Answer with what was rendered, now or later."""
        if isinstance(result, bytes):
            # All of the answer, however late: it has a length. Or the rest of it.
            if self.startedWriting or self._first is not None:
                self.write(result)
            else:
                self._first = result
            self.finish()
        elif result is not NOT_DONE_YET:
            self._answer_later(result)

    def _refuse(self, refused: UnsupportedMethod | FormError) -> None:
        if isinstance(refused, FormError):
            self._refuse_form(refused)
        else:
            self._refuse_method(refused.allowedMethods)

    def _refuse_method(self, allowed: tuple[bytes, ...]) -> None:
        self.setResponseHeader(b"Allow", b", ".join(allowed))
        detail = f"The methods of this place are {b', '.join(allowed).decode()}."
        self.render(ErrorPage(NOT_ALLOWED, None, detail))

    def _answer_later(self, result: Any) -> None:
        if isinstance(result, Deferred) or inspect.iscoroutine(result):
            self.chanRequest.follow(self._await(result))
        elif hasattr(result, "__aiter__"):
            self.chanRequest.follow(answer_with(self, result))
        else:
            raise TypeError(
                f"{self.resource!r} rendered {result!r}: neither bytes, a Deferred, a coroutine, "
                "an async iterator nor NOT_DONE_YET"
            )

    async def _await(self, result: Any) -> None:
        try:
            answer = await result
        except (UnsupportedMethod, FormError) as refused:
            self._refuse(refused)
        else:
            self._deliver(answer)

    def processingFailed(self, failure: Failure) -> None:
        if not self.site.displayTracebacks or self.startedWriting:
            super().processingFailed(failure)
            return
        self._first = None
        trace = "".join(traceback.format_exception(failure.value))
        self.writePage(INTERNAL_SERVER_ERROR, trace)

    # Its end

    def notifyFinish(self) -> Deferred[None]:
        """Fires when the answer is finished; fails with why the connection was lost."""
        deferred: Deferred[None] = Deferred()
        self._notifications = [*(self._notifications or ()), deferred]
        return deferred

    def finish(self) -> None:
        if self.finished:
            return
        AskedRequest.finish(self)  # super() costs more than all else here
        if self._body is not None:
            self._body.close()
        if self._notifications is not None:
            self._release(lambda deferred: deferred.callback(None))

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        if self._body is not None:
            self._body.lose(reason)
        self._release(lambda deferred: deferred.errback(reason))

    def _release(self, tell: Callable[[Deferred[None]], None]) -> None:
        notifications, self._notifications = self._notifications, None
        for deferred in notifications or ():
            tell(deferred)

    def getSession(self) -> Session:
        """The session of this client: found by its cookie, or begun."""
        if self._session is None or self._session.expired:
            self._session = self.site.sessionOf(self)
        session: Session = self._session
        session.touch()
        return session


class Site(HTTPFactory):
    """Serves a tree of resources.

    `requestFactory` is a subclass of Request. For the other arguments see HTTPFactory.
    `displayTracebacks`: whether a fault of the program is shown to the client.
    `maxSessions`: how many sessions are kept; of more, those unused for longest end.
    `sessions` are those, by uid.
    """

    displayTracebacks = False
    sessionFactory = Session
    sessionCookie = b"reactorlib-session"
    maxSessions = 10_000

    def __init__(
        self,
        resource: Any,
        requestFactory: type[Request] = Request,
        maxRequests: int = 600,
        **settings: Any,
    ) -> None:
        bound = type(requestFactory.__name__, (requestFactory,), {"site": self})
        super().__init__(bound, maxRequests, **settings)
        self.resource = resource
        self.sessions: dict[bytes, Session] = {}

    def getResourceFor(self, request: Request) -> Any:
        """The resource at the place of a request."""
        resource = self.resource
        while request.postpath and not resource.isLeaf:
            name = request.postpath.pop(0)
            request.prepath.append(name)
            resource = resource.getChildWithDefault(name, request)
        return resource

    def getSession(self, uid: bytes) -> Session:
        """The session of that uid. Raises KeyError if there is none."""
        return self.sessions[uid]

    def sessionOf(self, request: Request) -> Session:
        """The session of a request's client, a new one if it has none."""
        session = self.sessions.get(request.getCookie(self.sessionCookie) or b"")
        if session is None:
            session = self.makeSession(request)
        return session

    def makeSession(self, request: Request) -> Session:
        """Begin a session: its cookie goes with the answer."""
        uid = secrets.token_hex(32).encode()
        request.addCookie(
            self.sessionCookie,
            uid,
            path=b"/",
            httpOnly=True,
            secure=request.isSecure(),
            sameSite=b"Lax",
        )
        while len(self.sessions) >= self.maxSessions:
            next(iter(self.sessions.values())).expire()
        session = self.sessions[uid] = self.sessionFactory(self, uid, request.chanRequest.reactor)
        return session
