"""Host fields (RFC 9112, 3.2; RFC 9110, 7.2; RFC 3986, 3.2)."""

from __future__ import annotations

from reactorlib.protocols.http.corpus.case import ACCEPTED as OK
from reactorlib.protocols.http.corpus.case import Row, cases

_VALUES: tuple[Row, ...] = (
    ("RFC 9110 7.2", b"example.com", OK, "a name"),
    ("RFC 9110 7.2", b"example.com:8080", OK, "a name and a port"),
    ("RFC 9110 7.2", b"EXAMPLE.com", OK, "capital letters"),
    ("RFC 9110 7.2", b"192.0.2.1", OK, "an IPv4 address"),
    ("RFC 9110 7.2", b"[2001:db8::1]", OK, "an IPv6 address"),
    ("RFC 9110 7.2", b"[2001:db8::1]:80", OK, "an IPv6 address and a port"),
    ("RFC 9110 7.2", b"a_b-c.example", OK, "an underscore"),
    ("RFC 3986 3.2.2", b"ex%41mple.com", (OK, 400), "percent-encoding"),
    ("RFC 3986 3.2.2", b"ex%4gmple.com", 400, "broken percent-encoding"),
    ("RFC 3986 3.2.2", b"example.com%4", 400, "percent-encoding that ends early"),
    ("RFC 3986 3.2.3", b"example.com:", (OK, 400), "an empty port"),
    ("RFC 9110 7.2", b"", (OK, 400), "an empty value, for targets without an authority"),
    ("RFC 9110 7.2", b":80", 400, "a port without a host"),
    ("RFC 9110 7.2", b"example.com:x", 400, "a port of letters"),
    ("RFC 9110 7.2", b"example.com:+80", 400, "a port with a sign"),
    ("RFC 9110 7.2", b"example.com:65536", 400, "a port too large"),
    ("RFC 9110 7.2", b"example.com:80:80", 400, "two ports"),
    ("RFC 9110 7.2", b"a example.com", 400, "a space"),
    ("RFC 9110 7.2", b"example.com, example.org", 400, "a list"),
    ("RFC 9110 7.2", b"a@example.com", 400, "user information"),
    ("RFC 9110 7.2", b"example.com/a", 400, "a path"),
    ("RFC 9110 7.2", b"http://example.com", 400, "a URI"),
    ("RFC 9110 7.2", b"example.com?a", 400, "a query"),
    ("RFC 9110 7.2", b"example.com#a", 400, "a fragment"),
    ("RFC 9110 7.2", b"exam\xc3\xa9ple.com", 400, "letters beyond ASCII"),
    ("RFC 9110 7.2", b"[::1", 400, "an address without its last bracket"),
    ("RFC 9110 7.2", b"[::1]x", 400, "letters behind an address"),
    ("RFC 9110 7.2", b"[]", 400, "an empty address"),
    ("RFC 9110 7.2", b"[fe80::1%25eth0]", 400, "a zone, which has no meaning elsewhere"),
    ("Twisted CVE-2022-39348", b"<script>alert(1)</script>", 400, "HTML, for an error page"),
    ("RFC 9110 7.2", b"example.com\\@example.org", 400, "a backslash"),
)

_SECTIONS: tuple[Row, ...] = (
    ("RFC 9112 3.2", b"GET / HTTP/1.1\r\nAccept: */*", 400, "no Host in HTTP/1.1"),
    ("RFC 9112 3.2", b"GET / HTTP/1.1", 400, "no field at all in HTTP/1.1"),
    ("RFC 9112 3.2", b"GET / HTTP/1.5", (400, 505), "no Host in a later version"),
    ("RFC 9112 3.2", b"GET / HTTP/1.0", OK, "no Host in HTTP/1.0"),
    ("RFC 9112 3.2", b"GET / HTTP/1.1\r\nHost: a\r\nHost: b", 400, "two hosts"),
    ("RFC 9112 3.2", b"GET / HTTP/1.1\r\nHost: a\r\nX: y\r\nhOST: a", 400, "the same host twice"),
    ("RFC 9112 3.2", b"GET / HTTP/1.0\r\nHost: a\r\nHost: a", 400, "two hosts in HTTP/1.0"),
    ("RFC 9112 3.2", b"GET / HTTP/1.1\r\nHost:\r\nHost: a", 400, "an empty host and another"),
    ("RFC 9112 3.2", b"GET / HTTP/1.1\r\nHost : a", 400, "a space before the colon of Host"),
    ("RFC 9112 3.2", b"GET / HTTP/1.1\r\nXHost: a", 400, "a name that ends like Host"),
    ("RFC 9112 3.2", b"GET http://a/ HTTP/1.1", 400, "absolute-form does not replace Host"),
    (
        "RFC 9112 3.2.2",
        b"GET http://a/ HTTP/1.1\r\nHost: b",
        (OK, 400),
        "the target wins over Host",
    ),
)

HOSTS = (
    *cases(_VALUES, lambda value: b"GET / HTTP/1.1\r\nHost: " + value + b"\r\n\r\n"),
    *cases(_SECTIONS, lambda section: section + b"\r\n\r\n"),
)
