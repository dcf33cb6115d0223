"""Makes the connections of a web server, counts them, and sees them out."""

from __future__ import annotations

from collections.abc import Callable
from time import time
from typing import Any

from reactorlib.defer import Deferred
from reactorlib.protocol import Protocol, ServerFactory
from reactorlib.protocols.http.accesslog import Entry, logged, tell
from reactorlib.protocols.http.channel import HTTPChannel
from reactorlib.protocols.http.channelsettings import configured
from reactorlib.protocols.http.framing import EveryAnswer
from reactorlib.protocols.http.headers import Headers

EVERY = EveryAnswer()
OVERLOADED = b"The server has too many connections. Try again later.\n"


class OverloadedServerProtocol(Protocol):
    """The connection that is one too many: told so, logged, and closed."""

    def __init__(self, log: Callable[[Entry], object] | None = None) -> None:
        self._log = log

    def connectionMade(self) -> None:
        peer = self.transport.getPeer()
        EVERY.renew(0)
        head = EVERY[503] + b"Retry-After: 10\r\n"
        head += b"Content-Type: text/plain\r\nContent-Length: %d\r\n" % len(OVERLOADED)
        self.transport.write(head + b"Connection: close\r\n\r\n" + OVERLOADED)
        self.transport.loseConnection()
        if self._log is not None:
            size = len(OVERLOADED)
            nothing = (b"", b"", None)
            tell(self._log, Entry(peer, time(), 0.0, *nothing, 503, size, True, Headers()))


class HTTPFactory(ServerFactory):
    """Serves requests, each by what `requestFactory` makes of it.

    `requestFactory(chanRequest, method, uri, version, headers)` gives an IRequest; a
    subclass of Request is one. Beyond `maxRequests` connections at once, each gets 503.
    Any of ChannelSettings may be given by its name: `HTTPFactory(Page, maxPipeline=1)`.

    `outstandingRequests` is the number of connections.
    """

    def __init__(
        self, requestFactory: Callable[..., Any], maxRequests: int = 600, **settings: Any
    ) -> None:
        settings["requestFactory"] = staticmethod(requestFactory)
        self._connection = self.protocol = configured(HTTPChannel, settings)
        self.maxRequests = maxRequests
        self._exchange = self._connection.exchangeFactory
        self._log: Callable[[Entry], object] | None = None
        self._channels: set[HTTPChannel] = set()
        self._emptied: list[Deferred[None]] = []

    @property
    def log(self) -> Callable[[Entry], object] | None:
        """What is called with an accesslog.Entry for each answer, such as an AccessLog.

        None by default. It counts for connections that begin after it was set, those too
        that are refused.
        """
        return self._log

    @log.setter
    def log(self, log: Callable[[Entry], object] | None) -> None:
        self._log = log
        plain = self._exchange
        self._connection.exchangeFactory = plain if log is None else logged(log, plain)

    @property
    def outstandingRequests(self) -> int:
        """How many connections there are."""
        return len(self._channels)

    def buildProtocol(self, addr: Any) -> Any:
        if len(self._channels) >= self.maxRequests or self._emptied:
            return OverloadedServerProtocol(self._log)
        return super().buildProtocol(addr)

    def buildRefusal(self, addr: Any) -> OverloadedServerProtocol:
        """Of a connection above the reactor's own limit: 503, too."""
        return OverloadedServerProtocol(self._log)

    def addConnectedChannel(self, channel: HTTPChannel) -> None:
        """A connection has begun."""
        self._channels.add(channel)

    def removeConnectedChannel(self, channel: HTTPChannel) -> None:
        """A connection has ended, or is another protocol's."""
        self._channels.discard(channel)
        self._tell_if_empty()

    def _tell_if_empty(self) -> None:
        if not self._channels:
            emptied, self._emptied = self._emptied, []
            for deferred in emptied:
                deferred.callback(None)

    def _cut(self, waiting: Deferred[None]) -> None:
        self._emptied.remove(waiting)
        for channel in list(self._channels):
            channel.abort(True)

    def allConnectionsClosed(self) -> Deferred[None]:
        """Finish what was asked for, serve nothing else; fires when the last one has closed.

        Stop listening first: connections that come meanwhile get 503. Cancelled, it closes
        those that are left after what was written to them.
        """
        deferred: Deferred[None] = Deferred(self._cut)
        self._emptied.append(deferred)
        for channel in list(self._channels):
            channel.drain()
        self._tell_if_empty()
        return deferred
