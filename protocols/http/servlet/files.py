"""Files by servlet: no more of one in memory than the client takes at a time.

There is no way out of a FileServer's directory: not by dots, nor by a link.
"""

from __future__ import annotations

import mimetypes
import os
import stat
from collections.abc import Callable
from typing import Any

from reactorlib.congestion import CONNECTION_BLOCKED, CONNECTION_CLEARED
from reactorlib.protocols.http.servlet.base import HttpServlet
from reactorlib.protocols.http.servlet.daemon import HttpServer
from reactorlib.protocols.http.servlet.details import HttpSession
from reactorlib.protocols.http.servlet.simple import ErrorServlet, RedirectServlet
from reactorlib.protocols.http.status import FORBIDDEN, NOT_ALLOWED, NOT_FOUND, OK

AT_A_TIME = 16_384  # bytes, each time the reactor calls
UNKNOWN_TYPE = "application/octet-stream"

Plugin = Callable[[HttpSession, str], HttpServlet]


class FileServlet(HttpServlet):
    """Sends a file: 16 KiB each time the reactor calls, none while the client is congested.

    403 for a directory; 404 for what is no file, or cannot be read.
    """

    def __init__(self, session: HttpSession, fileName: str, fileType: str = "") -> None:
        super().__init__(session)
        self._name = fileName
        self._type = fileType
        self._file: Any = None
        self._job: Any = None
        self._left = 0

    def processRequest(self) -> None:
        if self.requestMethod() not in ("GET", "HEAD"):
            self._exchange.setResponseHeader("Allow", "GET, HEAD")
            self.sendError(NOT_ALLOWED, "Only GET method supported by servlet.")
            return
        if os.path.isdir(self._name):
            self.sendError(FORBIDDEN)
            return
        self._file = _opened(self._name)
        if self._file is None:
            self.sendError(NOT_FOUND)
            return
        self._left = os.fstat(self._file.fileno()).st_size
        self.sendResponse(OK)
        if self._type:
            self.sendHeader("Content-Type", self._type)
        self.sendHeader("Content-Length", self._left)
        self.endHeaders()
        if self.requestMethod() == "HEAD":
            self.endContent()
        else:
            self.monitorCongestion(self._congested)
            self._send()

    def _send(self) -> None:
        """Some of it. What has been cut off meanwhile is missing; what was added is not sent."""
        self._job = None
        data = self._file.read(min(AT_A_TIME, self._left))
        self._left -= len(data)
        is_last = not (data and self._left)
        if not is_last:
            self._schedule()  # before it is sent: that may tell of congestion
        self.sendContent(data)
        if is_last:
            self.endContent()

    def _schedule(self) -> None:
        if self._job is None:
            self._job = self.reactor.callLater(0, self._send)

    def _cancel(self) -> None:
        job, self._job = self._job, None
        if job is not None:
            job.cancel()

    def _congested(self, status: int, pending: int) -> None:
        if status == CONNECTION_BLOCKED:
            self._cancel()
        elif status == CONNECTION_CLEARED:
            self._schedule()

    def destroyServlet(self) -> None:
        super().destroyServlet()
        self._cancel()
        if self._file is not None:
            self._file.close()


def _opened(name: str) -> Any:
    """A regular file to read, or None; never waits for what is a pipe."""
    try:
        descriptor = os.open(name, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    except OSError:
        return None
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        return None
    return os.fdopen(descriptor, "rb", buffering=0)


class FileServer(HttpServer):
    """Serves the files of a directory. There are no listings: a directory has an index or 403."""

    def __init__(self, directory: str) -> None:
        super().__init__()
        self._directory = os.path.realpath(directory)
        self._types: dict[str, str] = {}
        self._plugins: dict[str, Plugin] = {}
        self._hidden: set[str] = set()
        self._index: list[str] = []

    def directory(self) -> str:
        """Where the files are."""
        return self._directory

    def map(self, extension: str, type: str) -> None:
        """Have files of an extension (".py") be sent as of a type ("text/plain")."""
        self._types[extension] = type

    def index(self, name: str) -> None:
        """The name of a file to send for a directory; the one that was told last goes first."""
        self._index.insert(0, name)

    def hide(self, extension: str) -> None:
        """Have files of an extension be not there."""
        self._hidden.add(extension)

    def plugin(self, extension: str, factory: Plugin) -> None:
        """Have `factory(session, path)` make the servlets for files of an extension.

        What follows the file's name in the path is their servletInfo.
        """
        self._plugins[extension] = factory

    def servlet(self, session: HttpSession) -> HttpServlet:
        names = session.servletPath().rstrip("/")
        path = os.path.join(self._directory, names) if names else self._directory
        if os.path.isdir(path):
            return self._of_a_directory(session, names, path)
        found = self._of_a_file(session, names, "")
        while found is None and "/" in names:
            names = names.rpartition("/")[0]
            found = self._of_a_file(session, names, session.servletPath()[len(names) + 1 :])
        return found or ErrorServlet(session, NOT_FOUND)

    def _of_a_directory(self, session: HttpSession, names: str, path: str) -> HttpServlet:
        if not self._is_inside(path):
            return ErrorServlet(session, NOT_FOUND)
        if not session.requestPath().endswith("/"):
            url, mark, query = session.url().partition("?")
            return RedirectServlet(session, f"{url}/{mark}{query}")
        for name in self._index:
            inside = f"{names}/{name}" if names else name
            found = self._of_a_file(session, inside, "")
            if found is not None:
                return found
        return ErrorServlet(session, FORBIDDEN)

    def _of_a_file(self, session: HttpSession, names: str, info: str) -> HttpServlet | None:
        """The servlet for a file, or None if it is not there for the client."""
        path = os.path.join(self._directory, names)
        extension = os.path.splitext(path)[1]
        hidden = extension in self._hidden
        if hidden or not os.path.isfile(path) or not self._is_inside(path):
            return None
        if extension in self._plugins:
            session.bindServlet(names, info)
            return self._plugins[extension](session, path)
        is_exact = not (info or session.servletPath().endswith(names + "/"))
        return FileServlet(session, path, self._type_of(path, extension)) if is_exact else None

    def _type_of(self, path: str, extension: str) -> str:
        return self._types.get(extension) or mimetypes.guess_type(path)[0] or UNKNOWN_TYPE

    def _is_inside(self, path: str) -> bool:
        real = os.path.realpath(path)
        return real == self._directory or real.startswith(os.path.join(self._directory, ""))
