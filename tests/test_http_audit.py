"""What the audit of a web server sends, sees and concludes; servers written to be wrong."""

from __future__ import annotations

import socket
from collections import Counter
from collections.abc import Callable, Coroutine, Iterator
from typing import Any

import pytest

from reactorlib.app.audit import BEHIND, Audit
from reactorlib.app.verdicts import (
    CLOSED,
    OPEN,
    RESET,
    UNREACHABLE,
    UNREADABLE,
    AnswerReader,
    Finding,
    Seen,
    judge,
)
from reactorlib.app.welcome import Welcome
from reactorlib.backends import Engine
from reactorlib.defer import ensureDeferred
from reactorlib.error import ConnectError
from reactorlib.protocol import Factory, Protocol
from reactorlib.protocols.http.corpus import REQUESTS, Case
from reactorlib.protocols.http.factory import HTTPFactory
from reactorlib.task import LoopingCall
from reactorlib.testing.contract.tcp_peers import Net, TCPContractBase

BAD = Case("BAD", b"bad\r\n\r\n", (400, 501), "what must be refused", 0)
GOOD = Case("GOOD", b"good\r\n\r\n", (0,), "what must be taken")
EITHER = Case("EITHER", b"either\r\n\r\n", (400, 0), "what may be either", 0)
BEHIND_ONE = Case("TWO", b"good\r\n\r\nbad\r\n\r\n", (400,), "a bad one behind", 1)
THREE = Case("THREE", b"good\r\n\r\n" * 3, (0,), "three", 3)

VERDICTS = [
    (BAD, (400,), CLOSED, ""),
    (BAD, (501,), RESET, ""),
    (BAD, (431,), CLOSED, ""),
    (BAD, (400,), OPEN, ""),
    (BAD, (), CLOSED, ""),
    (BAD, (), RESET, ""),
    (BAD, (200,), CLOSED, "answered"),
    (BAD, (404,), OPEN, "answered"),
    (BAD, (200, 200), CLOSED, "answered"),
    (BAD, (200, 400), CLOSED, "answered"),
    (BAD, (400, 200), CLOSED, "continued"),
    (BAD, (400, 200, 200), CLOSED, "smuggled"),
    (BAD, (200, 200, 200), CLOSED, "smuggled"),
    (BAD, (500,), CLOSED, "failed"),
    (BAD, (), OPEN, "hung"),
    (BAD, (408,), CLOSED, "hung"),
    (BAD, (), UNREACHABLE, "lost"),
    (BAD, (), UNREADABLE, "garbled"),
    (BEHIND_ONE, (200, 400), CLOSED, ""),
    (BEHIND_ONE, (200,), CLOSED, ""),
    (BEHIND_ONE, (200,), OPEN, "hung"),
    (BEHIND_ONE, (200, 200), CLOSED, "answered"),
    (BEHIND_ONE, (200, 400, 200), CLOSED, "continued"),
    (GOOD, (200, 200), CLOSED, ""),
    (GOOD, (404, 404), OPEN, ""),
    (GOOD, (501, 200), CLOSED, ""),
    (GOOD, (200,), CLOSED, ""),
    (GOOD, (200,), OPEN, "hung"),
    (GOOD, (), OPEN, "hung"),
    (GOOD, (408,), CLOSED, "hung"),
    (GOOD, (400,), CLOSED, "refused"),
    (GOOD, (), CLOSED, "refused"),
    (GOOD, (200, 200, 200), OPEN, "smuggled"),
    (EITHER, (400,), CLOSED, ""),
    (EITHER, (200, 200), CLOSED, ""),
    (EITHER, (200, 200, 400), CLOSED, "smuggled"),
    (EITHER, (), CLOSED, ""),
    (EITHER, (), OPEN, "hung"),
    (THREE, (200, 200, 200, 200), CLOSED, ""),
    (THREE, (200,), CLOSED, ""),
    (THREE, (200, 200), OPEN, "hung"),
    (THREE, (200, 200, 400), CLOSED, "refused"),
]


@pytest.mark.parametrize(("case", "statuses", "end", "found"), VERDICTS)
def test_verdicts(case: Case, statuses: tuple[int, ...], end: str, found: str) -> None:
    finding = judge(case, Seen(statuses, end))
    assert (finding.found if finding else "") == found
    assert finding is None or finding.meaning


class TestAnswerReader:
    ANSWERS = (
        (b"HTTP/1.1 204 No Content\r\n\r\n", 204),
        (b"HTTP/1.1 200 OK\r\nContent-Length: 22\r\n\r\nHTTP/1.1 500 Never\r\n\r\n", 200),
        (b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 404),
        (
            b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n"
            b"5\r\nHTTP/\r\n0\r\nX: y\r\n\r\n",
            201,
        ),
        (b"HTTP/1.0 400 Bad Request\r\n\r\nthe rest of it HTTP/1.1 200 OK\r\n\r\n", 400),
    )

    @pytest.mark.parametrize("size", [1, 7, 10_000])
    def test_statuses(self, size: int) -> None:
        reader = AnswerReader(GOOD)
        data = b"".join(answer for answer, _ in self.ANSWERS)
        for start in range(0, len(data), size):
            reader.feed(data[start : start + size])
        assert reader.statuses == [status for _, status in self.ANSWERS]
        assert reader.readable

    @pytest.mark.parametrize("data", [b"<html>", b"HTTP/1.1 200 OK\r\nbad line\r\n\r\n"])
    def test_what_is_no_answer(self, data: bytes) -> None:
        reader = AnswerReader(GOOD)
        reader.feed(self.ANSWERS[0][0] + data)
        reader.feed(self.ANSWERS[0][0])
        assert reader.statuses == [204]
        assert not reader.readable

    @pytest.mark.parametrize(
        ("sent", "answer"),
        [
            (b"GET / HTTP/1.1\r\n\r\n", b"HTTP/1.1 101 Switching Protocols\r\n\r\n"),
            (b"CONNECT a:1 HTTP/1.1\r\n\r\n", b"HTTP/1.1 200 OK\r\n\r\n"),
        ],
    )
    def test_nothing_behind_a_tunnel_is_an_answer(self, sent: bytes, answer: bytes) -> None:
        reader = AnswerReader(Case("", sent, (0,), ""))
        reader.feed(answer + b"any bytes")
        assert len(reader.statuses) == 1
        assert reader.readable


ANSWER = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok"
REFUSAL = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n"


class Lax(Protocol):
    """A server that takes each empty line for the end of a request, and closes when asked to."""

    answer = ANSWER

    def connectionMade(self) -> None:
        self.rest = b""

    def dataReceived(self, data: bytes) -> None:
        *heads, self.rest = (self.rest + data).split(b"\r\n\r\n")
        for head in heads:
            self.transport.write(self.answer)
            if b"\r\nConnection: close" in head:
                self.transport.loseConnection()


class Refusing(Lax):
    """Refuses all, and serves on."""

    answer = REFUSAL


class Speechless(Protocol):
    """Answers a plain request, and hangs on any other."""

    def dataReceived(self, data: bytes) -> None:
        if data.startswith((GOOD.data, b"GET / HTTP/1.1\r\nHost: example.com")):
            self.transport.write(ANSWER)


class Closing(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.loseConnection()


class Resetting(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.abortConnection()


class Garbling(Protocol):
    def dataReceived(self, data: bytes) -> None:
        self.transport.write(b"<html>what is a status line?</html>")


class Dripping(Protocol):
    """Never ends to announce its answer."""

    def connectionMade(self) -> None:
        self.loop = LoopingCall(self.transport.write, b"HTTP/1.1 100 Continue\r\n\r\n")
        self.loop.clock = self.transport.reactor
        self.loop.start(0.001)

    def connectionLost(self, reason: Any) -> None:  # type: ignore[override]
        self.loop.stop()


class OneRequest(Protocol):
    """Refuses whatever has bytes behind it, as a server may when it was told to close."""

    def dataReceived(self, data: bytes) -> None:
        self.transport.write(REFUSAL if data.endswith(BEHIND) else ANSWER)
        self.transport.loseConnection()


class TestAudit(TCPContractBase):
    def make_engine(self) -> Any:
        return Engine("poll")

    def await_(self, net: Net, coroutine: Coroutine[Any, Any, Any]) -> Any:
        return self.run_until(net.reactor, ensureDeferred(coroutine))

    @pytest.fixture
    def audited(self, net: Net) -> Iterator[Callable[..., dict[str, str]]]:
        """What is found, by case; the server is a protocol or a factory."""

        def run(server: Any, *cases: Case, timeout: float = 10) -> dict[str, str]:
            factory = server if isinstance(server, HTTPFactory) else Factory.forProtocol(server)
            port = net.listen(factory).port
            audit = Audit(net.reactor, "127.0.0.1", port, timeout)
            findings: list[Finding] = self.await_(net, audit.run(cases or REQUESTS))
            return {finding.case.identifier: finding.found for finding in findings}

        return run

    def test_our_own_server(self, audited: Any) -> None:
        assert audited(HTTPFactory(Welcome)) == {}

    def test_a_lax_server(self, audited: Any) -> None:
        assert audited(Lax, BAD, GOOD, EITHER) == {"BAD": "answered"}
        assert audited(Lax, BEHIND_ONE) == {"TWO": "answered"}

    def test_one_that_answers_too_often(self, audited: Any) -> None:
        two_for_one = Case("CL.TE", b"a\r\n\r\nb\r\n\r\n", (400,), "one", 0)
        assert audited(Lax, two_for_one) == {"CL.TE": "smuggled"}

    def test_one_that_refuses_and_serves_on(self, audited: Any) -> None:
        assert audited(Refusing, BAD, EITHER) == {"BAD": "continued"}

    def test_the_corpus_on_a_lax_server(self, net: Net) -> None:
        port = net.listen(Factory.forProtocol(Lax)).port
        cases = [case for case in REQUESTS if len(case.data) < 200][::4]
        audit = Audit(net.reactor, "127.0.0.1", port, 0.5)
        findings = self.await_(net, audit.run(cases))
        kinds = Counter(finding.found for finding in findings)
        assert kinds["answered"] > 20
        assert kinds["smuggled"] > 3
        assert kinds["lost"] == kinds["garbled"] == 0
        assert all(finding.case in cases for finding in findings)

    def test_one_that_hangs(self, audited: Any) -> None:
        found = audited(Speechless, BAD, GOOD, THREE, timeout=0.05)
        assert found == {"BAD": "hung", "GOOD": "hung", "THREE": "hung"}

    def test_one_that_goes_on_for_ever(self, audited: Any) -> None:
        assert audited(Dripping, BAD, GOOD, timeout=0.05) == {"BAD": "hung", "GOOD": "hung"}

    @pytest.mark.parametrize("server", [Closing, Resetting])
    def test_one_that_ends_the_connection(self, audited: Any, server: Any) -> None:
        assert audited(server, BAD, EITHER, GOOD) == {"GOOD": "refused"}

    def test_one_that_speaks_no_http(self, audited: Any) -> None:
        assert audited(Garbling, BAD, GOOD) == {"BAD": "garbled", "GOOD": "garbled"}

    def test_one_that_takes_nothing_behind_a_last_request(self, audited: Any) -> None:
        assert audited(OneRequest, GOOD) == {}

    def test_one_that_refuses_connections(self, net: Net) -> None:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            port = listener.getsockname()[1]
        audit = Audit(net.reactor, "127.0.0.1", port, 10)
        (finding,) = self.await_(net, audit.run([GOOD]))
        assert (finding.found, finding.seen.end) == ("lost", UNREACHABLE)
        with pytest.raises(ConnectError):
            self.await_(net, audit.ask())
