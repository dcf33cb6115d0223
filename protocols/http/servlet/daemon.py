"""Servers at the paths of a port. Each chooses the servlets for the requests below its path."""

from __future__ import annotations

import logging
from typing import Any

import reactorlib
from reactorlib.defer import Deferred, gatherResults, maybeDeferred
from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.protocols.http.fields.authorization import Credentials
from reactorlib.protocols.http.servlet.base import HttpServlet
from reactorlib.protocols.http.servlet.details import HttpSession
from reactorlib.protocols.http.servlet.exchange import Exchange, nearest, normalised
from reactorlib.protocols.http.servlet.simple import ErrorServlet
from reactorlib.protocols.http.status import INTERNAL_SERVER_ERROR, NOT_FOUND, UNAUTHORIZED

logger = logging.getLogger("reactorlib")


class HttpServer:
    """Chooses servlets. Override servlet, and authorise if not everybody is welcome."""

    def servlet(self, session: HttpSession) -> HttpServlet | None:
        """Who answers this request; None is 404."""
        return None

    def authorise(self, login: str, password: str) -> bool:
        """Whether somebody is let in; both are empty for who has not said who he is."""
        return True


class _LoginServlet(HttpServlet):
    """Asks for a login and a password."""

    def processRequest(self) -> None:
        challenge = f'Basic realm="{self.serverHost()}", charset="UTF-8"'
        self._exchange.setResponseHeader("WWW-Authenticate", challenge)
        self.sendError(UNAUTHORIZED)


class _Factory(HTTPFactory):
    """Asks the daemon about the client's host first."""

    def __init__(self, daemon: HttpDaemon, **settings: Any) -> None:
        # One at a time: what a servlet wrote before its turn would wait here, without a bound.
        settings.setdefault("maxPipeline", 1)
        find = staticmethod(daemon._find)
        super().__init__(type("Exchange", (Exchange,), {"find": find}), **settings)
        self._daemon = daemon

    def buildProtocol(self, addr: Any) -> Any:
        welcome = self._daemon.authorise(getattr(addr, "host", ""))
        return super().buildProtocol(addr) if welcome else None


class HttpDaemon:
    """Serves servlets on a port.

    `reactor` is by default the process's one, which is asked for when the daemon begins to
    listen: a module that makes a daemon chooses no backend. `interface` is the address to
    listen at, by default all. Other settings are those of HTTPFactory and HTTPChannel.

    `factory` is the HTTPFactory, for who listens in another way, such as with TLS.
    """

    def __init__(
        self, port: int, reactor: Any = None, interface: str = "", **settings: Any
    ) -> None:
        self._number = port
        self._reactor = reactor
        self._interface = interface
        self._servers: dict[str, HttpServer] = {}
        self._port: Any = None
        self.factory = _Factory(self, **settings)

    def port(self) -> int:
        """The number of the port. Of port 0 it is the system's choice, made now."""
        if not self._number:
            self.start()
        return self._number

    def attach(self, path: str, server: HttpServer) -> None:
        """Have a server answer for a path, and for all below it that no other does.

        Raises ValueError unless it is absolute, without dots and without a slash at its end.
        """
        if normalised(path) != path or (path != "/" and path.endswith("/")):
            raise ValueError(f"not the path of a server: {path!r}")
        self._servers[path] = server

    def start(self) -> None:
        """Begin to listen, unless it listens."""
        if self._port is None:
            reactor = reactorlib.reactor if self._reactor is None else self._reactor
            self._port = reactor.listenTCP(self._number, self.factory, interface=self._interface)
            self._number = self._port.getHost().port

    def stop(self) -> Deferred[Any]:
        """Listen no more; fires when what was asked for is answered, and all have gone."""
        port, self._port = self._port, None
        if port is None:
            return maybeDeferred(lambda: None)
        stopped = maybeDeferred(port.stopListening)
        return gatherResults([stopped, self.factory.allConnectionsClosed()])

    def authorise(self, host: str) -> bool:
        """Whether a client's host is served. To one that is not, nothing is said."""
        return True

    def _find(self, session: HttpSession) -> HttpServlet:
        """The servlet for a request: of the server that is attached nearest to it."""
        path = normalised(session.requestPath())
        found = None if path is None else nearest(path, self._servers)
        if found is None:
            return ErrorServlet(session, NOT_FOUND)
        exchange = session._exchange
        exchange.serverPath, exchange.servletPath = found
        server = self._servers[found[0]]
        try:
            if not self._let_in(server, exchange):
                return _LoginServlet(session)
            return server.servlet(session) or ErrorServlet(session, NOT_FOUND)
        except Exception:
            logger.exception("Unhandled error in %r", server)
            return ErrorServlet(session, INTERNAL_SERVER_ERROR)

    def _let_in(self, server: HttpServer, exchange: Exchange) -> bool:
        login, password = _credentials(exchange.in_headers.getHeader(b"authorization"))
        if not server.authorise(login, password):
            return False
        exchange.remoteUser = login
        return True


def _credentials(given: Credentials | None) -> tuple[str, str]:
    """Login and password; both empty if they are not there, or are malformed."""
    try:
        login, password = given.userAndPassword() if given is not None else (b"", b"")
        return login.decode(), password.decode()
    except ValueError:
        return "", ""
