"""What a proxy does to the fields of a message (RFC 9110, 7.6; RFC 7239).

Fields that were meant for one connection end here, in both directions; and those that say
for whom a request is made say what was seen here, behind what trusted proxies have said.
"""

from __future__ import annotations

from typing import Any

from reactorlib.address import IPv4Address, IPv6Address
from reactorlib.protocols.http.fields.grammar import as_word
from reactorlib.protocols.http.headers import Headers

PSEUDONYM = b"1.1 reactorlib"
HOP_BY_HOP = frozenset(
    (
        *(b"connection", b"keep-alive", b"te", b"trailer", b"transfer-encoding", b"upgrade"),
        *(b"proxy", b"http2-settings"),  # a program behind CGI would take Proxy for HTTP_PROXY
    )
)
NO_HEADERS = Headers()
CLIENTS = (b"forwarded", b"x-forwarded-for", b"x-forwarded-host", b"x-forwarded-proto")


def endToEnd(headers: Headers) -> Headers:
    """A copy without what was meant for one connection: what Connection names, too."""
    kept = headers.copy()
    named = b",".join(headers.getRawHeaders(b"connection", ())).lower().split(b",")
    gone = HOP_BY_HOP.union([name.strip(b" \t") for name in named])
    for name in headers.names():
        if name in gone or name.startswith(b"proxy-"):
            kept.removeHeader(name)
    return kept


def addClient(headers: Headers, request: Any, trusted: bool) -> None:
    """Say for whom a request is made; what it said itself stays if it was `trusted`."""
    came: Headers = request.in_headers
    for name in came.names():
        # Programs behind CGI and WSGI take X_Forwarded_For for X-Forwarded-For.
        if name.replace(b"_", b"-") in CLIENTS and (not trusted or b"_" in name):
            headers.removeHeader(name)
    peer = request.getClientAddress()
    known = isinstance(peer, IPv4Address | IPv6Address)
    node = peer.host.encode() if known else b"unknown"
    scheme = b"https" if request.isSecure() else b"http"
    host = hostOf(request)
    hop = b"for=%b;proto=%b" % (as_word(b"[%b]" % node if b":" in node else node), scheme)
    if host:
        hop += b";host=" + as_word(host)
    before = came if trusted else NO_HEADERS
    _append(headers, before, b"X-Forwarded-For", node)
    _append(headers, before, b"Forwarded", hop)
    if not headers.hasHeader(b"x-forwarded-proto"):
        headers.setRawHeaders(b"X-Forwarded-Proto", (scheme,))
    if host and not headers.hasHeader(b"x-forwarded-host"):
        headers.setRawHeaders(b"X-Forwarded-Host", (host,))


def addVia(headers: Headers, request: Any) -> None:
    """Say that this proxy was on the way (RFC 9110, 7.6.3)."""
    _append(headers, request.in_headers, b"Via", PSEUDONYM)


def _append(headers: Headers, before: Headers, name: bytes, value: bytes) -> None:
    """Add to the end of a list, in one field: some look only at the first."""
    values = before.getRawHeaders(name, ())
    headers.setRawHeaders(name, (b", ".join([*values, value]),))


def hostOf(request: Any) -> bytes:
    """What was asked for: the target's, if it has one, goes before Host (RFC 9112, 3.2.2)."""
    scheme, mark, rest = request.uri.partition(b"://")
    if mark and not scheme.startswith(b"/"):
        authority: bytes = rest.partition(b"/")[0].partition(b"?")[0]
        return authority
    return request.getRequestHeader(b"host") or b""
