"""A servlet: an object that answers one request.

Override `processRequest`, `processContent` and `destroyServlet`. What is sent leaves when
the servlet has returned, so who has much to send does it in parts, each from a call of the
reactor's, and stops while the client is congested.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from html import escape

from reactorlib.protocols.http.parser import ResponseHead, readFields
from reactorlib.protocols.http.servlet.details import HttpSession, RequestDetails
from reactorlib.protocols.http.status import NOT_IMPLEMENTED, RESPONSES

logger = logging.getLogger("reactorlib")

BUFFERED = 4096  # bytes of content; more of it is sent
_RESPONSE, _HEADERS, _CONTENT, _ENDED = range(4)  # what is to be sent next


class HttpServlet(RequestDetails):
    """Answers the request of a session: sendResponse, sendHeader, endHeaders, sendContent,
    endContent, in this order, or sendError.

    The connection is kept only if the lengths of what came and of the answer were told
    before. Once the client has gone, all of it has no effect; out of order it raises
    RuntimeError.
    """

    def __init__(self, session: HttpSession) -> None:
        super().__init__(session._exchange)
        self._step = _RESPONSE
        self._output: list[bytes] = []
        self._output_size = 0

    # What is to be overridden

    def processRequest(self) -> None:
        """The request has come, its content has not: answer, or wait for what that needs."""
        self.sendError(NOT_IMPLEMENTED)

    def processContent(self, content: bytes) -> None:
        """Some of the content has come, after processRequest, if the answer is not complete."""

    def destroyServlet(self) -> None:
        """The answer is complete, or the client has gone: cancel what would call later.

        Whoever overrides it calls it too.
        """
        self._step = _ENDED

    # The answer

    def sendResponse(self, code: int, message: str | None = None) -> None:
        """Begin the answer: its status, and what to call that."""
        if self._is_next(_RESPONSE):
            reason = None if message is None else message.encode("latin-1")
            self._exchange.setResponseCode(code, reason)
            self._step = _HEADERS

    def sendHeader(self, name: str, value: str | int) -> None:
        """A field of the answer. Raises ValueError for what must not be sent."""
        if self._is_next(_HEADERS):
            self._exchange.out_headers.addRawHeader(name, str(value).encode("latin-1"))

    def endHeaders(self) -> None:
        """There are no more of them."""
        if self._is_next(_HEADERS):
            fields = self._exchange.out_headers
            came_whole = self.containsHeader("content-length") or not self._has_body()
            if not (came_whole and fields.hasHeader(b"content-length")):
                fields.setRawHeaders(b"Connection", (b"close",))
            self._step = _CONTENT

    def _has_body(self) -> bool:
        return self.containsHeader("transfer-encoding")

    def sendContent(self, content: bytes | str) -> None:
        """Some of the content. Leaves when more than 4096 bytes are gathered.

        str is sent as UTF-8: a Content-Length counts the bytes of that.
        """
        if self._is_next(_CONTENT):
            data = content.encode() if isinstance(content, str) else content
            self._output.append(data)
            self._output_size += len(data)
            if self._output_size > BUFFERED:
                self.flushContent()

    def flushContent(self) -> None:
        """Have leave what was gathered."""
        if self._is_next(_CONTENT) and self._output_size:
            data = b"".join(self._output)
            self._output.clear()
            self._output_size = 0
            self._exchange.write(data)

    def endContent(self) -> None:
        """The answer is complete."""
        if self._is_next(_CONTENT):
            self.flushContent()
            self._step = _ENDED
            self._exchange.finish()

    def sendError(self, code: int, content: str | None = None) -> None:
        """Answer with a page about a status, and close the connection.

        `content` is what to say on it, in HTML: escape what others wrote.
        """
        title = f"{code} {escape(self.statusText(code))}"
        text = f"<h1>{title}</h1>" if content is None else content
        page = (
            f"<!DOCTYPE html>\n<html lang=en><title>{title}</title>\n<body>{text}</body></html>\n"
        )
        data = page.encode()
        self.sendResponse(code)
        self.sendHeader("Content-Type", "text/html; charset=utf-8")
        self.sendHeader("Content-Length", len(data))
        self.sendHeader("Connection", "close")
        self.endHeaders()
        self.sendContent(data)
        self.endContent()

    def sendComplete(self, response: bytes | str) -> None:
        """Send an answer that is written down already, head and content, and close the
        connection. Raises HTTPParseError or ValueError if it is none."""
        data = response.encode("latin-1") if isinstance(response, str) else response
        head = ResponseHead()
        length = head.parse(data)
        if not length:
            raise ValueError("an answer has a head, which ends with an empty line")
        _, code, reason, reason_end, fields, _, _, count, _ = head.values()
        self.sendResponse(code, data[reason:reason_end].decode("latin-1"))
        for name, value in readFields(data, fields, length - 2, count):
            if name.lower() == b"transfer-encoding":
                raise ValueError("the content is to be sent as it is, without a Transfer-Encoding")
            if name.lower() != b"connection":
                self._exchange.out_headers.addRawHeader(name, value)
        self.sendHeader("Connection", "close")
        self.endHeaders()
        self.sendContent(data[length:])
        self.endContent()

    def _is_next(self, step: int) -> bool:
        """Whether it is time for that. False too when nobody waits for it any more."""
        if self._step == _ENDED:
            return False
        if self._step != step:
            raise RuntimeError(
                "an answer is sendResponse, sendHeader, endHeaders, sendContent, endContent"
            )
        return True

    def shutdown(self) -> None:
        """Close the connection at once; what has not left yet is dropped."""
        self._step = _ENDED
        self._exchange.abortConnection(False)

    @staticmethod
    def statusText(code: int) -> str:
        """What a status is called; empty for one that nobody knows."""
        return RESPONSES.get(code, b"").decode("ascii")

    # Slow clients

    def monitorCongestion(self, callback: Callable[[int, int], object]) -> None:
        """Have `callback(status, pending)` called when the client takes less than is sent
        (CONNECTION_BLOCKED), takes more again (CONNECTION_CLEARED), or 256 messages wait
        (CONNECTION_BACKLOG; once more when none does). `pending` messages wait.

        If it raises, that is logged, and shutdown is called.
        """
        if self._step == _ENDED:
            return

        def guarded(status: int, pending: int) -> None:
            try:
                callback(status, pending)
            except Exception:
                logger.exception("Unhandled error in %r", self)
                self.shutdown()

        self._exchange.monitorCongestion(guarded)

    def ignoreCongestion(self) -> None:
        """Have it called no more."""
        if self._step != _ENDED:  # else the connection is another request's
            self._exchange.ignoreCongestion()

    def __repr__(self) -> str:
        return f"<{type(self).__name__} {self.requestMethod()} {self.requestPath()!r}>"
