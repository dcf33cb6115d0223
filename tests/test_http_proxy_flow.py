"""Bodies through a proxy, at the pace of the slower side; and answers before the answer."""

from __future__ import annotations

import pytest

from tests.proxying import OK, Proxied, fields_of


def test_a_slow_client_is_not_the_back_ends_fault() -> None:
    proxied = Proxied()
    proxied.proxy.timeout = 5
    proxied.send(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 2", body=b"a")
    back = proxied.back_end()
    proxied.clock.advance(30)
    assert not back.transport.disconnected
    proxied.channel.dataReceived(b"b")
    proxied.clock.advance(4)
    assert proxied.said() == b""
    proxied.clock.advance(2)
    assert proxied.answer()[0] == 504


def test_the_answers_body_waits_for_the_client() -> None:
    proxied = Proxied()
    proxied.proxy.timeout = 5
    proxied.get()
    back = proxied.back_end()
    back.say(b"HTTP/1.1 200 OK\r\nContent-Length: 1000000\r\n\r\n")
    proxied.transport.block()
    sent = 0
    while back.transport.producerState == "producing":
        back.say(b"x" * 10_000)
        sent += 10_000
        assert sent < 400_000
    proxied.clock.advance(30)
    assert not back.transport.disconnected
    proxied.transport.unblock()
    assert back.transport.producerState == "producing"
    back.say(b"x" * (1_000_000 - sent))
    proxied.transport.unblock()
    assert len(proxied.answer()[2]) == 1_000_000
    proxied.get()
    assert back.asked().count(b"GET") == 2


def test_a_connection_that_is_paused_is_left_reading() -> None:
    """The end of an answer may wait for the client; the connection serves others meanwhile."""
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    proxied.transport.block()
    back.say(b"HTTP/1.1 200 OK\r\nContent-Length: 400000\r\n\r\n" + b"x" * 100_000)
    back.say(*[b"x" * 100_000] * 3)
    assert back.transport.producerState == "producing"
    proxied.connect()
    proxied.get()
    back.say(OK)
    assert proxied.answer()[2] == b"hello"


def test_the_requests_body_waits_for_the_back_end() -> None:
    proxied = Proxied()
    proxied.send(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 1000000")
    back = proxied.back_end()
    back.transport.block()
    sent = 0
    while proxied.transport.producerState == "producing":
        proxied.channel.dataReceived(b"x" * 10_000)
        sent += 10_000
        assert sent < 400_000
    back.transport.unblock()
    assert proxied.transport.producerState == "producing"
    proxied.channel.dataReceived(b"x" * (1_000_000 - sent))
    back.transport.unblock()
    assert back.asked().partition(b"\r\n\r\n")[2] == b"x" * 1_000_000
    back.say(OK)
    assert proxied.answer()[0] == 200


def test_a_back_end_that_takes_no_more_is_too_slow() -> None:
    proxied = Proxied()
    proxied.send(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 100000")
    back = proxied.back_end()
    back.transport.block()
    proxied.channel.dataReceived(b"x" * 99_000)
    proxied.clock.advance(61)
    assert b"HTTP/1.1 504 " in proxied.said()
    assert back.transport.disconnected


def test_an_early_answer_is_passed_on() -> None:
    proxied = Proxied()
    proxied.send(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 100", body=b"x")
    back = proxied.back_end()
    back.say(b"HTTP/1.1 413 Content Too Large\r\nContent-Length: 0\r\n\r\n")
    assert proxied.answer()[0] == 413
    assert back.transport.disconnected


def test_a_client_that_goes_away() -> None:
    for said in (b"", b"HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nabc"):
        proxied = Proxied()
        proxied.get()
        back = proxied.back_end()
        if said:
            back.say(said)
        proxied.leave()
        assert back.transport.disconnected


def test_a_client_that_goes_away_before_there_is_a_connection() -> None:
    proxied = Proxied()
    proxied.get()
    (connector,) = proxied.clock.connectors
    proxied.leave()
    assert connector.stoppedConnecting


def test_a_client_that_goes_away_in_its_body(caplog: pytest.LogCaptureFixture) -> None:
    proxied = Proxied()
    proxied.send(b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 100", body=b"x")
    back = proxied.back_end()
    proxied.leave()
    assert back.transport.disconnected
    assert caplog.text == ""


@pytest.mark.parametrize(("more", "status"), [(b"zz\r\n", 400), (b"7fffffff\r\n", 413), (b"", 408)])
def test_a_body_that_is_refused_on_the_way(
    more: bytes, status: int, caplog: pytest.LogCaptureFixture
) -> None:
    proxied = Proxied()
    proxied.send(b"POST / HTTP/1.1", b"Host: x", b"Transfer-Encoding: chunked", body=b"1\r\na\r\n")
    back = proxied.back_end()
    assert back.asked().endswith(b"1\r\na\r\n")
    if more:
        proxied.channel.dataReceived(more)
    else:
        proxied.clock.advance(241)
    assert proxied.answer()[0] == status
    assert back.asked() == b""
    assert back.transport.disconnected
    assert caplog.text == ""


EXPECTS = (b"POST / HTTP/1.1", b"Host: x", b"Content-Length: 2", b"Expect: 100-continue")


def test_an_expectation_is_the_back_ends() -> None:
    proxied = Proxied()
    proxied.send(*EXPECTS)
    back = proxied.back_end()
    assert fields_of(back.asked())[b"expect"] == b"100-continue"
    assert proxied.said() == b""
    back.say(b"HTTP/1.1 100 Continue\r\n\r\n")
    assert proxied.said() == b"HTTP/1.1 100 Continue\r\n\r\n"
    proxied.channel.dataReceived(b"ab")
    assert back.asked() == b"ab"
    back.say(b"HTTP/1.1 100 Continue\r\n\r\n" + OK)
    assert proxied.answer()[0] == 200
    assert not back.transport.disconnecting


def test_a_body_that_is_not_wanted_is_not_sent() -> None:
    proxied = Proxied()
    proxied.send(*EXPECTS)
    back = proxied.back_end()
    back.say(b"HTTP/1.1 417 Expectation Failed\r\nContent-Length: 0\r\n\r\n")
    said = proxied.said()
    assert said.startswith(b"HTTP/1.1 417 ")
    assert b"100 Continue" not in said
    assert back.transport.disconnected


def test_a_back_end_that_knows_no_expectations() -> None:
    proxied = Proxied()
    proxied.send(*EXPECTS)
    back = proxied.back_end()
    back.asked()
    proxied.clock.advance(1.1)
    assert proxied.said() == b"HTTP/1.1 100 Continue\r\n\r\n"
    proxied.channel.dataReceived(b"ab")
    assert back.asked() == b"ab"


def test_answers_before_the_answer() -> None:
    proxied = Proxied()
    proxied.get()
    back = proxied.back_end()
    back.say(b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\nConnection: x\r\nX: 1\r\n\r\n")
    assert proxied.said() == b"HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n"
    back.say(b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 150 X\r\n\r\n" + OK)
    assert proxied.answer()[2] == b"hello"


def test_requests_are_answered_in_order() -> None:
    """Twisted CVE-2023-46137: pipelined, and the second back end is the faster."""
    proxied = Proxied()
    request = b"GET /%b HTTP/1.1\r\nHost: x\r\n\r\n"
    proxied.channel.dataReceived(request % b"1" + request % b"2")
    one, two = [client[2] for client in proxied.clock.tcpClients]
    del proxied.clock.tcpClients[1:]
    first = proxied.back_end()
    proxied.clock.tcpClients.append(("", 0, two, 0, None))
    second = proxied.back_end()
    second.say(OK.replace(b"hello", b"later"))
    assert proxied.said() == b""
    first.say(OK)
    said = proxied.said()
    assert said.index(b"hello") < said.index(b"later")
    assert one is not two
