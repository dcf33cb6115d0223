"""What a request tells of itself, in Twisted's words: cookies, credentials, URLs, validators.

It knows nothing of sites and resources: all of it is read from the request's own fields,
or set in its answer's.
"""

from __future__ import annotations

from urllib.parse import quote_from_bytes

from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.protocols.http.elsewhere import USUAL_PORTS, ChanRequestElsewhere, authorityOf
from reactorlib.protocols.http.fields.cookies import Cookie
from reactorlib.protocols.http.fields.dates import parseDate
from reactorlib.protocols.http.fields.etags import ETag, parseETag
from reactorlib.protocols.http.preconditions import isKnown
from reactorlib.protocols.http.proxyfields import hostOf
from reactorlib.protocols.http.request import Request
from reactorlib.protocols.http.status import NOT_MODIFIED, PRECONDITION_FAILED, RESPONSES

CACHED = "the client has what it asks for"


class AskedRequest(Request):
    """A Request with the questions that applications ask.

    Attributes:
        path: the place that was asked for, bytes, quoted as it came.
        prepath, postpath: names before and after the resource, lists of bytes, unquoted.
    """

    __slots__ = ()

    path: bytes
    prepath: list[bytes]
    postpath: list[bytes]

    # Who asks

    def getClientIP(self) -> str | None:
        """The host of getClientAddress; None if it is no address of IP."""
        client = self.getClientAddress()
        return client.host if isinstance(client, IPv4Address | IPv6Address) else None

    def getUser(self) -> bytes:
        """The name in the credentials that were sent (Basic); b"" without. Nothing is proved."""
        return self._credentials()[0]

    def getPassword(self) -> bytes:
        """The password in the credentials that were sent (Basic); b"" without."""
        return self._credentials()[1]

    def _credentials(self) -> tuple[bytes, bytes]:
        given = self.in_headers.getHeader(b"authorization")
        try:
            return (b"", b"") if given is None else given.userAndPassword()
        except ValueError:
            return b"", b""

    # What was asked

    def getAllHeaders(self) -> dict[bytes, bytes]:
        """The fields that came: names in lower case to their values, of several the last one."""
        return {name.lower(): values[-1] for name, values in self.in_headers.getAllRawHeaders()}

    @property
    def received_cookies(self) -> dict[bytes, bytes]:
        """The cookies that came, name to value; of several of a name the first."""
        cookies = self.in_headers.getHeader(b"cookie", ())
        return {cookie.name: cookie.value for cookie in reversed(cookies)}

    def getCookie(self, key: bytes) -> bytes | None:
        """The value of a cookie that came; None if it did not."""
        return self.received_cookies.get(key)

    # Where

    def getRequestHostname(self) -> bytes:
        """The host that was asked for, without its port."""
        authority = hostOf(self)
        if authority.startswith(b"["):
            return authority.partition(b"]")[0][1:]
        return authority.partition(b":")[0]

    def setHost(self, host: bytes, port: int, ssl: bool = False) -> None:
        """Have it be a request to another place, as a proxy before this server says.

        `host` is a name, or an address without brackets. `ssl`: whether it is encrypted there,
        even if it is not here. Raises ValueError for what is no host.
        """
        self.moveTo(host, port, bool(ssl) or self.isSecure())

    def moveTo(self, host: bytes, port: int, secure: bool) -> None:
        """The same, whether it is encrypted there or not."""
        if not self.uri.startswith(b"/") and b"://" in self.uri:
            target = self.uri.partition(b"://")[2][len(hostOf(self)) :]
            self.uri = target if target.startswith(b"/") else b"/" + target
        self.in_headers.setRawHeaders(b"Host", (authorityOf(host, port, secure),))
        self.chanRequest = ChanRequestElsewhere(self.chanRequest, host, port, secure)

    def prePathURL(self) -> bytes:
        """The URL of the resource, without what stands below it and without arguments."""
        secure = self.isSecure()
        authority = hostOf(self)
        if not authority:  # of HTTP/1.0
            here = self.getHost()
            host = getattr(here, "host", "localhost").encode()
            port = getattr(here, "port", USUAL_PORTS[secure])
            authority = authorityOf(host, port, secure)
        names = "/".join([quote_from_bytes(name, safe="") for name in self.prepath])
        return b"http%b://%b/%b" % (b"s" if secure else b"", authority, names.encode())

    def sibLink(self, name: bytes) -> bytes:
        """A relative link from here to a place beside the resource."""
        return b"../" * len(self.postpath) + name

    def childLink(self, name: bytes) -> bytes:
        """A relative link from here to a place below the resource."""
        if self.postpath:
            return b"../" * (len(self.postpath) - 1) + name
        last = self.prepath[-1] if self.prepath else b""
        return b"%b/%b" % (last, name) if last else name

    # The answer

    @property
    def code_message(self) -> bytes:
        """The reason that goes with the status."""
        return RESPONSES.get(self.code, b"") if self._message is None else self._message

    def redirect(self, url: bytes, code: int = 302) -> None:
        """Make the answer a redirection; its body is still to be written."""
        self.setResponseCode(code)
        self.setResponseHeader(b"Location", url)

    def addCookie(
        self,
        k: str | bytes,
        v: str | bytes,
        expires: str | bytes | int | None = None,
        domain: str | bytes | None = None,
        path: str | bytes | None = None,
        max_age: str | bytes | int | None = None,
        comment: object = None,
        secure: bool | None = False,
        httpOnly: bool = False,
        sameSite: str | bytes | None = None,
        *,
        partitioned: bool = False,
    ) -> None:
        """Set a cookie.

        `expires` is a date, or seconds since 1970; `max_age` is in seconds; `sameSite` one of
        Strict, Lax, None. `comment` has no effect: RFC 6265 has done away with it. Raises
        ValueError for what cannot be sent.
        """
        cookie = Cookie(
            _bytes(k),
            _bytes(v),
            expires if isinstance(expires, int | None) else parseDate(_bytes(expires)),
            max_age if isinstance(max_age, int | None) else int(max_age),
            None if domain is None else _bytes(domain),
            None if path is None else _bytes(path),
            bool(secure),
            httpOnly,
            None if sameSite is None else _bytes(sameSite).capitalize(),
            partitioned,
        )
        cookies = self.out_headers.getHeader(b"set-cookie", ())
        self.out_headers.setHeader(b"set-cookie", (*cookies, cookie))

    def setETag(self, etag: bytes | ETag) -> str | None:
        """Set the tag of what is answered, in quotes or without.

        CACHED if If-None-Match says that the client has it: the status is 304 (or 412, for
        what is no GET) and nothing is to be written. See checkPreconditions for all
        conditions at once.
        """
        tag = etag if isinstance(etag, ETag) else _tag(etag)
        self.out_headers.setHeader(b"etag", tag)
        return self._cached(isKnown(self, tag, None))

    def setLastModified(self, when: float) -> str | None:
        """Set when what is answered was last changed, in seconds since 1970; the latest counts.

        CACHED as of setETag, if If-Modified-Since says so.
        """
        before = self.out_headers.getHeader(b"last-modified")
        if before is None or when > before:
            self.out_headers.setHeader(b"last-modified", int(when))
        return self._cached(isKnown(self, None, when))

    def _cached(self, known: bool) -> str | None:
        if not known:
            return None
        reading = self.method in (b"GET", b"HEAD")
        self.setResponseCode(NOT_MODIFIED if reading else PRECONDITION_FAILED)
        return CACHED

    def loseConnection(self) -> None:
        """End the connection after what was written, finished or not."""
        self.abortConnection()


def _bytes(text: str | bytes) -> bytes:
    return text.encode("utf-8") if isinstance(text, str) else text


def _tag(etag: bytes) -> ETag:
    return parseETag(etag) if etag.startswith((b'"', b'W/"')) else ETag(etag)
