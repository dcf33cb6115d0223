"""The corpus through a whole web server: what is refused is answered, and nothing follows it."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from reactorlib.protocols.http.corpus import REQUESTS, Case
from tests.test_http_corpus import HISTORY, bytewise, name
from tests.webserver import GET, Recorded, Server

BEHIND = GET % b"/behind"
# Limits that the corpus was written for.
LIMITS = {"maxRequestLine": 8192, "maxHeaderLength": 16384}
SHORT = [case for case in REQUESTS if len(case.data) < 1500]
every_request = pytest.mark.parametrize("case", REQUESTS, ids=name)
every_short_one = pytest.mark.parametrize("case", SHORT, ids=name)


class Page(Recorded):
    """Answers what has come whole."""

    def process(self) -> Any:
        self.acceptData()

    def handleContentComplete(self) -> None:
        super().handleContentComplete()
        self.answer(b"fine")


def serve(*pieces: bytes) -> Server:
    server = Server(**LIMITS)
    made = server.requests

    def make(*arguments: Any) -> Page:
        made.append(Page(*arguments))
        return made[-1]

    server.channel.makeRequest = make
    server.send(*pieces)
    return server


def status_lines(server: Server) -> list[int]:
    """The statuses of the final answers; no body here looks like a status line."""
    lines = [line for line in server.said().split(b"\r\n") if line.startswith(b"HTTP/1.1 ")]
    return [int(line.split(b" ")[1]) for line in lines if not line.startswith(b"HTTP/1.1 1")]


def expected(case: Case) -> list[int]:
    return [200] * case.messages + ([] if case.is_valid else [case.outcomes[0]])


def completed(server: Server) -> int:
    return sum(request.complete for request in server.requests)


@pytest.fixture(autouse=True)
def quiet(caplog: pytest.LogCaptureFixture) -> Any:
    """Nothing a client sends is logged as an error."""
    yield
    assert [each for each in caplog.records if each.levelno >= logging.WARNING] == []


@every_request
def test_whole(case: Case) -> None:
    server = serve(case.data)
    assert status_lines(server) == expected(case)
    assert case.is_valid or server.closing
    assert completed(server) == case.messages


@every_short_one
def test_byte_by_byte(case: Case) -> None:
    server = serve(*bytewise(case.data))
    statuses = status_lines(server)
    if not case.is_valid:  # a size may be too large before it is malformed
        assert statuses.pop() in case.outcomes
    assert statuses == [200] * case.messages
    assert case.is_valid or server.closing
    assert completed(server) == case.messages


@every_request
@pytest.mark.parametrize("together", [True, False])
def test_with_a_request_behind_it(case: Case, together: bool) -> None:
    """What is refused is the last: the request behind it is never served (CVE-2024-49768)."""
    server = serve(case.data + BEHIND) if together else serve(case.data, BEHIND)
    served = case.is_valid and not server.closing
    assert status_lines(server) == expected(case) + [200] * served
    assert [request.uri for request in server.requests].count(b"/behind") == served


@every_request
def test_with_a_slow_one_before_it(case: Case) -> None:
    """Answers keep their order (CVE-2023-46137, CVE-2024-41671), the refusal too."""
    server = serve()
    server.channel.makeRequest = first_waits(server)
    server.send(GET % b"/slow", case.data, BEHIND)
    assert server.said() == b""
    server.requests[0].answer(b"slow")
    for request in server.requests[1:]:
        assert request.finished or not request.complete
    assert status_lines(server)[: 1 + len(expected(case))] == [200, *expected(case)]


def first_waits(server: Server) -> Any:
    def make(*arguments: Any) -> Recorded:
        kind = Page if server.requests else Waits
        server.requests.append(kind(*arguments))
        return server.requests[-1]

    return make


class Waits(Recorded):
    """Is answered by the test."""

    def process(self) -> None: ...


@pytest.mark.parametrize("identifier", HISTORY.split())
def test_each_advisory(identifier: str) -> None:
    """All cases of each, with a request behind: what is refused hides nothing."""
    of_it = [case for case in REQUESTS if identifier in case.identifier.split()]
    for case in of_it:
        server = serve(case.data + BEHIND)
        if not case.is_valid:
            assert server.closing
            assert completed(server) == case.messages
            assert status_lines(server) == expected(case)
