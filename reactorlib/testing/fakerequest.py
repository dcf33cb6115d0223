"""A request for code that is given one, with no connection below it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from reactorlib.failure import Failure
from reactorlib.protocol import connectionDone
from reactorlib.protocols.http.headers import Headers
from reactorlib.protocols.http.request import Request
from reactorlib.testing.http import MemoryChanRequest
from reactorlib.testing.httpincoming import Fields, Version, headers_of


class FakeRequest(Request):
    """A Request that came in memory, for code that is given one.

    Give it to that code, or override `process` and call `run`. `headers` is a Headers,
    or maps names to a value or a list of them; `body` is what `run` has come.

    Attributes:
        chanRequest: its MemoryChanRequest, which tells all about the answer, and what
            the connection does.
        content: what has come of the body.
        complete: whether all of it has.
        lost: the Failure that connectionLost was called with, or None.
    """

    chanRequest: MemoryChanRequest

    def __init__(
        self,
        method: bytes = b"GET",
        uri: bytes = b"/",
        headers: Fields = None,
        body: bytes = b"",
        version: Version = (1, 1),
        **options: Any,
    ) -> None:
        """`options` are those of MemoryChanRequest: `secure`, `peerAddress` and so on."""
        fields = headers_of(headers)
        carrier = MemoryChanRequest(self._itself, method, uri, fields, version, **options)
        carrier.request = self
        super().__init__(carrier, method, uri, version, fields)
        self.body = body
        self.content = b""
        self.complete = False
        self.lost: Failure | None = None

    def _itself(self, *arguments: Any) -> FakeRequest:
        return self

    def process(self) -> Any:
        """Do nothing: the answer is the test's."""

    def handleContentChunk(self, data: bytes) -> None:
        self.content += data

    def handleContentComplete(self) -> None:
        self.complete = True

    def connectionLost(self, reason: Failure = connectionDone) -> None:
        self.lost = reason

    def run(self) -> FakeRequest:
        """Have it come with all of its body; returns itself."""
        self.chanRequest.run(self.body)
        return self

    @property
    def written(self) -> bytes:
        """What has left of the answer's body."""
        return self.chanRequest.written

    @property
    def intermediates(self) -> Sequence[tuple[int, Headers]]:
        """The answers before the answer: pairs of a code and its Headers."""
        return self.chanRequest.intermediates
