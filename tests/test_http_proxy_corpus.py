"""What servers and clients were attacked with, through the proxy: it is no way around us."""

from __future__ import annotations

import pytest

from reactorlib.protocols.http.corpus import REQUESTS, RESPONSES, Case
from reactorlib.protocols.http.parser import HTTPParseError, RequestHead
from tests.proxying import DONE, OK, Proxied


def identifier(case: Case) -> str:
    return f"{case.identifier}: {case.attempt}"


REFUSED = [case for case in RESPONSES if not case.is_valid]


@pytest.mark.parametrize("case", REFUSED, ids=identifier)
def test_an_answer_that_is_refused_is_not_passed_on(case: Case) -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(case.data)
    if not back.transport.disconnected:
        back.end()
    said = proxied.said()
    assert said.startswith(b"HTTP/1.1 502 ")
    assert said.count(b"HTTP/1.") == 1


@pytest.mark.parametrize("case", RESPONSES, ids=identifier)
def test_an_answer_byte_by_byte_is_cut_off_or_whole(case: Case) -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    for place in range(len(case.data)):
        if not back.transport.disconnecting:
            back.say(case.data[place : place + 1])
    if not back.transport.disconnecting:
        back.end(DONE)
    said = proxied.said()
    assert not said.startswith(b"HTTP/1.1 500")
    passed = said and not said.startswith(b"HTTP/1.1 502 ")
    if passed and not case.is_valid:
        assert proxied.transport.disconnected  # refused in its body: never taken for whole
    assert b"\0" not in said.partition(b"\r\n\r\n")[0]


@pytest.mark.parametrize("case", REQUESTS, ids=identifier)
def test_a_back_end_sees_only_plain_requests(case: Case) -> None:
    """Whatever a client sends: one framing, one Host, and no more requests than were read."""
    proxied = Proxied()
    proxied.channel.dataReceived(case.data)
    while proxied.clock.tcpClients:
        (client, *others) = proxied.clock.tcpClients
        proxied.clock.tcpClients[:] = [client]
        back = proxied.back_end()
        proxied.clock.tcpClients[:] = others
        # Nothing at all of a request that was refused in its body before the connection stood.
        while more := back.asked():
            plain(more)
            back.say(OK)


def plain(asked: bytes) -> None:
    head = RequestHead()
    try:
        length = head.parse(asked)
    except HTTPParseError as refused:
        pytest.fail(f"{refused}: {asked!r}")
    lines = asked[: length - 4].lower().split(b"\r\n")[1:]
    names = [line.partition(b":")[0] for line in lines]
    assert length
    assert names.count(b"host") == 1
    assert names.count(b"content-length") + names.count(b"transfer-encoding") <= 1
    assert not {b"connection", b"te", b"trailer", b"upgrade", b"proxy"} & set(names)
