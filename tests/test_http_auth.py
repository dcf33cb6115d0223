"""Basic and Bearer authentication."""

from __future__ import annotations

import base64
import logging
from typing import Any

import pytest

from reactorlib.defer import Deferred
from reactorlib.protocols.http.auth import AuthenticatedResource, Passwords, Tokens, sameSecret
from reactorlib.protocols.http.proxy import ReverseProxyResource
from reactorlib.protocols.http.resource import Resource
from tests.proxying import Proxied
from tests.test_http_site import Browser, Page, Streaming, Upload


def basic(user: bytes, password: bytes) -> bytes:
    return b"Authorization: Basic " + base64.b64encode(user + b":" + password)


def who(request: Any) -> bytes:
    return repr((request.user, request.postpath)).encode()


PASSWORDS = Passwords({b"ada": b"lovelace", b"empty": b""})
ADA = basic(b"ada", b"lovelace")


def guarded(resource: Any = None, **checkers: Any) -> Browser:
    root = Resource()
    root.putChild(b"leaf", Page(who, leaf=True))
    checkers = checkers or {"basic": PASSWORDS}
    return Browser(AuthenticatedResource(resource or root, "The realm", **checkers))


def test_who_proves_who_he_is() -> None:
    browser = guarded()
    assert browser.get(b"/leaf/x", ADA)[2] == b"(b'ada', [b'x'])"
    assert browser.get(b"/none", ADA)[0] == 404


@pytest.mark.parametrize(
    "field",
    [
        b"X: 1",
        b"Authorization: Basic",
        b"Authorization: Basic !!",
        b"Authorization: Basic " + base64.b64encode(b"no colon"),
        b"Authorization: Basic YQ",
        b"Authorization: Basic a=b",
        b"Authorization: Bearer lovelace",
        b"Authorization: Nothing x",
        basic(b"ada", b"byron"),
        basic(b"ada", b""),
        basic(b"nobody", b""),
        basic(b"nobody", b"lovelace"),
        ADA + b"\r\n" + ADA,
    ],
)
def test_who_does_not(field: bytes) -> None:
    browser = guarded()
    status, fields, page = browser.get(b"/leaf", field)
    assert status == 401
    assert fields[b"www-authenticate"] == b'Basic realm="The realm", charset=UTF-8'
    assert fields[b"cache-control"] == b"no-store"
    assert b"lovelace" not in page
    assert browser.get(b"/leaf", ADA)[0] == 200


def test_an_empty_password_is_one() -> None:
    assert guarded().get(b"/leaf", basic(b"empty", b""))[0] == 200


def test_bearer() -> None:
    tokens = Tokens({b"t0ken": "ada", b"other": "bob"})
    browser = guarded(bearer=tokens)
    assert browser.get(b"/leaf", b"Authorization: bearer t0ken")[2] == b"('ada', [])"
    for field in (ADA, b"Authorization: Bearer x", b"Authorization: Bearer a=b", b"X: 1"):
        status, fields, _ = browser.get(b"/leaf", field)
        assert (status, fields[b"www-authenticate"]) == (401, b'Bearer realm="The realm"')


def test_both() -> None:
    browser = guarded(basic=PASSWORDS, bearer=Tokens({b"t": 1}))
    assert browser.get(b"/leaf", ADA)[0] == 200
    assert browser.get(b"/leaf", b"Authorization: Bearer t")[0] == 200
    challenge = browser.get(b"/leaf")[1][b"www-authenticate"]
    assert challenge == b'Basic realm="The realm", charset=UTF-8, Bearer realm="The realm"'


def test_a_realm_is_escaped() -> None:
    browser = Browser(AuthenticatedResource(Resource(), 'a "b" \\c', basic=PASSWORDS))
    challenge = browser.get(b"/")[1][b"www-authenticate"]
    assert challenge.startswith(b'Basic realm="a \\"b\\" \\\\c"')
    with pytest.raises(ValueError, match="control"):
        AuthenticatedResource(Resource(), "a\r\nSet-Cookie: x", basic=PASSWORDS)
    with pytest.raises(ValueError, match="no way in"):
        AuthenticatedResource(Resource(), "a")


@pytest.mark.parametrize("kind", ["deferred", "coroutine"])
def test_a_checker_may_take_its_time(kind: str) -> None:
    later: Deferred[Any] = Deferred()

    async def coroutine(user: bytes, password: bytes) -> Any:
        return await later

    checker = coroutine if kind == "coroutine" else lambda user, password: later
    browser = guarded(Upload(), basic=checker)
    browser.send(b"POST / HTTP/1.1\r\nHost: x\r\n%b\r\nContent-Length: 3\r\n\r\nabc" % ADA)
    assert browser.answers() == []
    later.callback("ada")
    assert browser.answers()[0][2] == b"ABC"


def test_a_checker_refuses_or_fails(caplog: pytest.LogCaptureFixture) -> None:
    async def fails(user: bytes, password: bytes) -> Any:
        raise ValueError("its own fault")

    assert guarded(basic=lambda user, password: False).get(b"/leaf", ADA)[0] == 401
    assert caplog.text == ""
    assert guarded(basic=fails).get(b"/leaf", ADA)[0] == 500
    assert "its own fault" in caplog.text


def test_the_body_comes_after_the_proof() -> None:
    post = b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 6\r\nExpect: 100-continue\r\n%b\r\n"
    browser = guarded(Upload())
    browser.send(post % b"")
    assert browser.answers()[0][0] == 401
    browser = guarded(Upload())
    browser.send(post % (ADA + b"\r\n"))
    assert browser.transport.value() == b"HTTP/1.1 100 Continue\r\n\r\n"
    browser.transport.clear()
    browser.send(b"abc")
    browser.send(b"def")
    assert browser.answers()[0][2] == b"ABCDEF"
    browser = guarded(Streaming())
    browser.send(b"POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n%b\r\n\r\na" % ADA)
    browser.send(b"b")
    assert browser.answers()[0][2] == b"a|b"


def test_in_front_of_a_proxy() -> None:
    """The body has come before the proof was looked at: it is passed on all the same."""
    later: Deferred[Any] = Deferred()
    proxy = ReverseProxyResource("back.example", 80, b"")
    wrapped = AuthenticatedResource(proxy, "r", basic=lambda user, password: later)
    proxied = Proxied(proxy, wrapped)
    proxied.send(b"POST / HTTP/1.1", b"Host: x", ADA, b"Content-Length: 3", body=b"abc")
    later.callback("ada")
    assert proxied.back_end().asked().endswith(b"\r\n\r\nabc")


def test_options_for_the_server_as_a_whole() -> None:
    browser = guarded()
    browser.send(b"OPTIONS * HTTP/1.1\r\nHost: x\r\n%b\r\n\r\n" % ADA)
    assert browser.answers()[0][0] == 204


def test_nothing_of_a_secret_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.DEBUG)
    guarded().get(b"/leaf", basic(b"ada", b"s3cret"))
    assert "s3cret" not in caplog.text


def test_same_secret() -> None:
    assert sameSecret(b"a" * 9, b"a" * 9)
    assert not sameSecret(b"a", b"aa")
