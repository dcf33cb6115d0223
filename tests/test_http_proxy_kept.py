"""The connections that a proxy keeps, and what becomes of those that died."""

from __future__ import annotations

from typing import Any

import pytest

from tests.proxying import DONE, LOST, OK, Proxied


def test_connections_are_used_again() -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    for _ in range(3):
        back.say(OK)
        assert proxied.answer()[2] == b"hello"
        back.asked()
        proxied.get()
        assert back.asked().startswith(b"GET / ")
    back.say(OK.replace(b"200 OK", b"200 OK\r\nConnection: close"))
    assert back.transport.disconnecting
    proxied.get()
    proxied.back_end()


def test_idle_connections_are_few_and_end() -> None:
    proxied = Proxied()
    backs = []
    for _ in range(3):
        proxied.connect()
        proxied.get()
        backs.append(proxied.back_end())
    proxied.proxy.pool.maxPersistentPerHost = 2
    for back in backs:
        back.say(OK)
    assert [back.transport.disconnecting for back in backs] == [False, False, True]
    proxied.clock.advance(9.9)
    assert not backs[0].transport.disconnecting
    proxied.clock.advance(0.2)
    assert backs[0].transport.disconnecting
    assert backs[1].transport.disconnecting


def test_idle_connections_are_closed_on_demand() -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(OK)
    closed: list[Any] = []
    proxied.proxy.pool.closeCachedConnections().addCallback(closed.append)
    assert back.transport.disconnecting
    assert closed == []
    back.end()
    assert closed == [None]


def test_an_idle_connection_that_speaks_or_ends_is_not_used() -> None:
    for ends in (lambda back: back.end(), lambda back: back.say(OK)):
        proxied = Proxied()
        proxied.get()
        back = proxied.back_end()
        back.say(OK)
        ends(back)
        if back.transport.connected:
            assert back.transport.disconnected
            back.end(LOST)
        proxied.said()
        proxied.get()
        proxied.back_end().say(OK)
        assert proxied.answer()[0] == 200


def test_bytes_behind_an_answer_end_the_connection() -> None:
    """They might be taken for the answer to the next client."""
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(OK + OK)
    assert proxied.answer()[2] == b"hello"
    assert back.transport.disconnected


@pytest.mark.parametrize("reason", [DONE, LOST])
@pytest.mark.parametrize(
    ("method", "again"), [(b"GET", True), (b"PUT", True), (b"DELETE", True), (b"POST", False)]
)
def test_a_dead_connection_is_tried_once_more(
    method: bytes, again: bool, reason: Exception
) -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(OK)
    proxied.said()
    proxied.get(method=method)
    back.end(reason)
    if not again:
        assert proxied.answer()[0] == 502
        return
    proxied.back_end().end(reason)
    assert proxied.answer()[0] == 502
    assert proxied.clock.tcpClients == []


def test_no_second_try_after_a_byte_or_with_a_body() -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(OK)
    proxied.said()
    proxied.get()
    back.say(b"H")
    back.end(LOST)
    assert proxied.answer()[0] == 502
    proxied.get()
    back = proxied.back_end()
    back.say(OK)
    proxied.said()
    proxied.send(b"PUT / HTTP/1.1", b"Host: x", b"Content-Length: 1", body=b"x")
    back.end(LOST)
    assert proxied.answer()[0] == 502
