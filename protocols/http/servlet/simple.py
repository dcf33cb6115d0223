"""Servlets that are ready: an error, a redirection, and one that says what it was asked."""

from __future__ import annotations

from html import escape

from reactorlib.protocols.http.servlet.base import HttpServlet
from reactorlib.protocols.http.servlet.details import HttpSession
from reactorlib.protocols.http.status import FOUND, MOVED_PERMANENTLY

REDIRECT_PERMANENT = MOVED_PERMANENTLY
REDIRECT_TEMPORARY = FOUND

MOST_ECHOED = 65_536
ACCESSORS = (
    HttpServlet.requestMethod,
    HttpServlet.url,
    HttpServlet.protocolVersion,
    HttpServlet.serverHost,
    HttpServlet.serverPort,
    HttpServlet.requestPath,
    HttpServlet.queryString,
    HttpServlet.clientHost,
    HttpServlet.clientPort,
    HttpServlet.remoteUser,
    HttpServlet.serverRoot,
    HttpServlet.serverPath,
    HttpServlet.servletPath,
    HttpServlet.servletInfo,
    HttpServlet.sessionId,
    HttpServlet.sessionContext,
)


class ErrorServlet(HttpServlet):
    """Answers with a page about a status; `content` is what to say on it, in HTML."""

    def __init__(self, session: HttpSession, code: int, content: str | None = None) -> None:
        super().__init__(session)
        self._code = code
        self._text = content

    def processRequest(self) -> None:
        self.sendError(self._code, self._text)


class RedirectServlet(HttpServlet):
    """Sends the client elsewhere: to a URL, or to a path of this host (it begins with /)."""

    def __init__(self, session: HttpSession, location: str, code: int = REDIRECT_TEMPORARY) -> None:
        super().__init__(session)
        self._location = self._origin() + location if location.startswith("/") else location
        self._code = code

    def processRequest(self) -> None:
        self.sendResponse(self._code)
        self.sendHeader("Location", self._location)
        self.sendHeader("Content-Length", 0)
        self.endHeaders()
        self.endContent()


class EchoServlet(HttpServlet):
    """Shows what was asked, and what came with it, on a page."""

    def __init__(self, session: HttpSession) -> None:
        super().__init__(session)
        self._came = 0
        self._content: list[bytes] = []

    def processRequest(self) -> None:
        if self.contentLength() <= 0:
            self._show()

    def processContent(self, content: bytes) -> None:
        if self._came < MOST_ECHOED:
            self._content.append(content[: MOST_ECHOED - self._came])
        self._came += len(content)
        if self._came >= self.contentLength():
            self._show()

    def _show(self) -> None:
        rows = [(accessor.__name__, accessor(self)) for accessor in ACCESSORS]
        rows += sorted(self.headers().items())
        table = "".join(f"<tr><th>{escape(a)}<td>{escape(b)}\n" for a, b in rows)
        content = escape(b"".join(self._content).decode("utf-8", "replace"))
        title = escape(f"{self.requestMethod()} {self.requestPath()}")
        page = (
            f"<!DOCTYPE html>\n<html lang=en><title>{title}</title>\n<h1>{title}</h1>\n"
            f"<table>\n{table}</table>\n<pre>{content}</pre>\n</html>\n"
        ).encode("utf-8", "replace")
        self.sendResponse(200)
        self.sendHeader("Content-Type", "text/html; charset=utf-8")
        self.sendHeader("Content-Length", len(page))
        self.endHeaders()
        self.sendContent(page)
        self.endContent()
