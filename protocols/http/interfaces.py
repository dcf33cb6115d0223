"""The seam between a request and what carries it.

A Request speaks to an IChanRequest and knows nothing of connections; a
ChannelRequest, or a double, or any other transport of requests, speaks to an
IRequest and knows nothing of what it does.
"""

from __future__ import annotations

from typing import Any

from zope.interface import Attribute, Interface

from reactorlib.interfaces import IConsumer


class IChanRequest(IConsumer):
    """One exchange, hop by hop: how the answer to one request travels.

    After the connection is lost, or the answer finished, all of it has no effect.
    """

    persistent = Attribute("Whether the connection will be used for another request: bool.")

    reactor = Attribute("The reactor that it runs on.")
    hasBody = Attribute("Whether some of the request's body has not come yet: bool.")

    def mentions(*words: bytes) -> bool:
        """Whether one of some words, in lower case, may stand in the head of the request."""

    def follow(outcome: Any) -> None:
        """Take care of a coroutine or Deferred that works on the request.

        Its failure is logged once, and is the request's processingFailed. It is cancelled
        when the connection is lost.
        """

    def acceptData() -> None:
        """Tell a client that waits for it (Expect: 100-continue) that the body is wanted.

        Nothing is sent to one that does not wait. (RFC 9110, 10.1.1)
        """

    def writeIntermediateResponse(code: int, headers: Any = None) -> None:
        """Send an answer before the answer: 100, 102 or 103 with a Headers.

        Not sent to a client of HTTP/1.0. Raises ValueError for another code, RuntimeError
        if the answer has begun. (RFC 9110, 15.2)
        """

    def writeHeaders(
        code: int, headers: Any, message: bytes | None = None, length: int | None = None
    ) -> None:
        """Begin the answer. `headers` is a Headers without the hop-by-hop fields.

        `length` is that of the body, where it is known and is not among the fields. The
        body's framing is decided here: by its length, else chunked, else by the end of the
        connection; none for HEAD, 204, 304. Raises RuntimeError if it
        has begun, or the body of a request to be answered with 101 has not come whole,
        ValueError for fields that frame the message or must not be sent, and for a status
        below 200, but for a 101 with its fields to a request with Upgrade.
        """

    def write(data: bytes) -> None:
        """Send some of the body.

        Raises ValueError if it grows beyond its Content-Length, TypeError for what is not
        bytes, RuntimeError before writeHeaders.
        """

    def sendFile(file: Any, offset: int, count: int) -> Any:
        """Have the kernel send some of the body: a Deferred, as of ISendfileTransport.

        None if it cannot here, and the bytes are to be read and written. Raises as
        `write` does.
        """

    def writeResponse(code: int, headers: Any, body: bytes, message: bytes | None = None) -> None:
        """The whole answer: writeHeaders, with the body's length, write and finish at once."""

    def finish() -> None:
        """End the answer. A body shorter than its Content-Length costs the connection.

        Raises RuntimeError before writeHeaders.
        """

    def abortConnection(closeWrite: bool = True) -> None:
        """End the connection: after what was written (closeWrite), or with a reset.

        Nothing that is written afterwards is sent. While other requests come first, it is
        they that are answered before, and nothing of this one is sent.
        """

    def getHostInfo() -> tuple[Any, bool]:
        """This side's address, and whether the connection is encrypted."""

    def getRemoteHost() -> Any:
        """The address of the peer."""

    def getFields() -> list[tuple[bytes, bytes]]:
        """Name and value of each field of the request, in order, as they came; made anew."""

    def getAddresses() -> tuple[Any, Any, bool]:
        """(host, port) of this side and of the peer, and whether the connection is encrypted.

        Of a UNIX socket, the host is its path and the port None; (None, None) without one.
        """

    def pauseProducing() -> None:
        """Give no more of the request's body until resumeProducing."""

    def resumeProducing() -> None:
        """Give more of it."""

    def monitorCongestion(callback: Any) -> None:
        """Tell when the client reads slower than it is sent to. See ICongestionMonitor."""

    def ignoreCongestion() -> None:
        """Tell it no more."""

    def switchProtocol(protocol: Any) -> None:
        """Give the connection to another protocol, with the bytes that follow the request.

        After writeHeaders(101, …) for an Upgrade, or a 2xx answer to CONNECT. Raises
        RuntimeError if neither was answered.
        """


class IRequest(Interface):
    """What is done about a request: made by a factory for each one that comes."""

    def process() -> Any:
        """The head has come, nothing of the body yet. May return a coroutine."""

    def handleContentChunk(data: bytes) -> None:
        """Some of the body has come."""

    def handleContentComplete() -> None:
        """All of it has."""

    def flush() -> None:
        """process() has returned: what it has written shall leave."""

    def processingFailed(failure: Any) -> None:
        """One of these raised, and it was logged."""

    def connectionLost(reason: Any) -> None:
        """The connection has gone before the answer was finished."""


class IBody(Interface):
    """What is given the body of a request as it comes, and told of the request's end."""

    def add(data: bytes) -> None:
        """Some of it has come."""

    def end() -> None:
        """All of it has; called for a request without one too."""

    def lose(reason: Any) -> None:
        """The connection has gone before the answer was finished."""

    def close() -> None:
        """The answer is finished: nothing more of the body is wanted."""
