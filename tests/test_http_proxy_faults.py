"""Back ends that are gone, slow, dying, or speak no HTTP."""

from __future__ import annotations

import pytest

from reactorlib import error
from tests.proxying import DONE, LOST, Proxied


@pytest.mark.parametrize(
    ("reason", "status"),
    [
        (error.ConnectionRefusedError(), 502),
        (error.DNSLookupError("no"), 502),
        (error.TimeoutError(), 504),
        (error.TCPTimedOutError(), 504),
        (error.VerifyError("no"), 502),
    ],
)
def test_a_back_end_that_cannot_be_reached(
    reason: Exception, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    proxied = Proxied()
    proxied.get()
    proxied.refuse(reason)
    code, _, page = proxied.answer()
    assert code == status
    assert b"back.example" not in page
    assert "back.example" in caplog.text
    assert "Traceback" not in caplog.text


NONSENSE = {
    "no HTTP": b"SSH-2.0-x\r\n\r\n",
    "a bare line feed (waitress CVE-2019-16785)": b"HTTP/1.1 200 OK\nContent-Length: 0\n\n",
    "two lengths (Twisted CVE-2020-10108)": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nab"
    ),
    "length and chunks (Twisted CVE-2020-10109)": (
        b"HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
    ),
    "a signed length (Twisted CVE-2022-24801)": b"HTTP/1.1 200 OK\r\nContent-Length: +1\r\n\r\na",
    "a control in a value (Twisted #12754)": b"HTTP/1.1 200 OK\r\nX: a\x00b\r\n\r\n",
    "a bare CR (aiohttp CVE-2023-37276)": b"HTTP/1.1 200 OK\r\nX: \rxSet-Cookie: a=b\r\n\r\n",
    "a blank before the colon (Twisted #9646)": b"HTTP/1.1 200 OK\r\nX : a\r\n\r\n",
    "an unknown coding (gunicorn CVE-2024-1135)": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked, x\r\n\r\n"
    ),
    "chunked123 (aiohttp CVE-2023-47641)": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked123\r\n\r\n0\r\n\r\n"
    ),
    "too many fields (Twisted #7564)": (
        b"HTTP/1.1 200 OK\r\n" + b"".join(b"X%d: 1\r\n" % n for n in range(200)) + b"\r\n"
    ),
    "a switch that nobody asked for": (
        b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n"
    ),
    "no end of answers before the answer": b"HTTP/1.1 103 Early Hints\r\n\r\n" * 40,
    "a bad chunk (h11 CVE-2025-43859)": (
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\naXX0\r\n\r\n"
    ),
}


@pytest.mark.parametrize("answer", NONSENSE.values(), ids=NONSENSE)
def test_nonsense_is_not_passed_on(answer: bytes) -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(answer)
    said = proxied.said()
    while said.startswith(b"HTTP/1.1 103 "):
        said = said.partition(b"\r\n\r\n")[2]
    assert said.startswith(b"HTTP/1.1 502 ")
    assert back.transport.disconnected


@pytest.mark.parametrize(
    "answer", [b"", b"HTTP/1.1 200 OK\r\nConte", b"HTTP/1.1 103 Early Hints\r\n\r\n"]
)
@pytest.mark.parametrize("reason", [DONE, LOST])
def test_a_back_end_that_dies_before_its_answer(answer: bytes, reason: Exception) -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    if answer:
        back.say(answer)
    back.end(reason)
    assert b"HTTP/1.1 502 Bad Gateway\r\n" in proxied.said()


@pytest.mark.parametrize("reason", [DONE, LOST])
@pytest.mark.parametrize(
    "answer",
    [
        b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n",
        b"HTTP/1.1 200 OK\r\n\r\nabc",
    ],
)
def test_a_back_end_that_dies_in_its_answer(
    answer: bytes, reason: Exception, caplog: pytest.LogCaptureFixture
) -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(answer)
    assert not proxied.transport.disconnecting
    back.end(reason)
    whole = reason is DONE and b"-" not in answer
    assert proxied.transport.disconnected == (not whole)
    assert not proxied.said().endswith(b"0\r\n\r\n") or whole
    assert "Traceback" not in caplog.text


def test_a_back_end_that_is_too_slow() -> None:
    proxied = Proxied()
    proxied.proxy.timeout = 20
    proxied.get()
    back = proxied.back_end()
    proxied.clock.advance(19)
    back.say(b"HTTP/1.1 ")
    proxied.clock.advance(19)
    assert proxied.said() == b""
    proxied.clock.advance(2)
    assert proxied.answer()[0] == 504
    assert back.transport.disconnected


def test_a_back_end_that_falls_silent_in_its_answer() -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc")
    proxied.clock.advance(61)
    assert back.transport.disconnected
    assert proxied.transport.disconnected
