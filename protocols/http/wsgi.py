"""WSGI (PEP 3333): applications that block, each request in a thread of a pool.

Facts, then decision:

- The body is read as it comes (`wsgi.input` waits for it), not gathered first: an
  upload of a gigabyte costs neither a file nor its time twice, and an application may
  refuse it after the first bytes. The price is that a slow upload holds a thread for
  as long as it takes: the pool is to be as large as the uploads that are expected.
- What crosses between the threads is a list under a lock, and a call on either side
  only when the other waits. A thread waits for its own client only.

It holds that between the client and a thread never lies more than AHEAD bytes and one
piece, either way; that what an application raises is logged once and costs its own
answer only; that `close` of what it returns is always called, in its thread.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Iterator
from functools import lru_cache, partial
from threading import Lock
from typing import Any

from zope.interface import implementer

from reactorlib.defer import fail
from reactorlib.failure import Failure
from reactorlib.interfaces import IPushProducer
from reactorlib.protocols.http.body import AHEAD, empty
from reactorlib.protocols.http.gateway import ClientDisconnected, isDisconnection
from reactorlib.protocols.http.interfaces import IBody
from reactorlib.protocols.http.resource import Resource
from reactorlib.protocols.http.server import NOT_DONE_YET
from reactorlib.protocols.http.status import RESPONSES
from reactorlib.protocols.http.threadinput import Input
from reactorlib.protocols.http.threadwork import ThreadWork
from reactorlib.threadpool import ThreadPool

__all__ = ["ClientDisconnected", "FileWrapper", "WSGIResource"]

logger = logging.getLogger("reactorlib")

Application = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

BLOCK = 65_536  # bytes of a file in one piece


class WSGIResource(Resource):
    """Answers for all places below it by a WSGI application, called in `threadpool`.

    The pool is the caller's: he starts and stops it, and gives it its size.
    """

    isLeaf = True
    streaming = True

    def __init__(self, reactor: Any, threadpool: ThreadPool, application: Application) -> None:
        super().__init__()
        self._reactor = reactor
        self._threads = ThreadWork(reactor, threadpool)
        self._application = application

    def render(self, request: Any) -> int:
        """See IResource."""
        exchange = Exchange(self._reactor, self._threads, request)
        request.deliverBody(exchange)
        environ = environ_of(request, exchange.input)
        self._threads.do(partial(exchange.run, self._application, environ))
        return NOT_DONE_YET


class ErrorLog:
    """`wsgi.errors`: what is written there goes to the log."""

    def write(self, text: str) -> int:
        if text.strip():
            logger.error("%s", text.rstrip())
        return len(text)

    def writelines(self, lines: Iterable[str]) -> None:
        for line in lines:
            self.write(line)

    def flush(self) -> None:
        """Nothing is held back."""


class FileWrapper:
    """`wsgi.file_wrapper`: a file as an iterable of its blocks."""

    def __init__(self, filelike: Any, blksize: int = BLOCK) -> None:
        self._file = filelike
        self._size = blksize
        if hasattr(filelike, "close"):
            self.close = filelike.close

    def __iter__(self) -> Iterator[bytes]:
        while data := self._file.read(self._size):
            yield data


CONSTANT = {
    "wsgi.version": (1, 0),
    "wsgi.errors": ErrorLog(),
    "wsgi.multithread": True,
    "wsgi.multiprocess": False,
    "wsgi.run_once": False,
    "wsgi.file_wrapper": FileWrapper,
    "wsgi.input_terminated": True,  # its end is that of the body, chunked ones too
}


def environ_of(request: Any, stream: Any) -> dict[str, Any]:
    """What the application is told of a request: strings of ISO-8859-1 (PEP 3333)."""
    carrier = request.chanRequest
    (host, port), (client, client_port), secure = carrier.getAddresses()
    environ = CONSTANT.copy()
    environ.update(
        REQUEST_METHOD=request.method.decode("latin-1"),
        SCRIPT_NAME=_place(request.prepath),
        PATH_INFO=_place(request.postpath),
        QUERY_STRING=request.uri.partition(b"?")[2].decode("latin-1"),
        REQUEST_URI=request.uri.decode("latin-1"),
        SERVER_PROTOCOL="HTTP/1.1" if request.clientproto == (1, 1) else "HTTP/1.0",
        SERVER_NAME="localhost" if port is None else host,
        SERVER_PORT=str(port or 80),
        REMOTE_ADDR=client or "",
        REMOTE_PORT=str(client_port or ""),
    )
    environ["wsgi.url_scheme"] = "https" if secure else "http"
    environ["wsgi.input"] = stream
    for name, value in carrier.getFields():
        variable = _variable(name)
        if not variable:
            continue
        text = value.decode("latin-1")
        if variable in environ:
            text = f"{environ[variable]}{'; ' if variable == 'HTTP_COOKIE' else ','}{text}"
        environ[variable] = text
    return environ


def _place(names: list[bytes]) -> str:
    return ("/" + b"/".join(names).decode("latin-1")) if names else ""


@lru_cache(256)
def _variable(name: bytes) -> str:
    """What a field is called in an environ; "" for one that must not be there.

    `Proxy` would set HTTP_PROXY, which programs obey (CVE-2016-1000111). A name with an
    underscore would pass for one with a hyphen, which a proxy has vouched for.
    """
    if b"_" in name or name.lower() == b"proxy":
        return ""
    variable = name.upper().decode("latin-1").replace("-", "_")
    return variable if variable in ("CONTENT_TYPE", "CONTENT_LENGTH") else "HTTP_" + variable


@implementer(IBody, IPushProducer)
class Exchange:
    """One request and its answer, between a thread and the reactor.

    Under the lock is what both sides touch. Methods say whose thread they run in.
    """

    def __init__(self, reactor: Any, threads: ThreadWork, request: Any) -> None:
        self._threads = threads
        self._request = request  # the reactor's; None after its end: it refers to this
        self._carrier = request.chanRequest
        self.input: Any = Input.of(reactor, request) if self._carrier.hasBody else empty()
        self._status = ""  # the thread's
        self._headers: list[tuple[str, str]] = []
        self._length = -1
        self._written = 0
        self._choked = False  # the reactor's
        self._begun = False
        self._lock = Lock()
        self._pieces: list[bytes] = []
        self._waiting = 0  # bytes in pieces
        self._complete = False
        self._asked = False  # whether _deliver will be called
        self._gone = False
        self._room: Lock | None = None  # released when the thread may go on

    # The thread

    def run(self, application: Application, environ: dict[str, Any]) -> None:
        """Have the application answer. Raises nothing."""
        try:
            result = application(environ, self.start_response)
            try:
                self._send(result)
            finally:
                close = getattr(result, "close", None)
                if close is not None:
                    close()
        except BaseException as error:
            if not isDisconnection(error):
                self._threads.tell(partial(self._failed, Failure(error)))

    def start_response(
        self, status: str, headers: list[tuple[str, str]], exc_info: Any = None
    ) -> Callable[[bytes], None]:
        """See PEP 3333."""
        if exc_info is not None:
            try:
                if self._written:
                    raise exc_info[1].with_traceback(exc_info[2])
            finally:
                exc_info = None  # it would be a cycle
        elif self._status:
            raise RuntimeError("start_response was called before; only an error may do so again")
        if not (isinstance(status, str) and status[:3].isdecimal() and status[3:4] in ("", " ")):
            raise ValueError(f"a status is like '200 OK', not {status!r}")
        self._length = -1
        for name, value in headers:
            key = name.lower()
            if key == "content-length":
                self._length = int(value)
            elif key == "transfer-encoding":
                raise ValueError("the body is framed by the server: set no Transfer-Encoding")
        self._status, self._headers = status, list(headers)
        return self.write

    def _send(self, result: Iterable[bytes]) -> None:
        if isinstance(result, list | tuple):  # nothing is computed between its pieces
            self._put(b"".join(result), True)
            return
        for data in result:
            self.write(data)
        if not self._complete:
            self._put(b"", True)

    def write(self, data: bytes) -> None:
        """Send some of the body; waits while the client does not read.

        Raises ClientDisconnected, an OSError, when it has gone.
        """
        if data:
            self._put(data, self._written + len(data) == self._length)

    def _put(self, data: bytes, last: bool) -> None:
        if not isinstance(data, bytes):
            raise TypeError(f"a body is bytes, not {type(data).__name__}")
        if not self._status:
            raise RuntimeError("start_response comes before the body")
        self._written += len(data)
        if 0 <= self._length < self._written:
            raise ValueError(f"the body is longer than its Content-Length of {self._length}")
        with self._lock:
            if self._gone:
                raise ClientDisconnected("the client has gone")
            if data:
                self._pieces.append(data)
                self._waiting += len(data)
            self._complete = last
            room = None
            if self._waiting > AHEAD and not last:
                room = self._room = Lock()
                room.acquire()
            asked, self._asked = self._asked, True
        if not asked:
            self._threads.tell(self._deliver)
        if room is not None:
            room.acquire()  # until it is released by the reactor
            if self._gone:
                raise ClientDisconnected("the client has gone")

    # The reactor

    def _deliver(self) -> None:
        with self._lock:
            self._asked = False
            if self._choked or self._request is None:
                return
            pieces, self._pieces = self._pieces, []
            self._waiting = 0
            complete = self._complete
            self._make_room()
        data = pieces[0] if len(pieces) == 1 else b"".join(pieces)
        try:
            self._write(self._request, data, complete)
        except Exception as error:
            self._failed(Failure(error))

    def _make_room(self) -> None:
        room, self._room = self._room, None
        if room is not None:
            room.release()

    def _write(self, request: Any, data: bytes, complete: bool) -> None:
        if not self._begun:
            self._begun = True
            self._set_head(request, len(data) if complete else -1)
            if complete:
                request.finishWith(data)
                return
            request.registerProducer(self, True)
        request.write(data)
        if complete:
            request.unregisterProducer()
            request.finish()

    def _set_head(self, request: Any, length: int) -> None:
        code, reason = int(self._status[:3]), self._status[4:].encode("latin-1")
        request.setResponseCode(code, None if reason == RESPONSES.get(code) else reason)
        headers = request.out_headers
        for name, value in self._headers:
            if length != self._length or name.lower() != "content-length":
                headers.addRawHeader(name, value)

    def _failed(self, failure: Failure) -> None:
        """The application raised, or gave what cannot be sent."""
        self._carrier.follow(fail(failure))
        self.lose(failure)

    def pauseProducing(self) -> None:
        self._choked = True

    def resumeProducing(self) -> None:
        self._choked = False
        self._deliver()

    def stopProducing(self) -> None:
        """The connection tells `lose`."""

    # The body of the request

    def add(self, data: bytes) -> None:
        self.input.add(data)

    def end(self) -> None:
        if isinstance(self.input, Input):
            self.input.end()

    def lose(self, reason: Failure) -> None:
        with self._lock:
            self._gone = True
            self._pieces.clear()
            self._make_room()
        self.close()

    def close(self) -> None:
        self._request = None
        if isinstance(self.input, Input):
            self.input.lose()
