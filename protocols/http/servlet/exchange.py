"""The request under a servlet: it finds who answers, and hands on what comes.

A servlet is destroyed exactly once: when its answer is complete, or the client has gone.
"""

from __future__ import annotations

import logging
import posixpath
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from reactorlib.failure import Failure
from reactorlib.protocol import connectionDone
from reactorlib.protocols.http.request import Request
from reactorlib.protocols.http.servlet.details import HttpSession

if TYPE_CHECKING:
    from reactorlib.protocols.http.servlet.base import HttpServlet

logger = logging.getLogger("reactorlib")


class Exchange(Request):
    """A request of an HttpDaemon.

    `find` gives the servlet for a session; it is set on a class of each daemon's own.
    """

    find: Callable[[HttpSession], HttpServlet]
    servlet: HttpServlet | None = None
    remoteUser = ""
    serverPath = ""
    servletPath = ""
    servletInfo = ""
    sessionId = ""
    sessionContext = ""

    def process(self) -> None:
        self.servlet = self.find(HttpSession(self))
        self.servlet.processRequest()
        if not self.finished and self.chanRequest.hasBody:
            self.acceptData()

    def handleContentChunk(self, data: bytes) -> None:
        if self.servlet is not None:
            self.servlet.processContent(data)

    def finish(self) -> None:
        super().finish()
        self.destroy()

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.destroy()

    def processingFailed(self, failure: Failure) -> None:
        super().processingFailed(failure)
        self.destroy()

    def destroy(self) -> None:
        """Have the servlet let go of what it holds."""
        servlet, self.servlet = self.servlet, None
        if servlet is not None:
            try:
                servlet.destroyServlet()
            except Exception:
                logger.exception("Unhandled error in destroyServlet of %r", servlet)


def normalised(path: str) -> str | None:
    """A path without dots and double slashes; None if it leads above the root, or is none.

    A slash at its end stays there.
    """
    if not path.startswith("/") or "\0" in path:
        return None
    depth = 0
    for name in path.split("/"):
        depth += (name not in ("", ".", "..")) - (name == "..")
        if depth < 0:
            return None
    clean = "/" + posixpath.normpath(path).lstrip("/")
    is_directory = path.endswith(("/", "/.", "/.."))
    return clean + "/" if is_directory and clean != "/" else clean


def below(path: str, root: str) -> str | None:
    """What follows a root in a path, without a slash before it; None if it is elsewhere."""
    if root == "/":
        return path[1:]
    if path == root:
        return ""
    return path[len(root) + 1 :] if path.startswith(root + "/") else None


def nearest(path: str, servers: dict[str, Any]) -> tuple[str, str] | None:
    """The longest root of all that a path is below, and what follows it."""
    for root in sorted(servers, key=len, reverse=True):
        rest = below(path, root)
        if rest is not None:
            return root, rest
    return None
