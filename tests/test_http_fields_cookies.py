"""Cookies (RFC 6265bis)."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from reactorlib.protocols.http.fields.cookies import Cookie, parseCookieDate, parseSetCookie
from reactorlib.protocols.http.headers import Headers

OCTETS = st.lists(
    st.integers(0x21, 0xFF).filter(lambda byte: byte not in b"\x7f;="), min_size=1, max_size=12
).map(bytes)


def pairs(*lines: bytes) -> list[tuple[bytes, bytes]]:
    cookies = Headers(rawHeaders={"cookie": lines}).getHeader("cookie")
    return [(cookie.name, cookie.value) for cookie in cookies]


class TestOfRequests:
    def test_names_and_values_in_order(self):
        assert pairs(b"a=1; b=2;c=3 ; a=4") == [
            (b"a", b"1"),
            (b"b", b"2"),
            (b"c", b"3"),
            (b"a", b"4"),
        ]
        assert pairs(b"a=1", b"b=2") == [(b"a", b"1"), (b"b", b"2")]

    def test_values_are_not_decoded(self):
        assert pairs(rb'a="\"b\073"; c=d=e; f="x, y"; g=') == [
            (b"a", rb'"\"b\073"'),
            (b"c", b"d=e"),
            (b"f", b'"x, y"'),
            (b"g", b""),
        ]

    def test_what_has_no_name_is_left_out(self):
        assert pairs(b"a; =b; ; c=d;") == [(b"c", b"d")]
        assert pairs(b"") == []

    def test_a_prefix_is_only_a_name_there(self):
        assert pairs(b"__Host-a=b") == [(b"__Host-a", b"b")]

    def test_they_are_one_line(self):
        headers = Headers({"cookie": [Cookie(b"a", b"1"), Cookie(b"b", b"2", secure=True)]})
        assert headers.toBytes() == b"cookie: a=1; b=2\r\n"

    @settings(deadline=None)
    @given(st.lists(st.tuples(OCTETS, OCTETS | st.just(b""))))
    def test_what_is_sent_is_read(self, sent):
        cookies = tuple(Cookie(name, value) for name, value in sent)
        assert Headers({"cookie": cookies}).getHeader("cookie") == cookies


class TestOfResponses:
    FULL = Cookie(
        b"a",
        b"b",
        expires=1445412480,
        maxAge=-3,
        domain=b"example.com",
        path=b"/x y",
        secure=True,
        httpOnly=True,
        sameSite=b"None",
        partitioned=True,
    )
    LINE = (
        b"a=b; Expires=Wed, 21 Oct 2015 07:28:00 GMT; Max-Age=-3; Domain=example.com; "
        b"Path=/x y; Secure; HttpOnly; SameSite=None; Partitioned"
    )

    def test_all_attributes(self):
        headers = Headers({"set-cookie": [self.FULL, Cookie(b"c", b"d")]})
        assert headers.getRawHeaders("set-cookie") == [self.LINE, b"c=d"]
        assert headers.getHeader("set-cookie") == (self.FULL, Cookie(b"c", b"d"))

    def test_attributes_that_mean_nothing(self):
        line = b"a = b ; expires=x; max-age=1.0; domain=; path=x; samesite=y; foo=bar; secure=1;;"
        assert parseSetCookie(line) == Cookie(b"a", b"b", secure=True)
        assert parseSetCookie(b"a=b; DOMAIN=.Example.COM").domain == b"example.com"

    def test_lines_that_browsers_refuse_are_left_out(self):
        lines = [b"a", b"=b", b"c=d", b"__Secure-e=f", b"a=\x01"]
        headers = Headers.deferred(lambda: [(b"set-cookie", line) for line in lines])
        assert headers.getHeader("set-cookie") == (Cookie(b"c", b"d"),)

    @pytest.mark.parametrize(
        "cookie",
        [
            Cookie(b"__Secure-a", b"b"),
            Cookie(b"__Host-a", b"b", secure=True),
            Cookie(b"__host-a", b"b", path=b"/"),
            Cookie(b"__Host-a", b"b", secure=True, path=b"/", domain=b"c"),
            Cookie(b"a", b"b", sameSite=b"None"),
            Cookie(b"a", b"b", partitioned=True),
        ],
    )
    def test_promises_are_kept(self, cookie):
        with pytest.raises(ValueError, match="cookie"):
            Headers({"set-cookie": [cookie]})

    @pytest.mark.parametrize(
        "arguments",
        [
            {"name": b""},
            {"name": b"a;b"},
            {"name": b"a=b"},
            {"name": b" a"},
            {"value": b"a;b"},
            {"value": b"a\r\nb"},
            {"value": b"a "},
            {"domain": b"a;secure"},
            {"path": b"/\n"},
            {"sameSite": b"Maybe"},
        ],
    )
    def test_what_cannot_be_sent(self, arguments):
        with pytest.raises(ValueError):  # noqa: PT011
            Cookie(**{"name": b"a", "value": b"b", **arguments})

    def test_values_are_not_shown(self):
        assert "s3cret" not in repr(Cookie(b"a", b"s3cret"))


class TestDates:
    @pytest.mark.parametrize(
        "written",
        [
            b"Wed, 21 Oct 2015 07:28:00 GMT",
            b"Wed, 21-Oct-2015 07:28:00 GMT",
            b"Wednesday, 21-Oct-15 7:28:0 GMT",
            b"Wed Oct 21 07:28:00 2015",
            b"21 october 2015 07:28:00 +0000",
        ],
    )
    def test_forms_that_servers_send(self, written):
        assert parseCookieDate(written) == 1445412480

    @pytest.mark.parametrize(
        "written",
        [
            b"",
            b"21 Oct 2015",
            b"21 Oct 1600 07:28:00",
            b"32 Oct 2015 07:28:00",
            b"21 Oct 2015 25:00:00",
        ],
    )
    def test_what_is_none(self, written):
        with pytest.raises(ValueError):  # noqa: PT011
            parseCookieDate(written)
