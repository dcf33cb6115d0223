"""What a request says, as servlets and their servers ask for it: all of it str."""

from __future__ import annotations

from functools import cached_property
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote_to_bytes

from reactorlib.protocols.http.fields.hosts import generateHost

if TYPE_CHECKING:
    from reactorlib.protocols.http.servlet.exchange import Exchange


class RequestDetails:
    """The accessors that sessions and servlets share."""

    def __init__(self, exchange: Exchange) -> None:
        self._exchange = exchange

    @property
    def reactor(self) -> Any:
        """The reactor that serves it: for timers and jobs."""
        return self._exchange.chanRequest.reactor

    # The request line

    def requestMethod(self) -> str:
        """GET and so on."""
        return self._exchange.method.decode("ascii")

    def url(self) -> str:
        """The whole URL, quoted as it came; scheme, host and port are added if they did not."""
        target = self._exchange.uri.decode("latin-1")
        return target if not target.startswith("/") else self._origin() + target

    def protocolVersion(self) -> str:
        """HTTP/1.0 or HTTP/1.1."""
        return "HTTP/{}.{}".format(*self._exchange.clientproto)

    def requestPath(self) -> str:
        """The path, unquoted; dots in it still stand there.

        Bytes that are no UTF-8 are in it as os.fsdecode leaves them.
        """
        return unquote_to_bytes(self._target[0]).decode("utf-8", "surrogateescape")

    def queryString(self) -> str:
        """What follows the question mark, quoted as it came; empty if nothing does."""
        return self._target[1].decode("latin-1")

    @cached_property
    def _target(self) -> tuple[bytes, bytes]:
        """Path and query; of a target in absolute form too (RFC 9112, 3.2.2)."""
        path, _, query = self._exchange.uri.partition(b"?")
        if b"://" in path and not path.startswith(b"/"):
            path = b"/" + path.partition(b"://")[2].partition(b"/")[2]
        return path, query

    # The two ends

    def serverHost(self) -> str:
        """The host that was asked for, without its port; else the address of this side."""
        return self._authority[0]

    def serverPort(self) -> str:
        """The port that was asked for, or the usual one."""
        return self._authority[1]

    @cached_property
    def _authority(self) -> tuple[str, str]:
        usual = "443" if self._exchange.isSecure() else "80"
        named = self._exchange.in_headers.getHeader(b"host")
        if named is not None and named.host:
            return named.host.decode("ascii"), usual if named.port is None else str(named.port)
        here = self._exchange.getHost()
        return str(getattr(here, "host", "")), str(getattr(here, "port", usual))

    def _origin(self) -> str:
        secure = self._exchange.isSecure()
        host, port = self._authority
        number = None if port == ("443" if secure else "80") else int(port)
        authority = generateHost((host.encode("ascii"), number)).decode("ascii")
        return f"{'https' if secure else 'http'}://{authority}"

    def clientHost(self) -> str:
        """The address of the client; empty on a UNIX socket."""
        return str(getattr(self._exchange.getClientAddress(), "host", ""))

    def clientPort(self) -> str:
        """Its port; empty on a UNIX socket."""
        return str(getattr(self._exchange.getClientAddress(), "port", ""))

    def remoteUser(self) -> str:
        """Who has logged in (HttpServer.authorise); empty if nobody has."""
        return self._exchange.remoteUser

    # The fields of the request

    def headers(self) -> dict[str, str]:
        """Name, in lower case, to value; of several values one, with commas between."""
        names = (name.lower() for name, _ in self._exchange.in_headers.getAllRawHeaders())
        return {name.decode("ascii"): self.header(name.decode("ascii")) for name in names}

    def containsHeader(self, name: str) -> bool:
        """Whether a field came; its name is given in lower case."""
        return name == name.lower() and self._exchange.in_headers.hasHeader(name)

    def header(self, name: str) -> str:
        """The value of a field, its name in lower case. Raises KeyError if it did not come."""
        if not self.containsHeader(name):
            raise KeyError(name)
        return b", ".join(self._exchange.in_headers.getRawHeaders(name)).decode("latin-1")

    def contentLength(self) -> int:
        """The bytes of the content that is to come; -1 if no Content-Length came."""
        return int(self.header("content-length")) if self.containsHeader("content-length") else -1

    def contentType(self) -> str:
        """The type of the content, with its parameters; empty if none was told."""
        return self.header("content-type") if self.containsHeader("content-type") else ""

    # Who answers it

    def serverRoot(self) -> str:
        """The URL of the HttpServer."""
        return self._origin() + self._exchange.serverPath

    def serverPath(self) -> str:
        """The path that the HttpServer is attached to."""
        return self._exchange.serverPath

    def servletPath(self) -> str:
        """What follows that: relative, unquoted, without dots."""
        return self._exchange.servletPath

    def servletInfo(self) -> str:
        """What follows the servlet's own path; bindServlet has told it."""
        return self._exchange.servletInfo

    def sessionId(self) -> str:
        """What bindSession has told: who it is."""
        return self._exchange.sessionId

    def sessionContext(self) -> str:
        """What bindSession has told: where that holds."""
        return self._exchange.sessionContext


class HttpSession(RequestDetails):
    """The handle of a request: given to HttpServer.servlet, and by that to the servlet."""

    def bindServlet(self, servletPath: str, servletInfo: str) -> None:
        """Tell which of the path names the servlet, and what follows."""
        self._exchange.servletPath = servletPath
        self._exchange.servletInfo = servletInfo

    def bindSession(self, sessionId: str, sessionContext: str = "") -> None:
        """Tell of which session of a user it is a part."""
        self._exchange.sessionId = sessionId
        self._exchange.sessionContext = sessionContext
