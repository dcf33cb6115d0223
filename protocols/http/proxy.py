"""A resource that has another server answer: a reverse proxy.

It holds, whatever clients and back ends do:

- Bodies stream in both directions, each at the pace of the slower side.
- Nothing that the strict parser refuses, or that was meant for one connection, is passed on.
- A back end that cannot be reached, or answers nonsense, is a 502, one that is too slow a
  504; one that fails in the middle of its answer cuts the answer off, so that a part is
  never taken for the whole.
- A request is made twice only if it is idempotent, has no body, and the connection, which
  was used before, ended before any byte of an answer.
- A client that goes away ends what the back end was asked for.
"""

from __future__ import annotations

import logging
from typing import Any
from urllib.parse import unquote, unquote_to_bytes, urlsplit

from reactorlib import error
from reactorlib.endpoints import clientFromString, quoteStringArgument
from reactorlib.protocols.haproxy import Trusted, isWithin, networks
from reactorlib.protocols.http.clientconnection import (
    TIMEOUT,
    Answer,
    Question,
    RequestGenerationFailed,
    ResponseFailed,
    ResponseTimedOut,
)
from reactorlib.protocols.http.pool import HTTPConnectionPool
from reactorlib.protocols.http.proxyfields import addClient, addVia, endToEnd, hostOf
from reactorlib.protocols.http.pump import Pump
from reactorlib.protocols.http.resource import ErrorPage, Resource
from reactorlib.protocols.http.response import Head
from reactorlib.protocols.http.server import NOT_DONE_YET
from reactorlib.protocols.http.status import (
    BAD_GATEWAY,
    BAD_REQUEST,
    EARLY_HINTS,
    GATEWAY_TIMEOUT,
    NO_CONTENT,
    NOT_ALLOWED,
    PROCESSING,
    RESPONSES,
    SWITCHING,
)

logger = logging.getLogger("reactorlib")

CONNECT_TIMEOUT = 10.0  # seconds
IDLE = 32  # connections to the back end
IDLE_TIMEOUT = 10.0  # less than most servers wait for the next request
TOO_SLOW = (ResponseTimedOut, error.TimeoutError, error.TCPTimedOutError)
UNREACHABLE = (
    ResponseFailed,
    error.ConnectError,
    error.ConnectionClosed,
    error.ConnectionLimitReached,
    error.VerifyError,
    OSError,
)
PORTS = {"http": 80, "https": 443}


class ReverseProxyResource(Resource):
    """Answers for all places below it with what another server answers.

    The place of the other is `path` and what follows the place of this resource, as it was
    written by the client. `reactor` is by default that of the requests.

    Attributes, which may be set before the first request:
        timeout: seconds for each wait for the back end.
        endpoint: how to connect: an endpoint, or a string for clientFromString.
        passHost: whether the back end gets the client's Host, and not its own.
        pool: the HTTPConnectionPool, once there was a request.

    `trusted` are the networks (see haproxy.networks) of proxies whose Forwarded and
    X-Forwarded-* fields are added to; those of all others are replaced. By default it is
    nobody. Raises ValueError for what is no network.
    """

    isLeaf = True
    streaming = True
    timeout = TIMEOUT
    passHost = False

    def __init__(
        self,
        host: str,
        port: int,
        path: bytes | str,
        reactor: Any = None,
        trusted: Trusted = (),
    ) -> None:
        super().__init__()
        self.host = host
        self.port = port
        self.path = path.encode("ascii") if isinstance(path, str) else path
        self.reactor = reactor
        self.endpoint: Any = _description("tcp", host, str(port))
        self.pool: HTTPConnectionPool | None = None
        self._networks = networks(trusted)
        name = f"[{host}]" if ":" in host else host
        self._authority = (name if port == PORTS["http"] else f"{name}:{port}").encode("ascii")

    @classmethod
    def fromURL(cls, url: str, reactor: Any = None, trusted: Trusted = ()) -> ReverseProxyResource:
        """One for `http://host:port/path`, `https://…` or `http+unix://%2Fsocket/path`.

        The path of a UNIX socket stands quoted in the place of the host. The server of an
        https one has to prove its name. Raises ValueError.
        """
        parts = urlsplit(url)
        if not parts.netloc or parts.query or parts.fragment or "@" in parts.netloc:
            raise ValueError(f"{url!r} is not scheme://host/path")
        if parts.scheme == "http+unix":
            proxy = cls("localhost", PORTS["http"], parts.path, reactor, trusted)
            proxy.endpoint = _description("unix", unquote(parts.netloc))
            return proxy
        if parts.scheme not in PORTS or not parts.hostname:
            raise ValueError(f"{url!r} is neither http, https nor http+unix")
        port = parts.port or PORTS[parts.scheme]
        proxy = cls(parts.hostname, port, parts.path, reactor, trusted)
        if parts.scheme == "https":
            proxy._authority = parts.netloc.encode("ascii")
            proxy.endpoint = _description("tls", parts.hostname, str(port))
        return proxy

    def render(self, request: Any) -> Any:
        if _is_last(request):
            request.setResponseCode(NO_CONTENT if request.method == b"OPTIONS" else NOT_ALLOWED)
            return b""
        target = self._target(request)
        if target is None:
            return ErrorPage(BAD_REQUEST, None, "There is no way up from here.").render(request)
        return self._relay(request, self._question(request, target))

    def _question(self, request: Any, target: bytes) -> Question:
        headers = endToEnd(request.in_headers)
        length = request.in_headers.getHeader(b"content-length")
        question = Question(
            request.method,
            target,
            headers,
            request.body() if request.hasBody else None,
            length,
            request.in_headers.hasHeader(b"expect"),
            lambda head: _pass_on_intermediate(request, head),
            self.timeout,
        )
        headers.removeHeader(b"expect")
        headers.removeHeader(b"content-length")
        if length is not None and not request.hasBody:
            headers.setRawHeaders(b"Content-Length", (b"0",))
        host = hostOf(request) if self.passHost else b""
        headers.setRawHeaders(b"Host", (host or self._authority,))
        addClient(headers, request, self._trusts(request.getClientAddress()))
        addVia(headers, request)
        return question

    def _target(self, request: Any) -> bytes | None:
        """What to ask the back end for; None if that is not below `path`."""
        mark, query = request.uri.partition(b"?")[1:]
        if not request.path.startswith(b"/"):
            return b"*"  # of OPTIONS
        names = request.path[1:].split(b"/")[len(request.prepath) :]
        base = self.path.rstrip(b"/")
        if base and any(map(_leads_up, names)):
            return None
        path = b"/".join([base, *names]) if names else self.path
        return b"".join([path or b"/", mark, query])

    def _trusts(self, address: Any) -> bool:
        return bool(self._networks) and isWithin(address, self._networks)

    async def _relay(self, request: Any, question: Question) -> int:
        try:
            answer = await self._ask(request, question)
        except TOO_SLOW as slow:
            return self._failed(request, GATEWAY_TIMEOUT, slow)
        except RequestGenerationFailed:
            return NOT_DONE_YET  # the client has gone, or was refused while it sent its body
        except UNREACHABLE as failed:
            return self._failed(request, BAD_GATEWAY, failed)
        try:
            _begin(request, answer.head)
            await Pump(request, answer).run()
        except ResponseFailed as cut:
            logger.warning("%r: the answer to %r was cut off: %s", self, request, cut)
            request.abortConnection(False)
        finally:
            answer.abandon()
        return NOT_DONE_YET

    async def _ask(self, request: Any, question: Question) -> Answer:
        answer = await self._pool(request).ask(None, self.endpoint, question)
        if answer.head.status == SWITCHING:
            answer.abandon()
            raise ResponseFailed("it switches to a protocol that nobody asked for")
        return answer

    def _pool(self, request: Any) -> HTTPConnectionPool:
        if self.pool is None:
            reactor = self.reactor or request.chanRequest.reactor
            if isinstance(self.endpoint, str):
                self.endpoint = clientFromString(reactor, self.endpoint)
            self.pool = HTTPConnectionPool(reactor)
            self.pool.maxPersistentPerHost = IDLE
            self.pool.cachedConnectionTimeout = IDLE_TIMEOUT
        return self.pool

    def _failed(self, request: Any, status: int, why: Exception) -> int:
        """Nothing has been answered: say that the back end is at fault, but not how."""
        logger.warning("%r: %r got no answer: %s", self, request, why)
        request.render(ErrorPage(status, None, "The server behind this one has not answered."))
        return NOT_DONE_YET

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self._authority.decode()}{self.path.decode('latin-1')}>"


def _description(kind: str, *fields: str) -> str:
    """An endpoint as a string."""
    quoted = map(quoteStringArgument, fields)
    return ":".join([kind, *quoted, f"timeout={CONNECT_TIMEOUT:g}"])


def _is_last(request: Any) -> bool:
    """Whether this is where the request was meant to end (RFC 9110, 7.6.2).

    If not, one hop less is left.
    """
    hops = None
    if request.method in (b"OPTIONS", b"TRACE"):
        hops = request.in_headers.getHeader(b"max-forwards")
    if hops:
        request.in_headers.setHeader(b"max-forwards", hops - 1)
    return hops == 0


def _leads_up(name: bytes) -> bool:
    """Whether a back end may take part of a name for the way up."""
    return b".." in unquote_to_bytes(name).replace(b"\\", b"/").split(b"/")


def _pass_on_intermediate(request: Any, head: Head) -> None:
    if head.status in (PROCESSING, EARLY_HINTS):
        request.writeIntermediateResponse(head.status, endToEnd(head.headers))


def _begin(request: Any, head: Head) -> None:
    """Take over the status and the fields; those that were set here stay."""
    fields = endToEnd(head.headers)
    fields.removeHeader(b"content-length")
    if head.length >= 0 and head.status != NO_CONTENT:
        fields.setRawHeaders(b"Content-Length", (b"%d" % head.length,))
    for name, values in request.out_headers.getAllRawHeaders():
        if not fields.hasHeader(name):
            fields.setRawHeaders(name, values)
    request.out_headers = fields
    usual = head.reason == RESPONSES.get(head.status)
    request.setResponseCode(head.status, None if usual else head.reason)
